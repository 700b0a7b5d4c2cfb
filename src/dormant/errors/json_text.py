"""JSON that a user wrote: what parsers would accept in silence is an error with its fix."""

from __future__ import annotations

import json
from typing import Any

from dormant.errors import RowError, shorten_value


class JsonError(RowError):
    """A text that is not the JSON asked for, and the line of the text (1-based, or None)."""

    def __init__(self, reason: str, line: int | None = None):
        super().__init__(reason)
        self.line = line


def parse_json(text: str, *, allows_nan: bool = False, is_line: bool = True) -> Any:
    """Parses a JSON text, and refuses what would be lost or changed.

    Args:
        text: the JSON text.
        allows_nan: whether ``NaN`` and ``Infinity``, which are not JSON, are read as numbers.
        is_line: whether the text is one line of JSON Lines, for the words of errors.

    Raises:
        JsonError: it is not JSON, is nested too deeply, an object has a key twice (of which parsers
            keep the last), or an integer has too many digits.
    """
    refused = None if allows_nan else _refuse_constant
    try:
        return json.loads(text, object_pairs_hook=make_object, parse_constant=refused)
    except RecursionError:
        raise JsonError("nested too deeply: remove the nesting") from None
    except json.JSONDecodeError as error:
        reason = _explain_line(text, error) if is_line else ""
        reason = reason or f"not JSON: {error.msg.lower()} at column {error.colno}"
        raise JsonError(reason, error.lineno) from None
    except JsonError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        raise JsonError("holds a number of thousands of digits: write it as text") from None


def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes an object from its keys and values, for ``object_pairs_hook``.

    Raises:
        JsonError: a key occurs twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonError(f"duplicate key {shorten_value(key)}: keep one")
            seen.add(key)
    return found


def _explain_line(text: str, error: json.JSONDecodeError) -> str:
    """What is wrong with a line of JSON Lines; empty if only the parser can say."""
    body = text.strip()
    if body == "{":
        return "not JSON Lines: put one whole object on each line (jq -c . does it)"
    if body == "[" or body.startswith("[{"):
        return "not JSON Lines: put one whole object on each line (jq -c '.[]' converts an array)"
    if error.msg == "Extra data":
        return f"more than one JSON value (column {error.colno}): put one object on each line"
    if body[:1] not in ("{", "["):
        return f"not JSON: starts with {body[:20]!r}: put one JSON value on each line"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return (
            f"not JSON: the row ends early, after {len(text)} characters: check that the file is "
            "complete and has one object on each line"
        )
    return ""


def _refuse_constant(name: str) -> Any:
    raise JsonError(f"{name} is not JSON: use null or a number")
