"""Chat templates are rendered in a process of their own, with limits of time and memory.

A template comes with a model that somebody uploaded, so it is untrusted. The process has jinja2's
immutable sandbox (no modules, no files, no attributes that lead to them), and is ended when a
template takes too long or too much memory. Why a process: docs/design/chat-templates.md.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

#: Memory of the process, in bytes.
MEMORY = 1024**3
#: Seconds of processor time that a template may take at once.
RESERVE = 3.0
#: Seconds that each row and each of its bytes adds to what is left of them; ordinary templates take
#: a hundredth.
PER_ROW, PER_BYTE = 0.02, 1e-7
_POLL = 0.1  # seconds between two looks at the memory
_WORKER = Path(__file__).with_name("sandbox_worker.py")
#: Environment variables that the process inherits; API keys are not among them.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class InvalidTemplate(ValueError):
    """A text is not a jinja2 template."""

    def __init__(self, reason: str, line: int | None):
        super().__init__(reason)
        self.line = line


class TemplateRefusal(ValueError):
    """A template rejects a row; the text gives the reason."""


class ExcessError(RuntimeError):
    """A template takes more time or memory than it may, or has ended its process."""


class Sandbox:
    """A process that compiles and renders the templates of one tokenizer.

    Args:
        date: what a template that asks for the date gets, as in 2025-01-01; today if empty.
        has_memory_limit: whether the system itself stops a process that takes too much memory;
            macOS does not, and the memory is then read while a template is rendered.
    """

    def __init__(self, date: str = "", *, has_memory_limit: bool = sys.platform != "darwin"):
        self.asked_for_date = False
        self._has_memory_limit = has_memory_limit
        self._lock = threading.Lock()
        self._ended = ""  # why the process ended
        limits = (MEMORY if has_memory_limit else 0, RESERVE, PER_ROW, PER_BYTE, date)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED or name.startswith("PYTHON")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), *map(str, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=inherited,
        )
        weakref.finalize(self, _end_process, self._process)

    @property
    def process_id(self) -> int:
        """Identifier of the process."""
        return self._process.pid

    def compile_template(self, text: str) -> int:
        """Compiles a template and returns its number.

        Raises:
            InvalidTemplate: it is not a template.
            ExcessError: it takes too much time or memory.
        """
        return self._ask({"compile": text}, 0)["index"]

    def render(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> list[str | TemplateRefusal]:
        """Renders rows, each with a template and variables, which must be values of JSON.

        Returns:
            The text of each row, or why the template rejects it.

        Raises:
            ExcessError: it takes too much time or memory.
        """
        reply = self._ask({"rows": rows}, len(rows))
        self.asked_for_date = reply["asked_for_date"]
        return [
            text if isinstance(text, str) else TemplateRefusal(first_line(text["refusal"]))
            for text in reply["texts"]
        ]

    def _ask(self, request: Mapping[str, Any], rows: int) -> dict[str, Any]:
        try:
            line = json.dumps(request).encode()
        except RecursionError:
            raise ExcessError("a row is nested too deeply") from None
        with self._lock:
            reply = self._exchange(b"%d\n%b\n" % (rows, line))
        if "error" not in reply:
            return reply
        reason = first_line(reply["error"])
        if reply["kind"] == "syntax":
            raise InvalidTemplate(reason, reply["line"])
        raise ExcessError(reason)

    def _exchange(self, line: bytes) -> dict[str, Any]:
        """Writes a request and reads the reply.

        Raises:
            ExcessError: the process has ended.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        reply = b""
        if not self._ended:
            try:
                process.stdin.write(line)
                process.stdin.flush()
                if not self._has_memory_limit:
                    self._watch_memory(process.stdout)
                reply = process.stdout.readline()
            except BrokenPipeError:
                pass
        if not reply.endswith(b"\n"):
            self._ended = self._ended or _explain_end(process.wait())
            raise ExcessError(self._ended)
        return json.loads(reply)

    def _watch_memory(self, replies: IO[bytes]) -> None:
        """Waits for a reply; ends the process if it takes too much memory."""
        while not select.select([replies], [], [], _POLL)[0]:
            if read_memory(self._process.pid) > MEMORY:
                self._process.kill()
                self._ended = "it takes too much memory"
                return


def first_line(reason: str | BaseException) -> str:
    """The first line of a reason, in at most 300 characters; of an empty error its class."""
    lines = str(reason).strip().splitlines()
    if lines:
        return lines[0][:300]
    return "no reason is given" if isinstance(reason, str) else type(reason).__name__


def read_memory(process: int) -> int:
    """Resident memory of a process, in bytes; 0 if it has ended."""
    done = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return 1024 * int(done.stdout.strip() or 0)


def _explain_end(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"it takes more than {RESERVE:g} s of processor time"
    return f"its process ended with code {code}"


def _end_process(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
