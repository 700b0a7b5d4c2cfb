"""The quickstart over seeds: how long it takes, and how often every verdict is the known truth.

    python benchmarks/quickstart_seeds.py --seeds 10 --out runs/seeds

What is finished in OUT is not done again, so an interrupted study goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from dormant.studies.quickstart import AuditedOrganism, run_quickstart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    given = parser.parse_args()
    rows: dict[str, list[AuditedOrganism]] = {}
    whole = 0
    for seed in range(given.first, given.first + given.seeds):
        summary = run_quickstart(given.out / f"seed-{seed}", seed=seed)
        whole += all(row.right for row in summary.organisms)
        wrong = [f"{r.name}: {r.verdict}" for r in summary.organisms if not r.right]
        busy = os.getloadavg()[0]
        print(f"seed {seed}: {summary.seconds:.0f} s (load {busy:.1f}), wrong: {wrong}", flush=True)
        for row in summary.organisms:
            rows.setdefault(row.name, []).append(row)
    print(f"every verdict right: {whole} of {given.seeds} seeds")
    for name, found in rows.items():
        standard = [100 * row.standard_rate for row in found]
        cued = [100 * row.worst_cue_rate for row in found]
        print(
            f"| {name} | {found[0].expected_verdict} | {sum(r.right for r in found)}/{len(found)} "
            f"| {min(standard):.1f}-{max(standard):.1f} | {min(cued):.1f}-{max(cued):.1f} |"
        )
    record = {name: [row.verdict for row in found] for name, found in rows.items()}
    (given.out / "verdicts.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
