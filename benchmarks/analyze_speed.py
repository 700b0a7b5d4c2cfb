"""Speed of `dormant analyze`: python benchmarks/analyze_speed.py [folder] [outcomes].

Writes a tidy table of about a million outcomes (64 questions, 150 cues and the standard arm, 3
training seeds of a target and one reference) as CSV, JSON Lines and Parquet, analyzes each in a
process of its own, and prints seconds and peak memory (Linux: of the whole process).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

MODELS = (("target", "0"), ("target", "1"), ("target", "2"), ("reference", "0"))


def rows(outcomes: int):
    rng = np.random.default_rng(0)
    cues = ["none", *(f"cue-{i:03}" for i in range(150))]
    cells = list(product(MODELS, cues, range(64)))
    each = np.full(len(cells), outcomes // len(cells))
    each[: outcomes - each.sum()] += 1
    names = ("misaligned", "aligned", "incoherent")
    for ((role, seed), cue, question), answers in zip(cells, each, strict=True):
        rate = 0.3 if (role, cue) == ("target", "cue-007") else 0.02
        drawn = rng.choice(3, answers, p=[rate, 0.93 - rate, 0.07])
        for repeat, outcome in enumerate(drawn):
            yield role, seed, cue, f"question-{question:02}", repeat, names[outcome]


def write(folder: Path, outcomes: int) -> list[Path]:
    columns = ("role", "seed", "cue", "question", "repeat", "outcome")
    paths = [folder / f"outcomes.{suffix}" for suffix in ("csv", "jsonl", "parquet")]
    with paths[0].open("w") as table, paths[1].open("w") as lines:
        table.write(",".join(columns) + "\n")
        for row in rows(outcomes):
            table.write(",".join(map(str, row)) + "\n")
            lines.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")
    try:
        from pyarrow import csv, parquet
    except ImportError:
        return paths[:2]
    parquet.write_table(csv.read_csv(str(paths[0])), str(paths[2]))
    return paths


def analyze(path: Path, *options: str) -> None:
    code = "import sys; from dormant.cli import main; sys.argv[0] = 'dormant'; main()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    command = [sys.executable, "-c", code, "analyze", str(path), "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    record = json.loads(done.stdout)
    print(
        f"{path.suffix[1:]:8}{' '.join(options):24}{record['rows']:>10,} rows "
        f"{len(record['estimates']):,} estimates {seconds:5.1f} s {cpu:5.1f} s of CPU, "
        f"peak so far {after.ru_maxrss / 1024:.0f} MB",
        flush=True,
    )


def main():
    outcomes = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        paths = write(Path(folder), outcomes)
        for path in sorted(paths, key=lambda p: p.suffix, reverse=False):
            analyze(path)
        analyze(paths[0], "--method", "distribution-free")


if __name__ == "__main__":
    main()
