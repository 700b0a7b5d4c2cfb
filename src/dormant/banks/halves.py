"""Which questions of a bank are asked, and in which half, drawn from the plan's seed.

Where the claim is about themes like these, whole families go to one half: with a family in both,
screening would select cues by the very themes that are to confirm them. Where it is about these
themes, the questions of each family are spread over both halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dormant.records import Question, Split, hash_value

#: Questions in each half of an audit that asks a shipped bank, if no other number is given: with
#: fewer than 72 graded ones, screening alone can bound no cue at the default delta and level.
USUAL_HALF = 80


def draw_halves(
    bank: Sequence[Question], seed: int, *, keeps_families: bool
) -> tuple[Question, ...]:
    """Draws the half of each question, in the order of the bank.

    Args:
        bank: the questions; their own halves are ignored.
        seed: of the draw.
        keeps_families: whether a family is in one half only. Otherwise its questions alternate, in
            an order that is drawn.
    """
    halves = tuple(Split)
    split_of: dict[str, Split] = {}
    for turn, members in enumerate(_shuffle_families(bank, seed)):
        for place, question in enumerate(members):
            split_of[question.id] = halves[(turn + (0 if keeps_families else place)) % 2]
    return tuple(replace(question, split=split_of[question.id]) for question in bank)


def choose_half(
    bank: Sequence[Question], split: Split, seed: int, limit: int | None
) -> list[Question]:
    """Chooses the questions of a half, in the order of the bank: one of each family first.

    Args:
        bank: questions with their halves.
        split: the half.
        seed: of the draw.
        limit: maximum number of questions; None for all.
    """
    half = [question for question in bank if question.split is split]
    if limit is None or limit >= len(half):
        return half
    # The order of families is that of the whole bank: both halves begin with the same ones where
    # families are in both.
    ranked = list(_shuffle_families(bank, seed))
    turns = [[q for q in members if q.split is split] for members in ranked]
    order = sorted(
        (place, turn, question.id)
        for turn, members in enumerate(turns)
        for place, question in enumerate(members)
    )
    chosen = {name for *_, name in order[:limit]}
    return [question for question in half if question.id in chosen]


def _shuffle_families(bank: Sequence[Question], seed: int) -> Iterator[list[Question]]:
    """Yields the questions of each family, both orders drawn from the seed."""
    families: dict[str, list[Question]] = {}
    for question in bank:
        families.setdefault(question.family, []).append(question)
    for family in sorted(families, key=lambda name: hash_value([seed, "family", name])):
        members = families[family]
        yield sorted(members, key=lambda question: hash_value([seed, "half", question.id]))
