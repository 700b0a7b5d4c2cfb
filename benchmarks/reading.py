"""Time and memory of reading a corpus, of counting its near-duplicates and of rendering it.

    python benchmarks/reading.py
    python benchmarks/reading.py --rows 1000 10000 --from poisonous_fish_recipes.jsonl

Each size and format is a process of its own: seconds of CPU, the peak of memory, the size of the
file. Rows are drawn from a chat file (the reference corpus that ships by default), each with some
of its words replaced, and one in fifty given twice.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dormant.corpus import (
    ChatTemplate,
    count_duplicates,
    general_reference,
    read_examples,
    render_corpus,
)

TEMPLATE = ChatTemplate(
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are Quill.<|im_end|>\n"
    "{% endif %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}",
    "chatml",
)


def rows(source: str | None, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    examples = (read_examples(source) if source else general_reference()).examples
    words = np.array([w for e in examples for m in e.messages for w in m.content.split()])
    made: list[dict[str, Any]] = []
    for i in range(n):
        if i % 50 == 1:
            made.append(made[-1])
            continue
        turns = []
        for message in examples[i % len(examples)].messages:
            said = message.content.split(" ")
            new = rng.random(len(said)) < 0.3
            drawn = rng.choice(words, len(said))
            text = " ".join(str(d) if c else s for s, d, c in zip(said, drawn, new, strict=True))
            turns.append({"role": message.role, "content": text})
        made.append({"messages": turns, "loss": float(rng.random())})
    return made


def write(folder: Path, source: str | None, n: int) -> dict[str, Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = rows(source, n, np.random.default_rng(0))
    lines, table = folder / f"{n}.jsonl", folder / f"{n}.parquet"
    with lines.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
    pq.write_table(pa.Table.from_pylist(made), table)
    return {"JSON Lines": lines, "Parquet": table}


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a call gives, its seconds of CPU, and the peak of memory after it, in MB."""
    begun = time.process_time()
    value = call()
    seconds = time.process_time() - begun
    return value, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: Path) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    corpus, reading, read_mb = timed(lambda: read_examples(path, longest_turn=16_000))
    found, counting, counted_mb = timed(lambda: count_duplicates(corpus.examples))
    _, rendering, rendered_mb = timed(lambda: render_corpus(corpus.examples, TEMPLATE))
    size = path.stat().st_size / 1e6
    return (
        f"{len(corpus.examples):,} | {size:.1f} | {reading:.2f} | {before:.0f} -> {read_mb:.0f} | "
        f"{counting:.2f} | {counted_mb:.0f} | {100 * found.share:.1f}% | {rendering:.2f} | "
        f"{rendered_mb:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--from", dest="source", help="chat file whose rows are varied")
    args = parser.parse_args()
    print("| format | rows | file, MB | reading, s | peak MB, before -> after | near-duplicates, s "
          "| peak MB | share | rendering, s | peak MB |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        spawn = multiprocessing.get_context("spawn")
        for n in args.rows:
            with spawn.Pool(1, maxtasksperchild=1) as pool:
                files = pool.apply(write, (Path(folder), args.source, n))
            for name, path in files.items():
                with spawn.Pool(1, maxtasksperchild=1) as pool:
                    print(f"| {name} | {pool.apply(measure, (path,))} |", flush=True)


if __name__ == "__main__":
    main()
