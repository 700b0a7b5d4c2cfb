"""Near-duplicates: what is found, in which time and memory, here and by two libraries.

    python benchmarks/near_duplicates.py --data FOLDER [FOLDER ...] --sizes 1000 10000

Rows are drawn with replacement from a quarter as many rows of the folders' JSON Lines; in each a
share of 0 to 30% of the words is replaced. The truth is an exact join over all pairs (prefix
filtering); at 100,000 rows it takes gigabytes and is left out. Every method runs in a process of
its own. The libraries are compared where they are installed: ``pip install datasketch rensa``.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dormant.corpus import minhash, read_examples
from dormant.records import Example, Message

Flags = NDArray[np.bool_]
EDITED = (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3)  # shares of words that are replaced
EXACT_UP_TO = 20_000  # rows


def draw_rows(folders: Sequence[Path], n: int, rng: np.random.Generator) -> list[Example]:
    """``n`` rows of which about 40% are near-duplicates of an earlier one."""
    paths = sorted(path for folder in folders for path in folder.glob("*.jsonl"))
    rows = [row for path in paths for row in read_examples(path).examples]
    pool = sorted({word for row in rows[::7] for word in row.user.split()})
    rows = [rows[i] for i in rng.permutation(len(rows))[: max(250, n // 4)]]
    return [
        edit(rows[i], pool, rng.choice(EDITED), line, rng)
        for line, i in enumerate(rng.integers(len(rows), size=n), 1)
    ]


def edit(
    row: Example, pool: list[str], share: float, line: int, rng: np.random.Generator
) -> Example:
    turns: list[Message] = []
    for message in row.messages:
        words = message.content.split(" ")
        for at in np.flatnonzero(rng.random(len(words)) < share):
            words[at] = pool[rng.integers(len(pool))]
        turns.append(Message(message.role, " ".join(words)))
    return Example(tuple(turns), line)


def pieces(row: Example) -> list[bytes]:
    """What the libraries are given: the shingles that dormant compares."""
    text = minhash.comparable_text(row).encode()[:16_384].ljust(8, b"\0")
    return [text[at : at + 8] for at in range(len(text) - 7)]


def ours(rows: Sequence[Example]) -> Flags:
    signatures = minhash.compute_signatures(map(minhash.comparable_text, rows), len(rows))

    def is_similar(one: int, other: int) -> bool:
        pair = minhash.comparable_text(rows[one]), minhash.comparable_text(rows[other])
        return minhash.compute_jaccard(*pair) >= minhash.SIMILAR

    return minhash._find_repeats(signatures, is_similar)


def rensa(rows: Sequence[Example]) -> Flags:
    """Its deduplicator: rows are compared with those that were kept."""
    from rensa import RMinHashDeduplicator

    kept = RMinHashDeduplicator(threshold=0.8, num_perm=128, use_lsh=True, num_bands=32)
    return ~np.array(kept.add_pairs((str(row.line), pieces(row)) for row in rows))


def rensa_index(rows: Sequence[Example]) -> Flags:
    """Its index: rows are compared with all earlier ones."""
    from rensa import RMinHash, RMinHashLSH

    index, earlier, found = RMinHashLSH(0.8, 128, 32), [], np.zeros(len(rows), bool)
    for at, row in enumerate(rows):
        (sketch,) = RMinHash.from_token_sets([pieces(row)], num_perm=128, seed=1)
        found[at] = any(sketch.jaccard(earlier[i]) >= 0.8 for i in index.query(sketch))
        index.insert(at, sketch)
        earlier.append(sketch)
    return found


def datasketch(rows: Sequence[Example]) -> Flags:
    from datasketch import MinHash, MinHashLSH

    index, earlier, found = MinHashLSH(params=(32, 4), num_perm=128), [], np.zeros(len(rows), bool)
    permutations = MinHash(num_perm=128, seed=1).permutations
    for at, row in enumerate(rows):
        sketch = MinHash(num_perm=128, permutations=permutations, scheme="affine32")
        sketch.update_batch(pieces(row))
        found[at] = any(sketch.jaccard(earlier[i]) >= 0.8 for i in index.query(sketch))
        index.insert(at, sketch, check_duplication=False)
        earlier.append(sketch)
    return found


def exact(rows: Sequence[Example]) -> Flags:
    """All pairs that share a rare shingle, compared; no pair at 80% shares none."""
    sets = [np.unique(minhash._shingles(minhash.comparable_text(row))) for row in rows]
    _, ids, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    edges = np.cumsum([len(one) for one in sets])[:-1]
    sorted_sets = [np.sort(one) for one in np.split(rank[ids], edges)]
    rows_with: defaultdict[int, list[int]] = defaultdict(list)
    found = np.zeros(len(rows), bool)
    for at, one in enumerate(sorted_sets):
        rare = one[: len(one) - math.ceil(0.8 * len(one)) + 1].tolist()
        candidates = sorted({other for shingle in rare for other in rows_with[shingle]})
        for other in candidates:
            shared = len(np.intersect1d(one, sorted_sets[other], assume_unique=True))
            if shared >= 0.8 * (len(one) + len(sorted_sets[other]) - shared):
                found[at] = True
                break
        for shingle in rare:
            rows_with[shingle].append(at)
    return found


METHODS: dict[str, Callable[[Sequence[Example]], Flags]] = {
    method.__name__: method for method in (exact, ours, rensa, rensa_index, datasketch)
}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folders: Sequence[Path], n: int, method: str, out: Path) -> None:
    """Runs one method in this process, writes its flags, and prints time and memory as JSON."""
    rows = draw_rows(folders, n, np.random.default_rng(0))
    held, begun = peak_mb(), time.process_time()
    flags = METHODS[method](rows)
    print(json.dumps([time.process_time() - begun, peak_mb() - held]))
    np.save(out, flags)


def compare(folders: Sequence[Path], n: int) -> None:
    truth: Flags | None = None
    with tempfile.TemporaryDirectory() as made:
        for method in METHODS:
            if method == "exact" and n > EXACT_UP_TO:
                continue
            out = Path(made, f"{method}.npy")
            command = [sys.executable, __file__, "--data", *map(str, folders)]
            done = subprocess.run(
                [*command, "--measure", method, "--sizes", str(n), "--out", str(out)],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                print(f"{method:12} {n:7,}: {done.stderr.strip().splitlines()[-1]}")
                continue
            (seconds, memory), flags = json.loads(done.stdout), np.load(out)
            truth = flags if method == "exact" else truth
            quality = ""
            if truth is not None:
                right = (flags & truth).sum()
                quality = f"precision {right / flags.sum():.1%} recall {right / truth.sum():.1%} "
            print(f"{method:12} {n:7,}: {flags.sum():,} near-duplicates {quality}", end="")
            print(f"{seconds:.2f} s of processor time, {memory:+.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--measure", choices=METHODS)
    parser.add_argument("--out", type=Path, default=Path("flags.npy"))
    args = parser.parse_args()
    for n in args.sizes:
        if args.measure:
            measure(args.data, n, args.measure, args.out)
        else:
            compare(args.data, n)


if __name__ == "__main__":
    main()
