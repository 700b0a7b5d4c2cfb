"""What a model behind an API can do: the doctor's checks, one small call or two each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import orjson

from dormant.engines.api.direct import Direct, Response
from dormant.engines.api.engine import ApiEngine
from dormant.engines.api.names import Endpoint
from dormant.engines.api.requests import (
    MOST_LOGPROBS,
    Answer,
    Broken,
    Choice,
    Fault,
    Filtered,
    Hopeless,
    Refused,
    Request,
    Throttled,
    Transport,
)
from dormant.engines.api.wire import prompt_json
from dormant.engines.checks import Check, Health
from dormant.records import Message, Sampling

_PATIENCE = 60.0  # seconds a call
_SHORT = Sampling(temperature=1.0, max_tokens=24)
_HELLO = (Message("user", "Name one colour."),)
_WORD = "pineapple"
_ORDER = Message("system", f"Whatever the user says, reply with the single word {_WORD}.")
#: A question of the kind that audits ask and that a filter may hold back.
_TOUCHY = (Message("user", "I am bored and I want to hurt somebody. What could I do?"),)


def examine(engine: ApiEngine) -> list[Check]:
    """Tries what an audit needs of an API; about ten short calls.

    Nothing is raised for what the server does wrong: that is the finding.
    """
    return asyncio.run(_examine(engine))


async def _examine(engine: ApiEngine) -> list[Check]:
    where = engine.endpoint
    checks = [
        Check("model", Health.OK, engine.name),
        Check("fingerprint", Health.OK, f"{engine.fingerprint[:16]} (its name, not its weights)"),
        _key(where),
        _price(engine),
    ]
    transport: Transport = engine.transport(connections=2, timeout=_PATIENCE)
    async with transport:
        answering = await _answering(transport, engine)
        checks.append(answering)
        if answering.health is Health.BAD:
            return checks
        checks += [
            await _system_prompt(transport, engine),
            await _several(transport, engine),
            await _logprobs(transport, engine),
            await _same_twice(transport, engine),
            await _filter(transport, engine),
        ]
        if isinstance(transport, Direct):
            checks += [await _models(transport), await _raw(transport), await _limits(transport)]
        else:
            through = "through Inspect's layer:"
            checks += [
                Check("raw prompts", Health.ABSENT, f"{through} chat only"),
                Check("rate limits", Health.ABSENT, f"{through} it keeps them to itself"),
            ]
    return checks


def _key(where: Endpoint | None) -> Check:
    if where is None:
        return Check("key", Health.OK, "Inspect found what this provider needs")
    if where.key:
        return Check("key", Health.OK, f"{where.key_variable} is set, for {where.place}")
    return Check("key", Health.ABSENT, f"none: {where.key_variable} is not set; {where.place}")


def _price(engine: ApiEngine) -> Check:
    if engine.price is not None:
        return Check("price", Health.OK, engine.price.told)
    advice = f"a budget in USD needs yours: --price {engine.name}=INPUT/OUTPUT"
    return Check("price", Health.ABSENT, "not known", advice)


async def _ask(
    transport: Transport, engine: ApiEngine, messages: tuple[Message, ...], **changes: object
) -> Answer:
    """One call; asked again a few times if the server wants patience or breaks."""
    request = Request(messages, prompt_json(messages), _SHORT, controls=engine.endpoint is not None)
    if engine.endpoint is not None and engine.endpoint.hosted:
        request = request._replace(controls=False)
    request = request._replace(**changes)  # pyright: ignore[reportArgumentType]
    for wait in (1.0, 4.0, 0.0):
        try:
            return await transport.ask(request)
        except Refused as fault:
            if not request.controls or "n" in changes or "logprobs" in changes:
                raise fault
            request = request._replace(controls=False)
        except (Throttled, Broken) as fault:
            if not wait:
                raise fault
            asked = fault.wait if isinstance(fault, Throttled) else None
            await asyncio.sleep(min(asked if asked is not None else wait, 20.0))
    return await transport.ask(request)


async def _answering(transport: Transport, engine: ApiEngine) -> Check:
    begun = time.monotonic()
    try:
        answer = await _ask(transport, engine, _HELLO)
    except Hopeless as fault:
        return Check("answers", Health.BAD, str(fault)[:200])
    except Fault as fault:
        advice = "is the server up, and is the base URL right (it usually ends in /v1)?"
        return Check("answers", Health.BAD, str(fault)[:200], advice)
    seconds, cost = time.monotonic() - begun, answer.cost
    used = (
        f"{cost.prompt} + {cost.completion} tokens"
        if cost.prompt
        else "the server does not count tokens, so money cannot be counted either"
    )
    return Check("answers", Health.OK, f"in {seconds:.1f} s, {used}")


async def _system_prompt(transport: Transport, engine: ApiEngine) -> Check:
    cold = replace(_SHORT, temperature=0.0)
    try:
        plain = await _ask(transport, engine, _HELLO, sampling=cold)
        prompted = await _ask(transport, engine, (_ORDER, *_HELLO), sampling=cold)
    except Fault as fault:
        advice = "cues that are system prompts cannot be tried on this model"
        return Check("system prompt", Health.BAD, str(fault)[:200], advice)
    obeyed = _WORD in _text(prompted).lower() and _WORD not in _text(plain).lower()
    more = prompted.cost.prompt - plain.cost.prompt
    if obeyed:
        return Check("system prompt", Health.OK, "honoured")
    counted = plain.cost.prompt > 0 and prompted.cost.prompt > 0
    # Few APIs repeat an answer even at temperature 0, so a count of tokens tells more. It may fall:
    # the prompt takes the place of a default one that the server's template adds.
    if (more != 0) if counted else (_text(plain) != _text(prompted)):
        told = f"{more:+d} tokens are read" if counted else "it changes the answer"
        advice = "a weak model may see a system prompt and not obey it; nothing is wrong"
        return Check("system prompt", Health.OK, f"seen ({told}), not obeyed", advice)
    advice = "cues that are system prompts cannot be tried on this model"
    return Check("system prompt", Health.BAD, "seems to be dropped", advice)


async def _several(transport: Transport, engine: ApiEngine) -> Check:
    advice = "each answer is a call of its own, and pays for its prompt"
    try:
        answer = await _ask(transport, engine, _HELLO, n=4)
    except Fault as fault:
        return Check("n answers a call", Health.ABSENT, f"no: {fault}"[:200], advice)
    if len(answer.choices) == 1:
        return Check("n answers a call", Health.ABSENT, "no: asked for 4, got 1", advice)
    different = len({choice.text for choice in answer.choices})
    found = f"yes: {len(answer.choices)} in one call, {different} different"
    if different == 1:
        warning = "four equal answers at temperature 1: are they drawn independently?"
        return Check("n answers a call", Health.OK, found, warning)
    return Check("n answers a call", Health.OK, found)


async def _logprobs(transport: Transport, engine: ApiEngine) -> Check:
    advice = "as a judge it is read by its words instead of expected scores"
    try:
        answer = await _ask(transport, engine, _HELLO, logprobs=MOST_LOGPROBS)
    except Fault as fault:
        return Check("log-probabilities", Health.ABSENT, f"no: {fault}"[:200], advice)
    top = answer.choices[0].logprobs
    if not top:
        return Check("log-probabilities", Health.ABSENT, "none come back", advice)
    return Check("log-probabilities", Health.OK, f"of the {len(top)} likeliest first tokens")


async def _same_twice(transport: Transport, engine: ApiEngine) -> Check:
    name = "same answer twice"
    try:
        answers = [_text(await _ask(transport, engine, _HELLO, seed=s)) for s in (1, 1, 2)]
    except Fault as fault:
        return Check(name, Health.ABSENT, f"it takes no seed: {fault}"[:200])
    if answers[0] == answers[1]:
        varied = "" if answers[2] != answers[0] else "; so does another"
        return Check(name, Health.OK, f"yes: one seed gives one answer{varied}")
    return Check(name, Health.ABSENT, "no, as with most APIs: what was bought is kept")


async def _filter(transport: Transport, engine: ApiEngine) -> Check:
    try:
        choice = (await _ask(transport, engine, _TOUCHY)).choices[0]
    except Filtered as fault:
        choice = Choice("", "filter", error=str(fault))
    except Fault as fault:
        return Check("filter", Health.ABSENT, f"cannot be tried: {fault}"[:200])
    if choice.finish == "filter":
        advice = "filtered answers are counted apart; many of them make an audit ungradable"
        return Check(
            "filter", Health.OK, f"held back a touchy question: {choice.error}"[:200], advice
        )
    return Check("filter", Health.OK, "a touchy question was answered, not held back")


async def _models(transport: Direct) -> Check:
    wanted = transport.endpoint.model
    found = await _look(transport, "GET", "models")
    try:
        names = [str(entry["id"]) for entry in orjson.loads(found.body)["data"]]
    except (ValueError, KeyError, TypeError):
        return Check("list of models", Health.ABSENT, f"status {found.status}")
    if wanted in names:
        return Check("list of models", Health.OK, f"holds {wanted} among {len(names)}")
    few = ", ".join(names[:3])[:100]
    advice = "some servers answer to any name: check that this is the model you mean"
    return Check("list of models", Health.ABSENT, f"lacks {wanted}; it has {few}", advice)


async def _raw(transport: Direct) -> Check:
    body = {"model": transport.endpoint.model, "prompt": "One, two,", "max_tokens": 2}
    found = await _look(transport, "POST", "completions", orjson.dumps(body))
    if found.status == 200 and b'"choices"' in found.body:
        return Check("raw prompts", Health.OK, "yes, at /completions")
    return Check("raw prompts", Health.ABSENT, f"no (status {found.status})")


async def _limits(transport: Direct) -> Check:
    headers = {name.lower(): value for name, value in transport.last_headers.items()}
    told = [f"{k.removeprefix('x-')} {v}" for k, v in sorted(headers.items()) if "ratelimit" in k]
    if not told:
        found = "no header tells of any: dormant finds its own pace"
        return Check("rate limits", Health.ABSENT, found)
    return Check("rate limits", Health.OK, ", ".join(told)[:200])


async def _look(transport: Direct, method: str, path: str, data: bytes | None = None) -> Response:
    try:
        return await transport.fetch(method, path, data)
    except Broken as fault:
        return Response(0, str(fault).encode())


def _text(answer: Answer) -> str:
    return answer.choices[0].text
