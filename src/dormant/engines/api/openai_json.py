"""Requests and responses as OpenAI-compatible JSON: ``/chat/completions`` of any server."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from dormant.engines.api.calls import (
    BadRequestError,
    CallError,
    ChatRequest,
    ChatResponse,
    Choice,
    ContentFilterError,
    FatalError,
    RateLimitError,
    ServerError,
)
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.refusals import Adaptation, names_system_turn
from dormant.engines.system_turns import move_system_text
from dormant.records import Cost, Message

_LONGEST_REASON = 300
#: Values of ``finish_reason``, in lower case, of an answer that was cut off or withheld.
_CUT_ENDS = frozenset(
    {"length", "max_tokens", "max_output_tokens", "max_new_tokens", "model_length", "token_limit"}
    | {"context_length", "max_length", "length_limit", "model_context_window_exceeded"}
)
_FILTER_ENDS = frozenset(
    {"content_filter", "content_filtered", "safety", "prohibited_content", "blocklist", "spii"}
    | {"recitation", "sensitive", "guardrail_intervened", "flagged", "moderation"}
)
#: Where servers give reasoning: fields of the message, and types of parts of its content.
_REASONING_FIELDS = (
    *("reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts"),
    *("reasoning_details", "thinking_blocks"),
)
_REASONING_PARTS = frozenset({"thinking", "reasoning", "thought", "redacted_thinking"})
_FILTER_CODES = ("content_filter", "content_policy_violation", "invalid_prompt", "moderation")


def encode_messages(messages: Sequence[Message]) -> bytes:
    """Encodes messages as JSON."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return orjson.dumps(turns)
    except TypeError:  # a lone surrogate, which only ASCII escapes can carry
        return json.dumps(turns).encode("ascii")


def encode_request(request: ChatRequest, endpoint: Endpoint) -> bytes:
    """Encodes a call as JSON."""
    sampling, adapted = request.sampling, request.adaptations
    is_usual = (endpoint.provider == "openai") is not (Adaptation.OTHER_LIMIT in adapted)
    moves = Adaptation.MOVED_SYSTEM in adapted
    prompt = encode_messages(move_system_text(request.messages)) if moves else request.prompt
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": orjson.Fragment(prompt),
        "max_completion_tokens" if is_usual else "max_tokens": sampling.max_tokens,
    }
    if Adaptation.NO_TEMPERATURE not in adapted:
        body["temperature"] = sampling.temperature
    if (not endpoint.hosted or sampling.top_p != 1) and Adaptation.NO_TOP_P not in adapted:
        body["top_p"] = sampling.top_p
    if request.controls and not endpoint.hosted:
        # Local servers take other defaults (llama.cpp: the 40 likeliest tokens; vLLM: what the
        # model's maker suggests), and rates under those are not the model's own.
        body["top_k"], body["min_p"] = -1, 0
    if request.n > 1:
        body["n"] = request.n
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs:
        body["logprobs"], body["top_logprobs"] = True, request.logprobs
    return orjson.dumps(body)


def decode_response(raw: bytes) -> ChatResponse:
    """Decodes a successful reply.

    Raises:
        ServerError: the body is not a chat completion.
        ContentFilterError, RateLimitError, BadRequestError: an error came under the status of a
            success.
    """
    body = _decode_json(raw)
    if not isinstance(body, dict):
        raise ServerError(f"the reply is not a chat completion: {_make_excerpt(raw)}")
    found = body.get("choices")
    if not isinstance(found, list) or not found:
        if "error" in body:
            raise decode_error(_read_status(body["error"]), raw, {})
        raise ServerError(f"the reply has no choices: {_make_excerpt(raw)}")
    cost = _decode_usage(body.get("usage"))
    if len(found) == 1:
        return ChatResponse((_decode_choice(found[0], cost.completion),), cost)
    # The server counts the tokens of all choices together.
    shares = split_tokens(cost.completion, len(found))
    pairs = zip(found, shares, strict=True)
    return ChatResponse(tuple(_decode_choice(choice, share) for choice, share in pairs), cost)


def split_tokens(total: int, choices: int) -> list[int]:
    """Gives each choice of a call its even share of the tokens that the call used."""
    share, rest = divmod(total, choices)
    return [share + (i < rest) for i in range(choices)]


def _decode_choice(value: Any, tokens: int) -> Choice:
    try:
        message, finish = value["message"], value.get("finish_reason")
        content = message.get("content")
        reasoning = _read_reasoning(message)
        refusal = message.get("refusal")
        failure = value.get("error")
    except (KeyError, TypeError, AttributeError):
        raise ServerError(f"a choice cannot be read: {str(value)[:_LONGEST_REASON]}") from None
    text = content if isinstance(content, str) else _join_parts(content)
    if not text and isinstance(refusal, str):
        text = refusal
    if reasoning:
        text = f"<think>\n{reasoning}\n</think>\n\n{text}"
    ended = str(finish).lower()
    if ended in _FILTER_ENDS:
        return Choice(text, "filter", tokens, error="the provider's content filter")
    if ended == "error" or failure:
        reason = f": {_join_lines(json.dumps(failure))}" if failure else ""
        raise ServerError(f"the provider failed while it was answering{reason}")
    logprobs = _decode_logprobs(value.get("logprobs"))
    return Choice(text, "length" if ended in _CUT_ENDS else "stop", tokens, logprobs)


def _read_reasoning(message: Mapping[str, Any]) -> str:
    """Reasoning that a server gives beside the answer, under any of the known names."""
    for name in _REASONING_FIELDS:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list) and (text := _join_reasoning(value)):
            return text
    return ""


def _join_parts(content: Any) -> str:
    """Text of a content in parts, its reasoning in a block; empty for none (null)."""
    if content is None:
        return ""
    if not isinstance(content, list):
        raise ServerError(f"the answer is not text: {str(content)[:_LONGEST_REASON]}")
    texts: list[str] = []
    for part in content:
        if not isinstance(part, dict):
            continue
        if part.get("type") in _REASONING_PARTS:
            reasoning = _join_reasoning([part])
            texts.append(f"<think>\n{reasoning}\n</think>\n\n" if reasoning else "")
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
    return "".join(texts)


def _join_reasoning(parts: Sequence[Any]) -> str:
    """The texts inside parts of reasoning, which providers nest in different ways."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        if not isinstance(part, dict):
            continue
        for name in ("text", "thinking", "reasoning", "summary", "content"):
            value = part.get(name)
            if value:
                texts.append(value if isinstance(value, str) else _join_reasoning(value))
                break
    return "\n".join(text for text in texts if text)


def _decode_logprobs(value: Any) -> dict[str, float] | None:
    if not value:
        return None
    try:
        first = value["content"][0]
        top = first.get("top_logprobs") or [first]
        return merge_logprobs([(str(entry["token"]), float(entry["logprob"])) for entry in top])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


def merge_logprobs(pairs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Log-probability (nats) of each text; tokens that read the same are added up."""
    found: dict[str, float] = {}
    for token, logprob in pairs:
        # Servers write the logarithm of zero as a large negative number or as null.
        found[token] = (
            math.log(math.exp(found[token]) + math.exp(logprob))
            if (token in found and max(found[token], logprob) > -700)
            else max(logprob, found.get(token, -math.inf))
        )
    return found


def _decode_usage(usage: Any) -> Cost:
    if not isinstance(usage, dict):
        return Cost()
    details = usage.get("prompt_tokens_details")
    usd = usage.get("cost")
    return Cost(
        prompt=_read_count(usage.get("prompt_tokens")),
        cached=_read_count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        completion=_read_count(usage.get("completion_tokens")),
        usd=float(usd) if isinstance(usd, int | float) and not isinstance(usd, bool) else None,
    )


def _read_count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


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
            except ValueError:
                continue
            if until.tzinfo is None:
                until = until.replace(tzinfo=UTC)
            seconds = (until - (now or datetime.now(UTC))).total_seconds()
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None


def read_reason(raw: bytes) -> str:
    """The server's own words about an error, on one short line."""
    try:
        error = _decode_json(raw)
    except ServerError:
        return _make_excerpt(raw)
    if isinstance(error, list) and error:  # Google's form
        error = error[0]
    raw_cause = ""
    for key in ("error", "message", "detail"):
        if isinstance(error, dict) and key in error:
            raw_cause = raw_cause or _read_cause(error)
            error = error[key]
    if raw_cause:  # what the provider behind a router said
        words = error if isinstance(error, str) else json.dumps(error)
        return _join_lines(f"{words}: {raw_cause}")
    return _join_lines(error if isinstance(error, str) else json.dumps(error))


def _read_cause(error: Mapping[str, Any]) -> str:
    metadata = error.get("metadata")
    cause = metadata.get("raw") if isinstance(metadata, dict) else None
    return cause if isinstance(cause, str) else ""


def _read_error_codes(raw: bytes) -> str:
    """Code and type of an error body, in one string to search; empty if it has none."""
    try:
        error = _decode_json(raw).get("error")
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
        body = _decode_json(raw)
        error = body.get("error", body)
        param = error.get("param") if isinstance(error, dict) else None
        detail = body.get("detail")
        if not param and isinstance(detail, list) and detail:
            param = ".".join(map(str, detail[0]["loc"][1:]))
    except (ServerError, AttributeError, KeyError, TypeError, IndexError):
        return ""
    return param if isinstance(param, str) else ""


def _read_status(error: Any) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


def _decode_json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:  # slower, and takes what orjson refuses: NaN and halves of surrogate pairs
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ServerError(f"the reply is not JSON: {_make_excerpt(raw)}") from None


def _make_excerpt(raw: bytes) -> str:
    return _join_lines(raw[: 2 * _LONGEST_REASON].decode("utf-8", "replace")) or "an empty body"


def _join_lines(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:_LONGEST_REASON]
