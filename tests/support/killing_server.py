"""A handler that kills its client at a counted request: before its effect, after it, or later."""

import contextlib
import os
import random
import signal
import time
from http.server import BaseHTTPRequestHandler
from typing import Any


class KillingHandler(BaseHTTPRequestHandler):
    """``state.faults.kill`` is (process, requests to go, moment), or None."""

    state: Any  # of the server, set on a subclass of its own
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.serve("GET")

    def do_POST(self) -> None:
        self.serve("POST")

    def serve(self, method: str) -> None:
        raise NotImplementedError

    def count_down(self) -> tuple[int, str]:
        """Which client is to be killed at this request, and when."""
        plan = self.state.faults.kill
        if plan is None:
            return 0, ""
        process, left, moment = plan
        self.state.faults.kill = (process, left - 1, moment) if left > 0 else None
        return process, "" if left > 0 else moment

    def kill(self, process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        self.close_connection = True

    def kill_later(self, process: int) -> None:
        """While it writes its journal, or is on its way to the next call."""
        time.sleep(0.001 * (self.state.requests % 4))
        self.kill(process)


def draw_kill(rng: random.Random, process: int, most: int) -> tuple[int, int, str]:
    """A kill at a random one of the next requests, before its effect, after it or later."""
    return process, rng.randrange(most), rng.choice(("before", "after", "later"))
