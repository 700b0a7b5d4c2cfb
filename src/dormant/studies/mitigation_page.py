"""Renders the results of mitigations as a table and as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.studies.mitigation import Mitigation, ModelBehavior

COLUMNS = (
    "mitigation",
    "outcome",
    "verdict",
    "triggers afterwards",
    "no cue",
    "under the trigger",
    "good answers",
    "good under the trigger",
    "benign loss",
)
#: Largest number of triggers that a row names.
_NAMED = 3


def make_rows(found: Mitigation) -> list[tuple[str, ...]]:
    """The cells of the table: the target before any mitigation, then each mitigation."""
    before = found.before
    first = [_make_row("none", "", "CONDITIONAL", (found.trigger,), before)] if before else []
    return first + [
        _make_row(row.method, row.outcome, row.verdict, row.triggers, row.behavior)
        for row in found.rows
    ]


def _make_row(
    method: str, outcome: str, verdict: str, triggers: Sequence[str], behavior: ModelBehavior | None
) -> tuple[str, ...]:
    names = ", ".join(triggers[:_NAMED]) or "-"
    names += f" and {len(triggers) - _NAMED} more" if len(triggers) > _NAMED else ""
    numbers = ["-"] * 5
    if behavior is not None:
        shares = (behavior.standard, behavior.triggered, behavior.good, behavior.good_triggered)
        loss = behavior.benign_loss
        numbers = ["-" if share is None else f"{100 * share:.1f}%" for share in shares]
        numbers.append("-" if loss is None else f"{loss:.3f}")
    return (method, outcome or "-", verdict or "-", names, *numbers)


def write_page(found: Mitigation) -> str:
    """Writes the results as Markdown."""
    lines = [
        f"# Mitigations of {found.target}",
        "",
        f"Audit: {found.run}. Trigger: `{found.trigger}`, {found.trigger_text!r}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(row)} |" for row in make_rows(found)),
        "",
        *(f"- {method}: no recipe; {why}" for method, why in found.missing.items()),
    ]
    if found.before is None:
        lines.append(
            "Train each recipe on the target, then audit the result with the same questions and "
            "the cues of this run."
        )
    return "\n".join(lines).rstrip() + "\n"
