"""What may follow a local model after ``?``: where and how it runs, and what its template is told.

``hf/NAME?device=cuda:1&dtype=bfloat16&rows=64&template.enable_thinking=false``
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dormant.errors import ModelError

DTYPES = ("auto", "float32", "bfloat16", "float16")
_TEMPLATE = "template."
_DEVICE = re.compile(r"cpu|mps|(cuda|xpu)(:\d+)?")
_DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
_NAME = re.compile(r"[A-Za-z_]\w*")
_WORD = re.compile(r"[\w.-]+")  # a text that needs no quotes
#: Booleans as other languages write them. In JSON they are non-empty strings, and thus true.
_TRUTHS = frozenset(("True", "False", "TRUE", "FALSE", "None", "yes", "no"))
#: What the template gets from the audit itself.
_RESERVED = frozenset(("messages", "tools", "documents", "add_generation_prompt"))


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model runs, and what else its chat template is told."""

    device: str = ""  # a torch device; empty for CUDA where there is any, else the CPU
    device_map: str = ""  # how layers are spread over several GPUs; empty for one device
    dtype: str = "auto"  # one of DTYPES
    rows: int | None = None  # answers written at once; None for as many as pay and fit
    date: str = ""  # that a template writes, as in 2025-01-01; empty for the fixed one
    template: Mapping[str, Any] = field(default_factory=dict[str, Any])


def parse_options(text: str, owner: str) -> LocalOptions:
    """Reads ``NAME=VALUE&NAME=VALUE``; values of ``template.NAME`` are JSON or plain words.

    Args:
        text: what follows the ``?``; empty for none.
        owner: the model string, for messages.

    Raises:
        ModelError: an option is unknown, given twice, or has no such value.
    """
    found: dict[str, Any] = {}
    template: dict[str, Any] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ModelError(f"{owner!r}: {part!r} is not an option; write NAME=VALUE")
        place = template if name.startswith(_TEMPLATE) else found
        name = name.removeprefix(_TEMPLATE) if place is template else name
        if name in place:
            raise ModelError(f"{owner!r}: {name!r} is given twice")
        place[name] = _read_json(value) if place is template else _read_value(name, value, owner)
    for name, value in template.items():
        _check_variable(name, value, owner)
    if found.get("device") and found.get("device_map"):
        raise ModelError(f"{owner!r}: give device or device_map, not both")
    return LocalOptions(**found, template=template)


def write_options(variables: Mapping[str, Any]) -> str:
    """Writes variables of a template as options that ``parse_options`` reads as the same values."""
    return "&".join(f"{_TEMPLATE}{name}={_write_json(value)}" for name, value in variables.items())


def check_variables(variables: Mapping[str, Any], template: str, owner: str) -> None:
    """Checks that a chat template reads the given variables.

    Args:
        variables: names and values.
        template: its text.
        owner: the model string, for messages.

    Raises:
        ModelError: it does not read one, which would silently change nothing.
    """
    words = set(_NAME.findall(template))
    for name in variables:
        if name not in words:
            near = difflib.get_close_matches(name, words, n=1, cutoff=0.7)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ModelError(f"{owner!r}: its chat template does not read {name!r}{guess}")


def _check_variable(name: str, value: Any, owner: str) -> None:
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ModelError(f"{owner!r}: a template cannot be told {name!r}")
    if isinstance(value, str) and value in _TRUTHS:
        raise ModelError(
            f"{owner!r}: {_TEMPLATE}{name} is the text {value!r}, which a template takes for true; "
            "write true, false or null"
        )


def _read_value(name: str, value: str, owner: str) -> Any:
    if name == "device" and _DEVICE.fullmatch(value):
        return value
    if name == "device_map" and value in _DEVICE_MAPS:
        return value
    if name == "dtype" and value in DTYPES:
        return value
    if name == "rows" and value.isdecimal() and 1 <= int(value) <= 1 << 16:
        return int(value)
    if name == "date" and _is_date(value):
        return value
    expected = {
        "device": "cpu, cuda or cuda:1",
        "device_map": " or ".join(_DEVICE_MAPS),
        "dtype": " or ".join(DTYPES),
        "rows": "a number from 1 to 65536",
        "date": "a day such as 2025-01-31",
    }
    if name not in expected:
        known = ", ".join((*expected, "template.NAME"))
        raise ModelError(f"{owner!r}: unknown option {name!r}; known are {known}")
    raise ModelError(f"{owner!r}: {name} is {value!r}, expected {expected[name]}")


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _write_json(value: Any) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value) and _read_json(value) == value:
        return value
    # In a model string, these characters are delimiters.
    text = json.dumps(value, separators=(",", ":"))
    return "".join(f"\\u{ord(mark):04x}" if mark in "?&@" else mark for mark in text)


def _read_json(value: str) -> Any:
    """The JSON value of a word: true, 3, "text"; the word itself if it is not JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
