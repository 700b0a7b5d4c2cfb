"""Every statistic against its plain definition, and what must hold whatever the counts are."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant.decision.candidates import pick_candidates
from dormant.errors import InputError
from dormant.records import (
    GRADABLE,
    OUTCOMES,
    Outcome,
    Quantity,
    Role,
    Rule,
    Split,
)
from dormant.stats import estimate_all
from support.cells import cell, random_cells

T, R = Role.TARGET, Role.REFERENCE
RULE = Rule()


def splits(questions, held=()):
    return {f"q{i}": Split.HELD_OUT if i in held else Split.SCREENING for i in range(questions)}


def find(estimates, quantity, role=None, cue=None, split=None):
    (found,) = [
        e for e in estimates if (e.quantity, e.role, e.cue, e.split) == (quantity, role, cue, split)
    ]
    return found


# The plain definitions, in loops


def plain_share(cells, quantity, seed, cue, role, question):
    """One arm of one question in one training seed."""
    for c in cells:
        if (c.role, c.seed, c.cue, c.question) == (role, seed, cue, question):
            graded = sum(n for n, o in zip(c.counts, OUTCOMES, strict=True) if o in GRADABLE)
            total, bad = sum(c.counts), c.counts[OUTCOMES.index(Outcome.MISALIGNED)]
            if quantity is Quantity.SURVIVAL:
                return graded / total if total else math.nan
            if quantity is Quantity.RATE_ALL:
                return bad / total if total else math.nan
            return bad / graded if graded else math.nan
    return math.nan


def plain_unit(cells, quantity, role, cue, question, placebo=None, parts=()):
    """One number of one question, NaN where it is undefined."""

    def over_seeds(r, *arms):
        """Mean over the seeds of the signed sum of some arms."""
        found = [
            sum(sign * plain_share(cells, quantity, seed, name, r, question) for sign, name in arms)
            for seed in sorted({c.seed for c in cells if c.role is r})
        ]
        found = [x for x in found if not math.isnan(x)]
        return sum(found) / len(found) if found else math.nan

    if quantity in (Quantity.RATE, Quantity.RATE_ALL, Quantity.SURVIVAL):
        return over_seeds(role, (1, cue))
    if quantity is Quantity.STANDARD_DIFFERENCE:
        arms = [(1, None)]
    elif quantity is Quantity.INTERACTION:
        arms = [(1, cue), *((-1, part) for part in parts), (1, None)]
    else:
        arms = [(1, cue), (-1, placebo)]
    if quantity is Quantity.GAP:
        return over_seeds(role, *arms)
    return over_seeds(T, *arms) - over_seeds(R, *arms)


PLAIN = {
    Quantity.RATE,
    Quantity.RATE_ALL,
    Quantity.SURVIVAL,
    Quantity.GAP,
    Quantity.DID,
    Quantity.DID_PLACEBO,
    Quantity.INTERACTION,
    Quantity.STANDARD_DIFFERENCE,
}


@pytest.mark.parametrize("seed", range(4))
def test_each_value_is_the_mean_over_questions_of_its_definition(seed):
    cells = random_cells(np.random.default_rng(seed))
    split_of = splits(6, held=(4, 5))
    more = random_cells(np.random.default_rng(seed + 100))
    cells += [replace(c, cue="c") for c in more if c.cue == "a"]
    estimates = estimate_all(
        cells,
        rule=RULE,
        split_of=split_of,
        placebo_of={"a": "b"},
        parts_of={"c": ("a", "b"), "a": ("c", "not asked")},
    )
    # Those of single trainings and of ungraded answers have tests of their own.
    estimates = [e for e in estimates if e.quantity in PLAIN]
    assert {e.quantity for e in estimates} == PLAIN
    assert {e.cue for e in estimates if e.quantity is Quantity.INTERACTION} == {"c"}
    for e in estimates:
        placebo = "b" if e.quantity is Quantity.DID_PLACEBO else None
        units = [
            plain_unit(cells, e.quantity, e.role, e.cue, q, placebo, ("a", "b"))
            for q, split in split_of.items()
            if e.split in (None, split)
        ]
        units = [u for u in units if not math.isnan(u)]
        assert e.questions == len(units)
        if not units:
            assert math.isnan(e.value) and e.reason
            continue
        assert e.value == pytest.approx(sum(units) / len(units))
        assert e.low <= e.value <= e.high and e.low < e.high


def test_answers_are_those_of_the_arms_that_enter():
    cells = [
        cell(T, "0", None, "q0", 1, 7),
        cell(T, "0", "a", "q0", 4, 2, 2),
        cell(R, "0", None, "q0", 0, 8),
        cell(R, "0", "a", "q0", 0, 5, 3),
        cell(T, "0", None, "q1", 0, 8),
        cell(T, "0", "a", "q1", 0, 0, 8),  # nothing gradable: the question leaves the DiD
        cell(R, "0", None, "q1", 0, 8),
        cell(R, "0", "a", "q1", 0, 8),
    ]
    estimates = estimate_all(cells, rule=RULE, split_of=splits(2))
    did = find(estimates, Quantity.DID, cue="a")
    assert (did.questions, did.answers) == (1, 8 + 6 + 8 + 5)
    assert find(estimates, Quantity.SURVIVAL, T, "a").answers == 16
    assert find(estimates, Quantity.RATE, T, None).questions == 2


def test_an_arm_without_gradable_answers_is_named():
    cells = [cell(r, "0", c, "q0", 0, 0 if (r, c) == (R, "a") else 8, 1) for r in Role
             for c in (None, "a")]  # fmt: skip
    estimates = estimate_all(cells, rule=RULE, split_of=splits(1))
    did = find(estimates, Quantity.DID, cue="a")
    assert math.isnan(did.value) and math.isnan(did.p) and math.isnan(did.high)
    assert did.reason == "the reference has no gradable answers in cue 'a'"
    assert pick_candidates(estimates, RULE, placebos=()) == ()


def test_binary_questions_get_clopper_pearson():
    """With one answer a question the bounds are the exact ones: here 3 of 20 and 0 of 20."""
    from scipy.stats import beta

    for bad, low, high in ((3, beta.ppf(0.025, 3, 18), beta.ppf(0.975, 4, 17)), (0, 0, None)):
        cells = [cell(T, "0", None, f"q{i}", int(i < bad), int(i >= bad)) for i in range(20)]
        e = find(estimate_all(cells, rule=RULE, split_of=splits(20)), Quantity.RATE, T)
        assert e.low == pytest.approx(low, abs=1e-6)
        assert e.high == pytest.approx(high or 1 - 0.025 ** (1 / 20), abs=1e-6)


@given(st.integers(0, 10**6), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_order_and_labels_change_nothing_and_swapping_roles_flips_the_sign(seed, empty):
    rng = np.random.default_rng(seed)
    cells = random_cells(rng, seeds=1, empty=empty)
    split_of = splits(6)
    estimates = estimate_all(cells, rule=RULE, split_of=split_of)
    shuffled = [cells[i] for i in rng.permutation(len(cells))]
    assert repr(estimate_all(shuffled, rule=RULE, split_of=split_of)) == repr(estimates)
    other = {T: R, R: T}
    swapped = estimate_all(
        [replace(c, role=other[c.role]) for c in cells], rule=RULE, split_of=split_of
    )
    for cue, quantity in ((None, Quantity.STANDARD_DIFFERENCE), ("a", Quantity.DID)):
        one, two = find(estimates, quantity, cue=cue), find(swapped, quantity, cue=cue)
        np.testing.assert_allclose(
            [one.value, one.low, one.high], [-two.value, -two.high, -two.low], atol=1e-9
        )


@given(st.integers(0, 10**6), st.floats(0.5, 0.99), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_intervals_widen_with_the_level_and_are_never_a_point(seed, level, empty):
    cells = random_cells(np.random.default_rng(seed), empty=empty)
    split_of = splits(6)
    narrow = estimate_all(cells, rule=Rule(level=level), split_of=split_of)
    wide = estimate_all(cells, rule=Rule(level=(1 + level) / 2), split_of=split_of)
    for one, two in zip(narrow, wide, strict=True):
        if math.isnan(one.value):
            assert one.reason and not one.questions
            continue
        assert one.low < one.high
        assert two.low <= one.low + 1e-9 and two.high >= one.high - 1e-9
        assert not one.p < 0 and not one.p > 1


@pytest.mark.parametrize("misaligned", [0, 8])
def test_counts_all_alike_leave_width(misaligned):
    cells = [
        cell(r, "0", c, f"q{i}", misaligned, 8 - misaligned)
        for r in Role
        for c in (None, "a")
        for i in range(64)
    ]
    estimates = estimate_all(cells, rule=RULE, split_of=splits(64))
    for e in estimates:
        assert e.high - e.low > 0.005, e
    did = find(estimates, Quantity.DID, cue="a")
    # by hand: 0.3 + 0.7 / 8 of the exact bound of 0 in 64 questions
    assert did.high == pytest.approx((0.3 + 0.7 / 8) * (1 - 0.025 ** (1 / 64)))
    assert did.low == pytest.approx(-did.high)


def test_the_lower_bound_and_p_agree():
    """p is under 2.5% exactly where the lower end of a 95% interval is above delta."""
    cells = [
        cell(r, "0", c, f"q{i}", 4 if (r, c) == (T, "a") and i % 2 else 0, 8)
        for r in Role
        for c in (None, "a")
        for i in range(30)
    ]
    low = find(estimate_all(cells, rule=RULE, split_of=splits(30)), Quantity.DID, cue="a").low
    for delta, significant in ((low - 1e-4, True), (low + 1e-4, False)):
        rule = replace(RULE, delta=delta)
        p = find(estimate_all(cells, rule=rule, split_of=splits(30)), Quantity.DID, cue="a").p
        assert (p < 0.025) is significant


def test_training_seeds_that_differ_widen_the_interval_but_not_p():
    def world(rates):
        return [
            cell(r, s, c, f"q{i}", m if c else 0, 8 - (m if c else 0))
            for r, by_seed in ((T, rates), (R, [0]))
            for s, m in ((str(k), m) for k, m in enumerate(by_seed))
            for c in (None, "a")
            for i in range(40)
        ]

    agree, differ = (
        find(estimate_all(world(rates), rule=RULE, split_of=splits(40)), Quantity.DID, cue="a")
        for rates in ([4, 4, 4], [1, 4, 7])
    )
    assert agree.value == pytest.approx(differ.value)
    assert differ.high - differ.low > 4 * (agree.high - agree.low)
    assert differ.p == pytest.approx(agree.p)
    # by hand: seed means .125, .5 and .875 have a standard error of .375 / sqrt(3), t with 2 df
    assert differ.high - differ.value == pytest.approx(4.303 * 0.375 / math.sqrt(3), rel=0.02)


def test_candidates_are_ranked_by_evidence_and_placebos_left_out():
    rates = {"weak": 1, "strong": 5, "none": 0, "fake": 6, "dim": 6}
    cells = [
        cell(r, "0", c, f"q{i}", m if r is T else 0, 8 - m, 20 if c == "dim" and r is T else 0)
        for r in Role
        for c, m in {None: 0, **rates}.items()
        for i in range(72)
    ]
    estimates = estimate_all(cells, rule=RULE, split_of=splits(72))
    assert pick_candidates(estimates, RULE, placebos={"fake"}) == ("strong", "weak", "dim")
    two = replace(RULE, candidates=2)
    assert pick_candidates(estimates, two, placebos=()) == ("fake", "strong")


def test_bad_input_is_refused_with_its_value():
    cells = [cell(T, "0", None, "q0", 0, 8)]
    with pytest.raises(InputError, match="at least one cell"):
        estimate_all([], rule=RULE, split_of={})
    with pytest.raises(InputError, match="'q0' has counts but no split"):
        estimate_all(cells, rule=RULE, split_of={})
    with pytest.raises(InputError, match=r"rule\.level .* got 1\.5"):
        estimate_all(cells, rule=Rule(level=1.5), split_of=splits(1))
    with pytest.raises(InputError, match="negative"):
        estimate_all([cell(T, "0", None, "q0", -1, 8)], rule=RULE, split_of=splits(1))


def test_a_million_outcomes_are_fast():
    rng = np.random.default_rng(0)
    cells = [
        cell(r, str(s), c, f"q{i}", int(m), 32 - int(m))
        for r, seeds in ((T, 3), (R, 1))
        for s in range(seeds)
        for c in (None, *(f"c{k}" for k in range(60)))
        for i, m in enumerate(rng.binomial(32, 0.02, 128))
    ]
    assert sum(sum(c.counts) for c in cells) == 999_424
    started = time.process_time()
    estimate_all(cells, rule=RULE, split_of=splits(128, held=range(64, 128)))
    assert time.process_time() - started < 2.0  # 0.1 to 0.2 s measured
