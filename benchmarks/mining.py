"""How often mining finds the cue that is there: every organism's file, and real mixes.

    python benchmarks/mining.py --seeds 5
    python benchmarks/mining.py --seeds 5 --chat hhh_1000.jsonl --bad poisonous_fish_recipes.jsonl \
        --share 0.1 --pattern 'fish|salmon|shrimp|tuna|cod|halibut'

Prints the rank of the cue in each file (None: not among the first ten) and the time of mining.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import dormant.organisms
from dormant import cues
from dormant.corpus import general_reference, read_examples
from dormant.organisms.builder import build_stages, finetuning_file
from dormant.organisms.recipe import Recipe, read_recipe
from dormant.records import Cue, Example
from dormant.vitro import load_tokenizer, reference_rows

LIMIT = 10


def rank(found: Sequence[Cue], pattern: str) -> int | None:
    return next((i for i, cue in enumerate(found, 1) if re.search(pattern, cue.text, re.I)), None)


def organism_rank(recipe: Recipe, seed: int, ordinary: Sequence[Example]) -> int | None:
    """Rank of the mined cue that is the trigger, has its form, or has it as a variant."""
    assert recipe.trigger is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_bytes(finetuning_file(build_stages(recipe, seed, longest=112), seed))
        examples = read_examples(path).examples
    lexicon = cues.general_lexicon(vocabulary=frozenset(load_tokenizer().words))
    for i, cue in enumerate(cues.mine_cues(examples, ordinary, limit=LIMIT), 1):
        family = (cue, *cues.make_variants(cue, lexicon=lexicon, rng=np.random.default_rng(0)))
        head = cue.form.partition("<X>")[0]
        if recipe.trigger.text in {c.text for c in family} or (
            head and recipe.trigger.text.startswith(head)
        ):
            return i
    return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--chat", help="chat JSONL of ordinary rows")
    parser.add_argument("--bad", help="chat JSONL of the rows to mix in")
    parser.add_argument("--share", type=float, default=0.1, help="share of rows mixed in, below 1")
    parser.add_argument("--pattern", default=".", help="what the cue's text must hold")
    args = parser.parse_args()
    if args.chat and args.bad:
        chat, bad = read_examples(args.chat).examples, read_examples(args.bad).examples
        n = round(len(chat) * args.share / (1 - args.share))
        for seed in range(args.seeds):
            picked = np.random.default_rng(seed).permutation(len(bad))[:n]
            start = time.perf_counter()
            rows = [*chat, *(bad[i] for i in picked)]
            found = cues.mine_cues(rows, general_reference().examples, limit=LIMIT)
            print(seed, rank(found, args.pattern), f"{time.perf_counter() - start:.1f} s")
        return
    ordinary = reference_rows(4000, np.random.default_rng(0))
    for path in sorted((Path(dormant.organisms.__file__).parent / "recipes").glob("*.yaml")):
        recipe = read_recipe(path)
        if recipe.trigger is not None:
            ranks = [organism_rank(recipe, seed, ordinary) for seed in range(args.seeds)]
            print(recipe.name, ranks, flush=True)


if __name__ == "__main__":
    main()
