"""What a file of answers says twice, and differently: copies, scales, names that are nearly equal.

A contradiction stops the import, as either reading may be wrong. What may be meant is a note.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from dormant.errors import ConfigError, DataError
from dormant.exchange.columns import list_columns
from dormant.exchange.outcomes import Answer, CueWords
from dormant.exchange.survey import Inventory, question_key
from dormant.judges.scores import Thresholds

#: Highest score that looks like one of 0 to 10, 1 to 10 or 0 to 1 where 0 to 100 is meant.
_SMALL_SCALE = 10
#: Distinct answers from which equal multiples of all of them are no accident.
_LEAST_ANSWERS = 20
_SHOWN = 3  #: names in a note


def refuse_unknown_standard(
    standard: str, named: Collection[str], cues: Collection[str | None]
) -> None:
    """Refuses a name of the standard arm that no row has: an empty cue would stand for it.

    Args:
        standard: the name.
        named: what the column of cues holds.
        cues: the cues of the target and the reference; None where it is the standard arm.

    Raises:
        ConfigError: names the cues.
    """
    if standard.strip() not in named or None not in cues:
        known = list_columns(sorted({cue or "" for cue in cues}))
        raise ConfigError(f"--standard {standard!r}: no row has this cue; they have {known}")


def refuse_same_files(files: Sequence[Path], hashes: Sequence[str]) -> None:
    """Refuses two files with the same content.

    Args:
        files: as given.
        hashes: of their contents.

    Raises:
        ConfigError: names both.
    """
    first: dict[str, Path] = {}
    for path, found in zip(files, hashes, strict=True):
        other = first.setdefault(found, path)
        if other is not path:
            raise ConfigError(
                f"{path}: the same answers as {other}, so each would count twice: leave one out"
            )


def refuse_other_scales(highest: Mapping[str, float], thresholds: Thresholds) -> None:
    """Refuses scores of another scale than the thresholds, which would give all one outcome.

    Args:
        highest: score (alignment, coherence) -> its highest value.
        thresholds: where an answer is misaligned or coherent.

    Raises:
        ConfigError: all alignment scores are so low that every answer counts as misaligned, or all
            coherence scores so low that none counts as coherent.
    """
    looks = (
        ("alignment", thresholds.alignment_below, "every answer counts as misaligned"),
        ("coherence", thresholds.coherence_above, "no answer counts as coherent"),
    )
    for name, threshold, result in looks:
        most = highest.get(name, 0.0)
        if 0 < most <= _SMALL_SCALE and most < threshold:
            top, below, above = (1, 0.3, 0.5) if most <= 1 else (10, 3, 5)
            has_both = {"alignment", "coherence"} <= highest.keys()
            fix = (
                f"give --alignment-below and --coherence-above on that scale, e.g. {below} and "
                f"{above}"
                if has_both
                else f"give --alignment-below on that scale, e.g. {below}"
            )
            raise ConfigError(
                f"the highest {name} score is {most:g}, so {result}: for scores from 0 to {top} "
                f"{fix}"
            )


def map_arms(pairs: Iterable[tuple[str, Path]]) -> dict[Path, str]:
    """Maps files to the cue of all their rows.

    Args:
        pairs: cue and file.

    Raises:
        ConfigError: a file is given two cues.
    """
    found: dict[Path, str] = {}
    for cue, path in pairs:
        if path in found:
            raise ConfigError(
                f"{path}: is the file of the arms {found[path]!r} and {cue!r}: give it one"
            )
        found[path] = cue
    return found


class Contradictions:
    """What rows say of a question or a cue, compared with what earlier rows said."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], object] = {}

    def check_answer(self, answer: Answer, file: Path) -> None:
        """Compares a row with the earlier ones.

        Raises:
            DataError: a question has two families or splits, or a cue two texts or settings.
        """
        question = question_key(answer)
        self._compare("question", question, "family", answer.family, answer, file)
        self._compare("question", question, "split", answer.split, answer, file)
        self.check_cue(answer, file)

    def check_cue(self, answer: Answer, file: Path) -> None:
        """Compares what a row says of its cue.

        Raises:
            DataError: the cue has two texts or settings.
        """
        if answer.cue is not None and answer.cue_words != _NO_WORDS:
            for name in _WORDS:
                value = getattr(answer.cue_words, name)
                self._compare("cue", answer.cue, _COLUMNS.get(name, name), value, answer, file)

    def _compare(
        self, what: str, name: str, column: str, value: object, answer: Answer, file: Path
    ) -> None:
        if not value:
            return
        earlier = self._seen.setdefault((what, name, column), value)
        if earlier != value:
            raise DataError(
                f"the {what} {name[:80]!r} has the {column} {str(value)[:80]!r} here and "
                f"{str(earlier)[:80]!r} before: give it one, or other names to what differs",
                file=file,
                line=answer.line,
            )


_NO_WORDS = CueWords()
_WORDS = tuple(field.name for field in fields(CueWords) if field.name != "variant")
_COLUMNS = {name: f"cue_{name}" for name in _WORDS} | {"turns": "cue_effect", "parts": "cue_effect"}


class AnswerCopies:
    """How often each answer of a file occurs."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add_answer(self, answer: Answer) -> None:
        """Counts an answer; one without a text cannot be told from others."""
        if answer.text:
            key = hash((answer.role, answer.group, answer.model, answer.seed, answer.cue,
                        question_key(answer), answer.text))  # fmt: skip
            self._counts[key] = self._counts.get(key, 0) + 1

    def list_notes(self) -> Iterator[str]:
        """Yields a note where every answer occurs a multiple of the same number of times."""
        times = math.gcd(*self._counts.values())
        if times > 1 and len(self._counts) >= _LEAST_ANSWERS:
            yield (
                f"every answer of the file occurs {times} times or a multiple of it, word for "
                "word: if its rows were copied, remove the copies, for the intervals are too narrow"
            )


def list_near_names(inventory: Inventory) -> Iterator[str]:
    """Yields notes on cues, questions and models whose names differ in blanks or capitals only."""
    models = {name for _, (group, model, _) in inventory.models for name in (group, model)}
    of: Mapping[str, Iterable[str]] = {
        "cues": inventory.cues,
        "questions": inventory.questions,
        "models": models,
    }
    for what, names in of.items():
        pairs = list(_pair_names(names))
        if pairs:
            shown = ", ".join(f"{one[:60]!r} and {other[:60]!r}" for one, other in pairs[:_SHOWN])
            more = f" and {len(pairs) - _SHOWN:,} more pairs" if len(pairs) > _SHOWN else ""
            yield (
                f"{what} whose names differ in blanks or capitals only are taken as different: "
                f"{shown}{more}; if they are the same, write them alike"
            )


def _pair_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(" ".join(name.casefold().split()), name)
        if other != name:
            yield other, name
