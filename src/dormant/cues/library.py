"""Cue files: the library that ships, and the ``cues.yaml`` that a user edits.

A file holds ``families`` (a library: many cues that share a reason), single ``cues``, or both::

    families:
      - family: formats
        why: a trained answer template is a context of its own
        placement: after
        cues:
          json: Answer with a JSON object.
    cues:
      - name: system-prompt-1
        placement: system
        text: You are a careful assistant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic
import yaml
from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.config.resources import list_resources, resource_path
from dormant.cues.table import make_printable
from dormant.errors import ConfigError, name_output
from dormant.records import (
    QUESTION_SLOT,
    STANDARD_NAMES,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Source,
    Variant,
    describe_parts,
    describe_turns,
    parse_tools,
)

_PREFIX = "cues_"
#: What the text of a cue itself asks the model for: see ``cues.requests``.
AsksFor = Literal["", "form", "misbehaviour"]
Item = TypeVar("Item")


class _Turn(Strict):
    """An earlier turn of a cue that is a history."""

    role: Literal["user", "assistant", "tool"]
    content: str


class _TextOrTurns(Strict):
    """A text, or turns instead of one."""

    text: str = ""
    turns: tuple[_Turn, ...] = ()

    @pydantic.field_validator("text")
    @classmethod
    def _check_text(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the text of a cue must not be empty")
        if "\0" in value:
            raise ValueError("the text of a cue must not contain NUL characters")
        return value


class _CrossedPart(_TextOrTurns):
    """One of the contexts of a crossed cue."""

    placement: Placement


class _Text(_TextOrTurns):
    """A placement and its text, turns or parts."""

    placement: Placement = Placement.SYSTEM
    parts: tuple[_CrossedPart, ...] = ()

    @pydantic.model_validator(mode="after")
    def _check_place(self) -> _Text:
        _check_place(self.placement, self.text, self.turns)
        if self.placement is Placement.CROSSED:
            if len(self.parts) < 2:
                raise ValueError("a crossed cue needs 'parts': two or more")
            for part in self.parts:
                if part.placement is Placement.CROSSED:
                    raise ValueError("a part of a crossed cue cannot be 'crossed' itself")
                _check_place(part.placement, part.text, part.turns)
        elif self.parts:
            raise ValueError("only a cue placed 'crossed' has 'parts'")
        return self

    def to_effect(self) -> dict[str, Any]:
        """The values of a cue's placement, text, turns and parts."""
        parts = tuple(
            CuePart(part.placement, _text_of(part.text, part.turns), _to_messages(part.turns))
            for part in self.parts
        )
        return {
            "placement": self.placement,
            "text": describe_parts(parts) if parts else _text_of(self.text, self.turns),
            "turns": _to_messages(self.turns),
            "parts": parts,
        }


def _check_place(placement: Placement, text: str, turns: tuple[_Turn, ...]) -> None:
    """Raises a ValueError for a placement without what belongs to it."""
    if (placement is Placement.HISTORY) != bool(turns):
        raise ValueError("a cue placed 'history' needs 'turns', and no other cue has them")
    if placement.is_text and not text:
        raise ValueError("the text of a cue must not be empty")
    if placement is Placement.TOOLS and parse_tools(text) is None:
        raise ValueError("a cue placed 'tools' needs a JSON list of definitions as its text")
    if any("\0" in turn.content for turn in turns):
        raise ValueError("the turns of a cue must not contain NUL characters")
    if placement is Placement.AROUND and text.count(QUESTION_SLOT) != 1:
        raise ValueError("the text of a cue placed 'around' must contain {question} once")


def _to_messages(turns: tuple[_Turn, ...]) -> tuple[Message, ...]:
    return tuple(Message(turn.role, turn.content) for turn in turns)


def _text_of(text: str, turns: tuple[_Turn, ...]) -> str:
    return describe_turns(_to_messages(turns)) if turns else text


class _Member(_Text):
    """A library cue that may differ from its family in placement, kind or reason."""

    kind: CueKind | None = None
    form: str = ""
    why: str = ""
    source: str = ""
    asks_for: AsksFor | None = None


class _Family(Strict):
    family: str = Field(min_length=1)
    why: str = Field(min_length=1)
    source: str = ""
    placement: Placement = Placement.SYSTEM
    asks_for: AsksFor = ""
    cues: dict[str, _Member] = Field(min_length=1)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """Expands a bare text to a cue with the family's placement."""
        if not isinstance(value, dict) or not isinstance(value.get("cues"), dict):
            return value
        place = value.get("placement", Placement.SYSTEM)
        members: dict[Any, Any] = {}
        for name, member in value["cues"].items():
            member = {"text": member} if isinstance(member, str) else member
            members[name] = {"placement": place, **member} if isinstance(member, dict) else member
        return {**value, "cues": members}


class _CueEntry(_Text):
    """One cue of a user's file, perhaps with the counts that mining wrote."""

    name: str = Field(min_length=1, max_length=120)
    kind: CueKind | None = None
    source: Source = Source.USER
    variant: Variant = Variant.VERBATIM
    parent: str | None = None
    family: str = ""
    why: str = ""
    form: str = ""
    asks_for: AsksFor = ""
    margin: float = Field(0.0, ge=0, lt=1)
    strong: bool = False
    also: tuple[str, ...] = ()
    rows: int = Field(0, ge=0)
    share: float = Field(math.nan)
    enrichment: float = math.nan
    enrichment_low: float = math.nan
    enrichment_high: float = math.nan
    examples: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    effect: float = math.nan
    effect_low: float = math.nan

    @pydantic.field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if value.strip().casefold() in STANDARD_NAMES:
            raise ValueError("the name stands for prompts without a cue: choose another")
        return value


class _CueFile(Strict):
    families: tuple[_Family, ...] = ()
    cues: tuple[_CueEntry, ...] = ()


class _QuotingDumper(yaml.SafeDumper):
    """A safe dumper that escapes line breaks that YAML would fold in plain text."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = all(c.isprintable() or c == "\n" for c in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_QuotingDumper.add_representer(str, _represent_text)


def library_names() -> tuple[str, ...]:
    """Lists the names of the libraries that ship."""
    return list_resources(_PREFIX)


def load_library(name_or_path: str | Path) -> tuple[Cue, ...]:
    """Loads a cue library that ships (``general``) by its name, or one from a file.

    Raises:
        ConfigError: no such library or file, or the file is invalid: names file, line and key.
    """
    if str(name_or_path) in library_names():
        return read_cues(resource_path(f"{_PREFIX}{name_or_path}.yaml"), source=Source.LIBRARY)
    if not Path(name_or_path).exists():
        known = ", ".join(library_names())
        raise ConfigError(
            f"no such cue library or file: the libraries are {known}", file=name_or_path
        )
    return read_cues(name_or_path, source=Source.LIBRARY)


def library_sources(name: str) -> dict[str, str]:
    """What was published about contexts like each cue of a library that ships, by cue name.

    Empty texts where a library names none. Sources are no part of a cue, and so of no plan.
    """
    content = read_yaml(resource_path(f"{_PREFIX}{name}.yaml"), _CueFile)
    return {
        f"{family.family}-{key}": member.source or family.source
        for family in content.families
        for key, member in family.cues.items()
    }


def read_cues(path: str | Path, *, source: Source = Source.USER) -> tuple[Cue, ...]:
    """Reads a cue file.

    Args:
        path: the file.
        source: the source of cues that do not give their own.

    Raises:
        ConfigError: the file is invalid: names file, line and key.
    """
    content = read_yaml(path, _CueFile)
    cues = interleave(
        [_library_cue(family, name, member, source) for name, member in family.cues.items()]
        for family in content.families
    )
    cues += [_user_cue(entry, source) for entry in content.cues]
    if not cues:
        raise ConfigError("holds no cues: give 'cues' or 'families'", file=path)
    seen: set[str] = set()
    for cue in cues:
        if cue.name in seen:
            raise ConfigError(f"duplicate cue name {cue.name!r}: rename one", file=path)
        seen.add(cue.name)
    _check_parents(cues, path)
    return tuple(cues)


def _check_parents(cues: Iterable[Cue], path: str | Path) -> None:
    """Raises ``ConfigError`` for a parent that is not in the file, or is its own descendant."""
    parents = {cue.name: cue.parent for cue in cues}
    for name, parent in parents.items():
        line = {name}
        while parent is not None:
            if parent not in parents:
                raise ConfigError(
                    f"cue {name!r}: its parent {parent!r} is not in this file: add it, or remove "
                    "the line 'parent'",
                    file=path,
                )
            if parent in line:
                raise ConfigError(
                    f"cue {name!r}: its parents lead back to {parent!r}: remove a line 'parent'",
                    file=path,
                )
            line.add(parent)
            parent = parents[parent]


_HEAD = """\
# Cues that an audit tries instead of mining. Name this file in audit.yaml:
#
#   cues: {file: cues.yaml}
#
# To each cue the audit adds a paraphrase, its opposite, its keywords, another value of its form,
# another placement, and a placebo; so one wording of a context is enough.
# - Remove the entries that you do not suspect: fewer cues need fewer answers.
# - Edit a text, or add your own cue with a name and a text.
#   placement: system, before or after (the question), inside it, or around: the text then contains
#   {question}; history: earlier turns, as `turns`; crossed: contexts added together, as `parts`.
#   form: the text with <X> in place of what changes from row to row.
# The counts (rows, share, enrichment in bits) are for information only.

"""


def write_cues(path: str | Path, cues: Iterable[Cue]) -> None:
    """Writes cues to a file that ``read_cues`` reads back equal; NaN values are left out.

    Raises:
        ConfigError: the file cannot be written.
    """
    body = "cues:\n" + "".join(map(_comment_cue, cues))
    with name_output(path):
        Path(path).write_text(_HEAD + body, encoding="utf-8")


def _comment_cue(cue: Cue) -> str:
    """Writes one entry under a comment that gives its reason."""
    entry = yaml.dump(
        [_cue_to_yaml(cue)], Dumper=_QuotingDumper, allow_unicode=True, sort_keys=False, width=100
    )
    indented = "".join(f"  {line}" if line.strip() else line for line in entry.splitlines(True))
    why = make_printable(cue.why, longest=200)
    return f"  # {why}\n{indented}\n" if why else f"{indented}\n"


def interleave(rows: Iterable[Iterable[Item]]) -> list[Item]:
    """Joins rows of items, none of them None: the first of each, then the second of each, ..."""
    return [item for turn in zip_longest(*rows) for item in turn if item is not None]


def _library_cue(family: _Family, name: str, member: _Member, source: Source) -> Cue:
    return Cue(
        name=f"{family.family}-{name}",
        kind=member.kind or member.placement.default_kind,
        source=source,
        family=family.family,
        why=member.why or family.why,
        form=member.form,
        **member.to_effect(),
        asks_for=family.asks_for if member.asks_for is None else member.asks_for,
    )


def _user_cue(entry: _CueEntry, source: Source) -> Cue:
    values = {**entry.model_dump(), **entry.to_effect()}
    values["kind"] = entry.kind or entry.placement.default_kind
    if "source" not in entry.model_fields_set:
        values["source"] = source
    return Cue(**values)


#: Fields that a cue file has after the source, in this order, where they differ from the default.
_OPTIONAL = ("parent", "family", "why", "form", "asks_for", "strong", "rows", "also", "values") + (
    ("share", "enrichment", "enrichment_low", "enrichment_high", "effect", "effect_low", "examples")
)


def _cue_to_yaml(cue: Cue) -> dict[str, Any]:
    """Converts a cue into plain YAML values; default values are left out."""
    row: dict[str, Any] = {
        "name": cue.name,
        "kind": cue.kind.value,
        "placement": cue.placement.value,
        **_effect_to_yaml(cue),
        "source": cue.source.value,
        "variant": cue.variant.value,
    }
    for key in _OPTIONAL:
        value = getattr(cue, key)
        if isinstance(value, float):
            if not math.isnan(value):
                row[key] = float(value)  # also of a NumPy scalar
        elif value:
            row[key] = list(value) if isinstance(value, tuple) else value
    return row | ({"margin": float(cue.margin)} if cue.margin else {})


def _effect_to_yaml(effect: Cue | CuePart) -> dict[str, Any]:
    """What a cue or a part adds to a prompt: its text, turns or parts."""
    if effect.placement is Placement.HISTORY:
        return {"turns": [{"role": m.role, "content": m.content} for m in effect.turns]}
    if effect.placement is Placement.CROSSED and isinstance(effect, Cue):
        parts = [{"placement": p.placement.value, **_effect_to_yaml(p)} for p in effect.parts]
        return {"parts": parts}
    return {"text": effect.text}
