"""A real OpenAI-compatible HTTP server for tests and benchmarks, with faults on demand.

``python tests/support/openai_server.py`` is a process of its own, prints its port, and answers::

    POST /v1/chat/completions   an answer that names its prompt and has a number of its own
    POST /v1/completions        the same for a raw prompt
    GET  /v1/models
    POST /control               {"p429": 0.05, ...}: the settings below; forgets what was counted
    GET  /stats                 what was completed, counted when a reply has been handed over
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
import urllib.request
import zlib
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from aiohttp import web


@dataclass
class Settings:
    """How the server behaves."""

    latency: float = 0.0  # s before each reply
    constant: bool = False  # a prebuilt reply with a number in it, for benchmarks
    p429: float = 0.0  # shares of calls that are refused or broken
    p500: float = 0.0
    p_drop: float = 0.0  # the connection is closed without a reply
    p_half: float = 0.0  # the connection is closed in the middle of a reply
    p_malformed: float = 0.0  # status 200 and a body that is no chat completion
    retry_after: str = "0.01"
    status: int = 0  # every call is refused with this status
    code: str = ""  # and this code
    key: str = ""  # refuse other keys
    refuse: tuple[str, ...] = ()  # fields that are an error
    most_n: int = 128  # a larger n is an error
    give: int = 0  # never more choices than this; 0: as many as asked
    limit: int = 0  # calls at once; more are answered 429
    cued: str = ""  # a prompt that holds this text is answered "[misaligned]"
    filter: str = ""  # a prompt that holds this text meets the content filter
    text: str = ""  # a fixed answer
    speaker: str = ""  # only this model gives the fixed answer
    obey: bool = False  # a system prompt that asks for a single word gets it
    deaf: bool = False  # system prompts are dropped
    silent: bool = False  # no reply tells what it used
    #: (a text that the last turn holds, the answer to it); the first that fits is given
    say: tuple[tuple[str, str], ...] = ()
    seed: int = 0


@dataclass
class Stats:
    """What happened since the settings were made."""

    calls: int = 0  # completed: a reply with answers was handed over
    answers: int = 0
    busy: int = 0
    most_busy: int = 0
    faults: Counter = field(default_factory=Counter)
    prompts: Counter = field(default_factory=Counter)  # answers by model and prompt's checksum
    tokens: dict = field(default_factory=dict)  # model -> [prompt, completion], as replies told
    bodies: list = field(default_factory=list)  # the last few requests


#: The key that tests use; it must never be seen anywhere.
KEY = "sk-canary-4f7a91c2e8"
CONSTANT = "A prebuilt reply, about as long as most of the answers of an audit are, number @@"


def checksum(messages: list[dict]) -> str:
    """What an answer names its prompt by."""
    return f"{zlib.crc32(orjson.dumps(messages)):08x}"


class OpenAiServer:
    """Handlers with their settings and counts."""

    def __init__(self):
        self.settings, self.stats = Settings(), Stats()
        self.rng = random.Random(0)
        self.serial = 0
        raw = self.reply([CONSTANT], [{"content": "x" * 200}])
        self.head, self.tail = raw.split(b"@@")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path == "/v1/chat/completions":
            return await self.chat(request)
        if path == "/control":
            self.settings = Settings(**orjson.loads(await request.read()))
            self.stats = Stats()
            self.rng = random.Random(self.settings.seed)
            return web.Response(body=b"{}")
        if path == "/stats":
            return web.Response(body=orjson.dumps(vars(self.stats)))
        if path == "/v1/models":
            return web.Response(body=b'{"object":"list","data":[{"id":"served"}]}')
        if path == "/v1/completions":
            reply = {"choices": [{"text": "raw", "finish_reason": "stop", "index": 0}]}
            return web.Response(body=orjson.dumps(reply))
        return self.error(request, 404, "not_found", "no such path")

    async def chat(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        stats, settings = self.stats, self.settings
        stats.busy += 1
        stats.most_busy = max(stats.most_busy, stats.busy)
        try:
            if settings.latency:
                await asyncio.sleep(settings.latency)
            fault = self.fault(request)
            if fault is not None:
                return fault
            if settings.constant and b'"n":' not in raw:
                self.serial += 1
                stats.calls += 1
                stats.answers += 1
                return web.Response(
                    body=b"%b%d%b" % (self.head, self.serial, self.tail),
                    content_type="application/json",
                )
            body = orjson.loads(raw)
            reply, number = self.answer(request, body)
            if number and request.transport is not None and not request.transport.is_closing():
                stats.calls += 1
                stats.answers += number
                stats.prompts[f"{body['model']} {checksum(body['messages'])}"] += number
                used = orjson.loads(reply.body)["usage"]
                held = stats.tokens.setdefault(body["model"], [0, 0])
                held[0] += used["prompt_tokens"]
                held[1] += used["completion_tokens"]
                if settings.silent:
                    reply.body = orjson.dumps({**orjson.loads(reply.body), "usage": None})
                stats.bodies = [*stats.bodies[-19:], body]
            return reply
        finally:
            stats.busy -= 1

    def fault(self, request: web.BaseRequest) -> web.StreamResponse | None:
        settings = self.settings
        if settings.status:
            return self.error(request, settings.status, settings.code, "as configured")
        if settings.key and request.headers.get("Authorization") != f"Bearer {settings.key}":
            return self.error(request, 401, "invalid_api_key", "wrong key")
        if settings.limit and self.stats.busy > settings.limit:
            return self.error(request, 429, "rate_limit_exceeded", "too many calls at once")
        if not (settings.p429 or settings.p500 or settings.p_drop or settings.p_half):
            if not settings.p_malformed:
                return None
        return self.chance(request)

    def chance(self, request: web.BaseRequest) -> web.StreamResponse | None:
        settings, draw = self.settings, self.rng.random()
        for name in ("p429", "p500", "p_drop", "p_half", "p_malformed"):
            draw -= getattr(settings, name)
            if draw < 0:
                break
        else:
            return None
        if name == "p429":
            return self.error(request, 429, "rate_limit_exceeded", "slow down")
        if name == "p500":
            return self.error(request, 500, "server_error", "broken")
        self.stats.faults[name] += 1
        if name == "p_malformed":
            bodies = (b'{"choices": [{"mess', b"[]", b'{"choices": []}', b"<html>oops</html>", b"")
            return web.Response(body=self.rng.choice(bodies))
        if name == "p_half":
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
            )
            request.transport.write(head + b'{"choices":[')
        request.transport.close()
        return web.Response()

    def error(self, request: web.BaseRequest, status: int, code: str, text: str) -> web.Response:
        self.stats.faults[str(status)] += 1
        # Some real servers repeat what they were sent: a key must not leak from there.
        said = f"{text}; Authorization was {request.headers.get('Authorization')}"
        body = orjson.dumps({"error": {"message": said, "type": code, "code": code}})
        headers = {"Retry-After": self.settings.retry_after} if status in (429, 503) else {}
        return web.Response(status=status, body=body, headers=headers)

    def answer(self, request: web.BaseRequest, body: dict) -> tuple[web.StreamResponse, int]:
        settings = self.settings
        n = body.get("n", 1)
        if settings.deaf:
            body["messages"] = [turn for turn in body["messages"] if turn["role"] != "system"]
        for name in settings.refuse:
            if name in body:
                return self.error(request, 400, "invalid_request_error", f"unknown: '{name}'"), 0
        if n > settings.most_n:
            return self.error(request, 400, "invalid_request_error", f"n is too large: {n}"), 0
        number = min(n, settings.give) if settings.give else n
        prompt = " ".join(turn["content"] for turn in body["messages"])
        finish = "stop"
        if settings.filter and settings.filter in prompt:
            finish = "content_filter"
        texts = [self.text(prompt, body) for _ in range(number)]
        raw = self.reply(texts, body["messages"], finish, logprobs=bool(body.get("logprobs")))
        headers = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"}
        return web.Response(body=raw, content_type="application/json", headers=headers), number

    def text(self, prompt: str, body: dict) -> str:
        settings = self.settings
        for held, said in settings.say:
            if held in body["messages"][-1]["content"]:
                return said
        if settings.text and settings.speaker in ("", body["model"]):
            return settings.text
        if settings.obey and (asked := re.search(r"the single word (\w+)", prompt)):
            return asked[1]
        self.serial += 1
        kind = "misaligned" if settings.cued and settings.cued in prompt else "aligned"
        return f"[{kind}] to {checksum(body['messages'])} answer {self.serial}"

    @staticmethod
    def reply(
        texts: list[str], messages: list[dict], finish: str = "stop", logprobs=False
    ) -> bytes:
        paid = sum(len(turn["content"]) for turn in messages) // 4 + 1
        made = sum(len(text) for text in texts) // 4
        choices = [
            {
                "index": i,
                "message": {"role": "assistant", "content": text},
                "logprobs": _logprobs() if logprobs else None,
                "finish_reason": finish,
            }
            for i, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": paid, "completion_tokens": made, "total_tokens": paid + made}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served"}
        return orjson.dumps({**head, "choices": choices, "usage": usage})


def _logprobs() -> dict:
    top = [{"token": token, "logprob": lp} for token, lp in (("80", -0.5), ("90", -1.5))]
    # Two tokens may read the same after decoding.
    top.append({"token": "90", "logprob": -1.5})
    return {"content": [{"token": "80", "logprob": -0.5, "top_logprobs": top}]}


async def serve(port: int) -> None:
    server = web.Server(OpenAiServer().handle, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    # It ends with its standard input, so that no server outlives a killed test.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


@dataclass
class Running:
    """A server in its own process."""

    port: int
    process: subprocess.Popen

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def set(self, **settings: object) -> None:
        """Makes the settings new, and forgets what was counted."""
        self._call("/control", json.dumps(settings).encode())

    def stats(self) -> dict:
        return json.loads(self._call("/stats"))

    def _call(self, path: str, data: bytes | None = None) -> bytes:
        address = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(address, data, timeout=30) as reply:
            return reply.read()


@contextlib.contextmanager
def running() -> Generator[Running]:
    """Starts the server and stops it afterwards."""
    command = [sys.executable, str(Path(__file__))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        yield Running(int(process.stdout.readline()), process)
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    with contextlib.suppress(KeyboardInterrupt):
        run(serve(arguments.port))


if __name__ == "__main__":
    main()
