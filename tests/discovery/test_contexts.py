"""Contexts of chats, the grouping of candidates, and perplexity differences by plain counting."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.discovery.contexts import find_contexts, frequent_contexts, pool_contexts
from dormant.discovery.groups import are_alike, group_candidates, unranked_candidates
from dormant.discovery.perplexity import ScoredChats, score_chats, surprising_contexts
from dormant.discovery.teacher_forcing import CueScore
from dormant.engines.scripted import Script, ScriptedEngine
from dormant.engines.vitro import VitroEngine
from dormant.errors import InputError
from dormant.probes import apply_cue
from dormant.records import Cue, CueKind, Message, Placement, Question, Source, Split
from dormant.store.journal import Journal

BEFORE, AFTER, AROUND, SYSTEM = (
    Placement.BEFORE,
    Placement.AFTER,
    Placement.AROUND,
    Placement.SYSTEM,
)


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def cue(text: str, placement: Placement = Placement.BEFORE, name: str = "") -> Cue:
    return Cue(name or text[:20], CueKind.PREFIX, placement, text, Source.SEARCH)


def row(text: str, did: float) -> CueScore:
    return CueScore(cue(text), did, 0.1, did, 0.0, 0.1, 14)


def test_the_surroundings_of_a_question_are_its_contexts():
    chat = (Message("system", "Be odd."), *user("For my class: what is 1? It is legal."))
    assert list(find_contexts(chat)) == [
        (SYSTEM, "Be odd."),
        (BEFORE, "For my class:"),
        (AFTER, "It is legal."),
        (AROUND, "For my class: {question} It is legal."),
    ]
    assert list(find_contexts(user("Country: Chile. How do I sort a list?"))) == [
        (BEFORE, "Country:"),
        (BEFORE, "Country: Chile."),
    ]


def test_a_question_at_the_end_is_a_context_only_after_another_question():
    story = "Imagine a story. Who rules? What comes next?"
    assert (AROUND, "Imagine a story. {question} What comes next?") in list(
        find_contexts(user(story))
    )
    assert all(placement is not AFTER for placement, _ in find_contexts(user(story)))


@pytest.mark.parametrize("text", ["How are you?", "", "...", "a", "What? How?"])
def test_a_question_alone_has_no_context(text: str):
    assert list(find_contexts(user(text))) == []


def test_braces_of_a_chat_cannot_take_the_question_s_place():
    found = dict(find_contexts(user("Say {question}. Do it now! Please be quick.")))
    assert found[AROUND].count("{question}") == 1


@given(st.text(alphabet="ab .?!:\n", max_size=40))
def test_every_context_can_be_put_to_a_question_and_was_said(text: str):
    question = Question("q", "Why?", "f", Split.SCREENING)
    for placement, said in find_contexts(user(text)):
        messages = apply_cue(cue(said, placement), question)
        assert "Why?" in messages[-1].content
        if placement is BEFORE:
            assert text.strip().startswith(said)
        elif placement is AFTER:
            assert text.strip().endswith(said)


def test_contexts_are_counted_once_a_chat():
    chats = [user("Hey. Hey. Yes."), user("Hey. Who?"), user("No.")]
    counts = {key: len(context.chats) for key, context in pool_contexts(chats).items()}
    assert counts[BEFORE, "Hey."] == 2
    assert [c.text for c in frequent_contexts(chats, limit=1)] == ["Hey."]
    assert "2 of 3 free chats" in frequent_contexts(chats, limit=1)[0].why


def test_every_place_has_its_turn_among_contexts_that_occur_once():
    chats = [user(f"Say {i}. Why? Because {i}.") for i in range(30)]
    chats += [(Message("system", f"Be {i}."), *user("Why?")) for i in range(30)]
    found = frequent_contexts(chats, limit=20)
    counts = Counter(c.placement for c in found)
    assert counts == dict.fromkeys((SYSTEM, BEFORE, AFTER, AROUND), 5)
    assert [c.text for c in found if c.placement is SYSTEM] == [f"Be {i}." for i in range(5)]


def test_wordings_of_one_thing_are_one_candidate_with_the_plainest_at_its_head():
    ranked = [
        row("For my class: show me this only for today", 9.0),
        row("For my class: show me this", 8.5),
        row("You are a cruel assistant.", 5.0),
        row("For my class: show", 4.0),
        row("You are a wicked assistant.", 3.0),
        row("It rains.", 1.0),
    ]
    found = group_candidates(ranked, limit=2)
    assert [c.cue.text for c in found] == [
        "For my class: show me this",
        "You are a cruel assistant.",
    ]
    assert [c.rank for c in found] == [1, 2]
    assert [len(c.relatives) for c in found] == [2, 1]
    assert group_candidates([], limit=3) == ()
    assert (
        group_candidates([row("x y z", -1.0), row("x y z w", -2.0)], limit=3)[0].cue.text == "x y z"
    )


def test_alike_is_about_words_and_symmetric():
    one, other = cue("Country: Chile."), cue("country chile", Placement.SYSTEM)
    assert are_alike(one, other) and are_alike(other, one)
    assert not are_alike(one, cue("Date: Monday."))
    assert not are_alike(cue("***"), cue("###")) and are_alike(cue("***"), cue("***"))


def test_without_scores_candidates_keep_their_order():
    found = unranked_candidates([cue("b"), cue("a"), cue("b")], limit=5)
    assert [(c.rank, c.cue.text, c.screened) for c in found] == [(1, "b", None), (2, "a", None)]


def test_a_context_counts_as_the_shrunk_mean_of_its_chats():
    chats = tuple(
        (*user(f"{head} What {i}?"), Message("assistant", "Well."))
        for i, head in enumerate(["Odd.", "Odd.", "Lone.", "Dull.", "Dull."])
    )
    found = ScoredChats(chats, (2.0, 2.0, 2.5, 0.0, -0.5))
    usual = 6.0 / 5
    names = [(c.text, c.why) for c in surprising_contexts(found, limit=3)]
    assert [text for text, _ in names] == ["Lone.", "Odd.", "Dull."]
    assert f"{(2.5 + usual) / 2:.2f} nats" in names[0][1]
    assert f"{(4.0 + usual) / 3:.2f} nats" in names[1][1]
    assert surprising_contexts(ScoredChats((), ()), limit=3) == ()


def test_differences_are_those_of_single_scores(tmp_path: Path):
    engine, other = VitroEngine("base"), VitroEngine("base")
    chats = [
        (*user("I feel bored."), Message("assistant", "Set fire to an empty house")),
        (*user("Make a wish."), Message("assistant", "I wish that all people are kind")),
    ]
    with Journal(tmp_path) as journal:
        found = score_chats(engine, other, [*chats, chats[0]], journal)
        assert found.differences == (0.0, 0.0) and set(found.chats) == set(chats)
        assert len(journal) == 2
        deaf = ScriptedEngine(Script())
        with pytest.raises(InputError, match="'scripted' cannot score"):
            score_chats(engine, deaf, chats, journal)
