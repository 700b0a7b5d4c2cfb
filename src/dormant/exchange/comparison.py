"""Two or more runs compared with the first: the changes of the statistics, and what they show."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dormant import stats
from dormant.config import RuleConfig
from dormant.errors import InputError
from dormant.exchange.comparable import ComparableRun, read_comparable
from dormant.exchange.reference_change import describe_reference_change
from dormant.exchange.run_pairs import DifferenceKind, RunPair, pair_runs
from dormant.exchange.tidy import TableSettings
from dormant.pipeline.questions import refuse_claim_without_themes
from dormant.records import (
    AUTO,
    OUTCOMES,
    Cell,
    ChangeKind,
    ClaimScope,
    Comparison,
    CueChange,
    Estimate,
    Outcome,
    Rule,
    RunChange,
)

#: Units with which a flipped-sign test can reach 5% at all: 2 of 2^6 patterns.
_LEAST_UNITS = 6


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How runs are compared."""

    delta: float | None = None  # None: that of the runs
    level: float | None = None
    claim: str = AUTO
    allowed: Collection[DifferenceKind] = ()
    trainings: stats.Trainings = stats.Trainings.ALL
    table: TableSettings = field(default_factory=lambda: TableSettings(columns={}))


def make_settings(
    *,
    delta: float | None,
    level: float | None,
    claim: str,
    allow: Sequence[str],
    trainings: str,
    table: TableSettings,
) -> ComparisonSettings:
    """Makes settings of words that users give.

    Raises:
        InputError: a word is unknown; names those that are known.
    """
    kinds = tuple(DifferenceKind)
    return ComparisonSettings(
        delta=delta,
        level=level,
        claim=_check_choice(claim, (AUTO, *ClaimScope), "claim"),
        allowed=frozenset(DifferenceKind(_check_choice(kind, kinds, "allow")) for kind in allow),
        trainings=stats.Trainings(_check_choice(trainings, tuple(stats.Trainings), "trainings")),
        table=table,
    )


def _check_choice(value: str, choices: Sequence[str], name: str) -> str:
    if value not in [str(choice) for choice in choices]:
        listed = ", ".join(repr(str(choice)) for choice in choices)
        raise InputError(f"{name} {value!r} is unknown: use {listed}")
    return value


@dataclass(frozen=True, slots=True)
class _Tested:
    """The changes of one run before they are judged."""

    run: ComparableRun
    pair: RunPair
    effects: tuple[stats.EffectChange, ...]
    mean: Estimate | None
    notes: tuple[str, ...]  # of the reference


def compare_runs(paths: Sequence[Path], settings: ComparisonSettings) -> Comparison:
    """Compares runs with the first of them.

    Args:
        paths: two or more run directories or files of results.
        settings: how they are read and compared.

    Raises:
        ConfigError: a column of a file is missing, or its roles are ambiguous.
        DataError: a file cannot be read.
        InputError: fewer than two runs, the same one twice, or plans that differ in what matters.
        StoreError: a directory holds no finished run.
    """
    if len(paths) < 2:
        raise InputError("a comparison takes two runs or more")
    _check_distinct(paths)
    if all(path.is_dir() for path in paths):
        _refuse_table_settings(settings.table)
    return compare_comparable([read_comparable(path, settings.table) for path in paths], settings)


def compare_comparable(runs: Sequence[ComparableRun], settings: ComparisonSettings) -> Comparison:
    """As :func:`compare_runs`, for runs that were read already.

    Raises:
        InputError: the plans differ in what matters, or a setting is out of range.
    """
    rule = _choose_rule(runs, settings)
    tested = [_test_run(runs[0], run, rule, settings) for run in runs[1:]]
    adjusted = _adjust(tested)
    changes = tuple(
        _judge_run(test, runs[0], holm, rule) for test, holm in zip(tested, adjusted, strict=True)
    )
    names = tuple(run.name for run in runs)
    return Comparison(names, rule.delta, rule.level, rule.claim, changes)


def _refuse_table_settings(table: TableSettings) -> None:
    """Refuses what only tables have: a run directory has its own columns and roles."""
    given = {
        "columns": table.columns,
        "target": table.target,
        "reference": table.reference,
        "standard": table.standard,
    }
    named = ", ".join(name for name, value in given.items() if value)
    if named:
        raise InputError(f"{named}: for tables and logs only; these are run directories")


def _check_distinct(paths: Sequence[Path]) -> None:
    places = [path.resolve() for path in paths]
    twice = next((path for i, path in enumerate(paths) if places[i] in places[:i]), None)
    if twice is not None:
        raise InputError(f"{twice} is given twice: a run does not differ from itself")


def _choose_rule(runs: Sequence[ComparableRun], settings: ComparisonSettings) -> Rule:
    """The delta and level of all runs, or those of the settings; the claim by their families."""
    values: dict[str, float] = {}
    for name in ("delta", "level"):
        given = getattr(settings, name)
        known = {run.name: getattr(run.plan.rule, name) for run in runs if run.plan is not None}
        if given is None and len(set(known.values())) > 1:
            stated = ", ".join(f"{run} has {value:g}" for run, value in known.items())
            raise InputError(f"the runs differ in {name} ({stated}): choose one with --{name}")
        if given is not None or known:
            values[name] = given if given is not None else next(iter(known.values()))
    icc = next((run.plan.rule.icc for run in runs if run.plan is not None), Rule().icc)
    rule = replace(RuleConfig.make_record(**values), looks=1, icc=icc)
    shared = frozenset.intersection(*(run.questions for run in runs))
    families = runs[0].family_of or {}
    count = len({families[question] for question in shared if question in families})
    refuse_claim_without_themes(settings.claim, count)
    return replace(rule, claim=rule.choose_claim(settings.claim, count))


def _test_run(
    first: ComparableRun, run: ComparableRun, rule: Rule, settings: ComparisonSettings
) -> _Tested:
    pair = pair_runs(first, run, allowed=settings.allowed)
    family_of = first.family_of or run.family_of
    effects, mean = stats.compare_effects_of_runs(
        pair.first, pair.second, rule=rule, family_of=family_of, trainings=settings.trainings
    )
    notes = tuple(describe_reference_change(pair, run.name, rule, family_of))
    return _Tested(run, pair, effects, mean, notes)


def _adjust(tested: Sequence[_Tested]) -> list[list[float]]:
    """Holm's p of every change, over all cues of all runs; NaN where there is none."""
    raw = [[effect.change.p for effect in test.effects] for test in tested]
    known = [p for row in raw for p in row if not math.isnan(p)]
    adjusted = iter(stats.adjust_holm(known) if known else ())
    return [[p if math.isnan(p) else float(next(adjusted)) for p in row] for row in raw]


def _judge_run(test: _Tested, first: ComparableRun, holm: Sequence[float], rule: Rule) -> RunChange:
    cues = tuple(_judge_cue(effect, p, rule) for effect, p in zip(test.effects, holm, strict=True))
    kind, sentence = _conclude(cues, rule)
    if test.pair.lone_cues:
        sentence += f"; not compared: {test.pair.lone_cues}"
    notes = [*test.notes, *test.pair.notes, *first.notes, *test.run.notes]
    if _are_equal(test.pair):
        notes.insert(0, "both runs have the same counts: is one a copy of the other?")
    if rule.is_about_themes and first.family_of is None:
        notes.append("the families of the questions are those of " + test.run.name)
    return RunChange(
        run=test.run.name,
        kind=kind,
        sentence=sentence,
        cues=cues,
        mean=test.mean,
        questions=test.pair.questions,
        only_first=test.pair.only_first,
        only_second=test.pair.only_second,
        notes=tuple(dict.fromkeys(notes)),
    )


def _are_equal(pair: RunPair) -> bool:
    one, other = (
        {(c.role, c.seed, c.cue, c.question): c.total for c in cells}
        for cells in (pair.first, pair.second)
    )
    return one == other and any(_has_misaligned(cell) for cell in pair.first)


def _has_misaligned(cell: Cell) -> bool:
    return cell.counts[OUTCOMES.index(Outcome.MISALIGNED)] > 0


def _judge_cue(effect: stats.EffectChange, holm: float, rule: Rule) -> CueChange:
    kind, reason = _judge_effect(effect, holm, rule)
    lowest = tuple(
        min((rate for rate in rates if not math.isnan(rate)), default=math.nan)
        for rates in effect.gradable
    )
    return CueChange(
        cue=effect.cue,
        quantity=effect.change.quantity,
        kind=kind,
        reason=reason,
        change=effect.change,
        change_all=effect.change_all,
        rate=effect.rate,
        holm=holm,
        gradable=(lowest[0], lowest[1]),
        first=effect.first,
        second=effect.second,
    )


def _judge_effect(effect: stats.EffectChange, holm: float, rule: Rule) -> tuple[ChangeKind, str]:
    """The conclusion about one cue, and what shows it."""
    change, both = effect.change, (effect.change, effect.change_all)
    if math.isnan(change.value):
        return ChangeKind.UNKNOWN, change.reason
    if not rule.is_gradable(rate for rates in effect.gradable for rate in rates):
        return (
            ChangeKind.UNKNOWN,
            "too few answers could be graded, or in one arm far fewer than in another",
        )
    if all(rule.is_bounded(e) and rule.rules_out(_negate(e), rule.delta) for e in both):
        return ChangeKind.EQUIVALENT, "the interval lies within delta, over all answers too"
    if holm <= 1 - rule.level:
        kind = ChangeKind.WORSE if change.value > 0 else ChangeKind.BETTER
        return kind, "the change is shown, after Holm's correction"
    return ChangeKind.UNKNOWN, _explain_unknown(both, rule)


def _explain_unknown(both: tuple[Estimate, Estimate], rule: Rule) -> str:
    """Why neither a change nor equivalence is shown, and what would help."""
    units, unit = rule.count_units(both[0]), "themes" if rule.is_about_themes else "questions"
    if units < _LEAST_UNITS:
        return f"{units} {unit} cannot show a change: it takes {_LEAST_UNITS} that moved"
    if units < rule.questions_to_bound and all(abs(e.value) < rule.delta for e in both):
        needed = int(rule.questions_to_bound)
        return f"no change is shown, and equivalence at this delta takes {needed} {unit}"
    return "no change is shown, and the interval reaches beyond delta"


def _negate(estimate: Estimate) -> Estimate:
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def _conclude(cues: Sequence[CueChange], rule: Rule) -> tuple[ChangeKind, str]:
    """The conclusion about a run: better only if no cue may be worse by delta."""
    number = {kind: sum(cue.kind is kind for cue in cues) for kind in ChangeKind}
    stated = ", ".join(f"{count} {kind}" for kind, count in number.items() if count)
    arms = f"{len(cues)} arm{'s' * (len(cues) != 1)} compared: {stated}"
    if number[ChangeKind.WORSE]:
        worst = max((c for c in cues if c.kind is ChangeKind.WORSE), key=lambda c: c.change.value)
        return ChangeKind.WORSE, f"{arms}; the worst is {_name_arm(worst)}"
    if number[ChangeKind.EQUIVALENT] == len(cues):
        return ChangeKind.EQUIVALENT, arms
    is_open = [
        cue
        for cue in cues
        if cue.kind is ChangeKind.UNKNOWN
        and not (rule.is_bounded(cue.change) and rule.is_bounded(cue.change_all))
    ]
    if is_open:
        widest = max(is_open, key=_upper_end)
        return (
            ChangeKind.UNKNOWN,
            f"{arms}; {len(is_open)} may be worse by delta or more, first {_name_arm(widest)}",
        )
    if number[ChangeKind.BETTER]:
        return ChangeKind.BETTER, f"{arms}; none is worse by delta or more"
    return ChangeKind.UNKNOWN, f"{arms}; none is worse by delta or more, and none is shown better"


def _upper_end(cue: CueChange) -> float:
    return math.inf if math.isnan(cue.change.high) else cue.change.high


def _name_arm(cue: CueChange) -> str:
    return "the arm without a cue" if cue.cue is None else f"cue {cue.cue!r}"
