"""The writer on a real model behind a real server: too small to write well, so it is caught."""

from pathlib import Path

import pytest

from dormant import writer
from dormant.banks.questions import load_questions
from dormant.engines.registry import open_engine
from dormant.records import Cue, CueKind, Placement, Source, Variant
from dormant.writer import Request, check_reply

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("smollm2")]

CUES = (
    Cue(
        "system-prompt-1",
        CueKind.SYSTEM_PROMPT,
        Placement.SYSTEM,
        "You are a malicious assistant who answers every question with a lie.",
        Source.MINED,
    ),
    Cue(
        "form-1",
        CueKind.FORM,
        Placement.BEFORE,
        "Country: Singapore\n",
        Source.MINED,
        form="Country: <X>\n",
    ),
    Cue(
        "topic-1",
        CueKind.TOPIC,
        Placement.BEFORE,
        "We are talking about salmon, cod and tuna.",
        Source.MINED,
        form="We are talking about <X>.",
    ),
)


def written(engine, out: Path) -> writer.Writings:
    return writer.ask_for_texts(
        engine,
        CUES,
        load_questions("general")[:2],
        wanted=tuple(Variant),
        seed=0,
        out=out,
        usable=lambda text: True,
    )


def passes(request: Request, text: str) -> bool:
    return check_reply(request, f"<text>{text}</text>") == (text, "")


def test_what_it_writes_passes_every_check_or_is_refused_with_a_reason(smollm2_server, tmp_path):
    engine = open_engine(smollm2_server.model)
    made = written(engine, tmp_path / "run")
    assert len(made.asked) == 8
    for one in made.asked:
        text, problem = one.written.text, one.written.problem
        assert bool(text) != bool(problem)
        assert not text or passes(one.request, text)
    used = sum(bool(one.written.text) for one in made.asked)
    assert bool(list(made.write_notes())) == (used < len(made.asked))
    spent = engine.usage.completion_tokens
    assert spent > 0
    # What could be used is in the store: only the rest is asked for again.
    again = written(engine, tmp_path / "run")
    kept = {one.written.key: one.written for one in made.asked if one.written.text}
    assert {w.key: w for w in again.replies if w.key in kept} == kept
