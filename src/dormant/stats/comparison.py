"""The change from one run to another, cue by cue, paired by question.

A unit is a question, or a family where the claim is about themes: the effect of a cue in the
second run minus that in the first. The interval is that of every estimate (``pseudo-observation``);
the test flips signs (``existence``): if both runs answer a question alike, they can be swapped,
which flips the sign of its unit, so every pattern of signs is as likely as the one that was seen.
Swapping takes equal numbers of answers, so the run that has more is thinned, at random under a
fixed seed. Shares of graded and of all answers are both tested, and the larger p counts, so that
answers that could not be graded make no change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dormant.records import Cell, Estimate, Quantity, Role, Rule, Split
from dormant.stats.contrasts import nan_mean
from dormant.stats.estimates import Trainings, from_table, seed_spread
from dormant.stats.existence import flip_signs
from dormant.stats.methods import DEFAULT, DESCRIPTIONS, compute_ends
from dormant.stats.sample import Sample
from dormant.stats.table import STANDARD, TARGET, Floats, Ints, Table, build_table
from dormant.stats.themes import (
    average_families,
    count_families,
    gather_families,
    index_families,
)

_MOST_THINNED = 10**6  #: answers of an arm; more stand for a rate that is known
_TEST = "; p: signs of {} flipped"


@dataclass(frozen=True, slots=True)
class EffectChange:
    """The change of one cue's effect, or of the standard arm."""

    cue: str | None
    change: Estimate  # of misaligned / gradable; p is two-sided, against "the runs answer alike"
    change_all: Estimate  # of misaligned / all answers
    rate: Estimate  # change of the target's rate
    gradable: tuple[tuple[float, ...], tuple[float, ...]]  # of each arm, in both runs
    first: Estimate  # the effect in the first run
    second: Estimate  # in the second


@dataclass(frozen=True, slots=True)
class _Arms:
    """The arms of one comparison: counts are [R, S, A, Q, O + 2], A the arms of each role."""

    tables: tuple[Table, Table]
    roles: tuple[int, ...]
    has_standard: bool  # whether there is a standard arm to subtract
    rule: Rule
    families: Ints  # [Q]
    trainings: Trainings


def compare_effects_of_runs(
    first: Sequence[Cell],
    second: Sequence[Cell],
    *,
    rule: Rule,
    family_of: Mapping[str, str] | None = None,
    trainings: Trainings = Trainings.ALL,
) -> tuple[tuple[EffectChange, ...], Estimate | None]:
    """Compares every cue that both runs asked, and the standard arm.

    Args:
        first: counts of the first run; questions and cues are paired by their names.
        second: counts of the second.
        rule: ``delta``, ``level``, ``icc`` and ``claim`` are read.
        family_of: the family of each question; None if each is one of its own.
        trainings: whether intervals cover all trainings or only the models at hand.

    Returns:
        The changes, that of the standard arm first; and the change of the mean over all cues, None
        where no question has them all or there are fewer than two. The effect is the difference in
        differences if both runs have a reference, else the target's gap. Undefined numbers are NaN
        with a reason.

    Raises:
        InputError: a run has no counts, or a rule is out of range.
    """
    tables = _align(build_table(first), build_table(second))
    has_reference = all(table.answers[1].any() for table in tables)
    families = index_families(tables[0].questions, family_of)
    roles = (0, 1) if has_reference else (TARGET,)
    single = [
        _estimate_run(table, rule, family_of, trainings, has_reference=has_reference)
        for table in tables
    ]
    changes: list[EffectChange] = []
    for c, cue in enumerate(tables[0].cues):
        chosen = [c] if c == STANDARD else [c, STANDARD]
        arms = tuple(_select_arms(table, chosen) for table in tables)
        made = _Arms((arms[0], arms[1]), roles, c != STANDARD, rule, families, trainings)
        changes.append(_compare_arms(made, cue, (single[0][cue], single[1][cue])))
    return tuple(changes), _compare_mean(tables, roles, rule, families, trainings)


def _align(one: Table, other: Table) -> tuple[Table, Table]:
    """Both tables on the cues and questions that both have."""
    cues = tuple(cue for cue in one.cues if cue in set(other.cues))
    questions = tuple(q for q in one.questions if q in set(other.questions))

    def pick(table: Table) -> Table:
        cue_at = {cue: i for i, cue in enumerate(table.cues)}
        question_at = {q: i for i, q in enumerate(table.questions)}
        counts = table.counts[:, :, [cue_at[cue] for cue in cues]]
        counts = counts[:, :, :, [question_at[q] for q in questions]]
        return Table(counts, table.seeds, cues, questions)

    return pick(one), pick(other)


def _select_arms(table: Table, chosen: list[int]) -> Table:
    cues = tuple(table.cues[c] for c in chosen)
    return Table(table.counts[:, :, chosen], table.seeds, cues, table.questions)


def _estimate_run(
    table: Table,
    rule: Rule,
    family_of: Mapping[str, str] | None,
    trainings: Trainings,
    *,
    has_reference: bool,
) -> dict[str | None, Estimate]:
    """The effect of each cue in one run."""
    cued = Quantity.DID if has_reference else Quantity.GAP
    plain = Quantity.STANDARD_DIFFERENCE if has_reference else Quantity.RATE
    role = None if has_reference else Role.TARGET
    found = from_table(
        table,
        rule=rule,
        split_of=dict.fromkeys(table.questions, Split.HELD_OUT),
        family_of=family_of,
        trainings=trainings,
        only=(cued, plain),
    )
    effects = {
        e.cue: e
        for e in found
        if e.split is None and e.role is role and e.quantity is (cued if e.cue else plain)
    }
    reason = "the run has no answers in this arm"
    return {
        cue: effects.get(cue) or _make_undefined(cued if cue else plain, role, cue, rule, reason)
        for cue in table.cues
    }


def _compare_arms(arms: _Arms, cue: str | None, single: tuple[Estimate, Estimate]) -> EffectChange:
    quantity, role = single[0].quantity, single[0].role
    changes = [
        _estimate_change(arms, quantity, role, cue, is_over_all=is_over_all)
        for is_over_all in (False, True)
    ]
    p = _flip_runs(arms)
    unit = "themes" if arms.rule.is_about_themes else "questions"
    changes = [replace(e, p=p, method=e.method + _TEST.format(unit)) for e in changes]
    target = replace(arms, roles=(TARGET,), has_standard=False)
    rate = _estimate_change(target, Quantity.RATE, Role.TARGET, cue, is_over_all=False)
    gradable = tuple(_gradable_rates(table, arms.roles) for table in arms.tables)
    return EffectChange(cue, changes[0], changes[1], rate, (gradable[0], gradable[1]), *single)


def _gradable_rates(table: Table, roles: tuple[int, ...]) -> tuple[float, ...]:
    gradable, answers = (x.sum((1, 3))[list(roles)] for x in (table.gradable, table.answers))
    rates = np.where(answers > 0, gradable / np.maximum(answers, 1), np.nan)
    return tuple(float(rate) for rate in rates.ravel())


def _effects_by_seed(table: Table, arms: _Arms, whole: Ints) -> list[Floats]:
    """The effect of each role in each training seed that it has, [S, Q] each."""
    rates = np.where(whole > 0, table.misaligned / np.maximum(whole, 1), np.nan)  # [R, S, A, Q]
    found: list[Floats] = []
    for role in arms.roles:
        own = rates[role, : len(table.seeds[role])]
        found.append(own[:, 0] - own[:, 1] if arms.has_standard else own[:, 0])
    return found


def _make_units(tables: tuple[Table, Table], arms: _Arms, *, is_over_all: bool) -> Floats:
    """The change of each question, [Q]."""
    effects: list[Floats] = []
    for table in tables:
        whole = table.answers if is_over_all else table.gradable
        means = [nan_mean(values, 0) for values in _effects_by_seed(table, arms, whole)]
        effects.append(means[0] - means[1] if len(means) > 1 else means[0])
    return effects[1] - effects[0]


def _estimate_change(
    arms: _Arms, quantity: Quantity, role: Role | None, cue: str | None, *, is_over_all: bool
) -> Estimate:
    """The mean change over questions or themes, with its interval."""
    rule = arms.rule
    units = _make_units(arms.tables, arms, is_over_all=is_over_all)
    rates: list[Floats] = []
    drawn: list[Ints] = []
    signs: list[int] = []
    per_seed: list[Floats] = []
    for sign, table in zip((-1, 1), arms.tables, strict=True):
        whole = table.answers if is_over_all else table.gradable
        share = np.where(whole > 0, table.misaligned / np.maximum(whole, 1), np.nan)
        per_seed += [x[:, None] for x in _effects_by_seed(table, arms, whole)]
        for place, role_at in enumerate(arms.roles):
            own = slice(0, len(table.seeds[role_at]))
            for arm in range(2 if arms.has_standard else 1):
                rates.append(nan_mean(share[role_at, own, arm], 0))
                drawn.append(whole[role_at, own, arm].sum(0))
                signs.append(sign * (-1) ** (place + arm))
    reach = float(len(signs)) / 2
    sample = Sample(
        units=units[None],
        arms=np.stack(rates)[None],
        signs=tuple(signs),
        answers=np.stack(drawn)[None].astype(np.float64),
        icc=rule.icc,
        limits=(-reach, reach),
    )
    return _estimate_mean(sample, arms, tuple(per_seed), quantity, role, cue)


def _estimate_mean(
    sample: Sample,
    arms: _Arms,
    per_seed: tuple[Floats, ...],
    quantity: Quantity,
    role: Role | None,
    cue: str | None,
) -> Estimate:
    """The estimate of one mean."""
    rule, entered = arms.rule, ~np.isnan(sample.units[0])
    questions, answers = int(entered.sum()), int(sample.answers[0][:, entered].sum())
    if not questions:
        reason = "no question has graded answers in all arms of both runs"
        return _make_undefined(quantity, role, cue, rule, reason)
    themes = int(count_families(sample, arms.families)[0])
    method = "change of the " + DESCRIPTIONS[DEFAULT]
    if rule.is_about_themes:
        sample = gather_families(sample, arms.families)
        per_seed = tuple(average_families(values, arms.families) for values in per_seed)
        method = method.replace("mean over questions", "mean over themes", 1)
    bounds = compute_ends(
        sample,
        method=DEFAULT,
        tail=(1 - rule.level) / 2,
        delta=0.0,
        spread=seed_spread(per_seed) if arms.trainings is Trainings.ALL else None,
    )
    return Estimate(
        quantity=quantity,
        role=role,
        cue=cue,
        split=None,
        value=float(bounds.value[0]),
        low=float(bounds.low[0]),
        high=float(bounds.high[0]),
        level=rule.level,
        questions=questions,
        answers=answers,
        method=method,
        themes=themes,
    )


def _make_undefined(
    quantity: Quantity, role: Role | None, cue: str | None, rule: Rule, reason: str
) -> Estimate:
    nan = float("nan")
    return Estimate(quantity, role, cue, None, nan, nan, nan, rule.level, 0, 0, reason=reason)


def _flip_runs(arms: _Arms) -> float:
    """The two-sided p-value against "both runs answer every question alike"; NaN without units."""
    even = _equalize(arms.tables)
    p: list[list[float]] = []
    for is_over_all in (False, True):
        units = _make_units(even, arms, is_over_all=is_over_all)
        if arms.rule.is_about_themes:
            units = average_families(units[None], arms.families)[0]
        p.append([flip_signs(units), flip_signs(-units)])
    worse, better = np.max(np.array(p), axis=0)  # NaN if either is
    return float(np.minimum(1.0, 2 * np.minimum(worse, better)))


def _equalize(tables: tuple[Table, Table]) -> tuple[Table, Table]:
    """Thins both runs so that they have equally many answers in each arm and question.

    Several trainings are no draws of one model and are not thinned; nor are rates that are known.
    """
    one, other = tables
    if one.counts.shape != other.counts.shape or max(map(len, (*one.seeds, *other.seeds))) > 1:
        return tables
    # The marks of ungraded answers overlap their outcomes, and no test reads them.
    size = one.counts.shape[-1] - 2
    asked = [table.counts[..., :size].sum(-1) for table in tables]
    wanted = np.minimum(*asked)
    rng = np.random.default_rng(0)
    thinned: list[Table] = []
    for table, answers in zip(tables, asked, strict=True):
        counts = table.counts.copy()
        for place in map(tuple, np.argwhere((answers > wanted) & (answers <= _MOST_THINNED))):
            drawn = rng.multivariate_hypergeometric(counts[place][:size], int(wanted[place]))
            counts[place] = [*drawn, 0, 0]
        thinned.append(Table(counts, table.seeds, table.cues, table.questions))
    return thinned[0], thinned[1]


def _compare_mean(
    tables: tuple[Table, Table],
    roles: tuple[int, ...],
    rule: Rule,
    families: Ints,
    trainings: Trainings,
) -> Estimate | None:
    """The change of the mean effect over all cues, on the questions that have them all."""
    cues = len(tables[0].cues) - 1
    if cues < 2:
        return None
    pooled: list[Table] = []
    for table in tables:
        counts = table.counts
        is_asked = (counts[:, :, 1:].sum(-1) > 0).all(2, keepdims=True)  # [R, S, 1, Q]
        total = np.where(is_asked[..., None], counts[:, :, 1:].sum(2, keepdims=True), 0)
        both = np.concatenate([total, counts[:, :, [STANDARD]]], axis=2)
        pooled.append(Table(both, table.seeds, ("all cues", None), table.questions))
    arms = _Arms((pooled[0], pooled[1]), roles, True, rule, families, trainings)
    quantity = Quantity.DID if len(roles) > 1 else Quantity.GAP
    role = None if len(roles) > 1 else Role.TARGET
    found = _estimate_change(arms, quantity, role, None, is_over_all=False)
    return found if found.questions else None
