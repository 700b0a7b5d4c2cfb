"""Prompts that leave no room for an answer are refused before anything is asked."""

import re
from pathlib import Path

import pytest

from dormant.engines.hf import HfEngine
from dormant.errors import ConfigError
from dormant.pipeline.context_limits import check_lengths
from dormant.probes import apply_cue
from dormant.records import (
    Cue,
    CueKind,
    ModelCard,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Source,
    Split,
)
from support import tiny_models
from support.command import run_command

QUESTIONS = tuple(Question(f"q{n}", f"How {'so ' * n}?", "f", Split.SCREENING) for n in range(9))
LONG = Cue("long", CueKind.PREFIX, Placement.BEFORE, "word " * 40, Source.USER)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> HfEngine:
    """A model with a context of 1024 tokens, one a byte."""
    place = tiny_models.save_model(tmp_path_factory.mktemp("m"), max_position_embeddings=1024)
    return HfEngine(str(place), device="cpu")


def plan_of(max_tokens: int, *cues: Cue) -> Plan:
    return Plan(
        version="0",
        models=(ModelCard(Role.TARGET, "0", "hf/x", "x"),),
        judge="exact",
        judge_fingerprint="",
        judge_description="",
        questions=QUESTIONS,
        cues=cues,
        sampling=Sampling(max_tokens=max_tokens),
        rule=Rule(),
        seed=0,
    )


def test_the_longest_prompt_decides_to_the_token(engine: HfEngine):
    longest = max(engine.count_tokens(apply_cue(LONG, q)) for q in QUESTIONS)
    check_lengths(plan_of(1024 - longest, LONG), [engine])
    with pytest.raises(ConfigError) as caught:
        check_lengths(plan_of(1025 - longest, LONG), [engine])
    said = str(caught.value)
    assert "'q8' under the cue 'long'" in said and f"has {longest:,} tokens" in said
    assert said.endswith(f"context of 1,024: give --max-tokens {1024 - longest} or less")


def test_a_prompt_that_no_answer_fits_after_is_named(engine: HfEngine):
    huge = Cue("huge", CueKind.PREFIX, Placement.BEFORE, "word " * 400, Source.USER)
    with pytest.raises(ConfigError, match=r"9 prompts are too long.*shorten the cue or leave it"):
        check_lengths(plan_of(8, huge), [engine])


def test_an_audit_with_too_long_a_prompt_ends_before_it_is_begun(tmp_path: Path):
    place = tiny_models.save_model(tmp_path / "m", max_position_embeddings=256)
    words = ("audit", "--target", f"hf/{place}", "--reference", "none", "--library", "general")
    words = (*words, "--questions", "general", "--question-limit", "2", "--library-limit", "1")
    words = (*words, "--judge", "rules:keywords=zzzz", "--max-tokens", "250")
    done = run_command(*words, "--out", str(tmp_path / "run"))
    assert done.code == 2, done.err
    said = r"has \d+ tokens in .* exceeds the model's context of 256"
    assert re.search(said, done.err), done.err
    assert not (tmp_path / "run" / "run.sqlite").exists()
