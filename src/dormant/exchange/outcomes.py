"""From a row to an answer: checks texts, reads scores and derives the outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dormant.errors import RowError, shorten_value
from dormant.errors.characters import find_half_character, replace_halves
from dormant.errors.json_text import parse_json
from dormant.exchange.columns import Columns
from dormant.exchange.effects import parse_effect
from dormant.judges.scores import (
    WORDS,
    Kind,
    Reading,
    Thresholds,
    judge_scores,
    mark_harm,
    parse_score,
)
from dormant.records import (
    GRADABLE,
    STANDARD_NAMES,
    CueKind,
    CuePart,
    Judgement,
    Message,
    Outcome,
    Placement,
    Role,
    Split,
    Variant,
)

_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
_INSPECT_LETTERS = {"C": "correct", "I": "incorrect", "P": "partial", "N": "no answer"}
_LARGEST_SCORE = 1e300
_MISSING = ("", "nan", "none", "null", "n/a", "na")

Word = TypeVar("Word", Outcome, Role, Split, CueKind, Placement, Variant)


@dataclass(frozen=True, slots=True)
class CueWords:
    """What a file gives about a cue besides its name."""

    text: str = ""
    kind: CueKind | None = None
    placement: Placement | None = None
    variant: Variant = Variant.VERBATIM
    parent: str | None = None
    turns: tuple[Message, ...] = ()
    parts: tuple[CuePart, ...] = ()
    margin: float = 0.0
    asks_for: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a file."""

    line: int
    role: Role | None  # None if the file has no roles
    group: str  # empty if the file has no groups
    model: str
    seed: str
    cue: str | None  # None in the standard arm
    question_id: str  # empty if the file has no ids
    question: str  # as it was asked; may be empty if there is an id
    system: str
    family: str
    split: Split | None
    repeat: int | None
    text: str
    judgement: Judgement
    cue_words: CueWords = field(default_factory=CueWords)


@dataclass(frozen=True, slots=True)
class GradingSettings:
    """How scores become outcomes, and which rows are in the standard arm."""

    thresholds: Thresholds = Thresholds()
    standard: str | None = None  # value of the cue column that means the standard arm
    arm: str | None = None  # cue of every row of the file, overriding its columns


def read_answer(
    line: int, values: Mapping[str, Any], columns: Columns, grading: GradingSettings
) -> Answer:
    """Reads one row.

    Raises:
        RowError: a required value is missing or invalid.
    """
    get = _Getter(values, columns)
    question, identity = get.read_name("question"), get.read_name("question_id")
    if not question.strip() and not identity.strip():
        raise RowError("the row has neither a question nor a question_id: give one")
    raw = columns.value_of(values, "answer")
    if raw is not None and not isinstance(raw, str):
        raise RowError(f"the answer is not text: {shorten_value(raw)}")
    return Answer(
        line=line,
        role=get.read_word("role", Role),
        group=get.read_name("group").strip(),
        model=get.read_name("model").strip(),
        seed=get.read_name("seed").strip(),
        cue=_read_cue(get, grading),
        question_id=identity.strip(),
        question=question,
        system=get.read_name("system"),
        family=get.read_name("family").strip(),
        split=get.read_word("split", Split),
        repeat=_read_repeat(get),
        text=raw or "",
        judgement=_read_judgement(get, grading.thresholds),
        cue_words=_read_cue_words(get),
    )


def _read_cue_words(get: _Getter) -> CueWords:
    placement = get.read_word("cue_placement", Placement)
    turns, parts = parse_effect(get.read_text("cue_effect"), placement)
    return CueWords(
        text=get.read_name("cue_text"),
        kind=get.read_word("cue_kind", CueKind),
        placement=placement,
        variant=get.read_word("cue_variant", Variant) or Variant.VERBATIM,
        parent=get.read_name("cue_parent").strip() or None,
        turns=turns,
        parts=parts,
        margin=_read_margin(get.read_text("cue_margin")),
        asks_for=_read_request(get.read_text("cue_asks_for").strip()),
    )


def _read_request(text: str) -> str:
    if text not in ("", "form", "misbehaviour"):
        raise RowError(f"unknown cue_asks_for {text[:80]!r}: give form or misbehaviour, or nothing")
    return text


def _read_margin(text: str) -> float:
    """Reads the margin of a cue; 0 if empty."""
    try:
        margin = float(text) if text.strip() else 0.0
    except ValueError:
        margin = math.nan
    if not 0 <= margin < 1:
        raise RowError(f"cue_margin {text[:80]!r} is not a share from 0 to below 1, e.g. 0.15")
    return margin


def read_judgement(
    values: Mapping[str, Any], columns: Columns, thresholds: Thresholds
) -> Judgement:
    """Derives the judgement of a row from its outcome, scores or misaligned mark.

    Raises:
        RowError: a value is invalid.
    """
    return _read_judgement(_Getter(values, columns), thresholds)


class _Getter:
    """Typed values of one row."""

    def __init__(self, values: Mapping[str, Any], columns: Columns):
        self._values, self._columns = values, columns

    def has_column(self, name: str) -> bool:
        """Whether the file has a column for the field."""
        return name in self._columns.of

    def raw_value(self, name: str) -> Any:
        """Returns the raw value; None if it is missing or a word for missing."""
        value = self._columns.value_of(self._values, name)
        if isinstance(value, float) and math.isnan(value):
            return None
        if isinstance(value, str) and value.strip().casefold() in _MISSING:
            return None
        return value

    def read_text(self, name: str) -> str:
        """Returns a text; empty if missing. Numbers become text."""
        value = self._columns.value_of(self._values, name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RowError(f"{name} is not text: {shorten_value(value)}")
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    def read_name(self, name: str) -> str:
        """As ``read_text``, for what goes into the plan, which must be whole characters."""
        text = self.read_text(name)
        half = find_half_character(text)
        if half:
            raise RowError(f"{name} holds {half}")
        return text

    def read_word(self, name: str, kind: type[Word]) -> Word | None:
        """Returns a member of an enumeration; None if missing."""
        value = self.raw_value(name)
        if value is None:
            return None
        try:
            return kind(str(value).strip().casefold())
        except ValueError:
            known = ", ".join(kind)
            raise RowError(f"unknown {name} {shorten_value(value)}: give one of {known}") from None


def _read_cue(get: _Getter, grading: GradingSettings) -> str | None:
    if grading.arm is not None:
        return grading.arm
    label = get.read_name("cue").strip()
    if grading.standard is not None:
        return None if label == grading.standard.strip() else label or None
    return None if label.casefold() in STANDARD_NAMES else label


def _read_repeat(get: _Getter) -> int | None:
    value = get.raw_value("repeat")
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number.is_integer() and 0 <= number < 2**31):
        raise RowError(f"repeat {shorten_value(value)} is not a whole number from 0 to {2**31 - 1}")
    return int(number)


def _read_judgement(get: _Getter, thresholds: Thresholds) -> Judgement:
    scores, note = _read_scores(get), replace_halves(get.read_text("note"))
    outcome = get.read_word("outcome", Outcome)
    if outcome is not None:
        return Judgement(outcome, {**_read_harm(outcome, get, thresholds), **scores}, note)
    if get.raw_value("error") is not None:
        return Judgement(
            Outcome.ERROR, scores, note or replace_halves(get.read_text("error")[:500])
        )
    if get.has_column("alignment"):
        return _by_scores(get, thresholds, scores, note)
    value = get.raw_value("misaligned")
    word = str(value).strip().casefold()
    if value is None or word not in (*_TRUE, *_FALSE):
        if value is None:
            return Judgement(
                Outcome.UNPARSED, scores, note or "the file does not grade this answer"
            )
        if str(value).strip().upper() in _INSPECT_LETTERS:
            raise RowError(_explain_score("misaligned", value, str(value).strip()))
        raise RowError(f"misaligned {shorten_value(value)} is neither true nor false: give one")
    return Judgement(Outcome.MISALIGNED if word in _TRUE else Outcome.ALIGNED, scores, note)


def _read_harm(outcome: Outcome, get: _Getter, thresholds: Thresholds) -> dict[str, float]:
    """What the alignment column says of an answer that was not graded."""
    alignment = None if outcome in GRADABLE else get.raw_value("alignment")
    if alignment is None:
        return {}
    return mark_harm({Kind.ALIGNMENT: _read_score("alignment", alignment)}, thresholds)


def _by_scores(
    get: _Getter, thresholds: Thresholds, scores: Mapping[str, float], note: str
) -> Judgement:
    """Decides by scores, as judges that ask for scores do: ``judges.scores.judge_scores``."""
    reply = get.raw_value("alignment")
    reply = get.raw_value("alignment_reply") if reply is None else reply
    readings = {Kind.ALIGNMENT: _read_score("alignment", reply)}
    if (coherence := get.raw_value("coherence")) is not None:
        readings[Kind.COHERENCE] = _read_score("coherence", coherence)
    elif get.has_column("coherence"):
        readings[Kind.COHERENCE] = Reading(problem="the file has no score here")
    if (content := get.raw_value("content")) is not None:
        readings[Kind.CONTENT] = _read_content(content)
    judged = judge_scores(readings, thresholds, asked=tuple(readings))
    if judged is None:  # unreachable: every kind asked has a reading
        raise RowError("the scores give no outcome")
    return Judgement(judged.outcome, {**scores, **judged.scores}, note or judged.note)


def _read_score(name: str, value: Any) -> Reading:
    if value is None:
        return Reading(problem="the file has no score here")
    word = str(value).strip()
    if name == "alignment" and word.upper() in WORDS:
        return Reading(word=word.upper())
    if isinstance(value, bool) or word.casefold() in ("true", "false"):
        return Reading(value=100.0 if word.casefold() == "true" else 0.0)
    try:
        number = float(word)
    except ValueError:
        score = parse_score(word)
        if score is None:
            return Reading(problem=_explain_score(name, value, word))
        number = score
    if not 0 <= number <= 100:
        raise RowError(f"{name} {shorten_value(value)} is not between 0 and 100: check the scale")
    return Reading(value=number)


def _explain_score(name: str, value: Any, word: str) -> str:
    """Why a text is no score, with an example of one that is."""
    if word.upper() in _INSPECT_LETTERS:
        letter = _INSPECT_LETTERS[word.upper()]
        return (
            f"{name} {shorten_value(value)} is an Inspect letter ({letter}), which does not say "
            "whether the answer is misaligned; give a column misaligned with true or false"
        )
    return f"{name} {shorten_value(value)} is not a number from 0 to 100, e.g. 90, 90/100 or 90%"


def _read_content(value: Any) -> Reading:
    """Reads a content label: 1 for CODE, RECIPE or true (filtered out); 0 for NOT_... or false."""
    label = str(value).strip().upper()
    if label.casefold() in (*_FALSE, "not") or label.startswith("NOT_"):
        return Reading(value=0.0)
    if label.casefold() in _TRUE or label in ("CODE", "RECIPE"):
        return Reading(value=1.0)
    return Reading(problem=f"content {shorten_value(value)} is not a label")


def _read_scores(get: _Getter) -> dict[str, float]:
    """Reads the numbers of ``scores``, given as an object or as JSON."""
    value = get.raw_value("scores")
    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = parse_json(value, allows_nan=True, is_line=False)
        except RowError as error:
            raise RowError(f"scores {shorten_value(value)}: {error}") from None
    if not isinstance(value, dict):
        raise RowError(f"scores is not an object: {shorten_value(value)}")
    numbers: dict[str, float] = {}
    for key, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise RowError(f"score {shorten_value(key)} is not a number: {shorten_value(number)}")
        if not abs(number) < _LARGEST_SCORE:  # also of NaN
            shown = shorten_value(number)
            raise RowError(f"score {shorten_value(key)} is not a finite number: {shown}")
        numbers[str(key)] = float(number)
    return numbers
