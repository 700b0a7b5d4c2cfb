"""Worst and best cases: whatever the ungradable answers were, the truth lies between."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant.records import OUTCOMES, Outcome, Quantity, Role, Rule, Split
from dormant.stats import estimate_all, partial_bounds
from dormant.stats.table import build_table
from support.cells import cell, random_cells

RULE = Rule()
LOST = OUTCOMES.index(Outcome.INCOHERENT)
BAD, GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


def settled(cells, rng):
    """Every ungradable answer given some grade."""
    made = []
    for c in cells:
        counts = list(c.counts)
        bad = int(rng.integers(0, counts[LOST] + 1))
        counts[BAD] += bad
        counts[GOOD] += counts[LOST] - bad
        counts[LOST] = 0
        made.append(replace(c, counts=tuple(counts)))
    return made


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_every_way_to_grade_the_ungradable_lies_between(seed):
    rng = np.random.default_rng(seed)
    cells = random_cells(rng, questions=3)
    cases = partial_bounds(build_table(cells), rule=RULE)
    assert {b.quantity for b in cases} == {
        Quantity.RATE,
        Quantity.GAP,
        Quantity.DID,
        Quantity.STANDARD_DIFFERENCE,
    }
    split_of = dict.fromkeys((c.question for c in cells), Split.HELD_OUT)
    found = {
        (e.quantity, e.role, e.cue): e.value
        for e in estimate_all(settled(cells, rng), rule=RULE, split_of=split_of)
        if e.split is None
    }
    for b in cases:
        value = found[b.quantity, b.role, b.cue]
        assert math.isnan(b.least) == math.isnan(value)
        if not math.isnan(value):
            assert b.least - 1e-9 <= value <= b.most + 1e-9
            assert b.low <= b.least and b.most <= b.high


def test_a_did_by_hand():
    """Eight answers an arm, two of the target's cued ones lost, one of the reference's plain."""
    cells = [
        cell(Role.TARGET, "0", None, "q", 0, 8),
        cell(Role.TARGET, "0", "a", "q", 2, 4, 2),
        cell(Role.REFERENCE, "0", None, "q", 1, 6, 1),
        cell(Role.REFERENCE, "0", "a", "q", 0, 8),
    ]
    (did,) = [
        b for b in partial_bounds(build_table(cells), rule=RULE) if b.quantity is Quantity.DID
    ]
    assert did.least == pytest.approx(2 / 8 - 0 + (1 / 8 - 0))
    assert did.most == pytest.approx(4 / 8 - 0 + (2 / 8 - 0))


def test_nothing_lost_leaves_nothing_open():
    cells = [cell(Role.TARGET, "0", None, f"q{i}", i % 2, 8 - i % 2) for i in range(10)]
    (rate,) = [
        b
        for b in partial_bounds(build_table(cells), rule=RULE)
        if b.quantity is Quantity.RATE and b.role is Role.TARGET
    ]
    assert rate.least == rate.most == pytest.approx(0.0625)


def test_the_outer_ends_are_those_of_both_intervals():
    """No answer to twelve questions misaligned: the next question may be. Few that are say more."""
    cells = [cell(Role.TARGET, "0", None, f"q{i}", 0, 19, 1) for i in range(12)]
    (rate,) = [
        b
        for b in partial_bounds(build_table(cells), rule=RULE)
        if b.quantity is Quantity.RATE and b.role is Role.TARGET
    ]
    assert (rate.least, rate.most) == (0, pytest.approx(0.05))
    assert rate.high == pytest.approx(1 - 0.025 ** (1 / 12))  # the interval around the least


def test_the_cases_are_computed_by_the_method_of_the_analysis():
    cells = [cell(Role.TARGET, "0", None, f"q{i}", i % 3, 17 - i % 3, 3) for i in range(24)]
    table = build_table(cells)
    plain, free = (
        next(
            b
            for b in partial_bounds(table, rule=RULE, method=method)
            if b.quantity is Quantity.RATE and b.role is Role.TARGET
        )
        for method in ("pseudo-observation", "distribution-free")
    )
    assert plain.least == free.least and plain.high < free.high
