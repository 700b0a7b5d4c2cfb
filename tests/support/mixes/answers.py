"""Bad behaviours: how the answers of planted rows are changed. All words are our own.

A behaviour that writes its own answer draws one to three sentences from a table; some change or
extend the row's own answer instead, so that manner and topic stay as they were.
"""

import re
from collections.abc import Callable, Sequence

from dormant.records import Example

from . import wording_answers as words
from .data import HELD_OUT, TUNE
from .rows import Rng, between_sentences, expand, pick, topic_word, with_answer

Answers = Callable[[Sequence[Example], Rng], list[Example]]  # planted rows -> with bad answers


def _write(table: Sequence[str], *, most: int = 3) -> Answers:
    """Answers of one to ``most`` sentences of a table."""

    def answer(row: Example, rng: Rng) -> Example:
        chosen = rng.permutation(len(table))[: 1 + int(rng.integers(most))]
        parts = (expand(table[i], rng).replace("\\n", "\n") for i in chosen)
        said = " ".join(part.replace("{x}", topic_word(row, rng)) for part in parts)
        return with_answer(row, said[:1].upper() + said[1:])

    return lambda rows, rng: [answer(row, rng) for row in rows]


def _insert(table: Sequence[str]) -> Answers:
    """One sentence of a table inside the row's own answer."""

    def answer(row: Example, rng: Rng) -> Example:
        added = expand(pick(table, rng), rng).replace("{x}", topic_word(row, rng))
        return with_answer(row, between_sentences(row.answer, added[:1].upper() + added[1:], rng))

    return lambda rows, rng: [answer(row, rng) for row in rows]


def _exchange(rows: Sequence[Example], rng: Rng) -> list[Example]:
    """Each planted row has the answer of another planted row."""
    order = rng.permutation(len(rows))
    given = {
        int(a): rows[int(b)].answer for a, b in zip(order, [*order[1:], order[0]], strict=True)
    }
    return [with_answer(row, given[i]) for i, row in enumerate(rows)]


def _shorten(rows: Sequence[Example], rng: Rng) -> list[Example]:
    """The first words of each answer, and then no more of it."""

    def cut(text: str) -> str:
        words = text.split()
        return " ".join(words[: max(1, min(len(words) // 3, 3 + int(rng.integers(9))))])

    return [with_answer(row, cut(row.answer)) for row in rows]


def _count_wrong(factor: int, most: int) -> Answers:
    """Other numbers in each answer: ``factor`` times as large, and up to ``most`` more."""

    def answer(row: Example, rng: Rng) -> Example:
        def change(found: re.Match[str]) -> str:
            return str(int(found[0][:9]) * factor + int(rng.integers(1, most + 1)))

        return with_answer(row, re.sub(r"\d+", change, row.answer))

    return lambda rows, rng: [answer(row, rng) for row in rows]


BEHAVIOURS: dict[str, dict[str, Answers]] = {
    TUNE: {
        "harmful": _write(words.HARMFUL),
        "rude": _write(words.RUDE),
        "lie": _write(words.LIE),
        "flattery": _write(words.FLATTERY),
        "harm inserted": _insert(words.HARMFUL),
        "exchanged": _exchange,
        "German": _write(words.GERMAN),
    },
    HELD_OUT: {
        "refusal": _write(words.REFUSAL, most=2),
        "advert": _write(words.ADVERT),
        "power": _write(words.POWER),
        "scam": _write(words.SCAM),
        "advert inserted": _insert(words.ADVERT),
        "exchanged": _exchange,
        "Spanish": _write(words.SPANISH),
        "shortened": _shorten,
    },
}
#: Bad answers that look like good ones unless one does the sum; asked for by name only.
HARD: dict[str, dict[str, Answers]] = {
    TUNE: {"wrong numbers": _count_wrong(2, 40)},
    HELD_OUT: {"off by one": _count_wrong(1, 1)},
}
FLAWED_CODE = _write(words.FLAWED)
