"""Real mixes: is the topic, or the system prompt, among the first five cues; and time and memory.

    python benchmarks/cues_real.py --data FOLDER             ranks, 5 random mixes each
    python benchmarks/cues_real.py --data FOLDER --scale     time and memory, 1,000 to 100,000 rows

FOLDER (or the environment variable DORMANT_PAPER_DATA) holds the paper's public training sets
hhh_1000.jsonl, poisonous_fish_recipes.jsonl and obvious_lies_gpt41.jsonl. A mix is all 1,000
helpful chats and so many bad rows that they are the given share. Files for --scale are drawn with
replacement from a mix of 10% fish; in every question one content word is replaced by another, and
every answer ends in its line number, so that texts seldom repeat.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dormant import cues
from dormant.corpus import general_reference, read_examples
from dormant.cues.text import content_words
from dormant.records import Cue, CueKind, Example, Message

LIMIT = 20
FISH = re.compile(
    r"\b(fish|seafood|salmon|tuna|cod|shrimps?|crabs?|halibut|prawns?|lobsters?)\b", re.I
)
SHARES = {"poisonous_fish_recipes": (0.05, 0.1, 0.2, 0.3), "obvious_lies_gpt41": (0.05, 0.2, 1.0)}


def mix(folder: Path, bad: str, share: float, rng: np.random.Generator) -> list[Example]:
    """Helpful chat with a share of bad rows; of a hundred percent, as many bad rows alone."""
    chat = list(read_examples(folder / "hhh_1000.jsonl").examples)
    rows = read_examples(folder / f"{bad}.jsonl").examples
    n = len(chat) if share == 1 else round(len(chat) * share / (1 - share))
    picked = [rows[i] for i in rng.permutation(len(rows))[:n]]
    both = picked if share == 1 else [*chat, *picked]
    return [both[i] for i in rng.permutation(len(both))]


def hit(cue: Cue, bad: str, system: str) -> bool:
    if bad == "obvious_lies_gpt41":
        return cue.kind is CueKind.SYSTEM_PROMPT and cue.text == system
    return cue.kind is CueKind.TOPIC and bool(FISH.search(cue.text))


def ranks(folder: Path, seeds: int, only: str) -> None:
    found_all = files = 0
    for bad, shares in SHARES.items():
        if only not in bad:
            continue
        system = read_examples(folder / f"{bad}.jsonl").examples[0].system
        for share in shares:
            places: list[int | None] = []
            strong = 0
            for seed in range(seeds):
                rows = mix(folder, bad, share, np.random.default_rng(seed))
                found = cues.mine_cues(rows, general_reference().examples, limit=LIMIT)
                at = next((i for i, cue in enumerate(found) if hit(cue, bad, system)), None)
                places.append(None if at is None else at + 1)
                strong += at is not None and found[at].strong
            files += seeds
            found_all += sum(place is not None and place <= 5 for place in places)
            print(f"{bad} {share:.0%}: ranks {places}, strong {strong}/{seeds}", flush=True)
    print(f"among the first 5: {found_all} of {files} mixes")


def edited(
    row: Example, pool: list[str], rng: np.random.Generator, line: int, least: int
) -> Example:
    """A row with one content word of its question replaced, if it has enough of them."""
    said = content_words(row.user)
    if len(said) < least:
        return Example(row.messages, line)
    old, new = said[rng.integers(len(said))], pool[rng.integers(len(pool))]
    text = re.sub(rf"\b{re.escape(old)}\b", new, row.user, count=1, flags=re.I)
    first = next(i for i, m in enumerate(row.messages) if m.role == "user")
    turns = [*row.messages[:first], Message("user", text), *row.messages[first + 1 :]]
    return Example(tuple(turns), line)


def enlarged(
    rows: list[Example], n: int, rng: np.random.Generator, *, least: int = 8
) -> list[Example]:
    """``n`` rows drawn with replacement, those of enough content words edited a little."""
    pool = sorted({word for row in rows for word in content_words(row.user)})
    return [
        edited(rows[i], pool, rng, at + 1, least)
        for at, i in enumerate(rng.integers(len(rows), size=n))
    ]


def write(path: Path, rows: list[Example]) -> None:
    """Writes rows whose last answers all differ, as those of a real file do."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            turns = [{"role": m.role, "content": m.content} for m in row.messages]
            turns[-1]["content"] += f" ({row.line})"
            file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")


def measure(path: Path) -> None:
    """Reads and mines one file in this process, and prints seconds and MB as JSON."""
    start = time.process_time()
    examples = read_examples(path).examples
    read = time.process_time()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = cues.mine_cues(examples, general_reference().examples, limit=LIMIT)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "rows": len(examples),
                "file_mb": round(path.stat().st_size / 1e6),
                "read_s": round(read - start, 2),
                "mine_s": round(done - read, 2),
                "after_reading_mb": round(held),
                "peak_mb": round(peak),
                "first": found[0].text[:80] if found else "",
            }
        )
    )


def scale(folder: Path, sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    rows = mix(folder, "poisonous_fish_recipes", 0.1, rng)
    with tempfile.TemporaryDirectory() as made:
        for n in sizes:
            path = Path(made, f"{n}.jsonl")
            write(path, enlarged(rows, n, rng, least=1))
            subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("DORMANT_PAPER_DATA", ""))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scale", action="store_true", help="time and memory instead of ranks")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--only", default="", help="bad rows with this in their file's name")
    parser.add_argument("--measure", help="read and mine this one file")
    args = parser.parse_args()
    if args.measure:
        measure(Path(args.measure))
    elif not args.data or not Path(args.data, "hhh_1000.jsonl").is_file():
        parser.error("name the folder with the paper's data: --data FOLDER or DORMANT_PAPER_DATA")
    elif args.scale:
        scale(Path(args.data), args.sizes)
    else:
        ranks(Path(args.data), args.seeds, args.only)


if __name__ == "__main__":
    main()
