"""Every key of ``audit.yaml`` with its default: the page about them, and a commented file.

``python -m dormant.config.keys > docs/reference/audit-yaml.md`` writes the page anew.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from dormant.config.audit import AuditConfig


@dataclass(frozen=True, slots=True)
class Key:
    """One key of ``audit.yaml``."""

    path: tuple[str, ...]
    values: str  # what it takes, in words
    default: str  # in YAML; empty where the key is required
    description: str


def list_keys(model: type[pydantic.BaseModel] = AuditConfig, *path: str) -> Iterator[Key]:
    """Yields the keys of a configuration, those of its parts after a dot."""
    for name, field in model.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, pydantic.BaseModel):
            yield from list_keys(part, *path, name)
        else:
            default = _format_default(field)
            yield Key((*path, name), _describe_values(field), default, field.description or "")


def keys_page() -> str:
    """The page about the keys, in Markdown."""
    lines = [
        "# Every key of audit.yaml",
        "",
        "`dormant init` writes a commented file; options of `dormant audit` and `dormant plan`",
        "override the keys of the file. A key with a dot is a key of a part: `rule.delta` is",
        "`rule: {delta: 0.05}`. Only `target`, `reference` and `judge` are required. An unknown",
        "key is an error.",
        "",
        "| key | takes | default | what it is |",
        "|---|---|---|---|",
    ]
    for key in list_keys():
        cells = (f"`{'.'.join(key.path)}`", key.values, key.default, key.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "What the numbers of `rule` and `sequential` do is in",
        "[the verdict rule](../design/verdict-rule.md) and",
        "[the sequential design](../design/sequential.md); what a reference should be, in",
        "[choosing a reference](../guides/choosing-a-reference.md). This page is generated:",
        "`python -m dormant.config.keys > docs/reference/audit-yaml.md`.",
    ]
    return "\n".join(lines) + "\n"


def comment_keys(names: set[str]) -> Iterator[str]:
    """Yields the lines of a YAML file with every key commented out, but those that are given."""
    part = ""
    for key in list_keys():
        if key.path[0] in names:
            continue
        if len(key.path) > 1 and key.path[0] != part:
            part = key.path[0]
            yield f"# {part}:"
        indent = "  " * (len(key.path) - 1)
        note = f"  # {key.description}" if key.description else ""
        name = key.path[len(key.path) - 1]
        yield f"# {indent}{name}: {key.default}{note}"


def _format_default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, typing.cast("tuple[Any, ...]", value))) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _describe_values(field: FieldInfo) -> str:
    limits = [_describe_limit(limit) for limit in field.metadata]
    return ", ".join([_describe_type(field.annotation), *filter(None, limits)])


def _describe_limit(limit: Any) -> str:
    """Describes one limit of a number; pydantic keeps it under the name that it was given by."""
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    for name, words in signs.items():
        if getattr(limit, name, None) is not None:
            return f"{words} {getattr(limit, name):,}"
    return ""


def _describe_type(kind: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    if kind in names:
        return names[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe_type(part) for part in parts if part is not type(None))
    if origin is tuple:
        return f"a list of {_describe_type(parts[0])}"
    if origin is dict:
        return "keys and values"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "/".join(map(str, kind))
    return str(kind)


if __name__ == "__main__":
    print(keys_page(), end="")
