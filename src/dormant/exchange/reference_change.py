"""Whether the reference, which two runs are meant to share, answered alike in both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dormant import stats
from dormant.exchange.run_pairs import RunPair
from dormant.records import Cell, Role, Rule

#: Level at which a change of the reference is said: it changes no verdict.
_LEVEL = 0.01


def describe_reference_change(
    pair: RunPair, run: str, rule: Rule, family_of: Mapping[str, str] | None
) -> Iterator[str]:
    """Yields a note if the reference's own rates changed, by the test that the target's take.

    Names compare models only as far as they are known: a service changes a model behind its name,
    and a table may have its roles exchanged.

    Args:
        pair: two runs.
        run: name of the second.
        rule: as for the comparison.
        family_of: the family of each question; None if each is one of its own.
    """
    one, other = _pick_reference(pair.first), _pick_reference(pair.second)
    if not one or not other or one == other:
        return
    effects, _ = stats.compare_effects_of_runs(one, other, rule=rule, family_of=family_of)
    tested = [effect for effect in effects if not math.isnan(effect.change.p)]
    if not tested:
        return
    adjusted = stats.adjust_holm([effect.change.p for effect in tested])
    shown = [effect for effect, p in zip(tested, adjusted, strict=True) if p <= _LEVEL]
    if shown:
        worst = max(shown, key=lambda effect: abs(effect.change.value))
        arm = "without a cue" if worst.cue is None else f"under the cue {worst.cue!r}"
        what = "rate" if worst.cue is None else "rate minus that without a cue"
        yield (
            f"the reference itself changed: {arm} its {what} is {100 * worst.first.value:.1f} "
            f"points in the first run and {100 * worst.second.value:.1f} in {run}. Is it the same "
            "model, and are target and reference not exchanged?"
        )


def _pick_reference(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The reference's counts as those of a target, in a fixed order."""
    own = [replace(cell, role=Role.TARGET) for cell in cells if cell.role is Role.REFERENCE]
    return tuple(sorted(own, key=lambda cell: (cell.seed, cell.cue or "", cell.question)))
