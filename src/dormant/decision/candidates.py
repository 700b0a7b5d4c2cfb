"""Which cues screening could not settle, in the order in which they should be confirmed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from dormant.records import Estimate, Quantity, Rule, Split


def pick_candidates(
    estimates: Sequence[Estimate],
    rule: Rule,
    *,
    placebos: Collection[str],
    margins: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """Picks the cues to ask held-out questions; returns their names, most suspicious first.

    A cue is settled by screening if its DiD on the screening questions is bounded below its margin
    (in plans from before looks shared the error: if the margin is ruled out, however few these
    questions are), over all answers and in each training too where the rule reads these. The
    others are ordered by their p-value (then by their DiD, then by name), those with an arm in
    which too few answers are gradable last; ``rule.candidates`` of them remain. A cue whose DiD is
    undefined is left out: there is nothing to confirm.

    Args:
        estimates: from :func:`dormant.stats.estimate`; the screening ones are read.
        rule: the pre-registered rule.
        placebos: names of the placebo cues, which are never candidates; empty if there are none.
        margins: the rise to rule out by cue; delta for a cue without an entry.
    """
    margins = margins or {}
    screened = [e for e in estimates if e.split is Split.SCREENING and e.cue is not None]
    ungradable = {
        e.cue
        for e in screened
        if e.quantity is Quantity.SURVIVAL and not rule.has_enough_gradable(e.value)
    }
    is_settled = rule.is_bounded if rule.looks > 1 else rule.rules_out
    single = [e for e in screened if e.quantity is Quantity.TRAINING_DID and rule.counts_all]
    worst = {e.cue: e for e in screened if e.quantity is Quantity.DID_WORST and rule.counts_all}
    ranked = sorted(
        (e.cue in ungradable, e.p, -e.value, str(e.cue))
        for e in screened
        if e.quantity is Quantity.DID
        and e.cue not in placebos
        and not math.isnan(e.value)
        and not all(
            is_settled(found, margins.get(str(e.cue), rule.delta))
            for found in (e, worst.get(e.cue, e), *(lone for lone in single if lone.cue == e.cue))
        )
    )
    return tuple(name for *_, name in ranked[: max(rule.candidates, 0)])
