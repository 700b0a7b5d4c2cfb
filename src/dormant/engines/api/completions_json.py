"""Requests and replies of ``/completions``, for prompts that are sent as tokens.

vLLM, SGLang and llama.cpp take a list of tokens as the prompt. Fields that only one of them knows
are ignored by the others. Log-probabilities come in two forms: vLLM's lists (``tokens``,
``token_logprobs``, ``top_logprobs``), and llama.cpp's, which are those of chat completions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from dormant.engines.api.calls import ChatRequest, Choice, RawPrompt, ServerError
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.error_json import LONGEST_REASON
from dormant.engines.api.openai_json import decode_choice, list_settings, merge_logprobs

#: How vLLM writes a token by its number (``return_tokens_as_token_ids``).
_NUMBERED = "token_id:"
_LARGEST_TOKEN = 1 << 24
_ROUNDING = 0.01  # how far above zero a server may round a log-probability, nats


def encode_raw_request(request: ChatRequest, endpoint: Endpoint) -> bytes:
    """Encodes a call whose prompt is tokens as JSON."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "prompt": orjson.Fragment(request.prompt),
        **_list_fields(request, endpoint),
    }
    if request.seed is not None:
        body["seed"] = request.seed
    return orjson.dumps(body)


def list_raw_settings(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    """The sampling parameters of a call as they are sent, the seed and the prompt left out."""
    return {**_list_fields(request, endpoint), "prompt": "tokens"}


def _list_fields(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    raw = request.raw or RawPrompt(())
    body = list_settings(request, endpoint)
    # The template's variables are in the tokens already.
    for name in ("chat_template_kwargs", "top_logprobs", "logprobs"):
        body.pop(name, None)
    if request.logprobs:
        body["logprobs"], body["return_tokens_as_token_ids"] = request.logprobs, True
    if raw.stop:
        body["stop_token_ids"] = list(raw.stop)
    if raw.closing:
        body["stop"] = [raw.closing]
    if raw.scores:
        body["prompt_logprobs"] = 0  # of the prompt's own tokens, none of the likeliest
    if request.controls:
        # The text of an answer follows from its tokens, with the marks of its reasoning.
        body["return_token_ids"], body["skip_special_tokens"] = True, False
    return body


def decode_text(value: Any, tokens: int) -> Choice:
    """Reads a choice of a completion.

    Args:
        value: as JSON has it.
        tokens: what it used.

    Raises:
        ServerError: it cannot be read, or says that the provider failed.
    """
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ServerError(f"a choice cannot be read: {str(value)[:LONGEST_REASON]}")
    found = value.get("logprobs")
    listed = found if isinstance(found, dict) else {}
    choice = decode_choice(
        {
            "message": {"content": value["text"]},
            "finish_reason": value.get("finish_reason"),
            "error": value.get("error"),
            "logprobs": listed if "content" in listed else None,
        },
        tokens,
    )
    written, logprobs = _read_tokens(value, listed)
    return choice._replace(
        logprobs=choice.logprobs or _read_first(listed),
        tokens_written=written,
        token_logprobs=logprobs,
        prompt_logprobs=_read_prompt_logprobs(value.get("prompt_logprobs")),
    )


def _read_tokens(
    value: Mapping[str, Any], listed: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The tokens of an answer and their log-probabilities; empty where they cannot be read."""
    content = listed.get("content")
    if isinstance(content, list):
        entries = [entry if isinstance(entry, dict) else {} for entry in content]
        numbers = [entry.get("id") for entry in entries]
        chances = [entry.get("logprob") for entry in entries]
    else:
        names, chances = listed.get("tokens"), listed.get("token_logprobs")
        numbers = [_read_number(name) for name in names] if isinstance(names, list) else []
    given = value.get("token_ids")
    written = _check_tokens(given if isinstance(given, list) else numbers)
    logprobs = _check_logprobs(chances if isinstance(chances, list) else [])
    return written, logprobs if len(logprobs) == len(written) else ()


def _read_number(name: Any) -> int | None:
    if not isinstance(name, str) or not name.startswith(_NUMBERED):
        return None
    digits = name.removeprefix(_NUMBERED)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else None


def _check_tokens(numbers: list[Any]) -> tuple[int, ...]:
    found = [n for n in numbers if type(n) is int and 0 <= n < _LARGEST_TOKEN]
    return tuple(found) if len(found) == len(numbers) else ()


def _check_logprobs(values: list[Any]) -> tuple[float, ...]:
    found = [float(v) for v in values if _is_logprob(v)]
    return tuple(found) if len(found) == len(values) else ()


def _is_logprob(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and not math.isnan(value) and value < _ROUNDING


def _read_first(listed: Mapping[str, Any]) -> dict[str, float] | None:
    """Log-probabilities of the first token in vLLM's form, by the tokens' texts."""
    top = listed.get("top_logprobs")
    first = top[0] if isinstance(top, list) and top else None
    if not isinstance(first, dict) or not all(map(_is_logprob, first.values())):
        return None
    return merge_logprobs([(str(token), float(value)) for token, value in first.items()])


def _read_prompt_logprobs(value: Any) -> tuple[Mapping[int, float], ...]:
    """Log-probabilities of the prompt's tokens but the first; empty where they cannot be read."""
    if not isinstance(value, list):
        return ()
    found: list[Mapping[int, float]] = []
    for entry in value[1:]:
        if not isinstance(entry, dict):
            return ()
        read: dict[int, float] = {}
        for token, told in entry.items():
            chance: Any = told.get("logprob") if isinstance(told, dict) else told
            number = _read_number(f"{_NUMBERED}{token}")
            if number is None or not _is_logprob(chance):
                return ()
            read[number] = float(chance)
        found.append(read)
    return tuple(found)
