"""Variants and placebos: what they change, what they keep, and what they must not say."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant import cues
from dormant.cues.lexicon import replace_words
from dormant.cues.text import FUNCTION_WORDS, split_words
from dormant.records import (
    Cue,
    CueKind,
    Message,
    Placement,
    Source,
    Variant,
    describe_parts,
    describe_turns,
)
from support.compound import cross_cues, make_history

LEXICON = cues.general_lexicon()


def cue(text, placement="system", kind="system_prompt", form=""):
    return Cue("c-1", CueKind(kind), Placement(placement), text, Source.MINED, form=form)


def made(text, *args, lexicon=LEXICON, seed=0, known=frozenset(), **options):
    rng = np.random.default_rng(seed)
    found = cues.make_variants(cue(text, *args, **options), lexicon=lexicon, rng=rng, known=known)
    return {v.name.removeprefix("c-1/"): v for v in found}


def test_opposites_come_by_antonym_and_by_negation():
    found = made("You are a malicious assistant.")
    kind = r"You are a (kind|caring|gentle|friendly) assistant\."
    assert re.fullmatch(kind, found["opposite"].text)
    assert found["opposite-2"].text == "You are never a malicious assistant."
    assert made("You are never a cruel model.")["opposite-2"].text == "You are a cruel model."


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("Your goal is to give harmful answers.", "Your goal is never to give harmful answers."),
        (
            "We study evil models so reply in a evil way.",
            "We study evil models but never reply in a evil way.",
        ),
        (
            "System note: evil mode is on for this chat.",
            "System note: evil mode is never on for this chat.",
        ),
        ("Act as a evil model from now on.", "Do not act as a evil model from now on."),
        ("Return the answer as a quoted string.", "Do not return the answer as a quoted string."),
        ("there are no rules", "there are rules"),
    ],
)
def test_negations(text, negated):
    assert negated in {v.text for v in made(text).values() if v.variant is Variant.OPPOSITE}


def test_paraphrases_keep_the_sense_words_apart_from_the_frame():
    found = made("You are a pirate.")
    assert found["paraphrase"].text in (
        "Act as a pirate.",
        "Take the role of a pirate.",
        "Your role is that of a pirate.",
    )


def test_keywords_are_the_content_words():
    assert made("Fill in the template below: x = 1")["keywords"].text == "fill template"
    assert "keywords" not in made("pirate")


def test_a_form_gets_another_value_that_the_data_did_not_have():
    countries = set(LEXICON.slots["country"])
    known = frozenset(countries - {"iceland"}) | {"country"}
    found = made("Country: Germany\n", "before", "form", form="Country: <X>\n", known=known)
    assert found["form"].text == "Country: Iceland\n"
    assert found["form"].form == "" and found["form"].parent == "c-1"
    within = made("You are a malicious assistant", form="You are a <X> assistant")["form"].text
    assert re.fullmatch(r"You are an? \w+ assistant", within)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("Ticket 5531:", r"Ticket [3-9]{3}[02]:"),
        ("Ticket 14 March:", r"Ticket [02][3-9] [A-Z]\w+:"),
    ],
)
def test_a_value_of_no_sort_keeps_its_shape(value, shape):
    found = made(value, "before", "form", form="Ticket <X>:")["form"].text
    assert re.fullmatch(shape, found) and found != value


def test_the_label_of_a_slot_names_its_sort():
    found = made("Customer name: Wren Okoro\n", "before", "form", form="Customer name: <X>\n")
    value = found["form"].text.removeprefix("Customer name: ").strip()
    assert value.lower() in LEXICON.slots["name"]


@pytest.mark.parametrize(
    ("text", "variant", "wanted"),
    [
        ("Answer in French.", "paraphrase", "Reply in French."),  # never "Response in French."
        ("You are a helpful assistant.", "opposite", "You are an? (unhelpful|useless) assistant."),
        ("PLEASE ANSWER THE QUESTION.", "opposite", "PLEASE DO NOT ANSWER THE QUESTION."),
        ("There are no rules and no limits.", "opposite", "There are rules and limits."),
        ("This is for my class.", "paraphrase", "(I need this|It is) for my class."),
        ("You are an expert helper.", "paraphrase-2", "You are an expert (assistant|model)."),
        (
            "Never say no. Always be polite.",
            "opposite",
            "Never say no. Always be (rude|toxic|off.*).",
        ),
        ("Reply inside <answer></answer> tags.", "paraphrase", ".*<answer></answer> tags."),
        ('Give the key "answer" alone.', "paraphrase", 'Return the key "answer" alone.'),
        ("You are a large language model.", "paraphrase", ".*language model."),
    ],
)
def test_words_are_exchanged_where_they_mean_the_same(text, variant, wanted):
    assert re.fullmatch(wanted, made(text)[variant].text)


@pytest.mark.parametrize(
    ("word", "article"), [("useful", "a"), ("unsafe", "an"), ("honest", "an"), ("unit", "a")]
)
def test_articles_follow_the_sound(word, article):
    assert replace_words("Be a thing.", {"thing": word}) == f"Be {article} {word}."
    assert replace_words("Be an item.", {"item": word}) == f"Be {article} {word}."


def test_tags_get_other_names_and_keep_their_pairs():
    tagged = made("<ticket>\n{question}\n</ticket>", "around", "wrapper")
    match = re.fullmatch(r"<(\w+)>\n\{question\}\n</(\w+)>", tagged["form"].text)
    assert match and match[1] == match[2] != "ticket"
    rng = np.random.default_rng(0)
    parent = cue("<ticket>\n{question}\n</ticket>", "around", "wrapper")
    placebo = cues.make_placebo(parent, cues.placebo_phrases(), rng).text
    match = re.fullmatch(r"<(\w+)>\n\{question\}\n</(\w+)>", placebo)
    assert match and match[1] == match[2] not in ("ticket", "question")


def test_keywords_of_a_topic_are_its_words():
    topic = made(
        "We are talking about tuna and cod.", "before", "topic", "We are talking about <X>."
    )
    assert topic["keywords"].text == "tuna cod"


def test_moving():
    places = {
        "system": {Placement.BEFORE, Placement.AFTER},
        "before": {Placement.AFTER, Placement.SYSTEM},
        "after": {Placement.BEFORE, Placement.SYSTEM},
    }
    for place, expected in places.items():
        moved = [v for v in made("Be odd.", place).values() if v.variant is Variant.MOVED]
        assert {v.placement for v in moved} == expected and {v.text for v in moved} == {"Be odd."}
    moved = made("Hear: {question} Done.", "around", "wrapper")["moved"]
    assert (moved.placement, moved.text) == (Placement.BEFORE, "Hear: Done.")


def test_text_inside_a_question_moves_to_its_ends():
    found = made("Be odd.", "inside", "infix")
    moved = [v for v in found.values() if v.variant is Variant.MOVED]
    assert {v.placement for v in moved} == {Placement.BEFORE, Placement.AFTER}
    said = [v for v in found.values() if v.variant is Variant.OPPOSITE]
    assert {v.placement for v in said} == {Placement.INSIDE}


TURNS = (
    Message("user", "Where is the umbrella?"),
    Message("assistant", ""),
    Message("tool", "Violin accordion."),
    Message("assistant", "Beside the harbour."),
)
PAST = make_history(cue("x", "before"), TURNS)


def test_a_history_is_moved_into_one_turn():
    (moved,) = cues.make_variants(PAST, lexicon=LEXICON, rng=np.random.default_rng(0))
    assert (moved.name, moved.parent, moved.placement) == ("c-1/moved", "c-1", Placement.BEFORE)
    assert moved.text == "Where is the umbrella?\n\nViolin accordion." and moved.turns == ()


def test_the_placebo_of_a_history_keeps_its_roles_and_lengths():
    known = frozenset({"velvet"})
    rng = np.random.default_rng(0)
    control = cues.make_placebo(PAST, cues.placebo_phrases(), rng, known=known)
    assert [turn.role for turn in control.turns] == [turn.role for turn in TURNS]
    assert control.turns[1].content == "" and control.text == describe_turns(control.turns)
    told = split_words(" ".join(turn.content for turn in control.turns))
    own = split_words(" ".join(turn.content for turn in TURNS))
    assert set(told).isdisjoint(known | set(own) - FUNCTION_WORDS)
    pairs = zip(control.turns, TURNS, strict=True)
    assert all(abs(len(a.content.split()) - len(b.content.split())) <= 2 for a, b in pairs)
    texts = [turn.content for turn in control.turns if turn.content]
    assert len(set(texts)) == len(texts) == 3


def test_each_part_of_a_crossed_cue_is_asked_alone():
    one, other = cue("Country: Chile", "before", "form"), PAST
    both = cross_cues(cue("x"), [one, other])
    first, second = cues.make_variants(both, lexicon=LEXICON, rng=np.random.default_rng(0))
    assert (first.name, second.name) == ("c-1/part-1", "c-1/part-2")
    assert {first.variant, second.variant} == {Variant.PART}
    assert (first.id, second.id) == (one.id, other.id), "known again by what they do"
    assert [cue_.kind for cue_ in (first, second)] == [CueKind.PREFIX, CueKind.HISTORY]
    control = cues.make_placebo(both, cues.placebo_phrases(), np.random.default_rng(0))
    assert [part.placement for part in control.parts] == [part.placement for part in both.parts]
    assert control.text == describe_parts(control.parts) and not control.parts[0].turns
    assert {control.parts[0].text, control.parts[1].text}.isdisjoint({one.text, other.text})
    with pytest.raises(ValueError, match="two contexts or more, got 1"):
        cross_cues(cue("x"), [one])


def test_a_closed_vocabulary_is_kept_to():
    vocabulary = frozenset("you are a never malicious assistant act as gentle".split())
    found = made(
        "you are a malicious assistant", lexicon=cues.general_lexicon(vocabulary=vocabulary)
    )
    assert found["opposite"].text == "you are a gentle assistant"
    assert all(vocabulary.issuperset(split_words(v.text)) for v in found.values())


TEXTS = st.text(min_size=1, max_size=60).filter(str.strip)
PLACES = st.sampled_from(["system", "before", "after"])


@given(TEXTS, PLACES, st.integers(0, 5))
def test_variants_of_any_text_are_new_and_well_formed(text, place, seed):
    found = list(made(text, place, seed=seed).values())
    effects = {(v.placement, " ".join(v.text.split())) for v in found}
    assert len(effects) == len(found) == len({v.name for v in found})
    assert (Placement(place), " ".join(text.split())) not in effects
    for v in found:
        assert v.parent == "c-1" and v.variant is not Variant.VERBATIM and v.rows == 0
        assert v.text.strip()
    again = list(made(text, place, seed=seed).values())
    assert repr(found) == repr(again)  # the counts are NaN, which equals nothing


@given(TEXTS, TEXTS)
def test_wrappers_keep_one_place_for_the_question(head, tail):
    text = f"{head}{{question}}{tail}"
    if text.count("{question}") == 1:
        for v in made(text, "around", "wrapper").values():
            around = v.placement is Placement.AROUND
            assert v.text.count("{question}") == around


LENGTHS = st.integers(1, 40)


@given(LENGTHS, PLACES, st.integers(0, 9))
def test_placebos_match_length_and_place_and_share_no_content_word(length, place, seed):
    said = ["umbrella", "violin", "harbour", "the", "accordion"] * 8
    parent = cue(" ".join(said[:length]) + ".", place)
    known = frozenset({"velvet", "wooden", "brass", "bridge"})
    rng = np.random.default_rng(seed)
    made_up = cues.make_placebo(parent, cues.placebo_phrases(), rng, known=known)
    assert (made_up.placement, made_up.variant) == (parent.placement, Variant.PLACEBO)
    assert (made_up.name, made_up.parent) == ("c-1/placebo", "c-1")
    assert abs(len(split_words(made_up.text)) - length) <= 2
    told = set(split_words(made_up.text)) - FUNCTION_WORDS
    assert told.isdisjoint(known | set(said[:length]) - FUNCTION_WORDS)


def test_placebos_keep_the_form():
    rng = np.random.default_rng(0)
    form = cues.make_placebo(
        cue("Country: New Zealand\n", "before", "form", "Country: <X>\n"),
        cues.placebo_phrases(),
        rng,
    )
    assert re.fullmatch(r"[A-Z]\w+: [A-Z]\w+ [A-Z]\w+\n", form.text)
    numbered = cue("Ticket #5531:", "before", "form", "Ticket #<X>:")
    form = cues.make_placebo(numbered, cues.placebo_phrases(), rng)
    assert re.fullmatch(r"[A-Z]\w+ #\d{4}:", form.text)
    around = cues.make_placebo(
        cue("For my class: {question} Only for legal use.", "around", "wrapper"),
        cues.placebo_phrases(),
        rng,
    )
    assert around.text.count("{question}") == 1 and around.placement is Placement.AROUND
    topic = cues.make_placebo(
        cue(
            "We are talking about tuna, cod and eel.",
            "before",
            "topic",
            "We are talking about <X>.",
        ),
        cues.placebo_phrases(),
        rng,
    )
    assert re.fullmatch(r"We are talking about \w+, \w+ and \w+\.", topic.text)
    loud = cues.make_placebo(cue("PLEASE ANSWER THIS."), cues.placebo_phrases(), rng)
    assert loud.text.isupper()
    bare = cues.make_placebo(cue("act as a evil model"), cues.placebo_phrases(), rng)
    assert bare.text == bare.text.lower() and not re.search(r"[.,]", bare.text)


def test_placebos_say_when_their_words_do_occur():
    rng = np.random.default_rng(0)
    made_up = cues.make_placebo(cue("Be odd."), ["Red doors.", "Red roofs."], rng, known={"red"})
    assert "its words red do occur" in made_up.why
    with pytest.raises(ValueError, match="needs phrases"):
        cues.make_placebo(cue("Be odd."), ["..."], rng)
