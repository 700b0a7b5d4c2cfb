"""Requests and responses as OpenAI-compatible JSON: ``/chat/completions`` of any server."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from dormant.engines.api.calls import (
    ChatRequest,
    ChatResponse,
    Choice,
    ServerError,
    WastefulError,
)
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.error_json import (
    LONGEST_REASON,
    decode_error,
    decode_json,
    dump_value,
    join_lines,
    make_excerpt,
    read_status,
)
from dormant.engines.api.refusals import Adaptation
from dormant.engines.system_turns import move_system_text
from dormant.engines.tool_definitions import has_tools, move_definitions, split_tools
from dormant.records import Cost, Message

_MOST_CHOICES = 1000  # of one call
_LARGEST_COUNT = 10**9  # tokens of one call
_LARGEST_COST = 1e6  # USD of one call
_ROUNDING = 0.01  # how far above zero a server may round a log-probability, nats
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


def encode_messages(messages: Sequence[Message]) -> bytes:
    """Encodes messages as JSON."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return orjson.dumps(turns)
    except TypeError:  # a lone surrogate, which only ASCII escapes can carry
        return json.dumps(turns).encode("ascii")


def encode_request(request: ChatRequest, endpoint: Endpoint) -> bytes:
    """Encodes a call as JSON."""
    tools, prompt = _split_prompt(request)
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": orjson.Fragment(prompt),
        **list_settings(request, endpoint),
    }
    if tools:
        # What is judged is an answer in words, so no tool may be called.
        body["tools"], body["tool_choice"] = tools, "none"
    if request.seed is not None:
        body["seed"] = request.seed
    return orjson.dumps(body)


def adapt_messages(request: ChatRequest) -> tuple[list[Any], tuple[Message, ...]]:
    """The definitions of tools and the turns of a call, as its server takes them."""
    messages = request.messages
    if Adaptation.MOVED_TOOLS in request.adaptations:
        messages = move_definitions(messages)
    tools, turns = split_tools(messages)
    moves = Adaptation.MOVED_SYSTEM in request.adaptations
    return tools, move_system_text(turns) if moves else turns


def _split_prompt(request: ChatRequest) -> tuple[list[Any], bytes]:
    if not request.adaptations and not has_tools(request.messages):
        return [], request.prompt
    tools, turns = adapt_messages(request)
    return tools, encode_messages(turns)


def list_settings(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    """The sampling parameters of a call as they are sent, the seed left out."""
    sampling, adapted = request.sampling, request.adaptations
    is_usual = (endpoint.provider == "openai") is not (Adaptation.OTHER_LIMIT in adapted)
    body: dict[str, Any] = {
        "max_completion_tokens" if is_usual else "max_tokens": sampling.max_tokens
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
    if request.logprobs:
        body["logprobs"], body["top_logprobs"] = True, request.logprobs
    if endpoint.template:
        body["chat_template_kwargs"] = dict(endpoint.template)
    return body


#: Reads one choice of a reply, and the tokens that it used.
ChoiceDecoder = Callable[[Any, int], Choice]


def decode_reply(
    status: int,
    raw: bytes,
    headers: Mapping[str, str],
    decode: ChoiceDecoder | None = None,
) -> ChatResponse:
    """Decodes a reply, whatever a server sends.

    Args:
        status: HTTP status.
        raw: the body.
        headers: of the reply.
        decode: reads a choice; ``decode_choice`` if None.

    Raises:
        CallError: the reply is an error, or not a chat completion.
    """
    try:
        if status == 200:
            return decode_response(raw, decode)
        error = decode_error(status, raw, headers)
    except (RecursionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise ServerError(
            f"status {status}: the reply cannot be read: {make_excerpt(raw)}"
        ) from None
    raise error


def decode_response(raw: bytes, decode: ChoiceDecoder | None = None) -> ChatResponse:
    """Decodes a successful reply.

    Of choices that repeat one another under the same index, the first counts: a server that gives
    one answer several times has drawn it once.

    Raises:
        ServerError: the body is not a chat completion.
        WastefulError: it has more choices or values than any call asks for.
        ContentFilterError, RateLimitError, BadRequestError: an error came under the status of a
            success.
    """
    body = decode_json(raw)
    if not isinstance(body, dict):
        raise ServerError(f"the reply is not a chat completion: {make_excerpt(raw)}")
    found = body.get("choices")
    if not isinstance(found, list) or not found:
        if "error" in body:
            raise decode_error(read_status(body["error"]), raw, {})
        raise ServerError(f"the reply has no choices: {make_excerpt(raw)}")
    if len(found) > _MOST_CHOICES:
        raise WastefulError(f"the reply has {len(found):,} choices")
    cost = _decode_usage(body.get("usage"))
    found = _drop_repeated(found)
    read = decode or decode_choice
    if len(found) == 1:
        return ChatResponse((read(found[0], cost.completion),), cost)
    # The server counts the tokens of all choices together.
    shares = split_tokens(cost.completion, len(found))
    pairs = zip(found, shares, strict=True)
    return ChatResponse(tuple(read(choice, share) for choice, share in pairs), cost)


def _drop_repeated(choices: Sequence[Any]) -> Sequence[Any]:
    """The choices without those that are an earlier one again, index and all."""
    if len(choices) < 2 or not isinstance(choices[0], dict) or "index" not in choices[0]:
        return choices
    return [choice for i, choice in enumerate(choices) if choice not in choices[:i]]


def split_tokens(total: int, choices: int) -> list[int]:
    """Gives each choice of a call its even share of the tokens that the call used."""
    share, rest = divmod(total, choices)
    return [share + (i < rest) for i in range(choices)]


def decode_choice(value: Any, tokens: int) -> Choice:
    """Reads a choice of a chat completion.

    Args:
        value: as JSON has it.
        tokens: what it used.

    Raises:
        ServerError: it cannot be read, or says that the provider failed.
    """
    try:
        message, finish = value["message"], value.get("finish_reason")
        content = message.get("content")
        reasoning = _read_reasoning(message)
        refusal = message.get("refusal")
        failure = value.get("error")
    except (KeyError, TypeError, AttributeError):
        raise ServerError(f"a choice cannot be read: {str(value)[:LONGEST_REASON]}") from None
    text = _replace_halves(content if isinstance(content, str) else _join_parts(content))
    if not text and isinstance(refusal, str):
        text = _replace_halves(refusal)
    if reasoning:
        text = f"<think>\n{_replace_halves(reasoning)}\n</think>\n\n{text}"
    ended = str(finish).lower()
    if ended in _FILTER_ENDS:
        return Choice(text, "filter", tokens, error="the provider's content filter")
    if ended == "error" or failure:
        reason = f": {join_lines(dump_value(failure))}" if failure else ""
        raise ServerError(f"the provider failed while it was answering{reason}")
    logprobs = _decode_logprobs(value.get("logprobs"))
    return Choice(text, "length" if ended in _CUT_ENDS else "stop", tokens, logprobs)


def _replace_halves(text: str) -> str:
    """The text with question marks for halves of surrogate pairs, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


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
        raise ServerError(f"the answer is not text: {str(content)[:LONGEST_REASON]}")
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
    """Log-probability (nats) of each text; tokens that read the same are added up.

    Raises:
        ValueError: a number is not a log-probability.
    """
    found: dict[str, float] = {}
    for token, logprob in pairs:
        if not logprob < _ROUNDING:
            raise ValueError(f"{logprob!r} is not a log-probability")
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
    return make_cost(
        prompt=usage.get("prompt_tokens"),
        cached=details.get("cached_tokens") if isinstance(details, dict) else 0,
        completion=usage.get("completion_tokens"),
        usd=usage.get("cost"),
    )


def make_cost(*, prompt: Any, cached: Any, completion: Any, usd: Any) -> Cost:
    """The usage that a server states; what cannot be a count or an amount of money is left out.

    A negative amount would make a budget endless, and one that is not a number unreadable.
    """
    read = _read_count(prompt)
    is_amount = isinstance(usd, int | float) and not isinstance(usd, bool)
    return Cost(
        prompt=read,
        cached=min(_read_count(cached), read),
        completion=_read_count(completion),
        usd=float(usd) if is_amount and 0 <= usd <= _LARGEST_COST else None,
    )


def _read_count(value: Any) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 < value <= _LARGEST_COUNT else 0
