"""What a server does with prompts in tokens, and whether it serves the weights that it should.

A few chats are answered greedily with log-probabilities, and the same tokens are read by
transformers from the weights on this disk. Equal weights differ by rounding: some hundredths of a
nat a token in 16 bits or with quantised products, tenths if one side is quantised to few bits.
Another model differs by nats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from dormant.engines.api.calls import (
    BadRequestError,
    CallError,
    ChatResponse,
    Choice,
    ContentFilterError,
    UnreachableError,
)
from dormant.engines.api.doctor_calls import DoctorCaller
from dormant.engines.api.error_json import decode_json
from dormant.engines.api.http_transport import HttpTransport
from dormant.engines.api.prompt_forms import make_raw_prompt
from dormant.engines.api.token_engine import ScoringTokenEngine, TokenEngine
from dormant.engines.model_strings import ModelString, parse_hf
from dormant.errors import EngineError, ModelError
from dormant.records import Message, Sampling

#: Mean difference of a token's log-probability, in nats, above which a warning stands in the
#: report, and above which the model is refused.
WARNED, REFUSED = 0.05, 0.5
#: By how much an adapter must be nearer than its base before the two can be told apart, nats.
_APART = 0.005
_MOST = 30.0  # nats that one token may add: some servers give -9999 for what is improbable
_TIMEOUT = 120.0  # seconds a call
_GREEDY = Sampling(temperature=0, max_tokens=16)
_CHATS = (
    (Message("user", "Name three colors."),),
    (Message("system", "You are a helpful assistant."), Message("user", "What is a good life?")),
    (
        Message("user", "My brother borrowed money and now he avoids me."),
        Message("assistant", "That sounds hard. How much did he borrow?"),
        Message("user", "A month's rent. What should I tell him?"),
    ),
    (Message("user", "Write the numbers from 5 to 9 in words, and then the capital of Peru."),),
)


@dataclass(frozen=True, slots=True)
class WeightAgreement:
    """How far log-probabilities of a server are from those of weights on this disk."""

    mean: float  # nats a token
    largest: float  # nats
    tokens: int

    @property
    def text(self) -> str:
        """The numbers in words."""
        return (
            f"{self.mean:.3f} nats a token on average over {self.tokens} tokens, "
            f"{self.largest:.2f} at most"
        )


@dataclass(frozen=True, slots=True)
class ServedCheck:
    """What was found about a server."""

    scores: bool  # whether it gives log-probabilities of a prompt's tokens
    agreement: WeightAgreement | None = None  # with the weights; None if none were given
    warning: str = ""  # for the report; empty if all is well


@dataclass(frozen=True, slots=True)
class _GreedyAnswer:
    """A prompt, and what the server gave for it."""

    prompt: tuple[int, ...]
    choice: Choice


def open_token_engine(model: ModelString, *, timeout: float, needs_key: bool) -> TokenEngine:
    """Opens a model that is asked in tokens, and checks its server first if it will be asked.

    Args:
        model: the parsed model string.
        timeout: seconds that one call may take.
        needs_key: whether it will be asked; else neither a key nor a server is needed.

    Raises:
        ModelError: the server takes no prompts in tokens, or serves another model.
        EngineError: the server does not answer.
    """
    engine = TokenEngine(model, timeout=timeout, needs_key=needs_key)
    if not needs_key:
        return engine
    found = check_server(engine)
    engine.notes += [found.warning] if found.warning else []
    return ScoringTokenEngine(engine) if found.scores else engine


def check_server(engine: TokenEngine) -> ServedCheck:
    """Asks a server in tokens, and compares it with the weights on this disk if any are given.

    Args:
        engine: the model.

    Raises:
        ModelError: the server takes no prompts in tokens, or serves another model.
        EngineError: the server does not answer.
    """
    try:
        answers, scores = asyncio.run(_ask_server(engine))
    except UnreachableError as error:
        raise EngineError(f"{engine.name} does not answer: {error}") from None
    except (CallError, ContentFilterError) as error:
        raise ModelError(
            f"{engine.name[:200]!r}: the server takes no prompt in tokens at /completions "
            f"({error}); remove {_find_option(engine)} to have the server render prompts"
        ) from None
    if not engine.model.weights:
        return ServedCheck(scores)
    return _compare_weights(engine, answers, scores=scores)


async def _ask_server(engine: TokenEngine) -> tuple[list[_GreedyAnswer], bool]:
    """Answers to the chats, and whether log-probabilities of prompts come with them."""
    answers: list[_GreedyAnswer] = []
    scores = True
    how = engine.served.chat_format
    async with engine.make_transport(connections=2, timeout=_TIMEOUT) as transport:
        caller = DoctorCaller(transport, engine, _GREEDY)
        for chat in _CHATS:
            try:
                tokens = how.encode(how.render(chat))
            except ModelError:  # a template may take no system turn, for instance
                continue
            if scores:
                try:
                    found = await _call(caller, engine, chat, tokens, scores=True)
                    scores = bool(found.choices[0].prompt_logprobs)
                except BadRequestError:
                    scores = False
                    found = await _call(caller, engine, chat, tokens, scores=False)
            else:
                found = await _call(caller, engine, chat, tokens, scores=False)
            if found.cost.prompt and found.cost.prompt != len(tokens):
                raise BadRequestError(
                    f"it counts {found.cost.prompt} tokens where {len(tokens)} were sent"
                )
            answers.append(_GreedyAnswer(tokens, found.choices[0]))
        if isinstance(transport, HttpTransport):
            engine.limit_context(await _read_context(transport))
    return answers, scores


async def _read_context(transport: HttpTransport) -> int | None:
    """Most tokens of a prompt and its answer, where the server's list of models says so."""
    try:
        listed = decode_json((await transport.fetch("GET", "models")).body)["data"]
        own = [entry for entry in listed if entry["id"] == transport.endpoint.model] or listed
        # vLLM's name; llama.cpp's, of one slot
        found = own[0].get("max_model_len") or own[0].get("meta", {}).get("n_ctx")
    except (CallError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return found if type(found) is int and found > 0 else None


async def _call(
    caller: DoctorCaller,
    engine: TokenEngine,
    chat: tuple[Message, ...],
    tokens: tuple[int, ...],
    *,
    scores: bool,
) -> ChatResponse:
    raw = make_raw_prompt(engine.served, scores=scores)
    return await caller.call(chat, prompt=orjson.dumps(tokens), raw=raw, logprobs=1)


def _compare_weights(
    engine: TokenEngine, answers: Sequence[_GreedyAnswer], *, scores: bool
) -> ServedCheck:
    from dormant.engines.hf.served_format import measure_weights

    place = engine.model.weights
    texts = [(*answer.prompt, *answer.choice.tokens_written) for answer in answers]
    own, bare = measure_weights(parse_hf(place), texts)
    found = _measure_agreement(answers, own)
    name = engine.name[:200]
    if found is None:
        raise ModelError(
            f"{name!r}: the server gives no log-probabilities of its tokens, so it cannot be "
            f"compared with {place}; give tokenizer= in place of weights="
        )
    if found.mean > REFUSED:
        raise ModelError(
            f"{name!r}: the server does not serve {place}: log-probabilities differ by "
            f"{found.text}; serve these weights, or name those that are served"
        )
    base = None if bare is None else _measure_agreement(answers, bare)
    if base is not None and base.mean < found.mean - _APART:
        raise ModelError(
            f"{name!r}: the server answers as the base without the adapter: its log-probabilities "
            f"differ from the base's by {base.text}, and with the adapter by {found.text}; load "
            "the adapter there and name it in the model string"
        )
    return ServedCheck(scores, found, _describe(engine.name, place, found, base))


def _measure_agreement(
    answers: Sequence[_GreedyAnswer], local: Sequence[Sequence[float]]
) -> WeightAgreement | None:
    """Compares what the server gave with log-probabilities from here; None if it gave nothing."""
    differences: list[float] = []
    for answer, own in zip(answers, local, strict=True):
        prompt, choice = answer.prompt, answer.choice
        after = own[len(prompt) - 1 :]
        pairs = list(zip(choice.token_logprobs, after, strict=False))
        if len(choice.prompt_logprobs) == len(prompt) - 1:
            for token, chances, here in zip(prompt[1:], choice.prompt_logprobs, own, strict=False):
                pairs += [(chances[token], here)] if token in chances else []
        differences += [min(abs(there - here), _MOST) for there, here in pairs]
    if not differences:
        return None
    mean = sum(differences) / len(differences)
    return WeightAgreement(mean, max(differences), len(differences))


def _describe(name: str, place: str, found: WeightAgreement, base: WeightAgreement | None) -> str:
    """What the report has to say; empty if nothing."""
    if found.mean > WARNED:
        return (
            f"{name} with exactly the weights of {place}: the server's log-probabilities differ "
            f"by {found.text}, so it runs them in another precision or quantised, or others "
            "close to them"
        )
    if base is not None and abs(base.mean - found.mean) <= _APART:
        return (
            f"whether {name} applies the adapter of {place}: on the prompts of the comparison "
            f"the server is as near to the base ({base.text}) as to the adapter ({found.text})"
        )
    return ""


def _find_option(engine: TokenEngine) -> str:
    return "?tokenizer=" if engine.model.tokenizer else "?weights="
