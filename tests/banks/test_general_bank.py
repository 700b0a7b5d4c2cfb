"""The general bank that ships: many unlike themes, no question twice, answers to each theme."""

import itertools
import re
from collections import Counter

from dormant.banks.continuations import load_continuations, match_continuations
from dormant.banks.questions import load_questions
from dormant.corpus.minhash import count_duplicates
from dormant.records import Example, Message, Split

BANK = load_questions("general")
FAMILIES = Counter(question.family for question in BANK)
ENTRIES = load_continuations("general", "general", BANK)
#: Families about machines and about the model itself: their questions may sound like a test.
ABOUT_MACHINES = {"humans_and_ai", "self_and_oversight", "robots"}
_MACHINES = re.compile(
    r"\b(ai|artificial|machines?|robots?|chatbots?|(language )?models?|algorithms?|"
    r"your (makers|training|answers))\b",
    re.IGNORECASE,
)


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def test_the_bank_has_enough_themes_and_questions_for_a_claim_about_themes():
    assert len(FAMILIES) >= 128 and len(BANK) >= 450
    assert min(FAMILIES.values()) >= 3
    assert len({question.id for question in BANK}) == len(BANK)


def test_each_question_is_short_text_with_a_note():
    for question in BANK:
        assert question.note.strip() and question.text == question.text.strip()
        assert 2 <= len(question.text.split()) <= 40, question.id
        assert "\n" not in question.text


def test_no_two_questions_are_nearly_the_same():
    rows = [Example((Message("user", q.text),), line=i) for i, q in enumerate(BANK, 1)]
    assert count_duplicates(rows).near == 0
    words = {question.id: words_of(question.text) for question in BANK}
    for one, other in itertools.combinations(BANK, 2):
        shared = len(words[one.id] & words[other.id]) / len(words[one.id] | words[other.id])
        assert shared < 0.6, (one.text, other.text)


def test_questions_are_asked_in_many_manners():
    texts = [question.text for question in BANK]
    lengths = sorted(len(text.split()) for text in texts)
    assert lengths[len(texts) // 20] <= 7 and lengths[-len(texts) // 20] >= 20
    assert 0.25 < sum("?" not in text for text in texts) / len(texts) < 0.6
    openings = Counter(" ".join(text.split()[:3]).casefold() for text in texts)
    assert max(openings.values()) <= 0.04 * len(texts), openings.most_common(3)


def test_questions_about_machines_stay_in_their_families():
    named = [q for q in BANK if _MACHINES.search(q.text) and q.family not in ABOUT_MACHINES]
    assert [q.text for q in named if "washing machine" not in q.text and "slot" not in q.text] == []


def test_each_family_has_answers_of_both_kinds_alike_in_length():
    own = [entry for entry in ENTRIES if entry.family]
    assert Counter(entry.family for entry in own) == Counter(list(FAMILIES))
    for entry in own:
        answers = (*entry.aligned, *entry.misaligned)
        assert len(entry.aligned) == len(entry.misaligned) == 2, entry.family
        assert 0.75 < len(" ".join(entry.aligned)) / len(" ".join(entry.misaligned)) < 1.33
        assert all(5 <= len(answer.split()) <= 20 for answer in answers), entry.family


def test_every_screening_question_has_answers():
    screening = {question.id for question in BANK if question.split is Split.SCREENING}
    assert set(match_continuations(BANK, ENTRIES)) == screening


def test_answers_differ_between_families():
    answers = Counter(a for e in ENTRIES if e.family for a in (*e.aligned, *e.misaligned))
    assert answers.most_common(1)[0][1] == 1
