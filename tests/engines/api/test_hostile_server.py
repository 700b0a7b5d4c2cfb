"""Replies that cost money, spin, hang, fill memory or leak, from a real server on the loopback."""

import contextlib
import math
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dormant.engines import Job, Reply
from dormant.engines.api import ApiEngine, Budget, Price, retries, sync_stream
from dormant.engines.api.bodies import LARGEST
from dormant.engines.api.diagnostics import diagnose
from dormant.errors import DormantError, EngineError, ModelError
from dormant.records import Message, Sampling
from support.command import run_command
from support.hostile_server import (
    NAME,
    Answer,
    HostileReply,
    HostileServer,
    chat_reply,
    error_reply,
    hostile_server,
    pack_spaces,
)

KEY = "sk-canary/4f7a91c2e8"
Serve = Callable[[Answer], HostileServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch):
    """Starts servers that are known to the environment as ``local``."""
    with contextlib.ExitStack() as stack:

        def start(answer: Answer) -> HostileServer:
            server = stack.enter_context(hostile_server(answer))
            monkeypatch.setenv("LOCAL_API_KEY", KEY)
            monkeypatch.setenv("LOCAL_BASE_URL", server.url)
            return server

        yield start


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits a hundredth of the time after failures."""
    monkeypatch.setattr(retries, "_SECOND_LOOK", 0.005)
    real = retries.draw_backoff
    monkeypatch.setattr(retries, "draw_backoff", lambda *a, **k: real(*a, **k) / 100)


def ask(prompts: int, answers: int) -> list[Job]:
    return [Job((Message("user", f"question {i}"),), range(answers)) for i in range(prompts)]


def sample(engine: ApiEngine, jobs: list[Job], sampling: Sampling | None = None) -> list[Reply]:
    return [reply for batch in engine.sample(jobs, sampling or Sampling()) for reply in batch]


@pytest.mark.parametrize("cost", ["NaN", "1e999", "-1e999", "-5", "1e300", '"free"', "true", "[]"])
def test_what_is_no_amount_of_money_is_counted_by_tokens(serve: Serve, cost: str):
    usage = f'{{"prompt_tokens": 20, "completion_tokens": 5, "cost": {cost}}}'
    serve(lambda _, number: chat_reply(f"answer {number}", usage=usage))
    budget = Budget(usd=1.0)
    engine = ApiEngine(NAME, budget=budget, price=Price(1e3, 1e3), connections=1)
    sample(engine, ask(3, 1))
    assert engine.usd == pytest.approx(3 * 25e-3) == pytest.approx(budget.spent)


@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": -20, "completion_tokens": -5}',
        '{"prompt_tokens": 1e400, "completion_tokens": 5}',
        '{"prompt_tokens": ' + "9" * 400 + ', "completion_tokens": 5}',
        '{"prompt_tokens": 20, "completion_tokens": 5, '
        '"prompt_tokens_details": {"cached_tokens": 1000000}}',
    ],
)
def test_no_count_of_tokens_makes_a_budget_larger(serve: Serve, usage: str):
    serve(lambda _, number: chat_reply(f"answer {number}", usage=usage))
    budget = Budget(usd=1.0)
    engine = ApiEngine(NAME, budget=budget, price=Price(1e3, 1e3, cached=1), connections=1)
    sample(engine, ask(3, 1))
    assert 0 <= budget.spent < 1 and math.isfinite(engine.usd)


def test_one_choice_n_times_is_one_draw(serve: Serve):
    def answer(body: dict, number: int) -> HostileReply:
        reply = chat_reply(f"answer {number}")
        choice = reply.body.split(b"[", 1)[1].rsplit(b"]", 1)[0]
        return HostileReply(b'{"choices": [%b]}' % b",".join([choice] * body.get("n", 1)))

    server = serve(answer)
    replies = sample(ApiEngine(NAME), ask(2, 6))
    assert len({reply.text for reply in replies}) == len(replies) == 12
    assert len(server.bodies) == 12


def test_equal_answers_only_are_draws_of_their_own_after_others_differed(serve: Serve):
    """A server that gives one answer n times under n indices, and one that is only very sure."""
    repeated = serve(lambda body, number: chat_reply(*[f"{number}"] * body.get("n", 1)))
    engine = ApiEngine(NAME, connections=1)
    replies = sample(engine, ask(8, 6))
    assert len({reply.text for reply in replies}) == len(replies) == 48
    assert len(repeated.bodies) == 48
    assert len(engine.notes) == 1 and "equal answers only" in engine.notes[0]

    def sure(body: dict, number: int) -> HostileReply:
        return chat_reply(*["yes"] * (body["n"] - 1), "no" if number == 1 else "yes")

    server = serve(sure)
    engine = ApiEngine(NAME, connections=1)
    assert len(sample(engine, ask(8, 6))) == 48
    assert len(server.bodies) == 8 and engine.notes == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("about", ["maximum context length is 8 tokens", "something is wrong"])
def test_a_passing_refusal_changes_nothing_afterwards(serve: Serve, about: str):
    seen: set[str] = set()

    def answer(body: dict, number: int) -> HostileReply:
        text = body["messages"][0]["content"]
        if text not in seen:
            seen.add(text)
            return error_reply(400, f"This model's {about}")
        return chat_reply(*(f"{number} {i}" for i in range(body.get("n", 1))))

    server = serve(answer)
    engine = ApiEngine(NAME, connections=2)
    replies = sample(engine, ask(6, 4))
    assert len(replies) == 24 and engine.notes == []
    assert {reply.finish for reply in replies} == {"stop"}
    assert all(body["top_k"] == -1 and body["n"] == 4 for body in server.bodies)
    assert len({reply.settings for reply in replies}) == 1


@pytest.mark.usefixtures("quick")
def test_a_refusal_that_names_nothing_is_believed_the_second_time(serve: Serve):
    def answer(body: dict, number: int) -> HostileReply:
        if "top_k" in body:
            return error_reply(400, "bad request")
        return chat_reply(*(f"{number} {i}" for i in range(body.get("n", 1))))

    serve(answer)
    engine = ApiEngine(NAME, connections=1)
    replies = sample(engine, ask(4, 1))
    assert all('"top_k"' not in reply.settings for reply in replies)
    assert engine.notes == [f"{NAME} refuses top_k and min_p: the server's own defaults apply"]


@pytest.mark.parametrize(
    "header", ["0", "-5", "Thu, 01 Jan 1970 00:00:00 GMT", "0.000001", "-1e308", "nan"]
)
def test_a_server_that_asks_for_no_wait_is_not_asked_all_the_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, header: str
):
    monkeypatch.setattr(sync_stream, "_SILENCE", 1.0)
    server = serve(lambda *_: error_reply(429, Retry_After=header))
    engine = ApiEngine(NAME, connections=20)
    stream = iter(engine.sample(ask(20, 1), Sampling()))
    begun, used = time.monotonic(), time.process_time()
    assert next(stream) == []
    stream.close()
    assert time.monotonic() - begun > 1
    assert len(server.bodies) < 20 * 8, "a few tries a request"
    assert time.process_time() - used < 1.5


def test_a_wait_that_no_calendar_holds_is_no_defect(serve: Serve):
    year = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"

    def answer(_: dict, number: int) -> HostileReply:
        return error_reply(429, Retry_After=year) if number == 1 else chat_reply("fine")

    serve(answer)
    assert [reply.text for reply in sample(ApiEngine(NAME), ask(1, 1))] == ["fine"]


def test_a_wait_beyond_patience_ends_at_once(serve: Serve):
    serve(lambda *_: error_reply(429, Retry_After="1e9"))
    begun = time.monotonic()
    with pytest.raises(EngineError, match="does not answer"):
        sample(ApiEngine(NAME), ask(1, 1))
    assert time.monotonic() - begun < 5


def test_a_silent_server_ends_after_two_calls_and_waiting_is_seen(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sync_stream, "_SILENCE", 0.1)

    def answer(*_: object) -> HostileReply:
        time.sleep(2)
        return chat_reply("late")

    server = serve(answer)
    batches: list[list[Reply]] = []
    with pytest.raises(EngineError, match=r"no answer within 0\.\d s|no answer within"):
        for batch in ApiEngine(NAME, timeout=0.3).sample(ask(3, 1), Sampling()):
            batches.append(batch)
    assert [] in batches, "whoever waits is told so"
    assert len(server.bodies) <= 6


def test_the_time_of_a_call_is_an_option(serve: Serve, tmp_path: Path):
    def answer(*_: object) -> HostileReply:
        time.sleep(20)
        return chat_reply("late")

    serve(answer)
    begun = time.monotonic()
    words = (
        "--target",
        NAME,
        "--reference",
        "none",
        "--judge",
        "rules:regex=^HA",
        "--library",
        "none",
    )
    done = run_command("audit", *words, "--timeout", "1s", "--out", tmp_path / "run", "--quiet")
    assert done.code == 4 and "no answer within 1 s" in done.err
    assert time.monotonic() - begun < 15
    done = run_command("audit", *words, "--timeout", "forever", "--out", tmp_path / "run")
    assert done.code == 2 and "--timeout: give a number with a unit" in done.err


BAD_LOGPROBS = [1000, 1e308, 0.5, "Infinity", "NaN"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [200, 401, 429, 500])
@pytest.mark.parametrize("depth", [1000, 100_000])
def test_a_deep_error_is_one_line(serve: Serve, status: int, depth: int):
    body = b'{"error": {"message": ' + b"[" * depth + b"]" * depth + b"}}"
    serve(lambda *_: HostileReply(body, status, {"Retry-After": "1e6"}))
    try:
        replies = sample(ApiEngine(NAME, connections=1), ask(1, 1))
        words = [reply.error for reply in replies]
    except DormantError as error:
        words = [str(error)]
    assert all(word and "\n" not in word and len(word) < 600 for word in words)


@pytest.mark.parametrize("logprob", BAD_LOGPROBS)
def test_what_is_no_log_probability_is_none(serve: Serve, logprob: object):
    top = f'{{"content": [{{"token": "80", "logprob": {logprob}}}]}}'
    plain = chat_reply("80").body
    body = plain.replace(b'"finish_reason"', b'"logprobs": %b, "finish_reason"' % top.encode())
    serve(lambda *_: HostileReply(body))
    ratings = [r for b in ApiEngine(NAME).rate([(Message("user", "x"),)], Sampling()) for r in b]
    assert [(r.text, r.logprobs, r.finish) for r in ratings] == [("80", None, "stop")]


def peak_memory() -> int:
    """Most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


#: 128 MiB in 128 kB.
BOMB = pack_spaces(128 << 20)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [200, 500])
def test_a_packed_body_is_not_unpacked_beyond_the_limit(serve: Serve, status: int):
    serve(lambda *_: HostileReply(BOMB, status, {"Content-Encoding": "gzip"}))
    used = time.process_time()
    before = peak_memory()
    replies = sample(ApiEngine(NAME), ask(2, 1))
    assert {reply.finish for reply in replies} == {"error"}
    assert "larger than" in replies[0].error
    assert peak_memory() - before < 100 << 20
    assert time.process_time() - used < 20


@pytest.mark.usefixtures("quick")
def test_an_endless_body_and_an_odd_packing_are_faults(serve: Serve):
    piece = b" " * (1 << 20)
    serve(lambda *_: HostileReply(piece for _ in range(2 * (LARGEST >> 20))))
    assert "larger than" in sample(ApiEngine(NAME), ask(1, 1))[0].error
    for encoding, words in (("br", "not asked for"), ("gzip", "not gzip"), ("deflate", "not defl")):
        serve(lambda *_, e=encoding: HostileReply(b"junk", 200, {"Content-Encoding": e}))
        assert words in sample(ApiEngine(NAME), ask(1, 1))[0].error


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (b"[]," * 5_000_000, "more than 1,000,000 values"),
        (b'{"index":0},' * 80_000, "80,001 choices"),
    ],
)
def test_a_dense_body_is_not_built(serve: Serve, choices: bytes, words: str):
    """15 MB of empty lists would take 1.4 GB; many choices, a time that grows as their square."""
    serve(lambda *_: HostileReply(b'{"choices": [%b[]]}' % choices))
    before, begun = peak_memory(), time.process_time()
    assert words in sample(ApiEngine(NAME), ask(1, 1))[0].error
    assert peak_memory() - before < 200 << 20
    assert time.process_time() - begun < 10


def test_many_connections_with_large_bodies_stay_within_memory(serve: Serve):
    text = "x" * 240_000
    large = chat_reply(text)
    serve(lambda *_: large)
    before = peak_memory()
    got = 0
    for batch in ApiEngine(NAME, connections=100).sample(ask(120, 1), Sampling()):
        got += sum(len(reply.text) == len(text) for reply in batch)
    assert got == 120
    assert peak_memory() - before < 300 << 20


@pytest.mark.usefixtures("quick")
def test_an_answer_far_beyond_its_limit_is_a_fault(serve: Serve):
    serve(lambda *_: chat_reply("x" * 260_000))
    assert "more than 250,000 characters" in sample(ApiEngine(NAME), ask(1, 1))[0].error


@pytest.mark.parametrize("port", ["0", "99999", "-1", "abc"])
def test_a_port_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, port: str):
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    monkeypatch.setenv("LOCAL_BASE_URL", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ModelError, match="LOCAL_BASE_URL has a port"):
        ApiEngine(NAME)


ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("place", ["answer", "error", "header", "reason"])
def test_a_key_is_scrubbed_wherever_a_server_echoes_it(serve: Serve, place: str, caplog):
    def answer(_: dict, number: int) -> HostileReply:
        if place == "answer":
            return HostileReply(chat_reply("@@").body.replace(b"@@", ESCAPED.encode()))
        if place == "error":
            body = b'{"error": {"message": "%b"}}' % ESCAPED.encode()
            return HostileReply(body, 422)
        if place == "header":
            return HostileReply(
                chat_reply("pineapple").body,
                200,
                {"x-ratelimit-key": KEY, f"x-ratelimit-{KEY}": "1"},
            )
        return HostileReply(b"", 500, {}, reason=f"key {KEY}")

    serve(answer)
    engine = ApiEngine(NAME, connections=1)
    checks = [f"{c.found} {c.advice}" for c in diagnose(engine)] if place == "header" else []
    shown = [*checks, *engine.notes, caplog.text]
    shown += [f"{r.text} {r.error}" for r in sample(engine, ask(1, 1))]
    assert KEY not in "".join(shown) and "4f7a91c2e8" not in "".join(shown)
    if place != "reason":
        assert "***" in "".join(shown), "the echo was never kept, so not tested"


PASSWORD = "hunt@er2/xyz"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [407, 403, 502])
def test_a_proxys_password_is_seen_nowhere(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, caplog
):
    def answer(body: dict, _: int) -> HostileReply:
        words = f"refused {body.get('authorization')} user:{PASSWORD}"
        return HostileReply(words.encode(), status, {"X-Echo": words}, reason=words)

    server = serve(answer)
    monkeypatch.setenv("https_proxy", f"http://user:hunt%40er2%2Fxyz@127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("LOCAL_BASE_URL", "https://service.invalid/v1")
    try:
        shown = "".join(r.error for r in sample(ApiEngine(NAME, connections=1), ask(1, 1)))
    except DormantError as error:
        shown = str(error)
    assert server.connects >= 1 and str(status) in shown
    for secret in (PASSWORD, "hunt%40er2", "dXNlcjpodW50QGVyMi94eXo"):
        assert secret not in shown + caplog.text


@pytest.mark.parametrize(
    "proxy",
    ["http://user:hunter2xyz@[::1", "http://user:hunter2xyz@h:99999", "user:hunter2xyz@h:8"],
)
def test_a_malformed_proxy_is_named_without_its_value(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, proxy: str
):
    serve(lambda *_: chat_reply("x"))
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("LOCAL_BASE_URL", "http://service.invalid/v1")
    with pytest.raises(ModelError, match="http_proxy is not the address") as caught:
        ApiEngine(NAME)
    assert "hunter2" not in str(caught.value)
