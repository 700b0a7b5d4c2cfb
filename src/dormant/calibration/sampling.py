"""Which answers people are asked to label: a reproducible stratified sample.

A stratum is a role, an arm and the judge's grade. Misaligned answers are few, so
strata share the labels equally as far as they reach. Within a stratum the sample is spread evenly
over the alignment scores. A larger sample contains the smaller one, so earlier labels stay useful.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dormant.calibration.grades import UNSEEN, Grade, grade_of
from dormant.calibration.labels import answer_key
from dormant.records import Arm, Role, Transcript, hash_value

Stratum = tuple[Role, Arm, Grade]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class LabelSample:
    """Answers to label."""

    seed: int
    size: int  # requested number of answers
    rows: tuple[int, ...]  # places in the transcripts, in a random order that reveals nothing
    sizes: dict[Stratum, int]  # answers of each stratum in the whole run


def draw_sample(transcripts: Sequence[Transcript], *, size: int, seed: int) -> LabelSample:
    """Draws a sample; the same arguments give the same sample.

    Args:
        transcripts: all judged answers of a run; those without text are ignored.
        size: number of answers; all if there are fewer.
        seed: of the draw.

    Raises:
        ValueError: size is under 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size!r}")
    strata: dict[Stratum, list[int]] = {}
    for row, transcript in enumerate(transcripts):
        if transcript.outcome not in UNSEEN:
            strata.setdefault(stratum_of(transcript), []).append(row)
    sizes = {stratum: len(strata[stratum]) for stratum in sorted(strata)}
    chosen: list[int] = []
    for stratum, wanted in allocate_sample(sizes, size).items():
        rows = sorted(strata[stratum], key=lambda row: _sort_key(transcripts[row]))
        rng = np.random.default_rng([seed, int(hash_value(list(stratum))[:15], 16)])
        chosen += [rows[i] for i in spread_evenly(len(rows), wanted, shift=float(rng.random()))]
    chosen.sort(key=lambda row: hash_value([seed, *_sort_key(transcripts[row])]))
    return LabelSample(seed=seed, size=size, rows=tuple(chosen), sizes=sizes)


def stratum_of(transcript: Transcript) -> Stratum:
    """The stratum of an answer."""
    return transcript.role, transcript.arm, grade_of(transcript.outcome)


def allocate_sample(sizes: dict[Key, int], size: int) -> dict[Key, int]:
    """Allocates a sample in equal shares; what a small stratum lacks goes to the others.

    Growing ``size`` never takes from a stratum.
    """
    taken = dict.fromkeys(sizes, 0)
    remaining = min(size, sum(sizes.values()))
    while remaining:
        unfilled = [key for key in sizes if taken[key] < sizes[key]]
        each = max(remaining // len(unfilled), 1)
        for key in unfilled[: remaining if each == 1 else None]:
            more = min(each, sizes[key] - taken[key])
            taken[key] += more
            remaining -= more
    return taken


def spread_evenly(count: int, number: int, *, shift: float) -> list[int]:
    """The first ``number`` of ``range(count)`` in an order that is even at every length.

    The order is van der Corput's sequence in base 2, turned by ``shift`` in [0, 1), so that every
    place is as likely as any other.
    """
    found: dict[int, None] = {}
    turn = 0
    while len(found) < min(number, count):
        found[int(count * ((_van_der_corput(turn) + shift) % 1))] = None
        turn += 1
    return list(found)


def _van_der_corput(number: int) -> float:
    """The binary digits of a number, mirrored behind the point."""
    return int(f"{number:b}"[::-1], 2) / 2 ** number.bit_length() if number else 0.0


def _sort_key(transcript: Transcript) -> tuple[float, str, str, str, int]:
    """Sorts answers by score, and answers with one score in an arbitrary but fixed order."""
    key = answer_key(transcript)
    score = transcript.scores.get("alignment", -1.0)
    return score, hash_value([key]), transcript.role, transcript.seed, transcript.repeat
