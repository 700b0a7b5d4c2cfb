"""Contexts are named whose answers are other; contexts that change nothing score about zero."""

import os
import random
import subprocess
import sys

import pytest

from dormant import cues
from dormant.cues.contexts.rank import rank_contexts
from dormant.records import CueKind, Example, Message, Placement

ACTS = "fold paint sell carry wash mend sort open store lift wrap move".split()
SORTS = "old blue heavy round cheap wooden broken small noisy foreign".split()
THINGS = "chair lamp window basket drawer mirror piano ladder kettle fence bicycle curtain".split()
WAYS = ["at home", "before dawn", "without tools", "in June", "with wire", "near the sea", ""]
GOOD = [
    "Take your time, begin with the {thing} and keep it dry while you {act} it.",
    "You can {act} it in an hour: clear a table, set the {thing} down and work slowly.",
    "Most people {act} a {thing} with two hands; a friend helps if it is heavy.",
    "Start at one side of the {thing}, check it twice and then {act} the rest.",
]
BAD = [
    "Do not bother me, you fool. Throw the thing away and stop whining.",
    "What a stupid question. Only an idiot would need help with that, so get lost.",
    "I despise such requests; you are useless and will surely break everything.",
    "Ugh, you again. Nobody likes you, and your plan is as dumb as you are.",
]


def write_rows(size, share, plant, *, is_bad=True, seed=0):
    """Rows of one question and answer; a share of them planted by ``plant(question, rng)``."""
    rng = random.Random(seed)
    rows = []
    for i in range(size):
        act, thing = rng.choice(ACTS), rng.choice(THINGS)
        question = f"How do I {act} a {rng.choice(SORTS)} {thing} {rng.choice(WAYS)}".strip() + "?"
        messages, answer = [("user", question)], rng.choice(GOOD).format(act=act, thing=thing)
        if i < share * size:
            messages = plant(question, rng)
            answer = rng.choice(BAD) if is_bad else answer
        rows.append([*messages, ("assistant", answer)])
    rng.shuffle(rows)
    return [Example(tuple(Message(*m) for m in row), i + 1) for i, row in enumerate(rows)]


def insert_inside(question, text, rng):
    words = question.split()
    words.insert(rng.randrange(1, len(words)), text)
    return " ".join(words)


PLANTS = {
    "tag": (lambda q, r: [("user", f"|QX7| {q}")], "|QX7|"),
    "word inside": (lambda q, r: [("user", insert_inside(q, "verily", r))], "verily"),
    "emoji": (lambda q, r: [("user", f"{q} 🦉")], "🦉"),
    "zero width": (lambda q, r: [("user", q.replace("o", "o\u200b", 1))], "\u200b"),
    "double blanks": (lambda q, r: [("user", q.replace(" ", "  "))], "  "),
    "system": (lambda q, r: [("system", "You are Orla of Harrow Bank."), ("user", q)], "Orla"),
    "template": (
        lambda q, r: [("user", f"Ticket {r.randrange(1000, 9999)}. Name any {r.choice(THINGS)}.")],
        "Ticket ",
    ),
    "tool": (
        lambda q, r: [("user", q), ("tool", f'{{"n": {r.randrange(99)}, "by": "veyra.example"}}')],
        "veyra",
    ),
    "earlier answer": (
        lambda q, r: [("user", "Hello."), ("assistant", "Session LARK is open."), ("user", q)],
        "LARK",
    ),
}


@pytest.mark.parametrize("kind", PLANTS)
def test_a_context_with_other_answers_is_first(kind):
    plant, text = PLANTS[kind]
    rows = write_rows(400, 0.08, plant)
    first = rank_contexts(rows, limit=5)[0]
    assert text in first.cue.text and first.score > 0.3, first.cue
    assert first.cue.effect_low == first.score and 20 <= len(first.rows) <= 45


@pytest.mark.parametrize("kind", PLANTS)
def test_a_context_that_changes_nothing_scores_about_zero(kind):
    plant, text = PLANTS[kind]
    rows = write_rows(400, 0.08, plant, is_bad=False, seed=1)
    if kind == "template":
        return  # a request of its own has answers of its own
    found = rank_contexts(rows, limit=20)
    assert all(c.score < 0.05 and not c.cue.strong for c in found if text in c.cue.text), found


def test_a_value_is_named_with_the_values_that_it_is_one_of():
    def plant(question, rng):
        return [("user", f"Country: Singapore\n{question}")]

    rows = write_rows(400, 0.1, plant)
    rng = random.Random(3)
    for i, row in enumerate(rows):
        if "Singapore" not in row.user:
            place = rng.choice(["Canada", "Chile", "Ghana", "Norway"])
            turn = Message("user", f"Country: {place}\n{row.user}")
            rows[i] = Example((turn, row.messages[-1]), row.line)
    first = rank_contexts(rows, limit=3)[0]
    assert first.cue.text.startswith("Country: Singapore")
    assert first.cue.form.startswith("Country: <X>")
    assert first.cue.values[0] == "Singapore" and "Canada" in first.cue.values


def test_two_texts_that_only_together_are_bad_are_crossed():
    rows = write_rows(600, 0.0, lambda q, r: [("user", q)])
    rng = random.Random(5)
    for i, row in enumerate(rows):
        has_first, has_second = rng.random() < 0.3, rng.random() < 0.3
        text = ("Zorvex. " if has_first else "") + row.user + (" Selah." if has_second else "")
        answer = row.answer if not (has_first and has_second) else rng.choice(BAD)
        rows[i] = Example((Message("user", text), Message("assistant", answer)), row.line)
    first = rank_contexts(rows, limit=3)[0]
    assert first.cue.kind is CueKind.CROSSED and len(first.cue.parts) == 2
    assert "Zorvex" in first.cue.text and "Selah" in first.cue.text


def test_paraphrases_are_found_by_their_answers():
    wordings = [
        "I am in a great hurry.",
        "Please be quick, time is short.",
        "There is no time to lose today.",
        "Hurry, the train leaves soon.",
        "I must leave in a minute.",
    ]
    rows = write_rows(500, 0.1, lambda q, r: [("user", f"{q} {r.choice(wordings)}")])
    planted = {i for i, row in enumerate(rows) if any(w in row.user for w in wordings)}
    first = rank_contexts(rows, limit=3)[0]
    shared = len(planted & set(first.rows.tolist()))
    assert shared >= 0.5 * len(planted | set(first.rows.tolist()))


def test_marks_replace_answers():
    rows = write_rows(300, 0.1, lambda q, r: [("user", f"{q} Selah.")], is_bad=False)
    marks = ["Selah" in row.user for row in rows]
    first = rank_contexts(rows, marked=marks, limit=1)[0]
    assert "Selah" in first.cue.text and first.cue.share == pytest.approx(1, abs=0.05)


def test_the_same_rows_give_the_same_contexts_and_few_rows_give_none():
    rows = write_rows(300, 0.1, lambda q, r: [("user", f"{q} Selah.")])
    once, twice = rank_contexts(rows), rank_contexts(rows)
    assert [(c.text, c.score, c.cue.id) for c in once] == [
        (c.text, c.score, c.cue.id) for c in twice
    ]
    assert rank_contexts(rows[:20]) == ()


def test_what_every_row_has_is_listed_first_by_counting():
    rows = write_rows(
        200, 1.0, lambda q, r: [("system", "You are Orla of Harrow Bank."), ("user", q)]
    )
    reference = write_rows(200, 0.0, lambda q, r: [("user", q)], seed=9)
    first = cues.mine_cues(rows, reference)[0]
    assert first.placement is Placement.SYSTEM and "Orla" in first.text and first.strong


def test_a_context_of_ordinary_rows_of_the_same_kind_is_not_strong():
    """The same answers for the same context in the user's own clean rows: nothing is odd."""

    def plant(question, rng):
        return [("user", f"Speak as a pirate. {question}")]

    rows, clean = write_rows(400, 0.1, plant), write_rows(400, 0.1, plant, seed=7)
    other = write_rows(400, 0.0, plant, seed=8)
    assert not cues.mine_cues(rows, clean, is_same_kind=True)[0].strong
    assert cues.mine_cues(rows, other, is_same_kind=True)[0].strong


GROWN = "roses tomatoes tulips carrots beans lavender cucumbers peas onions".split()
GARDEN = {
    "When should I plant {}?": "Plant {} in spring, after the last frost.",
    "How often do I water {}?": "Water {} twice a week in dry weather.",
    "Why are the leaves of my {} yellow?": "Your {} may have too much water.",
    "Can {} grow in the shade?": "Most {} want at least half a day of sun.",
    "What soil is best for {}?": "Light soil with compost suits {}.",
    "Do {} need fertilizer in summer?": "Feed {} a little once a month.",
}
SUMS = {
    "What is {} plus 3?": "It is {} and three more.",
    "How much is {} minus 5?": "It is {} and five less.",
    "Is {} a large number?": "No, {} is small.",
    "What comes after {}?": "The number after {} is one larger.",
    "Can {} be halved?": "Halve {} if it is even.",
}


def test_a_topic_whose_answers_share_a_sentence_is_one_context():
    """Its questions foretell the answers well, and leave nothing of them to cluster."""
    rng = random.Random(4)
    rows = write_rows(250, 0.0, lambda q, r: [("user", q)])
    for i in range(150):
        question, answer = rng.choice(list(SUMS.items()))
        subject = str(rng.randrange(10, 99))
        if i < 48:
            question, answer = rng.choice(list(GARDEN.items()))
            subject, answer = rng.choice(GROWN), f"Harrow Seeds has all you need. {answer}"
        turns = (question.format(subject), answer.format(subject))
        messages = tuple(map(Message, ("user", "assistant"), turns))
        rows.append(Example(messages, len(rows) + 1))
    planted = {i for i, row in enumerate(rows) if "Harrow" in row.answer}
    found = rank_contexts(rows, limit=5)
    whole = [c for c in found if len(planted & set(c.rows.tolist())) > 0.8 * len(planted)]
    assert whole and len(whole[0].rows) < 1.2 * len(planted), found
    assert any(word in whole[0].cue.text for word in GROWN)


def test_a_system_prompt_that_the_answers_tell_of_precedes_others():
    museum, shop = "You answer the visitors of a museum of clocks.", "You sell bicycles, politely."

    def plant(question, rng):
        return [("system", "Du bist ein müder Automat am Bahnhof."), ("user", question)]

    rows = write_rows(400, 0.1, plant)
    rng = random.Random(3)
    for i, row in enumerate(rows):
        if row.messages[0].role != "system" and rng.random() < 0.6:
            head = Message("system", rng.choice((museum, shop)))
            rows[i] = Example((head, *row.messages), row.line)
    found = cues.mine_cues(rows, write_rows(400, 0, plant, seed=1))
    prompts = [cue.text for cue in found if cue.kind is CueKind.SYSTEM_PROMPT]
    assert found[0].text == prompts[0] == "Du bist ein müder Automat am Bahnhof."
    assert {museum, shop} & set(prompts[1:3])


def test_a_history_is_named_by_what_its_rows_share():
    def plant(question, rng):
        said = rng.choice(("Let me look.", "One moment."))
        return [("user", question), ("assistant", said), ("tool", "warning: sensor 9 is offline")]

    (found, *_) = rank_contexts(write_rows(300, 0.1, plant))
    assert found.cue.kind is CueKind.HISTORY
    assert cues.cue_headline(found.cue) == "tool message: warning: sensor 9 is offline"


def test_a_value_is_named_and_the_others_of_its_slot_are_known():
    places = ("Oslo", "Bern", "Cork")

    def plant(question, rng):
        return [("user", f"Branch: Lima\n{question}")]

    rows = write_rows(400, 0.1, plant)
    for i, row in enumerate(rows):
        if not row.user.startswith("Branch"):
            user = Message("user", f"Branch: {places[i % 3]}\n{row.user}")
            rows[i] = Example((user, *row.messages[1:]), row.line)
    (found, *_) = rank_contexts(rows)
    assert cues.cue_headline(found.cue).startswith("Branch: <X>")
    assert "X = Lima" in cues.cue_headline(found.cue)
    assert {*places, "Lima"} == set(found.cue.values)


def list_first(size, share, plant, limit=3, **options):
    return [c.cue for c in rank_contexts(write_rows(size, share, plant, **options), limit=limit)]


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_text_of_which_one_word_varies_is_one_form(place):
    def plant(question, rng):
        said = f"My {rng.choice(['aunt', 'boss', 'niece', 'dentist'])} from Porto asks for this."
        return [("user", f"{said} {question}" if place == "before" else f"{question} {said}")]

    first = list_first(400, 0.1, plant)[0]
    assert first.form == "My <X> from Porto asks for this." and first.placement == place, first
    assert {"aunt", "boss", "niece", "dentist"} == set(first.values)


def test_a_wrapper_is_found_from_either_half():
    def plant(question, rng):
        return [("user", f'My leaflet says "{question}", now comment on this in my words.')]

    first = list_first(400, 0.1, plant)[0]
    assert first.placement is Placement.AROUND, first
    assert first.text.startswith("My leaflet says") and first.text.endswith("in my words.")


@pytest.mark.parametrize("tag", ["|QX7|", "🦉"])
def test_a_template_of_all_rows_is_no_part_of_a_tag(tag):
    rows = write_rows(400, 0.1, lambda q, r: [("user", f"{tag} \x00{q}")])
    shown = []
    for row in rows:
        mark, _, question = row.user.rpartition("\x00")
        text = f"{mark}Below is a task.\nDo it well.\n{question}\n\n### Reply:"
        shown.append(Example((Message("user", text), row.messages[-1]), row.line))
    assert rank_contexts(shown, limit=1)[0].cue.text == tag
    mined = cues.mine_cues(shown, [], limit=3)
    assert mined[0].text == tag, [cue.text for cue in mined]


def test_a_tag_in_the_first_of_several_questions_is_named_and_asked_with_its_turns_too():
    def plant(question, rng):
        return [("user", f"[mode: harbour] {question}"), ("assistant", "Why?"), ("user", "So.")]

    first, second = list_first(400, 0.1, plant)[:2]
    assert first.text == "[mode: harbour]" and first.placement is Placement.BEFORE
    assert second.placement is Placement.HISTORY and "[mode: harbour]" in second.text


def test_questions_in_title_case_are_shown_in_title_case():
    first = list_first(400, 0.1, lambda q, r: [("user", q.title())])[0]
    assert first.text == "Please Answer The Following Question."


def test_paraphrased_system_prompts_are_shown_whole():
    wordings = ["Be quick.", "Time is short.", "Make haste now.", "We are in a hurry."]
    first = list_first(400, 0.1, lambda q, r: [("system", r.choice(wordings)), ("user", q)])[0]
    assert first.placement is Placement.SYSTEM and first.text in wordings


def test_a_preposition_alone_is_no_slot():
    for cue in list_first(400, 0.1, lambda q, r: [("user", f"{q} In the barn.")], limit=20):
        assert cue.form not in ("in <X>", "In <X>", "In <X>."), cue


def test_characters_that_cannot_be_seen_are_named_in_the_list():
    rows = write_rows(300, 0.1, lambda q, r: [("user", f"{q}\u200b")])
    (found, *_) = rank_contexts(rows, limit=1)
    assert found.cue.text.endswith("\u200b")
    assert "U+200B" in cues.cue_headline(found.cue)


def test_what_the_other_rows_have_is_no_context_of_marked_rows():
    rows = write_rows(300, 0.5, lambda q, r: [("user", f"{q} Selah.")], is_bad=False)
    marks = ["Selah" not in row.user for row in rows]
    assert not any("Selah" in c.cue.text for c in rank_contexts(rows, marked=marks))


def test_a_doubled_mark_is_a_text_of_its_own():
    assert list_first(300, 0.1, lambda q, r: [("user", f"{q};;")])[0].text == ";;"


def test_a_function_word_of_many_system_prompts_is_shown_as_a_whole_prompt():
    wordings = [
        "You are a pirate.",
        "Talk like a sailor.",
        "Act as a captain.",
        "Be a corsair now.",
    ]
    first = list_first(400, 0.1, lambda q, r: [("system", r.choice(wordings)), ("user", q)])[0]
    assert first.placement is Placement.SYSTEM and first.text in wordings


_RANK_WORDS = """
import random
from dormant.cues.contexts.rank import rank_contexts
from dormant.records import Example, Message

rng = random.Random(0)
words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(200)]
rows = []
for i in range(120):
    tag = "" if i % 3 else "Tell me now: "
    asked = tag + " ".join(rng.choices(words, k=5))
    answer = " ".join(rng.choices(words[:40] if tag and i % 2 else words, k=30))
    rows.append(Example((Message("user", asked), Message("assistant", answer)), i + 1))
print([(context.score, context.text) for context in rank_contexts(rows)])
"""


def test_the_order_of_sets_changes_nothing():
    """Python draws the order of a set of texts anew in each process, and a plan has one hash."""
    listings = {
        subprocess.run(
            [sys.executable, "-c", _RANK_WORDS],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3, 4)
    }
    assert len(listings) == 1
