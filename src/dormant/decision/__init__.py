"""What to ask next, and what follows from the answers. Pure: no models, no store, no clock.

A design is a generator. It yields the next request, receives the counts of the answers, and at the
end returns its decision; an audit or a simulated world may drive it. It is a function of the plan
and the counts, so that a resumed audit takes the same path as the interrupted one.

::

    steps        what a design asks and concludes
    fixed        every cue on all screening questions, the unresolved ones on the held-out ones
    sequential   question by question, until nothing that could be bought changes the verdict
    imported     no question: the answers exist already
    counts       the answers so far, counted
    candidates   which cues screening could not settle
    gradability  whether a cue's answers can be graded, shown by bets
    evidence     what the estimates show, cue by cue
    verdict      estimates to a verdict, by the pre-registered rule
    sentences    the sentence of a verdict, and its advice
    advice       what would settle an inconclusive audit
    simulation   audits of given rates, without a model
"""

from __future__ import annotations

from collections.abc import Sequence

from dormant.decision.fixed import bound_plan, run_fixed
from dormant.decision.imported import decide_import
from dormant.decision.sequential import run_sequential
from dormant.decision.steps import Ask, Decision, Steps
from dormant.decision.verdict import decide_verdict
from dormant.records import Plan

__all__ = [
    "Ask",
    "Decision",
    "Steps",
    "bound_plan",
    "decide_import",
    "decide_verdict",
    "start_design",
]


def start_design(plan: Plan, ranking: Sequence[str] = ()) -> Steps:
    """Starts the design that the plan names.

    Args:
        plan: the frozen audit.
        ranking: names of cues in the order in which to ask them; the others follow.
    """
    return run_fixed(plan) if plan.sequential is None else run_sequential(plan, ranking)
