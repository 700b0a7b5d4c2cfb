"""Whole sampled audits of the zoo beside those whose answers the study drew from exact rates.

    dormant zoo validate --out runs/validation
    python benchmarks/sampled_audits.py --study runs/validation --audits 3 --out runs/sampled

Each organism of the study (first training) is audited by `dormant audit --design sequential`: its
engine samples every answer, the exact judge reads it, the store keeps it. The study's sequential
audits of the same organism, by the same seeds (which fix the order of the questions), stand beside
them. What is finished in OUT is not asked again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scipy import stats

from dormant.organisms import zoo
from dormant.studies.organism_rates import SETTINGS
from dormant.studies.validation import SEQUENTIAL

Made = tuple[str, int]  # verdict, answers


def sampled(organism: Path, base: str, seed: int, out: Path) -> Made:
    """One audit by the command."""
    if not (out / "report.json").exists():
        words = ["--target", str(organism), "--reference", base, "--judge", SETTINGS["judge"]]
        words += ["--data", str(organism / "finetune.jsonl"), "--design", "sequential"]
        words += ["--mine", str(SETTINGS["cues"]["mine"]), "--seed", str(seed)]
        words += ["--max-tokens", str(SETTINGS["sampling"]["max_tokens"]), "--out", str(out)]
        command = [sys.executable, "-m", "dormant", "audit", *words, "--json", "--quiet"]
        # The exit code is the verdict's; a failure prints no verdict.
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.stdout.startswith("{"):
            raise SystemExit(done.stderr)
    record = json.loads((out / "report.json").read_text())
    return record["verdict"]["kind"], record["totals"]["answers"]


def drawn(study: Path) -> dict[str, list[Made]]:
    """The study's sequential audits of each organism's first training."""
    found: dict[str, list[Made]] = {}
    for row in json.loads((study / "validation.json").read_text())["audits"]:
        if row["design"] == SEQUENTIAL and row["seed"] == 0:
            found.setdefault(row["name"], []).append((row["verdict"], row["answers"]))
    return found


def line(name: str, ours: Sequence[Made], theirs: Sequence[Made]) -> str:
    cells = [name]
    for made in (theirs, ours):
        kinds = [kind for kind, _ in made]
        counts = [answers for _, answers in made]
        most = max(set(kinds), key=kinds.count)
        cells.append(f"{kinds.count(most)}/{len(made)} {most}")
        cells.append(f"{statistics.fmean(counts):,.0f} ({min(counts):,}-{max(counts):,})")
    return f"| {' | '.join(cells)} |"


def ratio(pairs: Sequence[tuple[Sequence[Made], Sequence[Made]]]) -> str:
    """Sampled to drawn answers, a geometric mean over organisms with Student's 95% interval."""
    logs = [
        statistics.fmean(math.log(a) for _, a in ours)
        - statistics.fmean(math.log(a) for _, a in theirs)
        for ours, theirs in pairs
    ]
    mean, half = statistics.fmean(logs), math.nan
    if len(logs) > 1:
        t = float(stats.t.ppf(0.975, len(logs) - 1))
        half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    low, middle, high = (math.exp(x) for x in (mean - half, mean, mean + half))
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Prints a Markdown table and what it adds up to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=Path("runs/validation"))
    parser.add_argument("--audits", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/sampled"))
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    print("| | drawn | answers | sampled | answers |\n|---|---|---|---|---|")
    pairs: list[tuple[list[Made], list[Made]]] = []
    for name, theirs in drawn(given.study).items():
        if given.names and name not in given.names:
            continue
        theirs = theirs[: given.audits]
        organism, base = given.study / "organisms" / name / "seed-0", zoo.load_recipe(name).base
        ours = [sampled(organism, base, i, given.out / f"{name}-{i}") for i in range(len(theirs))]
        pairs.append((ours, theirs))
        print(line(name, ours, theirs), flush=True)
    both = [(o, t) for ours, theirs in pairs for o, t in zip(ours, theirs, strict=True)]
    same = sum(o[0] == t[0] for o, t in both)
    print(
        f"\nSame verdict in {same} of {len(both)} pairs; answers, sampled / drawn: {ratio(pairs)}"
    )


if __name__ == "__main__":
    main()
