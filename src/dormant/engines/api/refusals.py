"""What a server's refusal of a request is about, read from its words.

Providers name a parameter in a field of the error (OpenAI's ``param``, pydantic's ``loc``) or in
the sentence alone. A refusal of a parameter itself is answered by leaving it out. One of its value
(a temperature or a length beyond a limit) is not: another value would be another experiment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from dormant.records import TOOLS_ROLE

if TYPE_CHECKING:
    from dormant.engines.api.calls import ChatRequest


class Adaptation(StrEnum):
    """A way in which requests to a server differ from what is usually sent."""

    NO_TEMPERATURE = "no temperature"
    NO_TOP_P = "no top_p"
    OTHER_LIMIT = "the other name of max_tokens"
    MOVED_SYSTEM = "system text in the user's turn"
    MOVED_TOOLS = "definitions of tools in the system prompt"


#: Who takes no system turn, as templates and providers word it.
_SYSTEM = re.compile(
    r"\b(?:system|developer)[ -]?(?:role|message|prompt|instruction|turn)s?\b"
    r"|\brole\b[^.]{0,80}\b(?:system|developer)\b|\bgot '?\"?(?:system|developer)\b"
    r"|\b(?:system|developer)['\"` ]+(?:is|are|role|was)[ a-z]{0,12}not\b"
    r"|roles must alternate|messages?\[?\.?0\]?\.?\[?'?role",
    re.IGNORECASE,
)
#: Who is not offered tools.
_TOOLS = re.compile(
    r"\btools?\b|\btool[_ ](?:choice|use|call\w*)|\bfunction[_ -]?call", re.IGNORECASE
)
#: What is wrong is the value: not the parameter, and nothing that leaving it out would mend.
_VALUE = re.compile(
    r"too (?:large|long|high|many|big)|at most|maximum|exceed|context (?:length|window)|between"
    r"|less than|greater than|out of range|must be (?:>|<|a |in )|range",
    re.IGNORECASE,
)
#: What is wrong is the length of the prompt.
_LENGTH = re.compile(
    r"context[ _-]?(?:length|window|size)|(?:prompt|input|messages?) (?:is|are) too long"
    r"|too many (?:input )?tokens",
    re.IGNORECASE,
)
_LIMITS = ("max_tokens", "max_completion_tokens")


def names_system_turn(complaint: str) -> bool:
    """Whether a server's words are about a system turn or about how turns follow each other."""
    return _SYSTEM.search(complaint) is not None


def is_about_length(complaint: str) -> bool:
    """Whether a server's words are about the length of a prompt."""
    return _LENGTH.search(complaint) is not None


def mentions(complaint: str, word: str) -> bool:
    """Whether a complaint contains a parameter's name, apart from longer names."""
    return re.search(rf"(?<![\w.\\]){word}(?![\w.]\w|\w)", complaint) is not None


def adapt_request(request: ChatRequest, complaint: str, param: str = "") -> ChatRequest | None:
    """The same request without what a server refuses; None if it names nothing that can go.

    Args:
        request: what was sent.
        complaint: the server's words.
        param: the parameter that the error names in a field of its own; empty without one.
    """
    name = param.rsplit("[", 1)[0] if param.endswith("]") else param
    if name and name in complaint and not _SYSTEM.search(name):
        # Other names in the sentence are what to use instead.
        found = next(_list_changes(request, lambda word: word == name, complaint), None)
        if found is not None:
            return found
    where = f"{complaint} {param}"
    found = next(_list_changes(request, lambda word: mentions(where, word), complaint), None)
    if found is not None:
        return found
    is_offered = any(message.role == TOOLS_ROLE for message in request.messages)
    if is_offered and _TOOLS.search(where):
        return _with_change(request, Adaptation.MOVED_TOOLS)
    has_system = any(message.role == "system" for message in request.messages)
    if has_system and names_system_turn(where):
        return _with_change(request, Adaptation.MOVED_SYSTEM)
    return None


def _list_changes(
    request: ChatRequest, names: Callable[[str], bool], complaint: str
) -> Iterator[ChatRequest]:
    """What can be changed about the parameters that a complaint names, the most harmless first."""
    for words, weaker in (
        (("n", "num_choices", "candidate_count"), request._replace(n=max(request.n // 2, 1))),
        (("top_k", "min_p"), request._replace(controls=False)),
        (("seed", "random_seed"), request._replace(seed=None)),
        (("logprobs", "top_logprobs"), request._replace(logprobs=5 if request.logprobs > 5 else 0)),
    ):
        if weaker != request and any(map(names, words)):
            yield weaker
    is_value = _VALUE.search(complaint) is not None
    if any(map(names, _LIMITS)) and not is_value:
        yield from _changes(request, Adaptation.OTHER_LIMIT)
    named = [word for word in ("top_p", "temperature") if names(word)]
    if is_value and "only" not in complaint.lower():
        if named == ["top_p"] and request.sampling.top_p == 1:  # says nothing: no other experiment
            yield from _changes(request, Adaptation.NO_TOP_P)
        return
    ways = {"top_p": Adaptation.NO_TOP_P, "temperature": Adaptation.NO_TEMPERATURE}
    # Of two that exclude each other, the one at its neutral value says nothing.
    if len(named) == 2 and request.sampling.top_p != 1:
        named.reverse()
    for word in named:
        yield from _changes(request, ways[word])


def _changes(request: ChatRequest, adaptation: Adaptation) -> Iterator[ChatRequest]:
    changed = _with_change(request, adaptation)
    if changed is not None:
        yield changed


def _with_change(request: ChatRequest, adaptation: Adaptation) -> ChatRequest | None:
    """The request with an adaptation; None if it has it already."""
    if adaptation in request.adaptations:
        return None
    return request._replace(adaptations=request.adaptations | {adaptation})


def describe_adaptation(adaptation: Adaptation, request: ChatRequest) -> str:
    """What a server was found to refuse, as words that continue the model's name."""
    sampling = request.sampling
    if adaptation is Adaptation.NO_TEMPERATURE:
        own = "its own temperature applies"
        if sampling.temperature == 1:
            return f"refuses temperature: {own}, usually 1, as was asked for"
        return f"refuses temperature {sampling.temperature:g}: {own}, usually 1"
    if adaptation is Adaptation.NO_TOP_P:
        if sampling.top_p == 1:
            return "refuses top_p: asked without it, which is top_p 1 unless the server has another"
        return f"refuses top_p {sampling.top_p:g}: its own default applies"
    if adaptation is Adaptation.OTHER_LIMIT:
        return "takes the limit on an answer's length under its other name"
    if adaptation is Adaptation.MOVED_TOOLS:
        return "is not offered tools: their definitions stand in the system prompt there"
    return (
        "takes no system turn: system prompts open the first user turn there, followed by a "
        "blank line"
    )
