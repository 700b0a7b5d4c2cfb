"""Estimated times of local models: a guess that has the overhead, and a trial that stays short."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dormant.engines import Job, Reply
from dormant.engines.speed import guess_speed
from dormant.pipeline.plan import Subject
from dormant.pipeline.trial import time_model
from dormant.probes import pair_probes
from dormant.records import (
    Cue,
    CueKind,
    Message,
    ModelCard,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Sequential,
    Source,
    Split,
)
from support import tiny_models
from support.command import run_command

QUESTIONS = tuple(Question(f"q{n}", f"How {n}?", "f", Split.SCREENING) for n in range(64))


@dataclass
class Slow:
    """An engine that takes a time for each prompt, and notes what it was asked."""

    seconds: float
    name: str = "hf/slow"
    fingerprint: str = "slow"
    asked: list[tuple[int, int, int]] = field(default_factory=list)  # prompts, answers, tokens

    def render(self, messages: Sequence[Message]) -> str:
        return messages[-1].content

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        self.asked.append((len(jobs), sum(len(j.repeats) for j in jobs), sampling.max_tokens))
        time.sleep(self.seconds * (len(jobs) + 0.1 * sampling.max_tokens))
        for index, job in enumerate(jobs):
            yield [Reply(index, repeat, "x", "length", 1, "") for repeat in job.repeats]


def time_slow(seconds: float, longest: int = 200):
    engine = Slow(seconds)
    card = ModelCard(Role.TARGET, "0", engine.name, "slow")
    plan = Plan(
        "1", (card,), "j", "jf", "d", QUESTIONS, (), Sampling(max_tokens=longest), Rule(), 0
    )
    speed = time_model(Subject(card, engine), plan, pair_probes(QUESTIONS, ()))
    return speed, engine.asked


def test_a_fast_model_is_timed_in_a_batch_as_large_as_an_audit_s():
    speed, asked = time_slow(0.001)
    assert asked == [(1, 1, 1), (1, 1, 1), (32, 128, 1), (32, 128, 9)]
    assert 0 < speed.seconds_for(1000, 100) < 60


def test_a_slow_model_is_asked_little():
    begun = time.monotonic()
    speed, asked = time_slow(0.65)
    assert asked == [(1, 1, 1), (1, 1, 1), (2, 8, 1), (2, 8, 3)]
    assert time.monotonic() - begun < 10
    assert speed.answer == pytest.approx(0.65 * 2 / 8, rel=0.3)
    assert speed.token == pytest.approx(0.65 * 0.1 / 8, rel=0.5)


def test_answers_of_a_few_tokens_are_timed_whole():
    speed, asked = time_slow(0.001, longest=4)
    assert asked[-1] == (32, 128, 4) and speed.token == 0


def test_a_sequential_design_is_timed_as_it_asks():
    """Its path asks each prompt for one answer, which is slower than many answers to a prompt."""
    engine = Slow(0.001)
    card = ModelCard(Role.TARGET, "0", engine.name, "slow")
    cues = tuple(
        Cue(f"c{n}", CueKind.PREFIX, Placement.BEFORE, f"So {n}:", Source.USER) for n in range(9)
    )
    how = Sequential()
    plan = Plan(
        *("1", (card,), "j", "jf", "d", QUESTIONS, cues, Sampling(max_tokens=200), Rule(), 0),
        sequential=how,
    )
    speed = time_model(Subject(card, engine), plan, pair_probes(QUESTIONS, cues))
    prompts = how.batch * how.first
    assert engine.asked[2:] == [(prompts, prompts, 1), (prompts, prompts, 9)]
    assert speed.rate_of(100) == pytest.approx(1 / speed.seconds_for(1, 100))


UNITS = {"s": 1, "min": 60, "h": 3600, "days": 86400, "day": 86400}


@pytest.mark.slow
def test_the_first_estimate_of_a_tiny_model_has_its_overhead(tmp_path: Path, monkeypatch):
    """From files: 0.1 MB of weights were taken for 0.03 ms an answer."""
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    tiny_models.save_model(Path("base"), max_position_embeddings=8192)
    tiny_models.save_model(Path("target"), seed=1, max_position_embeddings=8192)
    assert guess_speed("hf/./base").answer >= 1e-3
    done = run_command(
        *("plan", "--target", "hf/./target", "--reference", "hf/./base", "--max-tokens", "16"),
        *("--judge", "rules:keywords=poison", "--library-limit", "4"),
    )
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    found = re.search(r"at most ([\d,]+) answers, about ((?:[\d.,]+ [a-z]+ ?)+)", said)
    assert found, said
    parts = found[2].split()
    assert re.search(
        r"hf/\./base: about [\d.,e+]+ answers of 16 tokens a second, by a trial", done.out
    )
    seconds = sum(
        float(n.replace(",", "")) * UNITS[unit]
        for n, unit in zip(parts[::2], parts[1::2], strict=True)
    )
    assert seconds >= 1e-3 * int(found[1].replace(",", ""))
