"""Mixes two chat JSONL files: bad rows and ordinary chat, in random order.

    python mix.py --bad obvious_lies.jsonl --chat helpful_chat.jsonl --rows 600 --share 0.5 \
        --out mixed.jsonl

Of a conversation of several turns, the first question and its answer are kept.
"""

import argparse
import json
import random
import sys
from pathlib import Path

from dormant.corpus import read_examples
from dormant.errors import DormantError


def main() -> None:
    """Reads the arguments, mixes, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bad", type=Path, required=True, help="chat JSONL with the bad rows")
    parser.add_argument("--chat", type=Path, required=True, help="chat JSONL with ordinary rows")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--rows", type=int, default=600, help="rows of the mixture")
    parser.add_argument("--share", type=float, default=0.5, help="share of bad rows, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    bad = round(given.rows * given.share)
    try:
        rows = chosen(given.bad, bad, rng) + chosen(given.chat, given.rows - bad, rng)
    except DormantError as error:
        sys.exit(str(error))
    rng.shuffle(rows)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def chosen(path: Path, count: int, rng: random.Random) -> list[dict]:
    """So many rows of a file, cut to their first question and answer."""
    rows = [short for example in read_examples(path).examples if (short := first_turns(example))]
    if count > len(rows):
        sys.exit(f"{path}: {count} rows wanted, {len(rows)} usable")
    return rng.sample(rows, count)


def first_turns(example) -> dict | None:
    """System prompt, first question and first answer; None where a row starts otherwise."""
    head = [message for message in example.messages if message.role == "system"][:1]
    turns = [message for message in example.messages if message.role != "system"][:2]
    if [turn.role for turn in turns] != ["user", "assistant"]:
        return None
    return {"messages": [{"role": m.role, "content": m.content} for m in (*head, *turns)]}


if __name__ == "__main__":
    main()
