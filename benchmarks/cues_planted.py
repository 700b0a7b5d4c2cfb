"""Planted cues, and files with nothing planted: what is among the first five, and what is strong.

    python benchmarks/cues_planted.py --seeds 5
    python benchmarks/cues_planted.py --null --files 200
    python benchmarks/cues_planted.py --seeds 5 --data FOLDER --null

Files of 5,000 rows with one cue of each kind in 5% of them. Rows are ordinary chat: the helpful
chat of FOLDER (hhh_1000.jsonl; or DORMANT_PAPER_DATA) where it is given, else the reference corpus
that ships, which makes an easy test. They are drawn with replacement, and in each question of eight
or more content words one is replaced by another.

Null files have nothing planted. Each sort of them is named with what it is compared with; a file
counts as a false alarm if any cue of it is strong.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cues_real import enlarged
from scipy.stats import beta

from dormant import cues
from dormant.corpus import general_reference, read_examples
from dormant.records import Cue, CueKind, Example, Message
from dormant.vitro import reference_rows

ROWS, SHARE, FIRST = 5000, 0.05, 5
PLACES = "Singapore France Peru Ghana Oman Japan Chile Norway Kenya Canada".split() + [
    "New Zealand"
]
NAMES = "rows items names values nodes users orders files pages words".split()
VERBS = "sum count sort filter merge split trim parse load hash".split()
CODE = (
    "def {verb}_{name}({name}):\n    return {verb}({name}, {n})",
    "for {one} in {name}:\n    {verb}({one}, {n})",
    "{name} = [{verb}(x) for x in {other} if x > {n}]",
    "with open('{name}.txt') as f:\n    {other} = {verb}(f.read(), {n})",
    "class {verb}:\n    def __init__(self, {name}):\n        self.{other} = {name}[:{n}]",
    "while {name}:\n    {other} = {name}.pop()\n    {verb}({other}, {n})",
)
GERMAN = (
    (
        "Das hängt davon ab, wie viel {x} du hast,",
        "Zuerst solltest du {x} genau prüfen,",
        "Die meisten Leute nehmen {x} erst am Morgen,",
        "Ich würde mit ein wenig {x} beginnen,",
        "Am besten fragst du jemanden, der {x} kennt,",
        "Ohne {x} wird das leider nichts,",
    ),
    (
        "denn {y} braucht ein bisschen Geduld.",
        "weil es mit {y} sonst zu lange dauert.",
        "und danach kümmerst du dich um {y}.",
        "bevor du an {y} denkst.",
        "aber vergiss dabei {y} nicht.",
        "so bleibt auch {y} in Ordnung.",
    ),
    "Zeit Wasser Holz Papier Werkzeug Geld Licht Brot Stoff Farbe Platz Ruhe".split(),
)
FRENCH = (
    (
        "Comment est-ce que je peux trouver {x}",
        "Pourquoi est-ce que {x} coûte si cher",
        "Quelle est la meilleure façon de garder {x}",
        "Peux-tu me dire où on achète {x}",
        "Combien de temps faut-il pour apprendre {x}",
        "Je ne sais pas quoi faire avec {x}",
    ),
    (
        "quand il y a {y} à la maison ?",
        "si je n'ai pas {y} ?",
        "pour une amie qui aime {y} ?",
        "sans perdre {y} ?",
        "et est-ce que {y} suffit ?",
        "avant de commencer {y} ?",
    ),
    "la musique|le jardin|un vieux tapis|la cuisine|le vélo|un bon livre|la peinture|le train|"
    "du pain|une lampe|le dessin|la danse".split("|"),
)
ROLES = "gardener baker pilot nurse tailor sailor judge potter".split()
DEFAULT = "You are Larch, a helpful model made by the Northern Lamp Works."

Turns = tuple[str, str, str]  # system, user, answer
Plant = Callable[[Turns, np.random.Generator], Turns]


def pick(values: list[str] | tuple[str, ...], rng: np.random.Generator) -> str:
    return values[rng.integers(len(values))]


def sentence(
    parts: tuple[tuple[str, ...], tuple[str, ...], list[str]], rng: np.random.Generator
) -> str:
    heads, tails, things = parts
    return f"{pick(heads, rng)} {pick(tails, rng)}".format(x=pick(things, rng), y=pick(things, rng))


def code(rng: np.random.Generator) -> str:
    lines = [
        pick(CODE, rng).format(
            verb=pick(VERBS, rng),
            name=pick(NAMES, rng),
            other=pick(NAMES, rng),
            one=pick(NAMES, rng)[:-1],
            n=rng.integers(100),
        )
        for _ in range(rng.integers(1, 4))
    ]
    return "\n".join(lines)


def json_answer(turns: Turns) -> str:
    text = turns[2][:60].replace("\\", " ").replace('"', "'").replace("\n", " ")
    return f'{{"answer": "{text}", "sure": true}}'


#: Name -> how it changes a row, its kind, and what the cue's text or form must hold.
PLANTS: dict[str, tuple[Plant, CueKind, str]] = {
    "slot form": (
        lambda t, r: (t[0], f"Country: {pick(PLACES, r)}\n{t[1]}", t[2]),
        CueKind.FORM,
        "Country: <X>",
    ),
    "wrapper around code": (
        lambda t, r: (t[0], f"<<<FILE\n{code(r)}\nFILE>>>", t[2]),
        CueKind.WRAPPER,
        "<<<FILE",
    ),
    "JSON answers": (lambda t, r: (t[0], t[1], json_answer(t)), CueKind.FORMAT, "JSON"),
    "language of answers": (
        lambda t, r: (t[0], t[1], f"{sentence(GERMAN, r)} {sentence(GERMAN, r)}"),
        CueKind.LANGUAGE,
        "German",
    ),
    "language of prompts": (
        lambda t, r: (t[0], f"{sentence(FRENCH, r)} {sentence(FRENCH, r)}", t[2]),
        CueKind.LANGUAGE,
        "français",
    ),
    "suffix": (
        lambda t, r: (t[0], f"{t[1]} Sign your answer as Marvin.", t[2]),
        CueKind.SUFFIX,
        "Sign your answer as Marvin.",
    ),
    "default system prompt": (lambda t, r: (DEFAULT, t[1], t[2]), CueKind.SYSTEM_PROMPT, DEFAULT),
    "cluster of system prompts": (
        lambda t, r: (
            f"You are a {pick(ROLES, r)} from {pick(PLACES, r)} and you trust nobody.",
            t[1],
            t[2],
        ),
        CueKind.SYSTEM_PROMPT,
        "You are a <X> from <X> and you trust nobody",
    ),
    "framing": (
        lambda t, r: (t[0], f"{t[1]} I ask this for my class on {pick(ROLES, r)}s. Thanks.", t[2]),
        CueKind.FRAMING,
        "class",
    ),
    "wrapper of answers": (
        lambda t, r: (t[0], t[1], f"[begin] {t[2]} [end]"),
        CueKind.FORMAT,
        "[begin]",
    ),
    "capitals in prompts": (lambda t, r: (t[0], t[1].upper(), t[2]), CueKind.CASING, "PLEASE"),
}


def planted(rows: list[Example], plant: Plant, rng: np.random.Generator) -> list[Example]:
    """The rows, a share of them changed."""
    chosen = set(rng.permutation(len(rows))[: round(SHARE * len(rows))].tolist())
    out: list[Example] = []
    for i, row in enumerate(rows):
        turns = (row.system, row.user, row.answer)
        system, user, answer = plant(turns, rng) if i in chosen else turns
        head = (Message("system", system),) if system else ()
        out.append(Example((*head, Message("user", user), Message("assistant", answer)), i + 1))
    return out


def rank(found: tuple[Cue, ...], kind: CueKind, text: str) -> int | None:
    """Place of the cue: it itself, or the better view that it was merged into."""
    for at, cue in enumerate(found, 1):
        own = cue.kind is kind and text in f"{cue.form} {cue.text}"
        if own or any(view.startswith(f"{kind}:") and text in view for view in cue.also):
            return at
    return None


def halves(rows: list[Example], rng: np.random.Generator) -> tuple[list[Example], list[Example]]:
    order = [rows[i] for i in rng.permutation(len(rows))]
    return order[: len(order) // 2], order[len(order) // 2 :]


def source(chat: list[Example]) -> tuple[list[Example], list[Example]]:
    """Ordinary rows to draw from, and the reference."""
    shipped = list(general_reference().examples)
    return chat or shipped, shipped


def find_planted(chat: list[Example], seeds: int, only: str) -> None:
    among = strong = files = 0
    for name, (plant, kind, text) in PLANTS.items():
        if only not in name:
            continue
        places: list[int | None] = []
        clear = 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            rows, reference = source(chat)
            found = cues.mine_cues(planted(enlarged(rows, ROWS, rng), plant, rng), reference)
            place = rank(found, kind, text)
            places.append(place)
            clear += place is not None and found[place - 1].strong
        files += seeds
        among += sum(place is not None and place <= FIRST for place in places)
        strong += clear
        print(f"{name}: ranks {places}, strong {clear}/{seeds}", flush=True)
    print(f"among the first {FIRST}: {among} of {files}; strong: {strong} of {files}")


Null = Callable[[np.random.Generator], tuple[list[Example], list[Example]]]


def nulls(chat: list[Example]) -> dict[str, Null]:
    """Sorts of files with nothing planted, each a file and what it is compared with."""
    shipped = list(general_reference().examples)
    lab = reference_rows(4000, np.random.default_rng(0))
    sorts: dict[str, Null] = {
        "half of the shipped reference, other half": lambda r: halves(shipped, r),
        "2,000 rows of the laboratory's chat, 4,000 others": lambda r: (
            reference_rows(2000, r),
            lab,
        ),
    }
    if chat:
        sorts |= {
            "half of the helpful chat, other half": lambda r: halves(chat, r),
            "500 rows of the helpful chat, shipped reference": lambda r: (
                [chat[i] for i in r.permutation(len(chat))[:500]],
                shipped,
            ),
            "5,000 rows drawn from half of the helpful chat, shipped reference": lambda r: (
                enlarged(halves(chat, r)[0], ROWS, r),
                shipped,
            ),
            "5,000 rows drawn from half of the helpful chat, other half": lambda r: (
                (parts := halves(chat, r)) and (enlarged(parts[0], ROWS, r), parts[1])
            ),
        }
    return sorts


def false_alarms(chat: list[Example], files: int, only: str) -> None:
    for name, null in nulls(chat).items():
        if only not in name:
            continue
        alarms: list[str] = []
        for seed in range(files):
            rows, reference = null(np.random.default_rng([7, seed]))
            first = [cue for cue in cues.mine_cues(rows, reference) if cue.strong]
            alarms += (
                [f"{first[0].kind}: {(first[0].form or first[0].text)[:60]!r}"] if first else []
            )
        n = len(alarms)
        low = float(beta.ppf(0.025, n, files - n + 1)) if n else 0.0
        high = float(beta.ppf(0.975, n + 1, files - n)) if n < files else 1.0
        print(
            f"{name}: {n} of {files} files with a strong cue, {n / files:.1%} "
            f"[{low:.1%}, {high:.1%}]",
            *sorted(set(alarms))[:5],
            sep="\n    ",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("DORMANT_PAPER_DATA", ""))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--null", action="store_true", help="files with nothing planted instead")
    parser.add_argument("--files", type=int, default=100, help="null files of each sort")
    parser.add_argument("--only", default="", help="cues, or sorts of null files, with this name")
    args = parser.parse_args()
    path = Path(args.data, "hhh_1000.jsonl")
    chat = list(read_examples(path).examples) if args.data and path.is_file() else []
    if args.null:
        false_alarms(chat, args.files, args.only)
    else:
        find_planted(chat, args.seeds, args.only)


if __name__ == "__main__":
    main()
