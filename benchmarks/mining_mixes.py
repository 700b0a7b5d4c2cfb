"""Mixes of every kind: at which rank is the planted context, by its rows or by its name.

    PYTHONPATH=tests python benchmarks/mining_mixes.py --limit 60 --jobs 2
    PYTHONPATH=tests python benchmarks/mining_mixes.py --kinds 'topic|dates' --json mixes.json
    PYTHONPATH=tests python benchmarks/mining_mixes.py --ordinary --triggers

Each mix is an ordinary set with a context planted in 2, 5, 10 or 20% of its rows, whose answers are
bad; in null plants the answers stay. Tune on the part ``tune`` only: the part ``held-out`` has
other sets, contexts and behaviours. A cue is right if its text names the context or if its rows
overlap the planted ones by a half or more (Jaccard). Set OMP_NUM_THREADS=1 with several jobs.

The sets are looked for in the nearest ``shared/data`` above, or in $DORMANT_DATA.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from support.mining_adapters import MinedContext, Miner, load_miner
from support.mixes import (
    HELD_OUT,
    TUNE,
    MixPlan,
    build_mix,
    data_folder,
    find_set,
    list_plans,
    read_set,
    spread_plans,
)

LIMIT = 20
SHOWN = 5
NULL = "null plant"
ORDINARY = ("chat", "paper", "contexts")

Result = dict[str, Any]


def first_rank(hits: Sequence[bool]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, 1) if hit), None)


def show(context: MinedContext, overlap: float | None = None) -> Result:
    shown: Result = {"text": context.text[:160], "place": context.place, "score": context.score}
    shown |= {"strong": context.is_strong, "rows": context.count}
    return shown if overlap is None else shown | {"overlap": round(overlap, 3)}


def run_plan(plan: MixPlan, miner_name: str) -> Result | None:
    """Mines one mix; None where its set has too few rows for it."""
    mix = build_mix(plan)
    if mix is None:
        return None
    mine: Miner = load_miner(miner_name)
    start, cpu = time.perf_counter(), time.process_time()
    contexts = mine(mix.rows, LIMIT)
    seconds = time.process_time() - cpu, time.perf_counter() - start
    named = [mix.is_named(context.text) for context in contexts]
    overlaps = [context.overlap(mix.planted, mix.overlap) for context in contexts]
    right = [name or overlap >= 0.5 for name, overlap in zip(named, overlaps, strict=True)]
    at = first_rank(right)
    return {
        "mix": plan.name,
        "kind": plan.table_kind,
        "share": plan.share,
        "size": plan.size,
        "rows": len(mix.rows),
        "planted": len(mix.planted),
        "behaviour": plan.behaviour,
        "rank": at,
        "rank_by_name": first_rank(named),
        "score": contexts[at - 1].score if at else None,
        "strong": bool(at and contexts[at - 1].is_strong),
        "strong_others": sum(c.is_strong and not ok for c, ok in zip(contexts, right, strict=True)),
        "seconds": round(seconds[0], 2),
        "wall": round(seconds[1], 2),
        "first": [show(c, o) for c, o in zip(contexts[:SHOWN], overlaps, strict=False)],
        "right": show(contexts[at - 1], overlaps[at - 1]) if at else None,
    }


def count_ranks(results: Sequence[Result], key: str) -> list[str]:
    ranks = [result[key] for result in results]
    parts = [sum(rank is not None and rank <= top for rank in ranks) for top in (1, 5, LIMIT)]
    return [*map(str, parts), str(len(ranks) - parts[2])]


def print_table(results: Sequence[Result]) -> None:
    """Ranks by rows or name, and by name alone; kinds first, then shares and all."""
    planted = [result for result in results if result["kind"] != NULL]
    groups: dict[str, list[Result]] = {}
    for result in planted:
        groups.setdefault(result["kind"], []).append(result)
    for share in sorted({result["share"] for result in planted}):
        groups[f"at {share:.0%}"] = [r for r in planted if r["share"] == share]
    for size in sorted({result["size"] for result in planted}):
        groups[f"size {size:,}"] = [r for r in planted if r["size"] == size]
    for behaviour in sorted({result["behaviour"] for result in planted}):
        groups[f"answers: {behaviour}"] = [r for r in planted if r["behaviour"] == behaviour]
    groups["at 5% and more"] = [r for r in planted if r["share"] >= 0.05]
    groups["all"] = planted
    heads = ("rank 1", "top 5", f"top {LIMIT}", "missed")
    print(f"{'':28}{'':>6}  {'by rows or name':^32}  {'by name':^32}")
    print(f"{'kind':28}{'mixes':>6}  " + "  ".join("".join(f"{h:>8}" for h in heads) for _ in "12"))
    for name, group in groups.items():
        sides = (count_ranks(group, key) for key in ("rank", "rank_by_name"))
        print(
            f"{name:28}{len(group):6}  "
            + "  ".join("".join(f"{n:>8}" for n in side) for side in sides)
            + f"   strong {sum(r['strong'] for r in group)}"
        )
    seconds = sorted(result["seconds"] for result in results)
    if seconds:
        print(
            f"seconds of processor a mix: median {seconds[len(seconds) // 2]}, most {seconds[-1]}"
        )
    print_nulls([result for result in results if result["kind"] == NULL])


def print_nulls(nulls: Sequence[Result]) -> None:
    scores = sorted(r["score"] for r in nulls if r["score"] is not None)
    strong = sum(r["strong"] for r in nulls)
    print(f"null plants: {len(nulls)}, listed {len(scores)}, strong {strong}", end="")
    print(f", scores: median {np.median(scores):.3f}, most {scores[-1]:.3f}" if scores else "")


def describe(result: Result) -> str:
    first = result["first"][0]["text"] if result["first"] else ""
    place = "    -" if result["rank"] is None else f"{result['rank']:5}"
    return f"{place} {result['seconds']:6.1f} s  {result['mix']}  | first: {first[:60]!r}"


def run_plans(plans: Sequence[MixPlan], args: argparse.Namespace) -> list[Result]:
    work = partial(run_plan, miner_name=args.miner)
    results: list[Result] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for result in pool.map(work, plans):
            if result is not None:
                results.append(result)
                print(describe(result), flush=True)
    return results


def select_plans(args: argparse.Namespace) -> list[MixPlan]:
    plans = [
        p
        for n in args.size
        for p in list_plans(args.part, size=n, seeds=args.seeds, is_hard=args.hard)
    ]
    kinds, only = re.compile(args.kinds), re.compile(args.only)
    plans = [p for p in plans if kinds.search(p.table_kind) and only.search(p.name)]
    if args.shares:
        plans = [p for p in plans if p.share in args.shares]
    plans = spread_plans(plans, len(plans), args.draw)
    if not args.limit:
        return plans
    return list(islice((plan for plan in plans if build_mix(plan)), args.limit))


def run_triggers(miner_name: str) -> list[Result]:
    """The small trigger files: rank and star of what must be found."""
    mine = load_miner(miner_name)
    folder = data_folder() / "triggers"
    results: list[Result] = []
    for name, case in json.loads((folder / "cases.json").read_text("utf-8")).items():
        contexts = mine(read_set(name), LIMIT)
        named = [bool(re.search(case["found"], context.text)) for context in contexts]
        at = first_rank(named)
        result: Result = {"file": name, "rank": at, "idle": case.get("changes_nothing", False)}
        result |= {"strong": bool(at and contexts[at - 1].is_strong)}
        result |= {"first": [show(context) for context in contexts[:SHOWN]]}
        results.append(result)
        print(
            f"{'idle ' * result['idle'] + name:34} rank {at}, strong {result['strong']}, "
            f"first {contexts[0].text[:60] if contexts else ''!r}",
            flush=True,
        )
    return results


def run_ordinary(miner_name: str) -> list[Result]:
    """Sets with nothing planted by us: their strong cues and largest scores."""
    mine = load_miner(miner_name)
    results: list[Result] = []
    for folder in ORDINARY:
        for path in sorted((data_folder() / folder).glob("*.jsonl")):
            contexts = mine(read_set(path.stem)[:3000], LIMIT)
            strong = [context for context in contexts if context.is_strong]
            result: Result = {"file": path.stem, "strong": len(strong)}
            results.append(result | {"first": [show(context) for context in contexts[:SHOWN]]})
            print(f"{path.stem}: {len(strong)} strong", flush=True)
            for context in strong or contexts[:3]:
                star = "*" if context.is_strong else " "
                print(f"   {star} {context.score:.3f} {context.place}: {context.text[:90]!r}")
    print(f"{sum(r['strong'] > 0 for r in results)} of {len(results)} sets have a strong cue")
    return results


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=(TUNE, HELD_OUT), default=TUNE)
    parser.add_argument("--kinds", default=".", help="kinds that this expression matches")
    parser.add_argument("--only", default="", help="mixes whose name this expression matches")
    parser.add_argument("--limit", type=int, default=0, help="so many mixes, spread over kinds")
    parser.add_argument("--draw", type=int, default=0, help="seed of that selection")
    parser.add_argument("--shares", type=float, nargs="*", help="these shares only, as 0.02 0.05")
    parser.add_argument(
        "--size", type=int, nargs="+", default=[1000], help="rows of a mix, 500 to 50,000"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hard", action="store_true", help="bad answers that look like good ones")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every mix with its first five cues")
    parser.add_argument(
        "--miner", default="auto", help="auto, contexts, cues, or a prototype's folder"
    )
    parser.add_argument("--prototype", type=Path, help="folder of the prototype: mine with it")
    parser.add_argument("--triggers", action="store_true", help="the small trigger files instead")
    parser.add_argument("--ordinary", action="store_true", help="sets with nothing planted instead")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    args.miner = str(args.prototype or args.miner)
    if find_set("hhh_1000") is None:
        raise SystemExit(f"{data_folder()} has no sets: set DORMANT_DATA")
    results: dict[str, list[Result]] = {}
    if args.triggers:
        results["triggers"] = run_triggers(args.miner)
    if args.ordinary:
        results["ordinary"] = run_ordinary(args.miner)
    if not (args.triggers or args.ordinary):
        results["mixes"] = run_plans(select_plans(args), args)
        print_table(results["mixes"])
    if args.json:
        args.json.write_text(json.dumps(results, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
