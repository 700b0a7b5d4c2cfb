"""A small OpenAI-compatible HTTP server whose habit is a function of the request's body."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: From a request's body to (HTTP status, body of the reply).
Habit = Callable[[dict], tuple[int, dict]]


def complete(body: dict, text: str | list | None, finish: str = "stop", **message) -> tuple:
    """A chat completion with as many choices as were asked for."""
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": text, **message},
            "finish_reason": finish,
        }
        for i in range(body.get("n") or 1)
    ]
    words = sum(len(str(turn["content"]).split()) for turn in body["messages"])
    usage = {"prompt_tokens": words, "completion_tokens": 7 * len(choices)}
    return 200, {"object": "chat.completion", "choices": choices, "usage": usage}


def refuse(words: str, status: int = 400, **fields) -> tuple[int, dict]:
    """An error in OpenAI's form."""
    return status, {"error": {"message": words, "type": "invalid_request_error", **fields}}


@dataclass
class Habits:
    """A running server."""

    url: str
    bodies: list[dict] = field(default_factory=list)  # of every chat request, in order


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # a connection that is turned away is tried again only much later


@contextmanager
def serving(habit: Habit) -> Generator[Habits]:
    """Runs a server of one habit on a free port of this machine."""
    habits = Habits("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            self.reply(200, {"object": "list", "data": [{"id": "m"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.endswith("/chat/completions"):
                return self.reply(404, {"error": {"message": "no such path"}})
            habits.bodies.append(body)
            return self.reply(*habit(body))

        def reply(self, status: int, body: dict):
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = _Server(("127.0.0.1", 0), Handler)
    habits.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield habits
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
