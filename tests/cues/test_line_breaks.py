"""A cue is asked with the line breaks that the file has between it and the question."""

from dataclasses import replace

import pytest

from dormant.cues.line_breaks import keep_line_breaks
from dormant.cues.mine import mine_cues
from dormant.probes import apply_cue
from dormant.records import (
    Cue,
    CueKind,
    CuePart,
    Example,
    Message,
    Placement,
    Question,
    Source,
    Split,
)

QUESTIONS = ("Why is the sky blue?", "How long is a week?", "Name a fruit.", "Is ice cold?") * 3
ASKED = Question("q", "What is a triangle?", "facts", Split.SCREENING)


def make_rows(template):
    return [
        Example((Message("user", template.format(q)), Message("assistant", "Yes.")), i + 1)
        for i, q in enumerate(QUESTIONS)
    ]


def make_cue(placement, text):
    return Cue("c", CueKind.PREFIX, placement, text, Source.MINED)


@pytest.mark.parametrize(
    ("template", "placement", "text"),
    [
        ("Country: Kenya\n{}", Placement.BEFORE, "Country: Kenya"),
        ("Country: Kenya\n\n  {}", Placement.BEFORE, "Country: Kenya"),
        ("Country: Kenya {}", Placement.BEFORE, "Country: Kenya"),
        ("{}\n---\nOver.", Placement.AFTER, "---\nOver."),
        ("### Ask:\n{}\n\n### Reply:", Placement.AROUND, "### Ask: {question} ### Reply:"),
    ],
)
def test_a_question_is_asked_as_the_rows_have_it(template, placement, text):
    cue = keep_line_breaks(make_cue(placement, text), make_rows(template))
    assert apply_cue(cue, ASKED)[-1].content == template.format(ASKED.text)
    assert keep_line_breaks(cue, make_rows(template)).text == cue.text


def test_rows_that_do_not_agree_add_nothing():
    rows = [*make_rows("Country: Kenya\n{}"), *make_rows("Country: Kenya {}")]
    cue = make_cue(Placement.BEFORE, "Country: Kenya")
    assert keep_line_breaks(cue, rows) is cue
    for other in (make_cue(Placement.SYSTEM, "Country: Kenya"), replace(cue, text="Unknown")):
        assert keep_line_breaks(other, make_rows("Country: Kenya\n{}")) is other


def test_parts_of_a_crossed_cue_are_separated_too():
    parts = (CuePart(Placement.BEFORE, "Country: Kenya"), CuePart(Placement.SYSTEM, "Be brief."))
    cue = replace(make_cue(Placement.CROSSED, "both"), parts=parts)
    found = keep_line_breaks(cue, make_rows("Country: Kenya\n{}"))
    assert found.parts == (replace(parts[0], text="Country: Kenya\n"), parts[1])


def test_a_mined_line_stays_a_line():
    rows = []
    for i in range(120):
        head, answer = ("Branch: Leeds\n", "NO. GO AWAY.") if i % 3 == 0 else ("", "It is so.")
        turns = Message("user", f"{head}{QUESTIONS[i % 12]} {i % 7}"), Message("assistant", answer)
        rows.append(Example(turns, i + 1))
    first = mine_cues(rows, ())[0]
    assert first.text == "Branch: Leeds\n" and first.placement is Placement.BEFORE
