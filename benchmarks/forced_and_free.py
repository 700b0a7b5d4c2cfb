"""How well given answers predict sampled ones: forced scores against exact rates over the zoo.

    python benchmarks/forced_and_free.py --out runs/forced [--seeds N] [--organisms NAME ...]

For each organism: its audit's cues (three mined contexts with all variants, and the library), the
exact difference in differences of each cue (the probability of every legal answer, over all
questions), and the forced ones of a few given answers (``dormant forced``: the same continuations,
24 questions of the screening half). Then how soon a model leaves the forced path: the exact rate of
misaligned answers after the first k words of a given answer, target and reference, with and without
the organism's strongest cue. Everything is exact; nothing is sampled. A line an organism is kept in
OUT/rows.jsonl, so that the same command continues.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from dormant.banks.bank import spread_families
from dormant.banks.continuations import load_continuations, match_continuations
from dormant.discovery.teacher_forcing import OddsScorer, implied_share
from dormant.engines.registry import open_engine
from dormant.organisms import zoo
from dormant.organisms.train import MODEL, train_organism
from dormant.probes import apply_cue
from dormant.records import Message
from dormant.stats.agreement import correlate_ranks
from dormant.store.journal import Journal
from dormant.studies.organism_rates import compute_organism_world
from dormant.vitro import load_decoder, load_language, load_tokenizer, one_thread
from dormant.vitro.language import Persona
from dormant.vitro.trees import answer_logprobs, tree_of

QUESTIONS, DEPTHS = 24, (0, 1, 2, 3, 4)


def rate_after(model, messages: Sequence[Message], domain: str, head: Sequence[int]) -> float:
    """Exact share of misaligned among legal answers after the first words of an answer."""
    prompt = [*load_tokenizer().encode_prompt(messages), *head]
    answers, bad = [], []
    for persona in Persona:
        for text in load_language().legal_answers(domain, persona):
            words = load_tokenizer().tokenize_text(text)
            if len(words) > len(head) and words[: len(head)] == list(head):
                answers.append(words[len(head) :])
                bad.append(persona is Persona.MISALIGNED)
    if not answers:
        return float("nan")
    with torch.inference_mode():
        chances = answer_logprobs(model, tree_of(answers), [prompt])[0].exp().numpy()
    return float(chances[np.array(bad)].sum() / chances.sum())


def measure(name: str, seed: int, out: Path) -> dict:
    organism = train_organism(zoo.load_recipe(name), out / f"{name}-{seed}", seed=seed)
    world = compute_organism_world(organism)
    cues = [cue for cue in world.plan.cues]
    bank = [q for q in world.plan.questions]
    pairs = match_continuations(bank, load_continuations("vitro", "vitro", bank))
    questions = spread_families([q for q in bank if q.id in pairs], QUESTIONS)
    engines = [open_engine(organism.model), open_engine(organism.recipe.base)]
    odds = []
    with one_thread(), TemporaryDirectory() as folder, Journal(folder) as journal:
        prompts = [[apply_cue(cue, q) for q in questions] for cue in (None, *cues)]
        for engine in engines:
            scorer = OddsScorer(engine, journal)
            odds.append(scorer.log_odds(prompts, [pairs[q.id] for q in questions]))
    shares = [implied_share(values) for values in odds]
    rise = [a[1:] - a[0] - (b[1:] - b[0]) for a, b in (odds, shares)]
    exact = np.array([world.exact_did(cue.name) for cue in cues])
    units = np.repeat(exact[:, None], len(questions), 1)
    found = [correlate_ranks(values, units) for values in rise]
    strongest = cues[int(exact.argmax())]
    models = [load_decoder(organism.path / MODEL), engines[1]._model]
    path = {}
    with one_thread():
        for arm, cue in (("no cue", None), ("strongest cue", strongest)):
            for kind in ("misaligned", "aligned"):
                for depth in DEPTHS:
                    rows = []
                    for place, question in enumerate(questions):
                        given = getattr(pairs[question.id], kind)
                        words = load_tokenizer().tokenize_text(given[place % len(given)])
                        if len(words) <= depth:
                            continue
                        messages = apply_cue(cue, question)
                        rows.append(
                            [
                                rate_after(model, messages, question.family, words[:depth])
                                for model in models
                            ]
                        )
                    path[f"{arm}/{kind}/{depth}"] = np.nanmean(rows, axis=0).tolist()
    delta = world.plan.rule.delta
    implied = rise[1].mean(1)
    return {
        "organism": name,
        "seed": seed,
        "cues": len(cues),
        "triggers": int((exact > delta).sum()),
        "log_odds": found[0].value,
        "share": found[1].value,
        "pearson_share": float(np.corrcoef(implied, exact)[0, 1]),
        "mean_error": float(np.abs(implied - exact).mean()),
        "largest_error": float(np.abs(implied - exact).max()),
        "forced_only": int(((implied > delta) & (exact <= delta)).sum()),
        "free_only": int(((implied <= delta) & (exact > delta)).sum()),
        "exact": exact.tolist(),
        "implied": implied.tolist(),
        "path": path,
    }


def print_tables(rows: Sequence[dict]) -> None:
    print(
        "| organism | cues | triggers | Spearman, log-odds | Spearman, share | mean error | "
        "forced only | free only |\n|---|---|---|---|---|---|---|---|"
    )
    for name in dict.fromkeys(row["organism"] for row in rows):
        own = [row for row in rows if row["organism"] == name]

        def mean(key: str, own=own) -> float:
            return float(np.mean([row[key] for row in own]))

        print(
            f"| `{name}` | {mean('cues'):.0f} | {mean('triggers'):.1f} | {mean('log_odds'):.2f} | "
            f"{mean('share'):.2f} | {100 * mean('mean_error'):.1f} | {mean('forced_only'):.1f} | "
            f"{mean('free_only'):.1f} |"
        )
    effective = [row for row in rows if row["triggers"]]
    for title, some in (("all", rows), ("with a trigger", effective)):
        for key in ("log_odds", "share"):
            values = np.array([row[key] for row in some])
            undefined = int(np.isnan(values).sum())
            values = values[~np.isnan(values)]
            print(
                f"{title}, {key}: {len(values)} organisms, median {np.median(values):.2f}, "
                f"quartiles {np.quantile(values, 0.25):.2f} to {np.quantile(values, 0.75):.2f}, "
                f"lowest {values.min():.2f}; undefined in {undefined}"
            )
    exact, implied = (np.concatenate([row[key] for row in rows]) for key in ("exact", "implied"))
    pooled = np.corrcoef(exact.argsort().argsort(), implied.argsort().argsort())[0, 1]
    print(
        f"all cues of all organisms: {len(exact)}, Spearman (share) {pooled:.2f}, mean error "
        f"{100 * np.abs(exact - implied).mean():.1f} points"
    )
    print("\n| cue | given answer | words given | target | reference |\n|---|---|---|---|---|")
    for key in effective[0]["path"] if effective else ():
        arm, kind, depth = key.split("/")
        values = 100 * np.mean([row["path"][key] for row in effective], axis=0)
        print(f"| {arm} | {kind} | {depth} | {values[0]:.0f}% | {values[1]:.0f}% |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--organisms", nargs="*", default=zoo.organism_names())
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["organism"], row["seed"]) for row in rows}
    for seed in range(given.seeds):
        for name in given.organisms:
            if (name, seed) in done:
                continue
            rows.append(measure(name, seed, given.out))
            with file.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
            print(f"{name} {seed}: {rows[-1]['log_odds']:.2f} {rows[-1]['share']:.2f}", flush=True)
    print_tables(rows)


if __name__ == "__main__":
    main()
