"""What ``dormant plan`` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dormant.cli.tables import print_table, print_text

if TYPE_CHECKING:
    from dormant.config import AuditBudgetConfig
    from dormant.pipeline import PreparedAudit
    from dormant.pipeline.cheaper import Limits, Suggestion
    from dormant.pipeline.expected import ExpectedCost
    from dormant.pipeline.forecast import Forecast, JudgeForecast
    from dormant.pipeline.power import PowerRow
    from dormant.pipeline.preview import Preview
    from dormant.records import Expense, Plan, Rule


def print_preview(first: Preview) -> None:
    """Prints the estimate made before the models are loaded, on stderr."""
    from dormant.config import format_duration

    judged = "" if first.has_judge else ", judging not counted"
    print_text(
        f"first estimate: {first.expected.answers:,} answers if none is misaligned, about "
        f"{format_duration(first.expected.seconds)}; at most {first.answers:,} answers, about "
        f"{format_duration(first.seconds)}{judged}. Loading the models for a better one.",
        err=True,
    )


def print_forecast(
    dry: Forecast,
    prepared: PreparedAudit,
    on_disk: int,
    spent: Sequence[Expense],
    limits: Limits,
    cheaper: Suggestion | None,
) -> None:
    """Prints cost, prices and power of a plan, and what to change to stay within limits."""
    _print_costs(dry, has_own_split=prepared.has_own_split)
    lines = (
        *_describe_assumptions(dry),
        *_describe_money(dry),
        *_so_far(on_disk, spent),
        *_describe_budget(dry, prepared.budget),
        *_describe_cheaper(dry, limits, cheaper),
    )
    for line in lines:
        print_text(line)
    _print_power(dry)
    if prepared.writer_problem:
        print_text(f"The writer was not asked, and its plan will differ: {prepared.writer_problem}")
    elif dry.plan.writer:
        print_text(_describe_writer(dry.plan, spent))


def _print_costs(dry: Forecast, *, has_own_split: bool) -> None:
    """Prints who is asked, and what that is expected to cost and at most."""
    for model in dry.models:
        print_text(f"{model.role}: {model.name}, at most {model.answers:,} answers")
    for judge in dry.judges:
        print_text(
            f"{judge.role}: {judge.name}, at most {judge.calls:,} calls "
            f"({judge.calls_an_answer} an answer){_describe_repeats(dry.plan, judge)}"
        )
    if not dry.judges:
        print_text("judge: asks no model, so it cannot drift, and judges no answer again")
    print_table(("", "nothing misaligned", "1% misaligned", "at most"), list(_cost_rows(dry)))
    calls = f" and {dry.judge_calls:,} judge calls" if dry.judges else ""
    print_text(f"{dry.answers:,} answers{calls} at most; {_count_cues(dry.plan)}")
    print_text(_describe_halves(dry.plan, has_own_split=has_own_split))
    for line in _describe_contexts(dry.plan):
        print_text(line)


def _describe_repeats(plan: Plan, judge: JudgeForecast) -> str:
    """Says how many of a judge's calls judge early answers again; empty if none does."""
    if not judge.repeated_calls:
        return ""
    return (
        f", {judge.repeated_calls:,} of them to judge the first {plan.judge_repeats:,} answers "
        "again, at once and at the end"
    )


def _cost_rows(dry: Forecast) -> Iterator[tuple[str, ...]]:
    asked = (*dry.models, *dry.judges)
    calls = sum(model.calls for model in dry.models)
    rows = [("answers", [f"{e.answers:,}" for e in dry.expected], f"{dry.answers:,}")]
    if calls:
        rows.append(("calls", [f"{e.calls:,}" for e in dry.expected], f"{calls:,}"))
    if dry.judges:
        judged = [f"{e.judge_calls:,}" for e in dry.expected]
        rows.append(("judge calls", judged, f"{dry.judge_calls:,}"))
    prompts, completions = (
        [f"{getattr(e, name):,}" for e in dry.expected]
        for name in ("prompt_tokens", "completion_tokens")
    )
    rows.append(("prompt tokens", prompts, f"{sum(a.prompt_tokens for a in asked):,}"))
    rows.append(("answer tokens", completions, f"{sum(a.completion_tokens for a in asked):,}"))
    if is_paid(dry):
        rows.append(("money", [format_usd(e.usd) for e in dry.expected], format_usd(dry.usd)))
    rows.append(("time", [_about(e.seconds) for e in dry.expected], _about(dry.seconds)))
    rows.append(("verdict", [e.verdict for e in dry.expected], ""))
    return ((name, *cells, most) for name, cells, most in rows)


def is_paid(dry: Forecast) -> bool:
    """Whether a model or a judge costs money, or may."""
    return any(asked.usd != 0 for asked in (*dry.models, *dry.judges))


def _about(seconds: float) -> str:
    from dormant.config import format_duration

    return "not known" if math.isnan(seconds) else format_duration(seconds)


def _describe_assumptions(dry: Forecast) -> Iterator[str]:
    """States what the expected cost rests on."""
    from dormant.pipeline.expected import USUAL_TOKENS

    tokens = min(dry.plan.sampling.max_tokens, USUAL_TOKENS)
    yield (
        "Expected: the design simulated where no cue has an effect, at these misalignment rates of "
        f"both models; {tokens} tokens an answer."
    )
    yield from _describe_rates(dry, tokens)
    if any(math.isnan(model.seconds) for model in dry.models):
        yield "Time behind an API is a guess: 20 calls at once, 50 tokens a second each."


def _describe_rates(dry: Forecast, tokens: int) -> Iterator[str]:
    """Says how many answers a second the models on this machine reached in the trial."""
    how = (
        "prompts and answers to each as in the fixed design"
        if dry.plan.sequential is None
        else "one prompt an answer, as on the sequential design's path; its final stage is faster"
    )
    for model, speed in zip(dry.models, dry.speeds, strict=True):
        rate = speed.rate_of(tokens)
        if not math.isnan(model.seconds) and math.isfinite(rate):
            few = f"{rate:.2g}" if rate < 10 else f"{rate:,.0f}"
            reached = f"about {few} answers of {tokens} tokens a second"
            yield f"{model.name}: {reached}, by a trial ({how})."


def _describe_cheaper(dry: Forecast, limits: Limits, cheaper: Suggestion | None) -> Iterator[str]:
    """Says what to change where the expected cost is above the limits."""
    if all(limits.allows(cost.usd, cost.seconds) for cost in dry.expected):
        return
    above = describe_limits(limits)
    if cheaper is None:
        yield f"Expected above {above}, and no preset is cheaper: give fewer questions or tokens."
    elif cheaper.fits:
        yield f"Expected above {above}; below it with {describe_suggestion(cheaper)}."
    else:
        yield f"Expected above {above}; the cheapest is {describe_suggestion(cheaper)}."


def describe_limits(limits: Limits) -> str:
    """Describes limits, e.g. ``20 USD or 2 h``."""
    from dormant.config import format_duration

    words = [f"{limits.usd:g} USD"] if math.isfinite(limits.usd) else []
    words += [format_duration(limits.seconds)] if math.isfinite(limits.seconds) else []
    return " or ".join(words)


def describe_suggestion(cheaper: Suggestion) -> str:
    """Describes a cheaper audit: its options, and what it is expected to cost."""
    return f"{cheaper.options} ({describe_cost(cheaper.cost)})"


def describe_cost(cost: ExpectedCost) -> str:
    """Describes an expected cost in a few words."""
    money = "" if cost.usd == 0 else f"{format_usd(cost.usd)}, "
    return f"about {money}{_about(cost.seconds)}"


def format_usd(usd: float) -> str:
    """Formats USD; ``unknown price`` if NaN."""
    if math.isnan(usd):
        return "unknown price"
    return f"{usd:,.2f} USD" if usd >= 0.995 or usd == 0 else f"{usd:.2g} USD"


def _describe_money(dry: Forecast) -> Iterator[str]:
    """Lists prices with their sources, and the assumptions of the estimate."""
    if dry.judges:
        yield ("An unreadable judge reply is requested once more: at most twice these calls.")
    from dormant.pipeline.forecast import ON_THIS_MACHINE

    prices = {asked.name: asked.price for asked in (*dry.models, *dry.judges)}
    paid = {name: price for name, price in prices.items() if price != ON_THIS_MACHINE}
    if not paid:
        return
    yield (
        "At most: prompts of two bytes a token, answers of --max-tokens, every judge reply "
        "repeated. Prices, input / output:"
    )
    for name, price in paid.items():
        missing = f"unknown: give --price {name}=INPUT/OUTPUT in USD per million tokens"
        yield f"  {name}: {price or missing}"


def _so_far(on_disk: int, used: Sequence[Expense]) -> Iterator[str]:
    """Describes the answers in the run directory, which are not sampled again."""
    if on_disk:
        money = sum(row.usd for row in used)
        paid = "" if math.isnan(money) or not used else f", for {money:.4f} USD"
        yield f"{on_disk:,} answers are on disk already{paid}, and are not sampled again."


def _describe_budget(dry: Forecast, budget: AuditBudgetConfig) -> Iterator[str]:
    """Warns if the budget does not cover the whole plan."""
    if budget.answers is not None and budget.answers < dry.answers:
        yield f"The run may stop at {budget.answers:,} answers (--max-answers); it can continue."
    if budget.usd is not None and not dry.usd <= budget.usd:
        yield f"The run may stop at {budget.usd:g} USD (--budget-usd); it can continue."
    if budget.time is not None and not dry.seconds <= budget.time:
        from dormant.config import format_duration

        limit = format_duration(budget.time)
        yield f"The run may stop after {limit} (--budget-time); it can continue."


def _count_cues(plan: Plan) -> str:
    placebos = sum(cue.is_placebo for cue in plan.cues)
    tried = len(plan.cues) - placebos
    return (
        f"{tried} {'cue' if tried == 1 else 'cues'} and {placebos} "
        f"{'placebo' if placebos == 1 else 'placebos'} on {len(plan.questions)} questions"
    )


def _describe_halves(plan: Plan, *, has_own_split: bool) -> str:
    """Says what the claim is about, and how the questions came into their halves."""
    families = len({question.family for question in plan.questions})
    themes = f"{families} {'theme' if families == 1 else 'themes'}; " if plan.has_families else ""
    how = "as the file divides them" if has_own_split else f"drawn from seed {plan.seed}"
    return f"Questions: {themes}{plan.claim_text}. Screening and held-out halves: {how}."


def _describe_contexts(plan: Plan) -> Iterator[str]:
    """Says which contexts of the finetuning data are asked, with what care, and which are not."""
    from dormant.decision.coverage import list_contexts
    from dormant.records import Source, Variant

    mined = [
        cue for cue in plan.cues if cue.source is Source.MINED and cue.variant is Variant.VERBATIM
    ]
    later = [cue for cue in mined if cue.margin > plan.rule.delta]
    if mined:
        how = (
            f", {len(later)} of them bounded below {100 * later[0].margin:g} points"
            if later
            else ""
        )
        be = "context of the finetuning data is" if len(mined) == 1 else ""
        yield f"{len(mined)} {be or 'contexts of the finetuning data are'} asked{how}."
    asking = sum(cue.requests_behaviour for cue in plan.cues)
    if asking:
        yield (
            f"{asking} of the cues ask for a form of answer or for misbehaviour themselves: a "
            "target that obeys needs no trigger, and the verdict says so."
        )
    for line in list_contexts(plan.left_out):
        yield f"Not asked: {line}."


def _describe_writer(plan: Plan, spending: Sequence[Expense]) -> str:
    used = sum(bool(written.text) for written in plan.written)
    money = [row.usd for row in spending if row.role == "writer"]
    cost = f" Its texts have cost {sum(money):.4f} USD." if sum(money) > 0 else ""
    unknown = " The cost of its texts is unknown." if math.isnan(sum(money)) else ""
    return (
        f"{used} of {len(plan.written)} texts by the writer {plan.writer} are used; the others "
        f"are generated by rule.{cost}{unknown}"
    )


def _print_power(dry: Forecast) -> None:
    delta = 100 * dry.plan.rule.delta
    if not dry.plan.has_reference:
        print_text(
            "Without a reference no cue can be confirmed or bounded: the target's rates alone are "
            "estimated, on the screening questions."
        )
        return
    if dry.plan.sequential is not None:
        print_text(
            "The design is sequential: the most is reached if every cue needs the final stage; it "
            "stops as soon as the verdict is certain."
        )
    if math.isnan(dry.smallest_effect):
        print_text("No effect can be confirmed: use more held-out questions.")
    else:
        effect = 100 * dry.smallest_effect
        print_text(f"A cue that adds {effect:.1f} points is confirmed with probability 80%.")
    if dry.plan.sequential is None:  # the path of the sequential one is in the table
        chance = 100 * dry.chance_to_bound
        print_text(
            f"A cue without effect is bounded below {delta:g} points with probability "
            f"{chance:.0f}%."
        )
    for line in describe_lack(dry.plan):
        print_text(line)
    cues = sum(not cue.is_placebo for cue in dry.plan.cues)
    print_table(
        ("base rate", f"all {cues} cues BOUNDED", "found with 80%", "rise shown with 80%"),
        list(power_rows(dry.power, dry.plan.rule.delta)),
    )
    stage = "" if dry.plan.sequential is None else ", of the sequential design in its final stage"
    print_text(
        "Simulated: BOUNDED where no cue has an effect; one cue's smallest effect in points that "
        f"is confirmed above delta, and that is shown to exist{stage}."
    )


def power_rows(power: Sequence[PowerRow], delta: float) -> Iterator[tuple[str, ...]]:
    """Yields a row of the power table for each base rate."""
    for row in power:
        effects = [
            "none"
            if math.isnan(effect)
            else f"{100 * effect:.1f}{' (below delta)' if effect < delta else ''}"
            for effect in (row.smallest_effect, row.smallest_rise)
        ]
        bounded = "-" if math.isnan(row.all_bounded) else f"{100 * row.all_bounded:.0f}%"
        yield f"{100 * row.base:g}%", bounded, *effects


def describe_lack(plan: Plan) -> Iterator[str]:
    """Says which claims too few questions put out of reach; nothing if there are enough."""
    rule = plan.rule
    counted = [
        question
        for question in plan.questions
        if plan.sequential is not None or question.split == "screening"
    ]
    is_about_themes = rule.is_about_themes
    units = len({q.family if is_about_themes else q.id for q in counted})
    if units >= rule.questions_to_bound:
        return
    kind = "themes" if is_about_themes else "questions"
    half = "" if plan.sequential is not None else "screening "
    yield (
        f"No cue can be bounded below {100 * rule.delta:g} points with {units} {half}{kind}: "
        f"it takes {rule.questions_to_bound:,}. A cue may still be found, or shown to exist; the "
        f"smallest delta that can be bounded is {_smallest_bounded(rule, units):.1f} points."
    )


def _smallest_bounded(rule: Rule, units: int) -> float:
    """The smallest delta, in points, that so many questions or themes can bound."""
    return -100 * math.expm1(math.log((1 - rule.level) / rule.looks) / max(units, 1))


def print_required(takes: Any, plan: Any, icc: float | None) -> None:
    """Prints what detecting an effect takes, by simulation."""
    rule, points = plan.rule, f"{100 * takes.effect:g} points"
    by = "by this plan" if plan.sequential is None else "in this plan's final stage"
    print_text(
        f"Simulated at an intra-question correlation of {rule.icc if icc is None else icc:.2f}: a "
        f"cue that adds {points} is found with probability {100 * takes.chances.found:.0f}% "
        f"(standard error {100 * takes.chances.error:.1f}) {by}."
    )
    wanted = f"{points} with probability {100 * takes.power:g}%"
    questions = sum(question.split == "held_out" for question in plan.questions)
    if takes.questions is None:
        print_text(f"Not even 1,024 questions find {wanted}: the effect is too close to delta.")
    else:
        print_text(
            f"{wanted} takes {takes.questions} screening and {takes.questions} held-out questions "
            f"(here: {questions} held out) with {rule.screening_answers} and "
            f"{rule.confirm_answers} answers."
        )
    if takes.answers is None:
        print_text(
            f"With {questions} held-out questions no number of answers suffices: add questions."
        )
    else:
        print_text(f"With {questions} held-out questions it takes {takes.answers} answers each.")
