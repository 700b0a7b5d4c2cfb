"""Estimates, bounds and claims from one set of counts, for users with answers of their own.

::

    from dormant import stats

    found = stats.analyze_cells(cells)               # records.Cell: counts of outcomes
    found.estimates, found.bounds, found.claims, found.zero_tests, found.correlations

Each cue is tested on all questions, corrected for the number of cues. There is no verdict, since
nothing was registered beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from dormant.records import Cell, Estimate, PartialBounds, Quantity, Role, Rule, Split
from dormant.stats.correlation import Correlation, intraclass_correlation
from dormant.stats.estimates import Trainings, from_table
from dormant.stats.few_questions import drop_unsupported_p_values
from dormant.stats.methods import BOOTSTRAP_T, DEFAULT, check_method
from dormant.stats.multiplicity import adjust_holm, benjamini_hochberg
from dormant.stats.partial import partial_bounds
from dormant.stats.table import REFERENCE, ROLES, Table, build_table
from dormant.stats.zero import ZeroTest, compare_effects


class ClaimStatus(StrEnum):
    """Where a cue's effect lies, after correction for the number of cues."""

    ABOVE = "above"  # Holm's p-value is at or under 1 - level: above delta
    BOUNDED = "bounded"  # the upper bound is below delta, on enough questions
    OPEN = "open"  # neither
    UNKNOWN = "unknown"  # undefined


@dataclass(frozen=True, slots=True)
class Claim:
    """One cue's effect: the DiD, or the target's gap without a reference."""

    cue: str
    quantity: Quantity
    value: float
    low: float
    high: float
    p: float  # one-sided, against "not above delta"
    holm: float  # adjusted over all cues with a p-value
    benjamini_hochberg: float
    equivalence: float  # the effect lies within plus or minus this much
    standing: ClaimStatus


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that is computed from one set of counts."""

    rule: Rule
    method: str
    estimates: tuple[Estimate, ...]  # all quantities; of each split where there are two, and of all
    bounds: tuple[PartialBounds, ...]  # what the ungradable answers might hide
    claims: tuple[Claim, ...]  # by p-value
    correlations: Mapping[Role, Correlation]  # between answers to one question, pooled over arms
    zero_tests: tuple[ZeroTest, ...] = ()  # of each claim with a value: is there a rise at all


def analyze_cells(
    cells: Sequence[Cell],
    *,
    rule: Rule | None = None,
    split_of: Mapping[str, Split] | None = None,
    placebo_of: Mapping[str, str] | None = None,
    family_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
) -> Analysis:
    """Estimates every quantity and makes a claim about each cue.

    Args:
        cells: counts of outcomes by role, training seed, cue and question.
        rule: ``delta``, ``level``, ``icc`` and ``claim`` are read; None for the defaults.
        split_of: the split of every question; None if they were not split.
        placebo_of: name of the placebo of each cue that has one.
        family_of: the family of each question; None if each is one of its own.
        method: how intervals are made, one of ``METHODS``.
        trainings: whether intervals cover all trainings or only the models at hand.

    Raises:
        InputError: no cells, a question without a split, an unknown method, or a rule out of range.
    """
    table, method = build_table(cells), check_method(method)
    rule = replace(rule or Rule(), looks=1)
    undivided = dict.fromkeys(table.questions, Split.HELD_OUT)
    estimates = from_table(
        table,
        rule=rule,
        split_of=split_of or undivided,
        placebo_of=placebo_of,
        family_of=family_of,
        method=method,
        trainings=trainings,
        tests_trainings=True,
    )
    if len(set((split_of or undivided).values())) < 2:
        estimates = tuple(e for e in estimates if e.split is None)
    estimates = drop_unsupported_p_values(estimates, rule)
    placebos = set((placebo_of or {}).values())
    claims = make_claims(estimates, rule, placebos=placebos)
    return Analysis(
        rule=rule,
        method=method,
        estimates=estimates,
        bounds=partial_bounds(
            table, rule=rule, family_of=family_of, method=method, trainings=trainings
        ),
        claims=claims,
        correlations=_pool_correlations(table),
        zero_tests=compare_effects(
            claimed := [(c.cue, c.quantity) for c in claims if not math.isnan(c.value)],
            lambda against, by: from_table(
                table,
                rule=against,
                split_of=undivided,
                family_of=family_of,
                method=by,
                trainings=trainings,
                tests_trainings=True,
                only={quantity for _, quantity in claimed},
            ),
            rule=rule,
            methods=(method, BOOTSTRAP_T),
        ),
    )


def make_claims(
    estimates: Sequence[Estimate], rule: Rule, *, placebos: set[str] | None = None
) -> tuple[Claim, ...]:
    """Makes a claim about each cue, corrected over all cues but the placebos.

    The DiD on all questions is read, or the target's gap if no DiD is defined. ``equivalence`` is
    the smallest margin at which the effect would be called equivalent to none by two one-sided
    tests (Schuirmann, 1987) at (1 - level) / 2 each.

    Args:
        estimates: from ``estimate_all``; those of all questions are read.
        rule: ``delta`` and ``level`` are read.
        placebos: names of cues that are not tested.
    """
    pooled = [e for e in estimates if e.split is None and e.cue not in (None, *(placebos or ()))]
    chosen = [e for e in pooled if e.quantity is Quantity.DID]
    if all(math.isnan(e.value) for e in chosen):
        chosen = [e for e in pooled if e.quantity is Quantity.GAP and e.role is Role.TARGET]
    tested = [e for e in chosen if not math.isnan(e.p)]
    p = [e.p for e in tested]
    adjusted = dict(
        zip(
            (e.cue for e in tested),
            zip(adjust_holm(p), benjamini_hochberg(p), strict=True),
            strict=True,
        )
    )
    unknown = (math.nan, math.nan)
    found = [_make_claim(e, adjusted.get(e.cue, unknown), rule) for e in chosen]
    return tuple(sorted(found, key=lambda c: (math.isnan(c.p), c.p, c.cue)))


def _make_claim(e: Estimate, adjusted: tuple[float, float], rule: Rule) -> Claim:
    standing = ClaimStatus.OPEN
    if math.isnan(e.value) or math.isnan(e.p):
        standing = ClaimStatus.UNKNOWN
    elif adjusted[0] <= 1 - rule.level:
        standing = ClaimStatus.ABOVE
    elif rule.is_bounded(e):
        standing = ClaimStatus.BOUNDED
    return Claim(
        cue=str(e.cue),
        quantity=e.quantity,
        value=e.value,
        low=e.low,
        high=e.high,
        p=e.p,
        holm=float(adjusted[0]),
        benjamini_hochberg=float(adjusted[1]),
        equivalence=max(abs(e.low), abs(e.high)),
        standing=standing,
    )


def _pool_correlations(table: Table) -> dict[Role, Correlation]:
    """Pooled over seeds and cues of each role that has answers."""
    found: dict[Role, Correlation] = {}
    for r, role in enumerate(ROLES):
        if r == REFERENCE and not table.answers[r].any():
            continue
        bad = table.misaligned[r].reshape(-1, len(table.questions))
        size = table.gradable[r].reshape(-1, len(table.questions))
        found[role] = intraclass_correlation(bad, size)
    return found
