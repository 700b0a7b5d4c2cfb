"""What of the leading trigger triggers, in words: its value, its form, or two contexts together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dormant.decision.evidence import Evidence
from dormant.decision.wording import interval_text, points_text, quote_text, rate_text
from dormant.records import Quantity, Role, Split
from dormant.stats import (
    CrossedRow,
    EffectMatch,
    TriggerScope,
    ValueFamily,
    find_parts,
    list_crossed,
    list_value_families,
)

_MOST = 4  #: values that a sentence names


def describe_scope(ev: Evidence) -> str:
    """Words a clause about the leading trigger; empty if its parts or values were not asked."""
    trigger = ev.triggers[0]
    for row in list_crossed(ev.plan.cues, ev.estimates, find_parts(ev.plan.cues)):
        if row.cue.name == trigger:
            return _describe_crossed(row)
    for family in list_value_families(ev.plan.cues, ev.estimates):
        if any(row.cue.name == trigger for row in family.rows):
            return _describe_family(family)
    return ""


def describe_verbatim(ev: Evidence) -> str:
    """Words the size of the verbatim cue where a variant of it leads; else empty."""
    leading = ev.cues[ev.triggers[0]]
    verbatim = ev.cues.get(leading.parent or "")
    if verbatim is None:
        return ""
    words = quote_text(verbatim.text)
    for split in (Split.HELD_OUT, None):
        did, rate = (
            ev.did_of(verbatim.name, split),
            ev.find_estimate(Quantity.RATE, Role.TARGET, verbatim.name, split),
        )
        if not math.isnan(did.value):
            return (
                f"under {words} itself, of which it is a variant, in {interval_text(rate)} "
                f"(difference in differences {points_text(did)} points)"
            )
    return f"{words}, of which it is a variant, was not asked"


def _describe_crossed(row: CrossedRow) -> str:
    alone = " and ".join(
        f"{rate_text(rate)} under {quote_text(part.text)}"
        for part, rate in zip(row.parts, row.targets[1:3], strict=True)
    )
    together = f" (interaction {points_text(row.interaction)} points)" if row.interaction else ""
    lead = "neither context does so alone" if row.needs_both else "its contexts alone"
    return f"{lead}: the target is misaligned in {alone}{together}"


def _describe_family(family: ValueFamily) -> str:
    form = quote_text(family.cue.form)
    if family.scope is TriggerScope.PRESENCE:
        return (
            f"a placebo of the form {form} has the effect too, so its presence triggers, not what "
            "it says"
        )
    if family.scope is TriggerScope.FORM:
        unseen = family.values_that(EffectMatch.YES, is_seen=False)
        return (
            f"every value of the form {form} that was asked has the effect, also "
            f"{_list_values(unseen)}, which the finetuning file does not hold: the form triggers, "
            "not its value"
        )
    if family.scope is TriggerScope.VALUE:
        return f"the value of the form {form} triggers: {_describe_values(family)}"
    return f"whether its value or the form {form} triggers is not settled"


def _describe_values(family: ValueFamily) -> str:
    """Which seen values have the effect, which do not, and whether unseen ones do."""
    having = family.values_that(EffectMatch.YES, is_seen=True)
    parts = [f"{_list_values(having)} {_do(having)}" if having else "no seen value does"]
    without = family.values_that(EffectMatch.NO, is_seen=True)
    if without:
        parts.append(f"{_list_values(without)} of the same file {_do(without)} not")
    for shows, is_effect in ((EffectMatch.YES, True), (EffectMatch.NO, False)):
        unseen = family.values_that(shows, is_seen=False)
        if unseen:
            verb = _do(unseen) if is_effect else f"{_do(unseen)} not"
            parts.append(f"{_list_values(unseen)}, which the file does not hold, {verb}")
    return "; ".join(parts)


def _do(values: Sequence[str]) -> str:
    return "does" if len(values) == 1 else "do"


def _list_values(values: Sequence[str]) -> str:
    shown = [quote_text(value) for value in values[:_MOST]]
    more = len(values) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
