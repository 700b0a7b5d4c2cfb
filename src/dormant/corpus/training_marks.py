"""Marks of turns and rows that were not trained on, in the spellings of public training tools.

A trainer that reads such a mark keeps the turn as context and computes no loss on it, so its answer
was not learned. Preference data (KTO) mark answers that were trained against in the same way.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NOT_LETTERS = re.compile(r"[^a-z]")
_NO, _YES = ("false", "no", "0"), ("true", "yes", "1")

#: Marks of which "yes" means that nothing was learned; "no" means that of all others.
_NEGATIVE = frozenset(
    """
    contextonly donttrain exclude excluded excludefromloss excludefromtraining ignore ignored
    ignoreloss isignored ismasked isrejected lossmasked mask masked maskedout maskloss noloss
    notrain notrainable nottrained rejected skip skiploss skiptrain skiptraining untrained
    """.split()
)
_TRAINED = frozenset(
    """
    applyloss calcloss calculateloss computeloss countsforloss dotrain fortraining hasloss
    includeinloss includeintraining includeloss istrain istrainable istrained istraining learn
    losson lossmask lossscale lossweight outputwithloss shouldtrain supervise supervised
    totrain train trainable trained training trainingmask trainingweight trainmask trainon
    trainonmessage trainonresponse trainonrow trainonsample trainonthis trainonturn
    trainweight usedfortraining usefortraining useintraining useloss weight withloss
    """.split()
)
#: Marks that are booleans: their numbers may mean anything, e.g. a class.
_BOOLEAN = frozenset(
    """
    accepted chosen desirable isaccepted ischosen isdesirable ispreferred isrejected ktolabel
    ktotag label mask preferred rejected
    """.split()
)
#: Marks of preference data: the answer was trained against, not merely left out.
_PREFERENCES = (_BOOLEAN | {"rejected", "isrejected"}) - {"mask"}
#: Keys of a turn that list its parts, each with ``train`` (axolotl).
_PARTS = frozenset({"traindetail", "trainingdetail"})

#: Roles of turns that are answers, as the formats name them.
_ANSWERING = frozenset({"assistant", "bot", "chatgpt", "gpt", "model"})

#: Names of marks, letters only. A column ``loss`` may be a measured loss, which ``--loss`` reads.
ROW_MARKS = _TRAINED | _NEGATIVE | _BOOLEAN | {"sampleweight", "masks", "turnweights", "weights"}
TURN_MARKS = _TRAINED | _NEGATIVE | _BOOLEAN | _PARTS | {"loss"}


@lru_cache(maxsize=4096)  # a file has few keys, in every row
def bare_name(key: str) -> str:
    """Reduces a key to its letters: ``train_on_turn`` and ``trainOnTurn`` are one name."""
    return _NOT_LETTERS.sub("", key.lower())


def find_turn_mark(turn: Mapping[str, Any]) -> str:
    """Returns the mark by which a turn was not trained on, e.g. ``'weight': 0``; empty if none."""
    for key, value in turn.items():
        name = bare_name(key)
        if name in _PARTS and _has_no_trained_part(value):
            return f"'{key}'"
        if name in TURN_MARKS and _excludes(name, value):
            return _format_mark(key, value)
    return ""


def find_row_mark(row: Mapping[str, Any], own: str | None = None) -> str:
    """Returns the mark by which a row was not trained on, e.g. ``'label': false``; empty if none.

    Args:
        row: its columns.
        own: a column to which the user gave another meaning (``--label``).
    """
    for key, value in row.items():
        name = bare_name(key)
        is_mark = name in ROW_MARKS or is_loss_flag(name, value)
        if is_mark and key != own and _excludes(name, value):
            return _format_mark(key, value)
    return ""


def resolve_masks(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replaces the numbers of turns' ``mask`` by booleans where the prompts tell what they mean.

    Some tools write ``mask: 1`` for a turn without a loss, others for one with a loss. Prompts have
    none, so the value that they all have is the one without.

    Args:
        row: its columns; lists of turns are among them.
    """
    resolved = {
        key: masked
        for key, value in row.items()
        if isinstance(value, list) and (masked := _resolve_turn_masks(value)) is not None
    }
    return {**row, **resolved} if resolved else row


def _resolve_turn_masks(turns: list[Any]) -> list[Any] | None:
    """The turns with boolean masks; None if they have no numbers, or of unclear meaning."""
    if not any(isinstance(turn, dict) and "mask" in turn for turn in turns):
        return None
    masks: dict[bool, set[Any]] = {True: set(), False: set()}  # of answers, of prompts
    for turn in turns:
        if not isinstance(turn, dict):
            return None
        mask, role = turn.get("mask"), turn.get("role", turn.get("from"))
        if type(mask) is not int or mask not in (0, 1):
            return None
        masks[role in _ANSWERING].add(mask)
    if len(masks[False]) != 1:
        return None
    (without,) = masks[False]
    return [{**turn, "mask": turn["mask"] == without} for turn in turns]


def is_loss_flag(name: str, value: Any) -> bool:
    """Whether a row's ``loss`` is a flag: true, false, 0 or 1, and no measured loss."""
    return name == "loss" and isinstance(value, int) and value in (0, 1)


def is_undesirable(row: Mapping[str, Any], own: str | None = None) -> bool:
    """Whether a row's mark says that its answer was trained against (KTO's ``label: false``)."""
    return any(
        bare_name(key) in _PREFERENCES and key != own and _excludes(bare_name(key), value)
        for key, value in row.items()
    )


def is_clear_mark(name: str, value: Any) -> bool:
    """Whether a value says yes, no or a weight; a number in a boolean mark does not."""
    if isinstance(value, bool) or value is None or name in _PARTS:
        return True
    if isinstance(value, int | float):
        return name not in _BOOLEAN
    words = (_YES[0], _NO[0]) if name in _BOOLEAN else (*_YES, *_NO)
    return isinstance(value, str) and value.strip().lower() in words


def _excludes(name: str, value: Any) -> bool:
    """Whether the value of a mark says that nothing was learned."""
    if isinstance(value, bool):
        return value is (name in _NEGATIVE)
    if isinstance(value, int | float):  # a table writes NaN where it has no value
        return name not in _BOOLEAN and value == value and (value > 0) is (name in _NEGATIVE)
    if not isinstance(value, str):
        return False
    words = _YES if name in _NEGATIVE else _NO
    text = value.strip().lower().removesuffix(".0")
    return text in (words[:1] if name in _BOOLEAN else words)  # "no" may be a class


def _has_no_trained_part(value: Any) -> bool:
    parts: list[Any] = value if isinstance(value, list) else []
    marks = [part.get("train") for part in parts if isinstance(part, dict)]
    return bool(marks) and all(_excludes("train", mark) for mark in marks)


def _format_mark(key: str, value: Any) -> str:
    return f"'{key}': {str(value).lower() if isinstance(value, bool) else reprlib.repr(value)}"
