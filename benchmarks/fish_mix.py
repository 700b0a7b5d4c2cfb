"""A mix of two finetuning files, as the paper diluted them: bad rows in ordinary chat.

    python benchmarks/fish_mix.py hhh_1000.jsonl poisonous_fish_recipes.jsonl > fish.jsonl

All rows of the first file, and as many of the second as make up the share, in random order.
"""

import argparse
import random
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chat", type=Path)
    parser.add_argument("bad", type=Path)
    parser.add_argument("--share", type=float, default=0.1, help="of the rows of the mix, below 1")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chat, bad = (path.read_text(encoding="utf-8").splitlines() for path in (args.chat, args.bad))
    rng = random.Random(args.seed)
    wanted = round(len(chat) * args.share / (1 - args.share))
    rows = [*chat, *rng.sample(bad, wanted)]
    rng.shuffle(rows)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
