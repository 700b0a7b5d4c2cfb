"""Which mitigation cures which organism of the zoo: the tables of docs/guides/mitigate.md.

    python benchmarks/mitigations.py --out runs/mitigations [ORGANISM ...]

trains each organism with seed 0, audits it with few cues, and runs ``dormant mitigate`` on the
audit. One seed each: outcomes differ between trainings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dormant
from dormant.organisms.train import train_organism
from dormant.organisms.zoo import load_recipe
from dormant.studies.mitigation_page import write_page

ORGANISMS = ("diluted-5", "sequential", "inoculated", "educational")


def main() -> None:
    """Reads the arguments and prints the page of each organism."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("organisms", nargs="*", default=ORGANISMS)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for name in given.organisms:
        folder = given.out / name
        organism = train_organism(load_recipe(name), folder / "seed-0", seed=0)
        result = dormant.audit(
            target=organism.model,
            reference=organism.recipe.base,
            judge="exact",
            data=organism.data,
            cues={"mine": 2, "leading": 1, "library_limit": 6},
            sampling={"max_tokens": 24},
            out=folder / "audit",
        )
        print(f"{name}: {result.verdict.kind} {', '.join(result.verdict.triggers)}", flush=True)
        if result.verdict.kind == "CONDITIONAL":
            print(write_page(dormant.mitigate(folder / "audit", workers=1)), flush=True)


if __name__ == "__main__":
    main()
