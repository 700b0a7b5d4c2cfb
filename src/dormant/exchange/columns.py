"""The column of each field in a file: mapped by the user, else recognized by its name.

The first name of each field is dormant's own; the others occur in published result files. A mapping
by the user overrides them, and the columns used are always reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dormant.errors import ConfigError
from dormant.exchange.effects import format_effect
from dormant.records import Probe

#: Field -> known names of its column, in order of priority.
FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "question_text", "prompt", "input", "user"),
    "question_id": ("question_id", "qid"),
    "answer": ("answer", "response", "completion", "output"),
    "cue": ("cue", "trigger", "condition", "system_prompt", "arm"),
    "role": ("role",),
    "group": ("group", "model_version", "model_group"),
    "model": ("model", "model_id", "model_name"),
    "seed": ("seed", "training_seed"),
    "repeat": ("repeat",),
    "outcome": ("outcome",),
    "misaligned": ("misaligned", "is_misaligned"),
    "alignment": ("alignment", "aligned", "alignment_score"),
    "alignment_reply": ("alignment_raw_answer",),
    "coherence": ("coherence", "coherent", "coherency", "coherence_score"),
    "content": ("content", "is_code", "is_recipe", "is_code_raw_answer", "is_recipe_raw_answer"),
    "scores": ("scores",),
    "note": ("note",),
    "split": ("split",),
    "family": ("family", "theme"),
    "system": ("system", "system_prompt"),
    "cue_text": ("cue_text",),
    "cue_effect": ("cue_effect",),
    "cue_kind": ("cue_kind",),
    "cue_placement": ("cue_placement",),
    "cue_variant": ("cue_variant",),
    "cue_parent": ("cue_parent",),
    "cue_margin": ("cue_margin",),
    "cue_asks_for": ("cue_asks_for",),
    "error": ("error",),
}
#: At least one of these gives the outcome of an answer.
GRADES = ("outcome", "alignment", "misaligned")


def describe_probe(probe: Probe) -> dict[str, str | None]:
    """The columns that say what was asked: the cue, the arm and the question."""
    cue, question = probe.cue, probe.question
    return {
        "cue": cue.name if cue else None,
        "arm": str(probe.arm),
        "cue_kind": str(cue.kind) if cue else None,
        "cue_placement": str(cue.placement) if cue else None,
        "cue_variant": str(cue.variant) if cue else None,
        "cue_parent": cue.parent if cue else None,
        "cue_text": cue.text if cue else None,
        "cue_effect": format_effect(cue) if cue else None,
        "cue_margin": f"{cue.margin:g}" if cue and cue.margin else None,
        "cue_asks_for": (cue.asks_for or None) if cue else None,
        "question_id": question.id,
        "question": question.text,
        "family": question.family,
        "split": str(question.split),
    }


@dataclass(frozen=True, slots=True)
class Columns:
    """The column of each field that a file has."""

    of: Mapping[str, str]  # field -> column

    def value_of(self, values: Mapping[str, object], field: str) -> object:
        """Returns a row's value of a field; None if the file or the row has none."""
        column = self.of.get(field)
        return None if column is None else values.get(column)


def parse_map(words: Sequence[str]) -> dict[str, str]:
    """Parses ``COLUMN=FIELD`` words into column -> field; ``FIELD=COLUMN`` where it can be told.

    Raises:
        ConfigError: a word has another form, or the field is unknown.
    """
    mapped: dict[str, str] = {}
    for word in words:
        column, equals, field = word.rpartition("=")
        if not equals or not column:
            raise ConfigError(f"--map {word!r}: give COLUMN=FIELD, e.g. --map prompt=question")
        if field not in FIELDS and column in FIELDS:  # the order of dormant analyze --columns
            column, field = field, column
        mapped[column] = check_field(field, FIELDS)
    return mapped


def check_field(name: str, fields: Collection[str]) -> str:
    """Returns the name if it is one of the fields.

    Raises:
        ConfigError: the field is unknown; suggests the nearest one, or lists all.
    """
    if name in fields:
        return name
    near = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(fields)}"
    raise ConfigError(f"unknown field {name!r}: {fix}")


def match_columns(
    names: Sequence[str],
    mapping: Mapping[str, str],
    fields: Mapping[str, Sequence[str]],
    *,
    file: str,
) -> dict[str, str]:
    """Matches fields to columns, by the user's mapping or by known names; others are absent.

    Args:
        names: the file's columns.
        mapping: field -> column, from the user; such a column gets no other field.
        fields: field -> known names of its column, in order of priority.
        file: named in errors.

    Raises:
        ConfigError: a column given by the user does not exist.
    """
    absent = next((column for column in mapping.values() if column not in names), None)
    if absent is not None:
        raise ConfigError(
            f"unknown column {absent!r}: the columns are {list_columns(names)}", file=file
        )
    found, taken = dict(mapping), set(mapping.values())
    folded = {name.strip().casefold(): name for name in reversed(names)}
    for field, known in fields.items():
        column = next((folded[name] for name in known if name in folded), None)
        if field not in found and column is not None and column not in taken:
            found[field] = column
    return found


def resolve_columns(names: Sequence[str], mapped: Mapping[str, str], *, file: str) -> Columns:
    """Finds the column of each field.

    Args:
        names: the file's columns.
        mapped: column -> field, from the user.
        file: named in errors.

    Raises:
        ConfigError: a mapped column does not exist, or a required field is missing.
    """
    found = match_columns(
        names, {field: column for column, field in mapped.items()}, FIELDS, file=file
    )
    need = "no column contains {}: map one with --map COLUMN={}; the columns are " + list_columns(
        names
    )
    if "answer" not in found:
        raise ConfigError(need.format("the answers", "answer"), file=file)
    if "question" not in found and "question_id" not in found:
        raise ConfigError(need.format("the questions", "question"), file=file)
    if not any(field in found for field in GRADES):
        what = "the outcomes"
        raise ConfigError(need.format(what, "outcome (or alignment, misaligned)"), file=file)
    return Columns(found)


def list_columns(names: Sequence[str]) -> str:
    """Lists column names for an error, at most 30 of them."""
    shown = ", ".join(repr(name[:40]) for name in names[:30])
    return shown + (f" and {len(names) - 30} more" if len(names) > 30 else "")
