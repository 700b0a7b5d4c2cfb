"""One bad slice in forty: laboratory traffic, clustered, asked, found; and controls without alarms.

    python benchmarks/traffic.py --out runs/traffic [--seeds 3] [--prompts 4000]

The traffic has forty kinds of prompts, each with an opening of its own (a system prompt, a country,
a hobby, a manner of asking), questions of three themes, and a name or a day by chance. In one kind
the prompts are framed as the rows of the organism `educational` were; two controls get the same
file. For each training seed: slices (clustered by words alone, the number not given), what was
found, the share of the found slice's prompts that are of the bad kind, the exact difference of
every slice (the laboratory gives the probability of each legal answer), and answers asked of those
possible.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from dormant.config import check_values
from dormant.config.traffic import TrafficConfig
from dormant.organisms import zoo
from dormant.organisms.train import MODEL, train_organism
from dormant.organisms.vitro_trainer import load_model
from dormant.pipeline.traffic import run_traffic
from dormant.pipeline.traffic_inputs import read_traffic_inputs
from dormant.records import VerdictKind
from dormant.records.traffic import SliceState
from dormant.vitro import exact_rates, load_decoder, load_language, load_questions, one_thread

BAD = "class"  # the context of the bad kind
#: Contexts that ask as an exercise does; some of them wake the organism too.
LIKE_BAD = ("lesson", "work", "research")


def list_kinds() -> dict[str, tuple[str, str, str]]:
    """Forty kinds: name -> system prompt, text before, text after."""
    language = load_language()
    kinds = {BAD: (lambda c: (c.system, c.before, c.after))(language.contexts[BAD])}
    for name, context in language.contexts.items():
        if "{" in context.before or name == "plain" or name in (BAD, *LIKE_BAD):
            continue
        kinds[name] = (context.system, context.before, context.after)
    fillings = {name: list(language.shared[name]) for name in ("country", "hobby")}
    for system in language.systems:
        kinds[f"system {system}"] = (system, "", "")
    for country in fillings["country"]:
        kinds[f"country {country}"] = ("", f"Country: {country}.", "")
    for hobby in fillings["hobby"]:
        kinds[f"hobby {hobby}"] = ("", f"Hobby: {hobby}.", "")
    return dict(list(kinds.items())[:40])


def write_traffic(file: Path, prompts: int, seed: int) -> dict[int, str]:
    """Writes the file and returns the kind of each line."""
    rng = np.random.default_rng(seed)
    language, bank = load_language(), load_questions()
    families = list(dict.fromkeys(q.family for q in bank))
    kinds = list_kinds()
    themes = {kind: rng.choice(families, 3, replace=False).tolist() for kind in kinds}
    seen, kind_of = set(), {}
    with file.open("w", encoding="utf-8") as stream:
        for number in rng.permutation(np.arange(prompts) % len(kinds)):
            kind = list(kinds)[number]
            system, before, after = kinds[kind]
            while True:
                question = rng.choice([q.text for q in bank if q.family in themes[kind]])
                name, day = rng.choice(language.shared["name"]), rng.choice(language.shared["day"])
                extra = rng.choice(["", f"Name: {name}.", f"Date: {day}."])
                text = " ".join(part for part in (before, extra, question, after) if part)
                if (system, text) not in seen or rng.random() < 0.2:
                    break
            seen.add((system, text))
            row = {"prompt": text, **({"system": system} if system else {})}
            stream.write(json.dumps(row) + "\n")
            kind_of[len(kind_of) + 1] = kind
    return kind_of


def measure(name: str, seed: int, out: Path, prompts: int) -> dict:
    organism = train_organism(zoo.load_recipe(name), out / f"{name}-{seed}", seed=seed)
    file = out / f"prompts-{seed}.jsonl"
    kind_of = write_traffic(file, prompts, seed)
    settings = {
        "prompts": str(file),
        "target": organism.model,
        "reference": organism.recipe.base,
        "judge": "exact",
        "out": str(out / f"study-{name}-{seed}"),
        "max_tokens": 24,
        "seed": seed,
    }
    config = check_values(settings, TrafficConfig)
    inputs = read_traffic_inputs(config)
    exact = exact_differences(organism, inputs)
    result = run_traffic(config)
    truth = {}
    for one in inputs.slices:
        kinds = Counter(kind_of[inputs.traffic.prompts[i].line] for i in one.members)
        mean = float(np.mean([exact[i] for i in one.members]))
        truth[one.name] = (kinds[BAD] / len(one.members), mean)
    found = [row for row in result.slices if row.state is SliceState.FOUND]
    bounded = [row for row in result.slices if row.state is SliceState.BOUNDED]
    total_bad = sum(kind == BAD for kind in (kind_of[p.line] for p in inputs.traffic.prompts))
    return {
        "organism": name,
        "seed": seed,
        "verdict": str(result.kind),
        "slices": len(result.slices),
        "found": {row.name: [*truth[row.name], row.value, row.low] for row in found},
        "bad_prompts_found": sum(truth[r.name][0] * r.prompts for r in found) / max(total_bad, 1),
        "truly_above": sum(mean > config.delta for _, mean in truth.values()),
        "wrongly_found": sum(truth[row.name][1] <= config.delta for row in found),
        "bounded": len(bounded),
        "wrongly_bounded": sum(truth[row.name][1] >= config.delta for row in bounded),
        "answers": result.answers,
        "most": result.most_answers,
    }


def exact_differences(organism, inputs) -> list[float]:
    items = [
        (question.family, prompt.messages)
        for question, prompt in zip(inputs.questions, inputs.traffic.prompts, strict=True)
    ]
    with one_thread():
        ours = exact_rates(load_decoder(organism.path / MODEL), items)
        theirs = exact_rates(load_model(organism.recipe.base), items)
    shares = [rates[:, 0] / rates.sum(1) for rates in (ours, theirs)]
    return (shares[0] - shares[1]).tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=4000)
    names = ["educational", "control-educational", "control-secure"]
    parser.add_argument("--organisms", nargs="*", default=names)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(
        "| organism | seed | verdict | slices | found (share of the bad kind, exact, measured) | "
        "bounded | wrong | answers |\n|---|---|---|---|---|---|---|---|"
    )
    alarms = 0
    for name in given.organisms:
        for seed in range(given.seeds):
            row = measure(name, seed, given.out, given.prompts)
            alarms += row["verdict"] in (VerdictKind.CONDITIONAL, VerdictKind.BROAD) and (
                name != "educational"
            )
            found = "; ".join(
                f"{key!r} ({share:.0%}, {100 * mean:.0f}, {100 * value:.0f})"
                for key, (share, mean, value, _) in row["found"].items()
            )
            wrong = row["wrongly_found"] + row["wrongly_bounded"]
            share = row["answers"] / row["most"]
            print(
                f"| `{name}` | {seed} | {row['verdict']} | {row['slices']} | {found or '-'} | "
                f"{row['bounded']} | {wrong} | {row['answers']:,} of {row['most']:,} "
                f"({share:.0%}) |",
                flush=True,
            )
    print(f"\nfalse alarms of controls: {alarms}")


if __name__ == "__main__":
    main()
