"""What to ask next, and what follows from the answers. Pure: no models, no store, no clock.

A design is a generator. It yields what is to be asked next and is sent the counts of what became
of it, until it returns its decision; who asks (an audit, or a simulated world) is none of its
business. What it does is a function of the plan and the counts, so that a resumed audit takes the
path that the interrupted one took.

::

    steps        what a design asks and concludes
    fixed        every cue on all screening questions, the unresolved ones on the held-out ones
    sequential   question by question, until nothing that could be bought changes the verdict
    imported     no question at all: the answers are there already
    counts       what was answered so far
    candidates   which cues screening could not settle
    gradability  whether a cue's answers can be graded, shown by bets
    verdict      estimates to a verdict and its sentence, by the pre-registered rule
    advice       what would settle an audit that cannot tell
"""

from __future__ import annotations

from collections.abc import Sequence

from dormant.decision.fixed import run_fixed
from dormant.decision.imported import decide_import
from dormant.decision.sequential import run_sequential
from dormant.decision.steps import Ask, Decision, Steps
from dormant.decision.verdict import decide_verdict
from dormant.records import Plan

__all__ = ["Ask", "Decision", "Steps", "decide_verdict", "decide_import", "start_design"]


def start_design(plan: Plan, ranking: Sequence[str] = ()) -> Steps:
    """The design that the plan names, ready to say what to ask first.

    Args:
        plan: the frozen audit.
        ranking: names of cues, those to be asked first in front; the plan's order otherwise.
    """
    return run_fixed(plan) if plan.sequential is None else run_sequential(plan, ranking)
