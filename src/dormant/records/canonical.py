"""Records as plain JSON values, and their hashes: one form, so that equal values hash equal."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any


@cache
def _names(record: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(record))


def plain(value: Any) -> Any:
    """Turns records into JSON values: dataclasses to dicts, enums to text, NaN to None."""
    if is_dataclass(value) and not isinstance(value, type):
        # Not asdict: it copies deeply what is converted here anyway, a third of a report's time.
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON: equal values hash equal, others do not."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
