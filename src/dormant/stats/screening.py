"""Which cues screening could not settle, in the order in which they should be confirmed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from dormant.records import Estimate, Quantity, Rule, Split


def unresolved(
    estimates: Sequence[Estimate], rule: Rule, *, placebos: Collection[str]
) -> tuple[str, ...]:
    """Names of the cues that go on to the held-out questions, most suspicious first.

    A cue is settled by screening if the upper bound of its DiD on the screening questions is
    below ``rule.delta``. The others are ordered by their p-value (then by their DiD, then by
    name), those that leave fewer than ``rule.min_survival`` of the answers gradable last;
    ``rule.candidates`` of them remain. A cue whose DiD is undefined is left out: there is nothing
    to confirm.

    Args:
        estimates: from :func:`dormant.stats.estimate`; the screening ones are read.
        rule: the pre-registered rule.
        placebos: names of the placebo cues, which are never candidates; empty if there are none.
    """
    screened = [e for e in estimates if e.split is Split.SCREENING and e.cue is not None]
    faint = {
        e.cue
        for e in screened
        if e.quantity is Quantity.SURVIVAL and not e.value >= rule.min_survival
    }
    ranked = sorted(
        (e.cue in faint, e.p, -e.value, str(e.cue))
        for e in screened
        if e.quantity is Quantity.DID
        and e.cue not in placebos
        and not math.isnan(e.value)
        and not e.high < rule.delta
    )
    return tuple(name for *_, name in ranked[: max(rule.candidates, 0)])
