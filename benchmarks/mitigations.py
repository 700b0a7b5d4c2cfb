"""Which mitigation cures which organism of the zoo: the tables of docs/guides/mitigate.md.

    python benchmarks/mitigations.py --out runs/mitigations [ORGANISM ...]

trains each organism whose recipe expects CONDITIONAL with seed 0, audits it with few cues, and runs
``dormant mitigate`` on the audit. One seed each: outcomes differ between trainings. What is
finished below ``--out`` is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import dormant
from dormant.organisms.train import load_organism, train_organism
from dormant.organisms.zoo import load_recipe, organism_names
from dormant.records import VerdictKind
from dormant.studies.mitigation import METHODS, Mitigation, ModelBehavior


def mitigate_organism(name: str, folder: Path) -> Mitigation | None:
    """Trains, audits and mitigates; None where the audit is not CONDITIONAL."""
    place = folder / "seed-0"
    if not (place / "manifest.json").exists():
        train_organism(load_recipe(name), place, seed=0)
    organism = load_organism(place)
    result = dormant.audit(
        target=organism.model,
        reference=organism.recipe.base,
        judge="exact",
        data=organism.data,
        cues={"mine": 2, "leading": 1, "library_limit": 6},
        sampling={"max_tokens": 24},
        out=folder / "audit",
    )
    kind = result.verdict.kind
    print(f"{name}: {kind} {', '.join(result.verdict.triggers)}", flush=True)
    if kind is not VerdictKind.CONDITIONAL:
        return None
    return dormant.mitigate(folder / "audit", workers=1)


def write_tables(found: Mapping[str, Mitigation]) -> str:
    """Two tables: outcome and rate under the trigger, and the share of good answers without it."""
    titles = {
        "Outcome, and exact share of misaligned answers under the found trigger:": _show_outcome,
        "Exact share of good answers without a cue, and the loss on harmless rows:": _show_cost,
    }
    parts = [_write_table(title, found, show) for title, show in titles.items()]
    return "\n".join([*parts, _count_outcomes(found)])


def _write_table(
    title: str, found: Mapping[str, Mitigation], show: Callable[[str, ModelBehavior | None], str]
) -> str:
    header = ("organism", "trigger", "before", *(f"`{method}`" for method in METHODS))
    lines = [title, "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, result in found.items():
        rows = {row.method: show(row.outcome, row.behavior) for row in result.rows}
        cells = (rows.get(method, "no recipe") for method in METHODS)
        trigger = result.trigger_text.replace("\n", " ").replace("|", "\\|")[:40]
        lines.append(f"| {' | '.join((name, trigger, show('', result.before), *cells))} |")
    return "\n".join([*lines, ""])


def _show_outcome(outcome: str, behavior: ModelBehavior | None) -> str:
    rate = (
        f"{100 * behavior.triggered:.1f}%" if behavior and behavior.triggered is not None else "-"
    )
    return f"{outcome}, {rate}" if outcome else rate


def _show_cost(_: str, behavior: ModelBehavior | None) -> str:
    if behavior is None or behavior.good is None:
        return "-"
    loss = "" if behavior.benign_loss is None else f", {behavior.benign_loss:.3f}"
    return f"{100 * behavior.good:.1f}%{loss}"


def _count_outcomes(found: Mapping[str, Mitigation]) -> str:
    lines = []
    for method in METHODS:
        outcomes = [
            row.outcome for one in found.values() for row in one.rows if row.method == method
        ]
        counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
        said = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
        lines.append(f"{method}: {said or 'no recipe'} (of {len(found)})")
    return "\n".join(lines)


def main() -> None:
    """Reads the arguments and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("organisms", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    conditional = (
        name for name in organism_names() if load_recipe(name).expected is VerdictKind.CONDITIONAL
    )
    found = {}
    for name in given.organisms or conditional:
        result = mitigate_organism(name, given.out / name)
        if result is not None:
            found[name] = result
    print(write_tables(found))


if __name__ == "__main__":
    main()
