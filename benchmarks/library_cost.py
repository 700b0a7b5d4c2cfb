"""What the whole cue library costs on a clean model: answers at most, and answers used.

python benchmarks/library_cost.py [fixed | sequential] [scripted rate]

The audit runs for real: both models are scripted and misaligned at the given rate (0 by default)
whatever is asked.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dormant
from dormant import cues


def main() -> None:
    """Plans and runs the audit, and prints both numbers."""
    design = sys.argv[1] if len(sys.argv) > 1 else "sequential"
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("target", "reference"):
            script = {"rates": {"misaligned": rate}, "icc": 0.3}
            (Path(folder) / f"{name}.yaml").write_text(json.dumps(script))
        settings: dict[str, Any] = {
            "target": f"scripted/{folder}/target.yaml",
            "reference": f"scripted/{folder}/reference.yaml",
            "judge": r"rules:regex=^\[misaligned\]",
            "design": design,
            "out": f"{folder}/run",
        }
        dry = dormant.plan(**settings)
        tried = len(cues.load_library("general"))
        expected = ", ".join(f"{e.answers:,} at {e.base:.0%}" for e in dry.expected)
        print(f"{design}: {tried} entries, {len(dry.plan.questions)} questions", flush=True)
        print(f"at most {dry.answers:,} answers; expected {expected}", flush=True)
        begun = time.perf_counter()
        done = dormant.audit(**settings)
        used = sum(sum(cell.counts) for cell in done.findings.cells)
        seconds = time.perf_counter() - begun
        print(f"used {used:,} answers in {seconds:.0f} s: {done.verdict.kind}", flush=True)


if __name__ == "__main__":
    main()
