"""Errors of OpenAI-compatible servers: what they mean, and the server's own words on one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from dormant.engines.api.calls import (
    BadRequestError,
    CallError,
    ContentFilterError,
    FatalError,
    RateLimitError,
    ServerError,
    WastefulError,
)
from dormant.engines.api.refusals import names_system_turn

LONGEST_REASON = 300  # characters
MOST_VALUES = 1_000_000  # of one body
_FILTER_CODES = ("content_filter", "content_policy_violation", "invalid_prompt", "moderation")


def decode_error(status: int, raw: bytes, headers: Mapping[str, str]) -> CallError:
    """Classifies an unsuccessful reply.

    Args:
        status: HTTP status.
        raw: the body.
        headers: of the reply.
    """
    reason = f"status {status}: {read_reason(raw)}"
    code = _read_error_codes(raw)
    if any(word in code for word in _FILTER_CODES):
        return ContentFilterError(reason)
    if status == 429 and "insufficient_quota" in code or status == 402:
        return FatalError(reason, is_fixable=False)
    if status in (429, 503, 529):
        return RateLimitError(reason, wait=read_retry_after(headers))
    if status in (401, 403, 404, 405):
        return FatalError(reason, is_fixable=True)
    is_bad_request = 400 <= status < 500 and status not in (408, 409, 425)
    if is_bad_request or names_system_turn(reason):  # some servers crash in the chat template
        return BadRequestError(reason, param=_read_param(raw))
    return ServerError(reason)


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Reads the wait that a server asks for, s; None if it states none.

    Args:
        headers: of the reply.
        now: the time to count a date from; the present if None.
    """
    for name, unit in (("Retry-After-Ms", 1e-3), ("Retry-After", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                until = parsedate_to_datetime(value)
                if until.tzinfo is None:
                    until = until.replace(tzinfo=UTC)
                seconds = (until - (now or datetime.now(UTC))).total_seconds()
            except (ArithmeticError, TypeError, ValueError):  # no date, or none that exists
                continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None


def read_reason(raw: bytes) -> str:
    """The server's own words about an error, on one short line."""
    try:
        error = decode_json(raw)
    except ServerError:
        return make_excerpt(raw)
    if isinstance(error, list) and error:  # Google's form
        error = error[0]
    raw_cause = ""
    for key in ("error", "message", "detail"):
        if isinstance(error, dict) and key in error:
            raw_cause = raw_cause or _read_cause(error)
            error = error[key]
    if raw_cause:  # what the provider behind a router said
        words = error if isinstance(error, str) else dump_value(error)
        return join_lines(f"{words}: {raw_cause}")
    return join_lines(error if isinstance(error, str) else dump_value(error))


def dump_value(value: Any) -> str:
    """A value as JSON, however deep it is nested."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "an error that is nested too deeply to be shown"


def _read_cause(error: Mapping[str, Any]) -> str:
    metadata = error.get("metadata")
    cause = metadata.get("raw") if isinstance(metadata, dict) else None
    return cause if isinstance(cause, str) else ""


def _read_error_codes(raw: bytes) -> str:
    """Code and type of an error body, in one string to search; empty if it has none."""
    try:
        error = decode_json(raw).get("error")
        metadata = error.get("metadata") or {}
        marks = [error.get("code"), error.get("type")]
        if isinstance(metadata, dict) and "reasons" in metadata:
            marks.append("moderation")  # OpenRouter's word for a flagged prompt
        return " ".join(str(mark) for mark in marks if mark is not None)
    except (ServerError, AttributeError):
        return ""


def _read_param(raw: bytes) -> str:
    """The parameter that a field of an error body names; empty without one."""
    try:
        body = decode_json(raw)
        error = body.get("error", body)
        param = error.get("param") if isinstance(error, dict) else None
        detail = body.get("detail")
        if not param and isinstance(detail, list) and detail:
            param = ".".join(map(str, detail[0]["loc"][1:]))
    except (ServerError, AttributeError, KeyError, TypeError, IndexError):
        return ""
    return param if isinstance(param, str) else ""


def read_status(error: Any) -> int:
    """The status that an error names under the status of a success; 500 without one."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


def decode_json(raw: bytes) -> Any:
    """The value of a body.

    Raises:
        ServerError: it is not JSON.
    """
    try:
        return orjson.loads(_check_values(raw))
    except orjson.JSONDecodeError:
        pass
    try:  # slower, and takes what orjson refuses: NaN and halves of surrogate pairs
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ServerError(f"the reply is not JSON: {make_excerpt(raw)}") from None


def make_excerpt(raw: bytes) -> str:
    """The beginning of a body on one line."""
    return join_lines(raw[: 2 * LONGEST_REASON].decode("utf-8", "replace")) or "an empty body"


def join_lines(text: str) -> str:
    """A text on one short line of printable characters."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:LONGEST_REASON]


def _check_values(raw: bytes) -> bytes:
    """A body that holds no more values than fit into memory: an empty list takes 30 times its text.

    Raises:
        WastefulError: it holds more.
    """
    if len(raw) > MOST_VALUES and sum(map(raw.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise WastefulError(f"the reply has more than {MOST_VALUES:,} values")
    return raw
