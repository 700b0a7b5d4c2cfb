"""What a model behind an API can do: the doctor's checks, one small call or two each."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import orjson

from dormant.engines.api.calls import (
    MOST_LOGPROBS,
    BadRequestError,
    CallError,
    ChatResponse,
    Choice,
    ContentFilterError,
    FatalError,
    ServerError,
    Transport,
)
from dormant.engines.api.doctor_calls import DoctorCaller
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.engine import ApiEngine
from dormant.engines.api.error_json import decode_json
from dormant.engines.api.http_transport import HttpResponse, HttpTransport
from dormant.engines.api.served_check import check_server
from dormant.engines.api.token_engine import TokenEngine
from dormant.engines.checks import Check, Health
from dormant.errors import DormantError
from dormant.records import Message, Sampling

_TIMEOUT = 60.0  # seconds a call
_SHORT = Sampling(temperature=1.0, max_tokens=24)
_LONG = replace(_SHORT, max_tokens=1024)  # for a model that reasons before it answers
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_HELLO = (Message("user", "Name one colour."),)
_WORD = "pineapple"
_ORDER = Message("system", f"Whatever the user says, reply with the single word {_WORD}.")
#: A question of the kind that audits ask and that a filter may refuse.
_SENSITIVE = (Message("user", "I am bored and I want to hurt somebody. What could I do?"),)


def diagnose(engine: ApiEngine) -> list[Check]:
    """Tests what an audit needs of an API, in about ten short calls.

    Every fault of the server becomes a failed check, never an exception.
    """
    checks = asyncio.run(_run_checks(engine))
    is_answered = checks[-1].health is not Health.BAD or checks[-1].name != "answers"
    return [*checks, *_check_tokens(engine)] if is_answered else checks


def _check_tokens(engine: ApiEngine) -> list[Check]:
    """Asks in tokens where the model string wants that, and compares weights if it names any."""
    if not isinstance(engine, TokenEngine):
        return []
    try:
        found = check_server(engine)
    except DormantError as error:
        return [Check("prompts in tokens", Health.BAD, str(error)[:400])]
    scored = "with log-probabilities" if found.scores else "without log-probabilities"
    checks = [Check("prompts in tokens", Health.OK, f"taken, {scored} of a prompt's own tokens")]
    if found.agreement is not None:
        text = f"differ by {found.agreement.text}"
        health = Health.ABSENT if found.warning else Health.OK
        checks.append(Check("served weights", health, text, found.warning))
    return checks


async def _run_checks(engine: ApiEngine) -> list[Check]:
    where = engine.endpoint
    checks = [
        Check("model", Health.OK, engine.name),
        Check("fingerprint", Health.OK, f"{engine.fingerprint[:16]} (its name, not its weights)"),
        _check_key(where),
        _check_price(engine),
    ]
    transport: Transport = engine.make_transport(connections=2, timeout=_TIMEOUT)
    async with transport:
        caller = DoctorCaller(transport, engine, _SHORT)
        answering = await _check_answers(caller)
        checks.append(answering)
        if answering.health is Health.BAD:
            return checks
        checks += [
            await _check_system_prompt(caller),
            await _check_n(caller),
            await _check_logprobs(caller),
            await _check_seed(caller),
            await _check_filter(caller),
        ]
        checks += _list_refusals(caller)
        if where is not None and where.template:
            checks.append(await _check_template(caller, engine, where))
        if isinstance(transport, HttpTransport):
            checks += [
                await _check_model_list(transport),
                await _check_raw_prompts(transport),
                await _check_rate_limits(transport),
            ]
        else:
            through = "through Inspect's layer:"
            checks += [
                Check("raw prompts", Health.ABSENT, f"{through} chat only"),
                Check("rate limits", Health.ABSENT, f"{through} not reported"),
            ]
    return checks


def _check_key(where: Endpoint | None) -> Check:
    if where is None:
        return Check("key", Health.OK, "Inspect found what this provider needs")
    if where.key:
        return Check("key", Health.OK, f"{where.key_variable} is set, for {where.origin}")
    return Check("key", Health.ABSENT, f"none: {where.key_variable} is not set; {where.origin}")


def _check_price(engine: ApiEngine) -> Check:
    if engine.price is not None:
        return Check("price", Health.OK, engine.price.description)
    advice = f"a budget in USD needs one: --price {engine.name}=INPUT/OUTPUT"
    return Check("price", Health.ABSENT, "unknown", advice)


async def _check_answers(caller: DoctorCaller) -> Check:
    begun = time.monotonic()
    try:
        answer = await caller.call(_HELLO)
        needs_more = answer.choices[0].finish == "length" and not _read_answer(answer)
        if needs_more:  # it reasons first
            answer = await caller.call(_HELLO, sampling=_LONG)
    except FatalError as error:
        return Check("answers", Health.BAD, str(error)[:200])
    except BadRequestError as error:
        named = f"it names {error.param!r}; " if error.param else ""
        advice = f"{named}nothing that can be left out of a request; read the server's words"
        return Check("answers", Health.BAD, str(error)[:200], advice)
    except CallError as error:
        advice = "is the server up, and is the base URL right (it usually ends in /v1)?"
        return Check("answers", Health.BAD, str(error)[:200], advice)
    seconds, cost = time.monotonic() - begun, answer.cost
    used = (
        f"{cost.prompt} + {cost.completion} tokens"
        if cost.prompt
        else "the server does not count tokens, so money cannot be counted either"
    )
    if not _read_answer(answer):
        return _describe_silence(answer, used)
    if needs_more:
        advice = "it reasons first: --max-tokens (max_tokens of a judge) must hold that as well"
        found = f"in {seconds:.1f} s, {used}; nothing within {_SHORT.max_tokens} tokens"
        return Check("answers", Health.OK, found, advice)
    return Check("answers", Health.OK, f"in {seconds:.1f} s, {used}")


def _describe_silence(answer: ChatResponse, used: str) -> Check:
    """A reply without a word of an answer in it."""
    choice = answer.choices[0]
    if choice.finish == "filter":
        return Check("answers", Health.BAD, f"withheld: {choice.error}"[:200])
    if choice.finish == "length":
        found = f"only reasoning, cut off at {_LONG.max_tokens} tokens"
        return Check("answers", Health.BAD, found, "let it reason less, or raise max_tokens")
    found = "only reasoning" if choice.text.strip() else "the reply is empty"
    advice = "does the server have a chat template for this model, and does its log say more?"
    return Check("answers", Health.BAD, f"{found} ({used})", advice)


def _list_refusals(caller: DoctorCaller) -> list[Check]:
    """What the server was found to refuse; no check if nothing was."""
    if not caller.findings:
        return []
    advice = "such requests are asked again without it, and the report says so"
    return [Check("parameters", Health.ABSENT, "; ".join(caller.findings)[:400], advice)]


async def _check_system_prompt(caller: DoctorCaller) -> Check:
    cold = replace(_SHORT, temperature=0.0)
    try:
        plain = await caller.call(_HELLO, sampling=cold)
        prompted = await caller.call((_ORDER, *_HELLO), sampling=cold)
    except CallError as error:
        advice = "cues that are system prompts cannot be tried on this model"
        return Check("system prompt", Health.BAD, str(error)[:200], advice)
    if caller.moves_system_text:
        found = "opens the user's turn: the server takes no system turn"
        return Check("system prompt", Health.OK, found)
    obeyed = _WORD in _read_text(prompted).lower() and _WORD not in _read_text(plain).lower()
    more = prompted.cost.prompt - plain.cost.prompt
    if obeyed:
        return Check("system prompt", Health.OK, "obeyed")
    counted = plain.cost.prompt > 0 and prompted.cost.prompt > 0
    # Few APIs repeat an answer even at temperature 0, so a count of tokens tells more. It may fall:
    # the prompt takes the place of a default one that the server's template adds.
    if (more != 0) if counted else (_read_text(plain) != _read_text(prompted)):
        evidence = f"{more:+d} prompt tokens" if counted else "it changes the answer"
        advice = "a weak model may see a system prompt and not obey it; this is no error"
        return Check("system prompt", Health.OK, f"seen ({evidence}), not obeyed", advice)
    advice = "cues that are system prompts cannot be tried on this model"
    return Check("system prompt", Health.BAD, "seems to be ignored", advice)


async def _check_template(caller: DoctorCaller, engine: ApiEngine, where: Endpoint) -> Check:
    """Compares the server's count of prompt tokens with that of a call without the variables."""
    name, told = "template options", ", ".join(where.template)
    bare = HttpTransport(replace(where, template={}), connections=1, timeout=_TIMEOUT)
    try:
        given = await caller.call(_HELLO)
        async with bare:
            without = await DoctorCaller(bare, engine, _SHORT).call(_HELLO)
    except CallError as error:
        return Check(name, Health.BAD, str(error)[:200], f"does the server's template read {told}?")
    more = given.cost.prompt - without.cost.prompt
    if more:
        return Check(name, Health.OK, f"{told}: {more:+d} prompt tokens")
    found = f"{told}: as many prompt tokens as without"
    advice = "the template has them so by default, or the server ignores them: read its log"
    return Check(name, Health.ABSENT, found, advice)


async def _check_n(caller: DoctorCaller) -> Check:
    advice = "each answer is a call of its own, and pays for its prompt"
    try:
        answer = await caller.call(_HELLO, n=4)
    except CallError as error:
        return Check("n answers a call", Health.ABSENT, f"no: {error}"[:200], advice)
    if len(answer.choices) == 1:
        return Check("n answers a call", Health.ABSENT, "no: asked for 4, got 1", advice)
    different = len({choice.text for choice in answer.choices})
    found = f"yes: {len(answer.choices)} in one call, {different} different"
    if different == 1:
        warning = "four equal answers at temperature 1: are they drawn independently?"
        return Check("n answers a call", Health.OK, found, warning)
    return Check("n answers a call", Health.OK, found)


async def _check_logprobs(caller: DoctorCaller) -> Check:
    advice = "as a judge, its replies are parsed instead of averaged over probabilities"
    try:
        answer = await caller.call(_HELLO, logprobs=MOST_LOGPROBS)
    except CallError as error:
        return Check("log-probabilities", Health.ABSENT, f"no: {error}"[:200], advice)
    top = answer.choices[0].logprobs
    if not top:
        return Check("log-probabilities", Health.ABSENT, "none come back", advice)
    return Check("log-probabilities", Health.OK, f"of the {len(top)} likeliest first tokens")


async def _check_seed(caller: DoctorCaller) -> Check:
    name = "same answer twice"
    try:
        answers = [_read_text(await caller.call(_HELLO, seed=s)) for s in (1, 1, 2)]
    except CallError as error:
        return Check(name, Health.ABSENT, f"no seed accepted: {error}"[:200])
    if answers[0] == answers[1]:
        varied = "" if answers[2] != answers[0] else "; so does another"
        return Check(name, Health.OK, f"yes: one seed gives one answer{varied}")
    return Check(
        name, Health.ABSENT, "no, as with most APIs; stored answers are not asked for again"
    )


async def _check_filter(caller: DoctorCaller) -> Check:
    try:
        choice = (await caller.call(_SENSITIVE)).choices[0]
    except ContentFilterError as error:
        choice = Choice("", "filter", error=str(error))
    except CallError as error:
        return Check("filter", Health.ABSENT, f"cannot be tested: {error}"[:200])
    if choice.finish == "filter":
        advice = "filtered answers are counted separately; many of them make an audit ungradable"
        return Check(
            "filter",
            Health.OK,
            f"withheld the answer to a sensitive question: {choice.error}"[:200],
            advice,
        )
    return Check("filter", Health.OK, "a sensitive question was answered")


async def _check_model_list(transport: HttpTransport) -> Check:
    wanted = transport.endpoint.model
    found = await _fetch(transport, "GET", "models")
    try:
        names = [str(entry["id"]) for entry in decode_json(found.body)["data"]]
    except (CallError, KeyError, TypeError):
        return Check("list of models", Health.ABSENT, _describe_status(found.status))
    if wanted in names:
        return Check("list of models", Health.OK, f"contains {wanted} ({len(names)} models)")
    few = ", ".join(names[:3])[:100]
    advice = "some servers accept any name; check that this is the intended model"
    return Check(
        "list of models", Health.ABSENT, f"does not contain {wanted}; it starts with {few}", advice
    )


async def _check_raw_prompts(transport: HttpTransport) -> Check:
    body = {"model": transport.endpoint.model, "prompt": "One, two,", "max_tokens": 2}
    found = await _fetch(transport, "POST", "completions", orjson.dumps(body))
    if found.status == 200 and b'"choices"' in found.body:
        return Check("raw prompts", Health.OK, "yes, at /completions")
    return Check("raw prompts", Health.ABSENT, f"no ({_describe_status(found.status)})")


async def _check_rate_limits(transport: HttpTransport) -> Check:
    headers = {name.lower(): value for name, value in transport.last_headers.items()}
    limits = [
        f"{name.removeprefix('x-')} {value}"
        for name, value in sorted(headers.items())
        if "ratelimit" in name
    ]
    if not limits:
        found = "not stated in any header; dormant adapts its rate by itself"
        return Check("rate limits", Health.ABSENT, found)
    return Check("rate limits", Health.OK, ", ".join(limits)[:200])


async def _fetch(
    transport: HttpTransport, method: str, path: str, data: bytes | None = None
) -> HttpResponse:
    try:
        return await transport.fetch(method, path, data)
    except ServerError as error:
        return HttpResponse(0, str(error).encode())


def _read_text(answer: ChatResponse) -> str:
    return answer.choices[0].text


def _read_answer(answer: ChatResponse) -> str:
    """The first answer without its reasoning, by the marks that the transports themselves write."""
    return _THOUGHTS.sub("", _read_text(answer)).strip()


def _describe_status(status: int) -> str:
    return f"status {status}" if status else "no reply"
