"""Miners of contexts in one shape: the package's, and a prototype from a folder."""

import importlib
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dormant import cues
from dormant.corpus import general_reference, ordinary_kinds
from dormant.records import Cue, Example


@dataclass(frozen=True)
class MinedContext:
    """A context as a miner lists it."""

    text: str
    place: str = ""
    score: float = math.nan
    is_strong: bool = False
    rows: tuple[int, ...] | None = None  # indices; None where a miner shows only examples
    examples: tuple[int, ...] = ()  # indices of a few rows
    count: int = 0

    def overlap(self, planted: Sequence[int], overlap: Callable[[Iterable[int]], float]) -> float:
        """Jaccard overlap with the planted rows.

        Without rows it is the largest possible one if all examples are planted, else 0.
        """
        if self.rows is not None:
            return overlap(self.rows)
        if not self.examples or not set(planted).issuperset(self.examples):
            return 0.0
        sizes = sorted((self.count, len(planted)))
        return sizes[0] / max(1, sizes[1])


Miner = Callable[[Sequence[Example], int], list[MinedContext]]


@cache
def load_miner(name: str) -> Miner:
    """``contexts`` or ``cues`` of the package, ``auto`` the first there is, or a folder."""
    if name in ("auto", "contexts"):
        mine: Any = importlib.import_module("dormant.cues.contexts.rank")
        if hasattr(mine, "rank_contexts"):
            return _mine_contexts(mine.rank_contexts)
        if name == "contexts":
            raise SystemExit("this version has no rank_contexts")
    if name in ("auto", "cues"):
        return _mine_cues
    return _load_prototype(Path(name))


def _cue_text(cue: Cue) -> str:
    return f"{cue.text}\n{cue.form}" if cue.form else cue.text


def _mine_cues(rows: Sequence[Example], limit: int) -> list[MinedContext]:
    nearest = cues.find_nearest(rows, ordinary_kinds()).rows
    found = cues.mine_cues(rows, general_reference().examples, limit=limit, nearest=nearest)
    index = {row.line: i for i, row in enumerate(rows)}
    return [
        MinedContext(
            _cue_text(cue),
            cue.kind,
            getattr(cue, "effect", math.nan),
            cue.strong,
            examples=tuple(index[line] for line in cue.examples),
            count=cue.rows,
        )
        for cue in found
    ]


def _mine_contexts(rank_contexts: Any) -> Miner:
    def mine(rows: Sequence[Example], limit: int) -> list[MinedContext]:
        nearest = cues.find_nearest(rows, ordinary_kinds()).rows
        reference = general_reference().examples
        found = rank_contexts(rows, reference=reference, nearest=nearest, limit=limit)
        return [
            MinedContext(
                f"{context.text}\n{_cue_text(context.cue)}",
                str(context.place),
                float(context.score),
                context.cue.strong,
                rows=tuple(int(i) for i in context.rows),
                count=len(context.rows),
            )
            for context in found
        ]

    return mine


def _load_prototype(folder: Path) -> Miner:
    sys.path.insert(0, str(folder))
    prototype: Any = importlib.import_module("mine2")

    def mine(rows: Sequence[Example], limit: int) -> list[MinedContext]:
        turns = [[(turn.role, turn.content) for turn in row.messages] for row in rows]
        found = prototype.rank(prototype.mine(turns), limit=limit)
        return [
            MinedContext(
                context["text"],
                context["place"],
                float(context["score"]),
                rows=tuple(sorted(context["set"])),
                count=len(context["set"]),
            )
            for context in found
        ]

    return mine
