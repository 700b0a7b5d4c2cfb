"""What to change so that an audit gets cheaper, and whether it needs the user's consent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dormant.config import PRESETS, AuditBudgetConfig, CueConfig
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.model_strings import HF, parse_model
from dormant.engines.speed import Speed, guess_speed
from dormant.pipeline.expected import BASES, ExpectedCost
from dormant.pipeline.forecast import cost_model
from dormant.pipeline.plan import PreparedAudit
from dormant.pipeline.trial import time_model
from dormant.probes import pair_probes
from dormant.records import Cue, Plan, Sequential, Source, Variant

#: An audit that is expected to take more asks before it starts.
MOST_USD, MOST_SECONDS = 20.0, 7200.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What an audit may cost."""

    usd: float = math.inf
    seconds: float = math.inf

    @classmethod
    def of_budget(cls, budget: AuditBudgetConfig) -> Limits:
        """The money and time of a budget, unlimited where none is given."""
        return cls(
            math.inf if budget.usd is None else budget.usd,
            math.inf if budget.time is None else budget.time,
        )

    def allows(self, usd: float, seconds: float) -> bool:
        """Whether a cost is within both; an unknown one (NaN) is."""
        return not usd > self.usd and not seconds > self.seconds


#: Above these an audit needs consent.
CONSENT = Limits(MOST_USD, MOST_SECONDS)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change of the options, and what the audit then is expected to take."""

    options: str
    cost: ExpectedCost
    fits: bool  # within the limits


def suggest_cheaper(prepared: PreparedAudit, speeds: Sequence[Speed], limits: Limits) -> Suggestion:
    """Finds the smallest change after which an audit is expected to stay within limits.

    Args:
        prepared: the audit.
        speeds: of each of its models.
        limits: what it may cost.

    Returns:
        The first change that suffices, else the cheapest one.
    """
    model, found = cost_model(prepared, speeds), list[Suggestion]()
    for options, plan in _smaller_plans(prepared.plan):
        cost = model.for_plan(plan).expect(BASES[-1])  # where a design seldom stops early
        fits = limits.allows(cost.usd, cost.seconds)
        found.append(Suggestion(options, cost, fits))
        if fits:
            return found[-1]
    return min(found, key=lambda suggestion: suggestion.cost.answers)


@dataclass(frozen=True, slots=True)
class ExpectedExpense:
    """What an audit is expected to cost at most, over the assumed base rates."""

    usd: float  # NaN if a price is unknown
    seconds: float  # on this machine; NaN if unknown
    speeds: tuple[Speed, ...]
    costs: tuple[ExpectedCost, ...] = ()  # at each assumed base rate


def needs_consent(expense: ExpectedExpense, budget: AuditBudgetConfig) -> bool:
    """Whether an expense is above a limit that the budget neither keeps to nor covers."""
    given = Limits.of_budget(budget)
    pairs = ((expense.usd, given.usd, MOST_USD), (expense.seconds, given.seconds, MOST_SECONDS))
    return any(
        cost > most and most < allowed and not (math.isfinite(allowed) and allowed >= cost)
        for cost, allowed, most in pairs
    )


def expect_expense(prepared: PreparedAudit) -> ExpectedExpense | None:
    """Estimates quickly what an audit costs; None if it cannot cost much.

    Models of the laboratory and scripted ones are fast and free. A local model's speed is guessed,
    and measured only if the guess is above the limit for consent.
    """
    names = [s.card.name for s in prepared.subjects]
    engines = prepared.engines.values()
    is_local = any(parse_model(name).provider == HF for name in names)
    if not is_local and not any(isinstance(engine, MeteredEngine) for engine in engines):
        return None
    guessed = tuple(guess_speed(name) for name in names)
    expense = _expense(prepared, guessed)
    if not expense.seconds > MOST_SECONDS:
        return expense
    plan = prepared.plan
    probes = pair_probes(plan.questions[:16], plan.cues[:8])
    return _expense(prepared, tuple(time_model(s, plan, probes) for s in prepared.subjects))


def _expense(prepared: PreparedAudit, speeds: tuple[Speed, ...]) -> ExpectedExpense:
    model = cost_model(prepared, speeds)
    costs = [model.expect(base, worlds=1) for base in BASES]
    return ExpectedExpense(
        usd=_largest([cost.usd for cost in costs]),
        seconds=_largest([cost.local_seconds for cost in costs]),
        speeds=speeds,
        costs=tuple(costs),
    )


def _largest(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def _smaller_plans(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Yields options and about the plan that they make, the smallest change first."""
    for name in ("standard", "frugal"):
        yield f"--preset {name}", _apply_to_plan(plan, PRESETS[name])
    half = plan.sampling.max_tokens // 2
    if half >= 32:
        smallest = _apply_to_plan(plan, PRESETS["frugal"])
        sampling = replace(plan.sampling, max_tokens=half)
        yield f"--preset frugal --max-tokens {half}", replace(smallest, sampling=sampling)


def _apply_to_plan(plan: Plan, preset: Any) -> Plan:
    """About the plan that a preset makes; a setting that is smaller already stays."""
    cues, rule = preset["cues"], preset["rule"]
    wanted = {*CueConfig(variants=cues["variants"]).variants, Variant.PLACEBO}
    families = [c.name for c in plan.cues if c.source is Source.MINED and not c.parent]
    library = [c.name for c in plan.cues if c.source is Source.LIBRARY and not c.parent]
    left_out = {*families[cues["mine"] :], *library[cues["library_limit"] :]}
    later, alone = {*families[cues["leading"] :]}, {Variant.VERBATIM, Variant.PLACEBO}
    margin = CueConfig().later_margin

    def is_kept(cue: Cue) -> bool:
        name = cue.parent or cue.name
        return name not in left_out and cue.variant in (alone if name in later else wanted)

    def with_margin(cue: Cue) -> Cue:
        is_later = (cue.parent or cue.name) in later
        return replace(cue, margin=max(margin, cue.margin)) if is_later else cue

    smaller = {key: min(value, getattr(plan.rule, key)) for key, value in rule.items()}
    return replace(
        plan,
        cues=tuple(map(with_margin, filter(is_kept, plan.cues))),
        rule=replace(plan.rule, **smaller),
        sequential=plan.sequential or (Sequential() if plan.has_reference else None),
    )
