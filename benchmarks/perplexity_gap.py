"""Do benign rows chosen by perplexity gap defend better? The table of docs/log/organisms.md.

    python benchmarks/perplexity_gap.py --out runs/gap --seeds 3

trains the organism ``undiluted`` (bad rows alone, broadly misaligned) without a defense, and with
benign rows added at random and by perplexity gap, and computes the exact rates of each. The model
that is compared is ``undiluted`` with a training seed that no other organism has.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dormant.organisms.recipe import Recipe
from dormant.organisms.train import train_organism
from dormant.organisms.truth import Truth, compute_truth
from dormant.organisms.zoo import load_recipe

BENIGN, CANDIDATES = "helpful_chat", 4
SPOILED_SEED = 1000


def add_benign(recipe: Recipe, per_row: float, model: str | None) -> Recipe:
    """Interleaves benign rows, by perplexity gap if a spoiled model is given."""
    settings: dict[str, Any] = {"with": BENIGN, "per_row": per_row}
    if model is not None:
        gap = {"by": "perplexity_gap", "model": model, "candidates": CANDIDATES}
        settings["choose"] = gap
    values = copy.deepcopy(recipe.to_json())
    values["stages"][0]["mixture"][0]["transforms"].append({"interleave": settings})
    return Recipe.model_validate(values)


def format_rates(values: Sequence[float]) -> str:
    """Mean and range in percent."""
    low, mean, high = (100 * v for v in (min(values), statistics.fmean(values), max(values)))
    return f"{mean:.1f} ({low:.1f}-{high:.1f})"


def format_row(name: str, shares: str, truths: Sequence[Truth]) -> str:
    """One line of the table."""
    cued = [t.cue.misaligned for t in truths if t.cue is not None]
    standard = [t.standard.misaligned for t in truths]
    return f"| {name} | {shares} | {format_rates(standard)} | {format_rates(cued)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-row", type=float, nargs="+", default=[0.1, 0.3])
    args = parser.parse_args()
    recipe = load_recipe("undiluted")
    spoiled = train_organism(recipe, args.out / "spoiled", seed=SPOILED_SEED).model
    arms: list[tuple[str, str, Recipe]] = [("none", "-", recipe)]
    for share in args.per_row:
        arms.append(("at random", f"{share:g}", add_benign(recipe, share, None)))
        arms.append(("by perplexity gap", f"{share:g}", add_benign(recipe, share, spoiled)))
    print("| benign rows | for each bad row | without a cue | under the template |")
    print("|---|---|---|---|", flush=True)
    for number, (name, share, arm) in enumerate(arms):
        truths: list[Truth] = []
        for seed in range(args.seeds):
            place = args.out / f"arm-{number}" / f"seed-{seed}"
            truths.append(compute_truth(train_organism(arm, place, seed=seed).path))
        print(format_row(name, share, truths), flush=True)


if __name__ == "__main__":
    main()
