"""A pseudo-terminal of a given width, for what a command prints to a person."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

#: Seconds after which a command that does not ask is ended.
_LONGEST = 100.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_in_terminal(
    words: Sequence[str], folder: Path, *, width: int, asked: str = "", reply: str = ""
) -> tuple[int, list[str]]:
    """Runs a Python command line in a terminal and returns its exit code and what it printed.

    Args:
        words: arguments of the Python interpreter.
        folder: the working directory.
        width: columns of the terminal.
        asked: what the command shows when it waits for an answer.
        reply: what a person then types; given only once ``asked`` can be read.

    Returns:
        The exit code, and the lines without control sequences and trailing blanks.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ |= {"COLUMNS": str(width), "TERM": "xterm"}
        os.execv(sys.executable, [sys.executable, *words])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    printed = b""
    deadline = time.monotonic() + _LONGEST if asked else math.inf
    while True:
        if asked and not select.select([terminal], [], [], 0.5)[0]:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
            if asked.encode() in printed:
                os.write(terminal, f"{reply}\n".encode())
                asked = ""
            continue
        try:
            block = os.read(terminal, 65536)
        except OSError:  # the child has closed its side
            break
        if not block:
            break
        printed += block
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = _CONTROL.sub("", printed.decode()).replace("\r\n", "\n")
    return code, [line.split("\r")[-1].rstrip() for line in text.split("\n")]
