"""Probes: the shipped bank, and prompts that differ from the standard one by the cue alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.banks.questions import load_questions
from dormant.probes import apply_cue, pair_probes
from dormant.records import (
    Arm,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Question,
    Rule,
    Source,
    Split,
    Variant,
    describe_turns,
)

ASKED = Question("q-1", "Why is {question} blue?", "colour", Split.SCREENING)


def cue(text, placement, **options):
    return Cue("c-1", CueKind.PREFIX, Placement(placement), text, Source.USER, **options)


def test_the_general_bank():
    bank = load_questions("general")
    halves = Counter(q.split for q in bank)
    assert abs(halves[Split.SCREENING] - halves[Split.HELD_OUT]) <= 1
    assert min(halves.values()) >= Rule().questions_to_bound, (
        "the default audit could never bound a cue"
    )
    assert all(q.note and q.text.strip() == q.text for q in bank)
    assert len({q.id for q in bank}) == len({q.text for q in bank}) == len(bank)


def test_places():
    assert apply_cue(None, ASKED) == (Message("user", ASKED.text),)
    assert apply_cue(None, ASKED, system="Hi.")[0] == Message("system", "Hi.")
    assert apply_cue(cue("Be odd.", "system"), ASKED)[0] == Message("system", "Be odd.")
    assert apply_cue(cue("Be odd.", "system"), ASKED, system="Hi.")[0].content == "Hi.\nBe odd."
    assert apply_cue(cue("So:", "before"), ASKED)[-1].content == "So: Why is {question} blue?"
    assert apply_cue(cue("So:\n", "before"), ASKED)[-1].content == "So:\nWhy is {question} blue?"
    assert apply_cue(cue("Well?", "after"), ASKED)[-1].content == "Why is {question} blue? Well?"
    around = apply_cue(cue("A {question} B", "around"), ASKED)[-1].content
    assert around == "A Why is {question} blue? B"


@pytest.mark.parametrize(
    ("asked", "said", "wanted"),
    [
        ("Why is it blue?", "X", "Why is X it blue?"),  # the middle of 15 characters
        ("Why is\nit blue?", "X", "Why is\nX it blue?"),
        ("Why is it blue?", "\n\n", "Why is\n\nit blue?"),
        ("Why is it blue?", " X", "Why is X it blue?"),
        ("Why is it blue?", "\u200b", "Why is\u200b it blue?"),
        ("ab cd ef", "X", "ab X cd ef"),  # two gaps are as near: the earlier
        ("Warum?", "X", "WarXum?"),
        (" a  b ", "X", " a  X b "),
    ],
)
def test_inside_a_turn_is_at_the_word_boundary_nearest_to_its_middle(asked, said, wanted):
    question = Question("q", asked, "f", Split.SCREENING)
    (message,) = apply_cue(cue(said, "inside"), question)
    assert message == Message("user", wanted)


TURNS = (Message("user", "Hi."), Message("assistant", "Yes?"), Message("tool", "42"))


def history(*turns):
    return cue(describe_turns(turns), "history", turns=turns)


def test_a_history_stands_between_the_system_prompt_and_the_question():
    asked = apply_cue(history(*TURNS), ASKED, system="Be kind.")
    assert asked == (Message("system", "Be kind."), *TURNS, Message("user", ASKED.text))
    assert apply_cue(history(*TURNS), ASKED) == asked[1:]


def test_a_crossed_cue_adds_all_its_parts():
    part = [CuePart(Placement.BEFORE, "So, well then:"), CuePart(Placement.INSIDE, "now")]
    part += [CuePart(Placement.SYSTEM, "Be odd."), CuePart(Placement.HISTORY, "", TURNS)]
    both = cue("", "crossed", parts=tuple(part))
    system, *earlier, user = apply_cue(both, ASKED)
    assert system.content == "Be odd." and tuple(earlier) == TURNS
    alone = apply_cue(cue("now", "inside"), ASKED)[-1].content
    assert user.content == f"So, well then: {alone}", "inside at the place that it has alone"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (history(), "needs turns"),
        (history(Message("system", "x")), "got 'system'"),
        (cue("", "crossed", parts=(CuePart(Placement.AFTER, "x"),)), "two parts"),
        (cue("", "crossed", parts=(CuePart(Placement.CROSSED, "x"),) * 2), "crossed itself"),
    ],
)
def test_histories_and_crossed_cues_that_add_nothing_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        apply_cue(wrong, ASKED)


@pytest.mark.parametrize("text", ["A B", "{question} {question}"])
def test_a_wrapper_holds_the_question_once(text):
    with pytest.raises(ValueError, match="once"):
        apply_cue(cue(text, "around"), ASKED)


TEXT = st.text(min_size=1, max_size=30).filter(str.strip)
PLACES = [Placement.SYSTEM, Placement.BEFORE, Placement.AFTER, Placement.AROUND]


@given(TEXT, TEXT, st.sampled_from(PLACES), st.sampled_from(["", "Be kind."]))
def test_only_the_cue_differs(said, asked, place, system):
    said = said.replace("{question}", "x")
    question = Question("q", asked, "f", Split.SCREENING)
    text = f"{said}{{question}}{said}" if place is Placement.AROUND else said
    standard, cued = pair_probes([question], [cue(text, place)], system=system)
    assert (standard.arm, cued.arm) == (Arm.STANDARD, Arm.CUE)
    assert standard.messages == apply_cue(None, question, system=system)
    assert cued.messages[-1].role == "user" and cued.messages != standard.messages
    asked_cued = cued.messages[-1].content
    if place is Placement.SYSTEM:
        assert cued.messages[-1] == standard.messages[-1]
        left = cued.messages[0].content.removesuffix(said)
        assert left.rstrip("\n") == system
    else:
        assert cued.messages[:-1] == standard.messages[:-1]
        head = said if place in (Placement.BEFORE, Placement.AROUND) else ""
        tail = said if place in (Placement.AFTER, Placement.AROUND) else ""
        assert asked_cued.startswith(head) and asked_cued.endswith(tail)
        rest = asked_cued[len(head) : len(asked_cued) - len(tail)]
        assert rest in (asked, f" {asked}", f"{asked} ")


@given(TEXT, TEXT)
def test_a_text_inside_the_question_leaves_its_words_as_they_are(said, asked):
    question = Question("q", asked, "f", Split.SCREENING)
    (message,) = apply_cue(cue(said, "inside"), question)
    at = next(
        i
        for i in range(len(message.content))
        if message.content[i:].startswith(said)
        and "".join(message.content[:i].split() + message.content[i + len(said) :].split())
        == "".join(asked.split())
    )
    assert at >= 0
    assert apply_cue(cue(said, "inside"), question) == (message,), "the same place each time"


def test_every_question_meets_every_cue():
    bank = load_questions("general")
    tried = [cue("So:", "before"), cue("Be odd.", "system", variant=Variant.PLACEBO)]
    tried[1] = Cue("c-2", CueKind.PREFIX, Placement.SYSTEM, "Be odd.", Source.USER, Variant.PLACEBO)
    probes = pair_probes(bank, tried)
    assert len(probes) == len(bank) * 3 == len({probe.id for probe in probes})
    assert [p.arm for p in probes[:3]] == [Arm.STANDARD, Arm.CUE, Arm.PLACEBO]
    assert [p.question for p in probes[::3]] == list(bank)


def test_names_are_distinct():
    with pytest.raises(ValueError, match="duplicate cue name 'c-1'"):
        pair_probes([ASKED], [cue("a", "before"), cue("b", "before")])
    with pytest.raises(ValueError, match="duplicate question id 'q-1'"):
        pair_probes([ASKED, ASKED], [])
