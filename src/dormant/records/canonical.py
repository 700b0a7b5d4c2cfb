"""Records as plain JSON values, and their hashes: one form, so that equal values hash equal."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

_LATER = "added later"
Value = TypeVar("Value")


def later_field(default: Value) -> Value:
    """Declares a dataclass field that was added after plans had been frozen with the record.

    ``to_plain`` omits it while it holds its default, so that earlier plans keep their hash.
    """
    return field(default=default, metadata={_LATER: True})


@cache
def _field_names(record: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(record) if not item.metadata.get(_LATER))


@cache
def _later_fields(record: type[Any]) -> tuple[tuple[str, Any], ...]:
    """Names and defaults of the fields that are omitted while they hold their default."""
    late = (item for item in fields(record) if item.metadata.get(_LATER))
    return tuple((item.name, item.default) for item in late)


def _is_same(value: Any, default: Any) -> bool:
    """Whether a field holds its default; unlike in arithmetic, NaN is the same as NaN."""
    return value == default or (value != value and default != default)


def to_plain(value: Any) -> Any:
    """Turns records into JSON values: dataclasses to dicts, enums to text, NaN to None."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        # Not asdict: it copies deeply what is converted here anyway, a third of a report's time.
        found = {name: to_plain(getattr(value, name)) for name in _field_names(kind)}
        for name, default in _later_fields(kind):
            if not _is_same(getattr(value, name), default):
                found[name] = to_plain(getattr(value, name))
        return found
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def hash_value(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON: equal values hash equal, others do not."""
    text = json.dumps(to_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
