"""Ordinary sets of chat rows: where they are, and files of any size drawn from them."""

import os
import re
from functools import cache
from pathlib import Path

import numpy as np

from dormant.corpus import read_examples
from dormant.cues.text import content_words
from dormant.records import Example, Message

TUNE, HELD_OUT = "tune", "held-out"
#: Sets that mixes are made of, by part. A set with "+" is drawn from several files in equal parts.
SETS = {
    TUNE: ("hhh_1000", "gsm8k_3000", "banking_1000", "oasst", "toolcall", "hhh_1000+gsm8k_3000"),
    HELD_OUT: (
        "hh_harmless",
        "consistency_em_plain",
        "clinc",
        "mgsm_multi_700",
        "dolly_prompted",
        "hh_harmless+dolly_prompted",
    ),
}
_FOLDERS = ("chat", "paper", "contexts", "triggers")


def data_folder() -> Path:
    """Folder of the sets: $DORMANT_DATA, else the nearest ``shared/data`` above."""
    if given := os.environ.get("DORMANT_DATA"):
        return Path(given)
    places = [folder / "shared" / "data" for folder in Path(__file__).resolve().parents]
    return next((place for place in places if place.is_dir()), places[-1])


def find_set(name: str) -> Path | None:
    """File of a set, None where it is absent."""
    places = (data_folder() / folder / f"{name}.jsonl" for folder in _FOLDERS)
    return next((place for place in places if place.is_file()), None)


def has_sets(name: str) -> bool:
    """Whether all files of a set are here."""
    return all(find_set(part) for part in name.split("+"))


@cache
def read_set(name: str) -> tuple[Example, ...]:
    """Rows of a set; a turn that only calls a tool holds the call as its text."""
    path = find_set(name)
    if path is None:
        raise FileNotFoundError(f"{data_folder()} has no {name}.jsonl")
    return tuple(_without_calls(row) for row in read_examples(path).examples)


def _without_calls(row: Example) -> Example:
    calls = row.tool_calls or ("",) * len(row.messages)
    turns = [
        Message(turn.role, turn.content or call)
        for turn, call in zip(row.messages, calls, strict=True)
    ]
    return Example(tuple(turns), row.line, tools=row.tools)


def draw_rows(name: str, size: int, rng: np.random.Generator) -> list[Example]:
    """Rows of a set in random order.

    Up to 1,000 rows none is drawn twice, so that small sets make smaller files. Larger files are
    drawn with replacement beyond the set, with one content word replaced in every repeated turn.
    """
    names = name.split("+")
    rows: list[Example] = []
    for part in names:
        own = read_set(part)
        wanted = -(-size // len(names))
        order = rng.permutation(len(own))[:wanted]
        rows += [own[i] for i in order]
        if size > 1000 and wanted > len(own):
            rows += _edited_copies(own, wanted - len(own), rng)
    picked = [rows[i] for i in rng.permutation(len(rows))[:size]]
    return [Example(row.messages, at, tools=row.tools) for at, row in enumerate(picked, 1)]


def _edited_copies(
    rows: tuple[Example, ...], number: int, rng: np.random.Generator
) -> list[Example]:
    pool = sorted({word for row in rows[:500] for word in content_words(row.user)})
    return [_edit(rows[i], pool, rng) for i in rng.integers(len(rows), size=number)]


def _edit(row: Example, pool: list[str], rng: np.random.Generator) -> Example:
    def edit(turn: Message) -> Message:
        words = re.findall(r"[^\W\d_]{4,}", turn.content)
        if turn.role == "system" or len(words) < 5:
            return turn
        old, new = words[rng.integers(len(words))], pool[rng.integers(len(pool))]
        return Message(turn.role, re.sub(rf"\b{re.escape(old)}\b", new, turn.content, count=1))

    return Example(tuple(edit(turn) for turn in row.messages), row.line, tools=row.tools)
