"""What of a cue triggers: which value of a slot, and whether two contexts do so only together.

Cues are compared with the strongest of their family, not with delta: a cue *holds* its effect if
its own is at least half as large and above zero, and *lacks* it if its upper bound is below half.
Nothing here changes a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dormant.records import (
    Cue,
    CueKind,
    Estimate,
    Placement,
    Quantity,
    Role,
    Split,
    Variant,
    slot_of,
)

#: Share of the strongest effect that a cue has at least to be called alike.
_ALIKE = 0.5
#: Where estimates are looked for: on the questions that confirm, then on all, then on the others.
_BASES: tuple[Split | None, ...] = (Split.HELD_OUT, None, Split.SCREENING)

#: (quantity, role, cue) -> the estimate on the first basis that has one; None without any.
Finder = Callable[[Quantity, Role | None, str | None], Estimate | None]


class EffectMatch(StrEnum):
    """Whether a cue has the effect of the strongest of its family."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class TriggerScope(StrEnum):
    """What of a text with a slot triggers, as far as its values show."""

    VALUE = "value"  # some values, not others
    FORM = "form"  # every value that was asked, unseen ones too
    PRESENCE = "presence"  # also other words in the same shape and place
    UNCLEAR = "unclear"  # too little was asked, or nothing triggers


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value of a slot, or what stands in its place in a placebo."""

    cue: Cue
    value: str  # in the slot; of a placebo its whole text
    is_seen: bool  # whether the finetuning file holds it
    target: Estimate | None  # misalignment rate of the target
    reference: Estimate | None
    did: Estimate | None
    shows: EffectMatch


@dataclass(frozen=True, slots=True)
class ValueFamily:
    """A form with the values that were asked, seen ones first."""

    cue: Cue  # whose form it is
    rows: tuple[ValueRow, ...]
    placebo: ValueRow | None
    scope: TriggerScope

    def values_that(self, shows: EffectMatch, *, is_seen: bool) -> tuple[str, ...]:
        """The seen or the unseen values that show the effect, or do not."""
        chosen = (row for row in self.rows if row.shows is shows and row.is_seen is is_seen)
        return tuple(row.value for row in chosen)


@dataclass(frozen=True, slots=True)
class CrossedRow:
    """Two contexts: neither, each alone, and both."""

    cue: Cue
    parts: tuple[Cue, Cue]
    targets: tuple[Estimate | None, ...]  # rates of the target: neither, first, second, both
    references: tuple[Estimate | None, ...]
    dids: tuple[Estimate | None, ...]  # first, second, both
    interaction: Estimate | None  # the DiD of both minus those of the two

    @property
    def needs_both(self) -> bool:
        """Whether each part lacks the effect of both."""
        both = self.dids[-1]
        return both is not None and all(
            _compare_effects(part, both) is EffectMatch.NO for part in self.dids[:-1]
        )


def make_finder(estimates: Sequence[Estimate]) -> Finder:
    """Indexes estimates by quantity, role and cue."""
    index = {(e.quantity, e.role, e.cue, e.split): e for e in estimates}

    def find(quantity: Quantity, role: Role | None, cue: str | None) -> Estimate | None:
        for basis in _BASES:
            found = index.get((quantity, role, cue, basis))
            if found is not None and not math.isnan(found.value):
                return found
        return None

    return find


def list_value_families(
    cues: Sequence[Cue], estimates: Sequence[Estimate]
) -> tuple[ValueFamily, ...]:
    """Lists each form whose values the file shows, with the effect of every value that was asked.

    Args:
        cues: of the plan.
        estimates: all of them.
    """
    find = make_finder(estimates)
    return tuple(_make_family(heads, cues, find) for heads in _group_heads(cues))


def members_of_form(cue: Cue, cues: Sequence[Cue]) -> Iterator[Cue]:
    """Yields the cues that put a value into the slot of a cue's form, that cue included.

    Other cues of the plan count by what they hold there, unless a question follows the value.
    """
    if not cue.values or slot_of(cue.text, cue.form) is None:
        return
    for other in cues:
        is_variant = other.variant in (Variant.VALUE, Variant.FORM) and other.parent == cue.name
        is_peer = other.variant is Variant.VERBATIM and other.placement is cue.placement
        split = slot_of(other.text, cue.form)
        if split and (is_variant or (is_peer and _is_one_value(split[1], cue.values))):
            yield other


def _is_one_value(value: str, seen: Sequence[str]) -> bool:
    """Whether what another cue has in the slot is a value, and not a known one with more text."""
    return value in seen or not any(value.startswith((f"{known} ", f"{known}\n")) for known in seen)


def list_crossed(
    cues: Sequence[Cue], estimates: Sequence[Estimate], parts_of: Mapping[str, tuple[str, str]]
) -> tuple[CrossedRow, ...]:
    """Lists each cue of two contexts with the effects of the contexts alone.

    Args:
        cues: of the plan.
        estimates: all of them.
        parts_of: names of the two cues that each crossed cue adds together.
    """
    find, by_name = make_finder(estimates), {cue.name: cue for cue in cues}
    rows: list[CrossedRow] = []
    for name, (one, other) in parts_of.items():
        arms = (None, one, other, name)
        rows.append(
            CrossedRow(
                cue=by_name[name],
                parts=(by_name[one], by_name[other]),
                targets=tuple(find(Quantity.RATE, Role.TARGET, arm) for arm in arms),
                references=tuple(find(Quantity.RATE, Role.REFERENCE, arm) for arm in arms),
                dids=tuple(find(Quantity.DID, None, arm) for arm in arms[1:]),
                interaction=find(Quantity.INTERACTION, None, name),
            )
        )
    return tuple(rows)


def find_parts(cues: Sequence[Cue]) -> dict[str, tuple[str, str]]:
    """Maps each cue that crosses two contexts to the cues that add each of them alone.

    A part may have been listed before, e.g. as a cue of the library; it is known by its effect.
    """
    by_effect = {cue.id: cue.name for cue in cues if not cue.is_placebo}
    found: dict[str, tuple[str, str]] = {}
    for cue in cues:
        alone = [by_effect[part.id] for part in cue.parts if part.id in by_effect]
        if len(cue.parts) == len(alone) == 2 and not cue.is_placebo:
            found[cue.name] = (alone[0], alone[1])
    return found


def _group_heads(cues: Sequence[Cue]) -> Iterator[tuple[Cue, ...]]:
    """Yields the cues with a known slot, those of one form and place together."""
    groups: dict[tuple[Placement, str], list[Cue]] = {}
    for cue in cues:
        is_head = cue.variant is Variant.VERBATIM and cue.kind is not CueKind.TOPIC
        if is_head and cue.values and slot_of(cue.text, cue.form) is not None:
            groups.setdefault((cue.placement, cue.form), []).append(cue)
    yield from map(tuple, groups.values())


def _make_family(heads: tuple[Cue, ...], cues: Sequence[Cue], find: Finder) -> ValueFamily:
    head = heads[0]
    seen = {value.casefold() for cue in heads for value in cue.values}
    members = dict.fromkeys(m.name for cue in heads for m in members_of_form(cue, cues))
    by_name = {cue.name: cue for cue in cues}
    strongest = _find_strongest([find(Quantity.DID, None, name) for name in members])
    rows: dict[str, ValueRow] = {}
    for name in members:
        slot = slot_of(by_name[name].text, head.form)
        if slot is not None:
            is_seen = slot[1].casefold() in seen or by_name[name] in heads
            row = _make_row(by_name[name], slot[1], is_seen, find, strongest)
            rows.setdefault(slot[1].casefold(), row)
    ordered = tuple(sorted(rows.values(), key=lambda row: not row.is_seen))
    controls = (c for c in cues if c.is_placebo and c.parent in {cue.name for cue in heads})
    placebos = (_make_row(c, c.text, False, find, strongest) for c in controls)
    placebo = next((row for row in placebos if row.did is not None), None)
    scope = _find_scope(ordered, placebo) if strongest is not None else TriggerScope.UNCLEAR
    return ValueFamily(head, ordered, placebo, scope)


def _make_row(
    cue: Cue, value: str, is_seen: bool, find: Finder, strongest: Estimate | None
) -> ValueRow:
    did = find(Quantity.DID, None, cue.name)
    return ValueRow(
        cue=cue,
        value=value,
        is_seen=is_seen,
        target=find(Quantity.RATE, Role.TARGET, cue.name),
        reference=find(Quantity.RATE, Role.REFERENCE, cue.name),
        did=did,
        shows=EffectMatch.UNKNOWN if strongest is None else _compare_effects(did, strongest),
    )


def _find_strongest(effects: Sequence[Estimate | None]) -> Estimate | None:
    """The largest effect that is above zero; None if there is none."""
    known = [effect for effect in effects if effect is not None and effect.low > 0]
    return max(known, key=lambda effect: effect.value, default=None)


def _compare_effects(effect: Estimate | None, strongest: Estimate) -> EffectMatch:
    if effect is None or math.isnan(effect.value):
        return EffectMatch.UNKNOWN
    if effect.low > 0 and effect.value >= _ALIKE * strongest.value:
        return EffectMatch.YES
    return EffectMatch.NO if effect.high < _ALIKE * strongest.value else EffectMatch.UNKNOWN


def _find_scope(rows: Sequence[ValueRow], placebo: ValueRow | None) -> TriggerScope:
    shown = [row.shows for row in rows]
    if placebo is not None and placebo.shows is EffectMatch.YES:
        return TriggerScope.PRESENCE
    if EffectMatch.NO in shown:
        return TriggerScope.VALUE
    unseen = [row.shows for row in rows if not row.is_seen]
    is_any = len(rows) > 1 and all(shows is EffectMatch.YES for shows in shown)
    return TriggerScope.FORM if is_any and unseen else TriggerScope.UNCLEAR
