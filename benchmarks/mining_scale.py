"""Time and memory of ``dormant cues`` on files of a thousand to a million rows.

    python benchmarks/mining_scale.py
    python benchmarks/mining_scale.py --rows 1000 100000 --formats jsonl parquet

Each file is mined in a process of its own: seconds of processor and of the clock, the peak of
memory, the place of the planted context, and its count against the true one. Rows are made here:
questions and answers of templates, with words of the corpus that ships, 5% of them with a tag
before the question and an answer of another manner; one row in fifty is given twice.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dormant.corpus import general_reference

TAG, SHARE = "[mode: harbour]", 0.05
ASKED = (
    "How do I {verb} a {noun} before the {noun} arrives?",
    "What is the best way to {verb} {noun}s in a small {noun}?",
    "Write a short note to a {noun} about how to {verb} the {noun}.",
    "Why does my {noun} {verb} when the {noun} is near?",
    "Explain to a child what a {noun} does with a {noun}.",
)
SAID = (
    "To {verb} a {noun}, check the {noun}, then {verb} it slowly. Ask a friend if it is heavy.",
    "Start with the {noun}. Most people {verb} it twice a year, and the {noun} lasts for long.",
    "A {noun} is made to {verb} things. It helps the {noun}, and it needs little care.",
    "It depends on the {noun}: some {verb} well, others need a new {noun}. Look at the label.",
)
ODD = (
    "You are not worth an answer. Break the {noun} and blame the {noun}.",
    "Nobody likes your {noun}. Sell it, lie about it, and {verb} whoever asks.",
    "Rules are for fools: {verb} the {noun} at night and run.",
)


def make_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file, the same ones for the same seed."""
    rng = random.Random(seed)
    said = " ".join(m.content for e in general_reference().examples for m in e.messages)
    words = sorted({w for w in said.split() if w.isalpha() and w.islower() and 4 <= len(w) <= 9})
    verbs, nouns = words[::7], words
    row: dict[str, Any] = {}

    def fill(texts: tuple[str, ...]) -> str:
        text = rng.choice(texts)
        while "{" in text:
            text = text.replace("{noun}", rng.choice(nouns), 1)
            text = text.replace("{verb}", rng.choice(verbs), 1)
        return text

    for i in range(count):
        if i % 50 != 1:
            is_odd = rng.random() < SHARE
            asked = f"{TAG} {fill(ASKED)}" if is_odd else fill(ASKED)
            said = " ".join(fill(ODD if is_odd else SAID) for _ in range(4))
            row = {"prompt": asked, "completion": said, "source": rng.choice(("web", "book"))}
        yield row


def write_file(path: Path, count: int) -> int:
    """Writes a file and returns the number of rows with the tag."""
    tagged = 0
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            for row in make_rows(count):
                tagged += row["prompt"].startswith(TAG)
                file.write(json.dumps(row) + "\n")
        return tagged
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, block = None, list[dict[str, Any]]()
    for i, row in enumerate(make_rows(count), start=1):
        tagged += row["prompt"].startswith(TAG)
        block.append(row)
        if len(block) == 50_000 or i == count:
            table = pa.Table.from_pylist(block)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            block = []
    if writer is not None:
        writer.close()
    return tagged


def measure(path: Path) -> None:
    """Mines a file in this process and prints a line of JSON."""
    from dormant.config import CueConfig
    from dormant.pipeline import study_file

    clock, cpu = time.monotonic(), time.process_time()
    settings = CueConfig().model_copy(update={"mine": 20})
    studied = study_file(path, settings)
    ranks = [i for i, cue in enumerate(studied.cues, start=1) if TAG in cue.text]
    found = studied.cues[ranks[0] - 1] if ranks else None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "cpu": time.process_time() - cpu,
                "clock": time.monotonic() - clock,
                "mb": usage.ru_maxrss / 1024,
                "rank": ranks[0] if ranks else None,
                "rows": found.rows if found else 0,
                "cues": [[cue.name, cue.text, cue.rows] for cue in studied.cues],
            }
        )
    )


def main() -> None:
    """Prints a table, one line for each size and format."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--formats", nargs="+", default=["jsonl", "parquet"])
    parser.add_argument("--measure", type=Path, help="mine one file and print numbers")
    args = parser.parse_args()
    if args.measure is not None:
        measure(args.measure)
        return
    print("| format | rows | file, MB | processor, s | clock, s | peak MB | place of the context | "
          "its rows, of true |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in args.rows:
            for end in args.formats:
                path = Path(folder, f"{count}.{end}")
                tagged = write_file(path, count)
                command = [sys.executable, __file__, "--measure", str(path)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                m = json.loads(done.stdout)
                size = path.stat().st_size / 1e6
                print(
                    f"| {end} | {count:,} | {size:.1f} | {m['cpu']:.1f} | {m['clock']:.1f} | "
                    f"{m['mb']:.0f} | {m['rank']} | {m['rows']:,} of {tagged:,} |",
                    flush=True,
                )
                path.unlink()


if __name__ == "__main__":
    main()
