"""A real HTTP server on the loopback interface whose replies a test writes byte by byte."""

import contextlib
import json
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "openai-api/local/served"


@dataclass
class HostileReply:
    """One reply, sent as it is."""

    body: bytes | Iterator[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None  # words of the status line


Answer = Callable[[dict[str, Any], int], HostileReply]


def chat_reply(*texts: str, usage: str = '{"prompt_tokens": 20, "completion_tokens": 5}', **more):
    """A proper chat completion; ``usage`` is put in as text, so that it may be no JSON."""
    choices = [
        {"index": i, "message": {"content": text}, "finish_reason": "stop"} | more
        for i, text in enumerate(texts)
    ]
    return HostileReply(
        b'{"choices": %b, "usage": %b}' % (json.dumps(choices).encode(), usage.encode())
    )


def error_reply(status: int, message: str = "slow", **headers: str) -> HostileReply:
    """An error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HostileReply(json.dumps({"error": {"message": message}}).encode(), status, named)


def pack_spaces(size: int) -> bytes:
    """So many bytes of spaces as gzip: about a thousandth of them."""
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    piece = b" " * (1 << 20)
    return b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()


@dataclass
class HostileServer:
    """A running server."""

    port: int
    bodies: list[dict[str, Any]] = field(default_factory=list)
    connects: int = 0  # calls of CONNECT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Answer
    state: HostileServer
    lock: threading.Lock

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.lock:
            self.state.bodies.append(json.loads(raw or b"{}"))
            number = len(self.state.bodies)
        self._send(self.answer(self.state.bodies[number - 1], number))

    def do_GET(self):
        self._send(self.answer({}, 0))

    def do_CONNECT(self):
        with self.lock:
            self.state.connects += 1
        self._send(self.answer({"authorization": self.headers.get("Proxy-Authorization", "")}, 0))

    def _send(self, reply: HostileReply) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(reply.status, reply.reason)
            pieces = [reply.body] if isinstance(reply.body, bytes) else reply.body
            headers = {"Content-Type": "application/json", **reply.headers}
            if isinstance(reply.body, bytes):
                headers["Content-Length"] = str(len(reply.body))
            else:
                headers["Connection"] = "close"
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)

    def log_message(self, format, *args):
        return


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        return  # a client that hangs up is part of the tests

    daemon_threads = True
    request_queue_size = 256


@contextlib.contextmanager
def hostile_server(answer: Answer) -> Generator[HostileServer]:
    """Runs a server whose replies are those of a function of the request and its number."""
    state = HostileServer(0)
    handler = type(
        "Handler",
        (_Handler,),
        {"answer": staticmethod(answer), "state": state, "lock": threading.Lock()},
    )
    server = _Server(("127.0.0.1", 0), handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
