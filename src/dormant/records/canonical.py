"""Records as plain JSON values, and their hashes: one form, so that equal values hash equal."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

_LATER = "value of earlier records"
Value = TypeVar("Value")


def later_field(default: Value, *, earlier: Any = ...) -> Value:
    """Declares a dataclass field that was added after plans had been frozen with the record.

    ``to_plain`` omits it while it holds the value of earlier records, so that their plans keep
    their hash, and ``earlier_values`` gives that value to a record that lacks the field.

    Args:
        default: of new records.
        earlier: what records without the field did; ``default`` if not given.
    """
    return field(default=default, metadata={_LATER: default if earlier is ... else earlier})


@cache
def _field_names(record: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(record) if _LATER not in item.metadata)


@cache
def earlier_values(record: type[Any]) -> Mapping[str, Any]:
    """The fields of a record that were added later, each with the value of earlier records."""
    return {item.name: item.metadata[_LATER] for item in fields(record) if _LATER in item.metadata}


def _is_same(value: Any, other: Any) -> bool:
    """Whether two values of a field are the same; unlike in arithmetic, NaN is the same as NaN."""
    return value == other or (value != value and other != other)


def to_plain(value: Any) -> Any:
    """Turns records into JSON values: dataclasses to dicts, enums to text, NaN to None."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        # Not asdict: it copies deeply what is converted here anyway, a third of a report's time.
        found = {name: to_plain(getattr(value, name)) for name in _field_names(kind)}
        for name, earlier in earlier_values(kind).items():
            if not _is_same(getattr(value, name), earlier):
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
