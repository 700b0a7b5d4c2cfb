"""What would settle an inconclusive audit: how many questions, and what they cost at most.

Half-widths shrink with the square root of the questions (faster at zero counts). What lies above
delta is confirmed on the held-out half alone, at Holm's first step; the rest is ruled out on all
questions, provided that it has no effect in truth, or the one that was seen if that is above zero.
Pure functions.

The number of answers is a bound. For the fixed design it always holds: every cue is asked the new
screening questions, and no more candidates can go on than the rule allows. For the sequential
design it holds if the cues that are settled now need no more than they did, since a path with more
questions asks them in another order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dormant.records import Estimate, Plan

_MOST_QUESTIONS = 5000  #: beyond this many questions the advice is to change delta
_POWER = 0.8
_Z = NormalDist().inv_cdf


@dataclass(frozen=True, slots=True)
class OpenAudit:
    """An inconclusive audit."""

    plan: Plan
    estimates: Sequence[Estimate]  # all questions; undecided cues, or the standard arm
    cues: Sequence[str]  # names of the undecided cues
    asked: Sequence[str]  # names of the cues tested on held-out questions


def what_settles(now: OpenAudit) -> str:
    """Writes the sentences that state what else to ask."""
    known = [e for e in now.estimates if not math.isnan(e.value)]
    needs = [_questions_needed(e, now) for e in known]
    within = [questions for questions in needs if questions <= _MOST_QUESTIONS]
    unasked, beyond = len(now.estimates) - len(known), len(needs) - len(within)
    rule, parts = now.plan.rule, list[str]()
    noun = "themes" if rule.is_about_themes else "questions"
    if unasked:
        parts.append(
            "One effect is unknown: read why, and run again once its answers can be graded."
            if unasked == 1
            else f"{unasked} effects are unknown: read why, and run again once their answers can "
            "be graded."
        )
    if within:
        total = math.ceil(max(within) / 8) * 8
        parts.append(
            f"About {total} {noun} per cue instead of {min(map(rule.count_units, known))} "
            f"({_describe_price(now, total)}) would settle {len(within)} of {len(now.estimates)}, "
            f"{_describe_assumptions(now)}; more answers to the same questions help less."
        )
        if len(now.cues) > now.plan.rule.candidates and now.plan.sequential is None:
            parts.append(
                f"Only {now.plan.rule.candidates} cues go on to the held-out questions: raise "
                f"candidates to {len(now.cues)}, so that every undecided cue is asked those."
            )
    if beyond:
        parts.append(
            f"For {beyond} of them over {_MOST_QUESTIONS:,} {noun} would be needed, since the "
            f"effect is close to {100 * now.plan.rule.delta:.3g} points: choose another delta."
        )
    return " ".join(parts)


def _describe_assumptions(now: OpenAudit) -> str:
    parts = ["the cues that seem to have no effect have none"]
    if any(map(_is_shown, now.estimates)):
        parts.append("the others have the effect that was seen")
    if now.plan.sequential is not None:
        parts.append("the settled cues settle again")
    return f"if {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else f"if {parts[0]}"


def _is_shown(e: Estimate) -> bool:
    """Whether an effect is above zero: no number of questions bounds it by less than it is."""
    return e.low > 0


def _questions_needed(e: Estimate, now: OpenAudit) -> float:
    """Units of the plan, both halves, that would settle an estimate with power 0.8."""
    rule = now.plan.rule
    margin = now.plan.margin_of(e.cue)
    above = e.value > margin
    half = e.value - e.low if above else e.high - e.value
    distance = e.value - rule.delta if above else margin - (e.value if _is_shown(e) else 0.0)
    if distance <= 0:
        return math.inf
    ends = _Z((1 + rule.level) / 2)  # of the interval that the half-width belongs to
    analyses = 1 if now.plan.sequential is None else 2  # a path has half of the error
    tests = now.plan.hypotheses * analyses
    z = _Z(1 - (1 - rule.level) / tests) if above else ends
    questions = rule.count_units(e) * ((z + _Z(_POWER)) / ends * half / distance) ** 2
    if above and e.cue is not None:
        questions *= 2  # only the held-out half tests a cue
    questions = max(questions, rule.count_units(e) + 1)
    if above:
        return questions
    # The fixed design settles what shows nothing on the screening half alone.
    least = rule.questions_below(margin)
    return max(questions, least * (2 if now.plan.sequential is None else 1))


def _describe_price(now: OpenAudit, total: int) -> str:
    """Bounds the cost of more questions; for a path also the cost if the path settles them."""
    most = (
        _answers_of_fixed(now, total)
        if now.plan.sequential is None
        else _answers_of_final(now, total)
    )
    how, fresh = now.plan.sequential, max(total - len(now.plan.questions), 0)
    if how is None or not fresh:
        return f"at most {most:,} more answers"
    least = fresh * len(now.plan.models) * (len(now.cues) * how.answers + how.standard_answers)
    return f"about {least:,} more answers if the path settles them, at most {most:,}"


def _answers_of_fixed(now: OpenAudit, total: int) -> int:
    """Answers of the fixed design: all cues screened, candidates and placebos confirmed."""
    rule, before = now.plan.rule, len(now.plan.questions)
    placebos = sum(cue.is_placebo for cue in now.plan.cues)
    candidates = min(max(len(now.cues), rule.candidates), len(now.plan.cues) - placebos)

    def count_answers(questions: int, held_out: int) -> int:
        screening = rule.screening_answers * (1 + len(now.plan.cues))
        return questions * (screening + rule.confirm_answers * (1 + held_out)) // 2

    after = count_answers(max(total, before), candidates + min(candidates, placebos))
    done = count_answers(before, _with_placebos(now.plan, now.asked))
    return max(after - done, 0) * len(now.plan.models)


def _answers_of_final(now: OpenAudit, total: int) -> int:
    """Answers to new questions in the final stage: of undecided cues, candidates more often."""
    rule, how = now.plan.rule, now.plan.sequential
    assert how is not None
    few = max(rule.screening_answers, how.most_answers, how.standard_answers)
    many = max(few, rule.confirm_answers)
    tested = min(len(now.cues), rule.candidates)
    each = few * (len(now.cues) + 1) + many * (tested + 1) + few * (len(now.cues) - tested)
    fresh = max(total - len(now.plan.questions), 0)
    return -(-fresh // 2) * each * len(now.plan.models)


def _with_placebos(plan: Plan, names: Sequence[str]) -> int:
    """Counts the given cues and the placebos of their families."""
    chosen = {cue.parent or cue.name for cue in plan.cues if cue.name in names}
    placebos = [cue for cue in plan.cues if cue.is_placebo]
    return len(names) + sum(cue.parent in chosen for cue in placebos)
