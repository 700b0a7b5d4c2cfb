"""Calls through Inspect AI's model layer, which knows 25 providers and keeps their plumbing."""

from __future__ import annotations

import importlib
import os
from typing import Any, Self

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
from dormant.engines.api.openai_json import adapt_messages, make_cost, merge_logprobs, split_tokens
from dormant.engines.api.refusals import Adaptation, names_system_turn
from dormant.errors import MissingExtraError, ModelError
from dormant.errors.secrets import Scrubber, find_secrets, remember_secrets
from dormant.records import Cost, Message

_INSPECT_RETRIES = 2  # it knows which of its providers' errors pass; ours start after that


class InspectTransport:
    """Carries calls through ``get_model(...).generate``. Implements ``Transport``.

    Args:
        name: Inspect's model string.
        connections: most calls at once.
        timeout: seconds that one call may take.

    Raises:
        ModelError: Inspect cannot make the model (a key or a provider's package is missing).
        MissingExtraError: Inspect is not installed.
    """

    def __init__(self, name: str, *, connections: int, timeout: float):
        self._name, self._connections, self._timeout = name, connections, timeout
        self._inspect = _import_inspect()
        secrets = find_secrets(os.environ)
        self._scrubber = Scrubber(secrets)
        remember_secrets(secrets)
        self._model: Any = None
        self._open_model()  # so that a missing key is reported before anything is planned

    async def __aenter__(self) -> Self:
        self._model = self._open_model()  # its clients belong to one event loop
        return self

    async def __aexit__(self, *exc: object) -> None:
        model, self._model = self._model, None
        if model is not None:
            await model.api.aclose()

    def _open_model(self) -> Any:
        config = self._inspect.GenerateConfig(
            max_connections=self._connections,
            max_retries=_INSPECT_RETRIES,
            timeout=int(self._timeout),
        )
        try:
            return self._inspect.get_model(self._name, config=config, memoize=False)
        except Exception as error:  # whatever a provider's constructor raises
            raise ModelError(f"{self._name}: {self._describe_error(error)}") from None

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Makes one call."""
        config = self._inspect.GenerateConfig(**self.list_settings(request), seed=request.seed)
        tools, messages = adapt_messages(request)
        turns = [self._convert_message(message) for message in messages]
        offered = [_convert_tool(tool) for tool in tools]
        try:
            output = await self._model.generate(
                turns, tools=offered, tool_choice="none" if offered else None, config=config
            )
        except Exception as error:  # each provider has exceptions of its own
            raise self._classify_error(error) from None
        if output.error:
            raise ServerError(self._scrubber.scrub(str(output.error))[:300])
        if not output.choices:
            raise ServerError("the reply has no choices")
        cost = _convert_usage(output.usage)
        shares = split_tokens(cost.completion, len(output.choices))
        pairs = zip(output.choices, shares, strict=True)
        return ChatResponse(tuple(self._convert_choice(c, share) for c, share in pairs), cost)

    def list_settings(self, request: ChatRequest) -> dict[str, Any]:
        """The sampling parameters of a call under Inspect's names, the seed left out."""
        sampling, adapted = request.sampling, request.adaptations
        settings: dict[str, Any] = {"max_tokens": sampling.max_tokens}
        if Adaptation.NO_TEMPERATURE not in adapted:
            settings["temperature"] = sampling.temperature
        if sampling.top_p != 1 and Adaptation.NO_TOP_P not in adapted:
            settings["top_p"] = sampling.top_p
        if request.n > 1:
            settings["num_choices"] = request.n
        if request.logprobs:
            settings |= {"logprobs": True, "top_logprobs": request.logprobs}
        return settings

    def _convert_message(self, message: Message) -> Any:
        kinds = {
            "system": self._inspect.ChatMessageSystem,
            "assistant": self._inspect.ChatMessageAssistant,
        }
        return kinds.get(message.role, self._inspect.ChatMessageUser)(content=message.content)

    def _convert_choice(self, choice: Any, tokens: int) -> Choice:
        text = self._scrubber.scrub(_join_content(choice.message.content))
        if choice.stop_reason == "content_filter":
            return Choice(text, "filter", tokens, error="the provider's content filter")
        is_cut = choice.stop_reason in ("max_tokens", "model_length")
        logprobs = _convert_logprobs(choice.logprobs)
        return Choice(text, "length" if is_cut else "stop", tokens, logprobs)

    def _classify_error(self, error: Exception) -> CallError:
        """What an exception of a provider's client means, by its HTTP status."""
        last = getattr(error, "last_attempt", None)  # tenacity's wrapper around the real one
        cause = (last.exception() if last is not None else None) or error
        status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
        words = self._describe_error(cause)
        if status in (429, 503, 529):
            return RateLimitError(words)
        if status in (401, 403, 404):
            return FatalError(words, is_fixable=True)
        if status in (400, 413, 422):
            filtered = "content_filter" in words or "content management" in words
            return ContentFilterError(words) if filtered else BadRequestError(words)
        if status and names_system_turn(words):  # some servers crash in the chat template
            return BadRequestError(words)
        return ServerError(words)

    def _describe_error(self, error: BaseException) -> str:
        """An error on one line, without keys and without Inspect's markup."""
        markup = importlib.import_module("rich.markup")
        text = self._scrubber.scrub(str(error))
        try:
            text = markup.render(text).plain
        except markup.MarkupError:
            pass
        words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f"{words.removeprefix('ERROR: ') or type(error).__name__}"[:300]


def _import_inspect() -> Any:
    """The package, imported late: it takes two seconds."""
    try:
        return importlib.import_module("inspect_ai.model")
    except ImportError as error:
        raise MissingExtraError(error.name or "inspect-ai", "api") from None


def _convert_tool(tool: Any) -> Any:
    """A definition as Inspect's; of the schema of parameters it knows these two keys."""
    inspect_tools = importlib.import_module("inspect_ai.tool")
    function = tool["function"]
    schema = function.get("parameters") or {}
    known = {key: schema[key] for key in ("properties", "required") if schema.get(key)}
    return inspect_tools.ToolInfo(
        name=function["name"],
        description=function.get("description") or function["name"],
        parameters=inspect_tools.ToolParams(**known),
    )


def _join_content(content: Any) -> str:
    """The answer, reasoning kept before it as a ``<think>`` block."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for part in content:
        if part.type == "reasoning" and part.reasoning:
            parts.append(f"<think>\n{part.reasoning}\n</think>\n\n")
        elif part.type == "text":
            parts.append(part.text)
    return "".join(parts)


def _convert_logprobs(logprobs: Any) -> dict[str, float] | None:
    if logprobs is None or not logprobs.content:
        return None
    first = logprobs.content[0]
    try:
        return merge_logprobs([(top.token, top.logprob) for top in first.top_logprobs or [first]])
    except ValueError:
        return None


def _convert_usage(usage: Any) -> Cost:
    if usage is None:
        return Cost()
    cached = usage.input_tokens_cache_read or 0
    written = usage.input_tokens_cache_write or 0
    # Inspect counts a provider's cache beside the other input tokens.
    return make_cost(
        prompt=usage.input_tokens + cached + written,
        cached=cached,
        completion=usage.output_tokens,
        usd=usage.total_cost,
    )
