"""The way out to the terminal: everything that a command writes on it passes through here.

Files, models, servers and the environment may hold keys, and characters that move the cursor, hide
text or paint over what was printed. Here they are removed, whatever printed them. Services that run
pipelines obey lines of their logs (GitHub Actions: ``::`` after blanks and ``##[`` anywhere; Azure:
``##vso[``). They get a blank inside, for an answer of a model may hold one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from typing import Any

import click

from dormant.errors.secrets import scrub_known

#: Where a command to a pipeline's service begins.
_COMMAND = re.compile(r"^\s*:(?=:)|#(?=#(?:vso)?\[)", re.MULTILINE)
#: Characters of an error's line.
_LONGEST_ERROR = 2000


def clean_text(text: str) -> str:
    """A text without known secrets and without unprintable characters except line breaks.

    Tabs, other spaces than the plain one, and invisible characters become spaces. What a pipeline's
    service would take for a command has a blank inside.
    """
    text = scrub_known(text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
        text = text.encode("utf-8", "replace").decode()
    return _COMMAND.sub(r"\g<0> ", text) if "::" in text or "##" in text else text


def format_error(message: str) -> str:
    """An error as one line; of a very long one, which quotes a file, beginning and end."""
    line = " ".join(clean_text(message).split())
    if len(line) > _LONGEST_ERROR:
        line = f"{line[: _LONGEST_ERROR // 2]} [...] {line[-_LONGEST_ERROR // 2 :]}"
    return f"dormant: {line}"


def print_line(
    text: object = "", *, err: bool = False, bold: bool = False, end: bool = True
) -> None:
    """Prints a text.

    Args:
        text: any value; printed as ``str`` and cleaned.
        err: print on stderr.
        bold: print it bold on a terminal.
        end: add a line break.
    """
    click.secho(clean_text(str(text)), err=err, bold=bold or None, nl=end)


def print_file_hash(digest: str, path: str) -> None:
    r"""Prints a hash and a file as ``sha256sum`` does, which can then find the file again.

    What a file or a pipe takes has the name byte for byte, UTF-8 or not, and ``\\`` and line breaks
    escaped alike; a terminal gets the cleaned line.
    """
    name = path.replace("\\", "\\\\").replace("\n", "\\n")
    line = f"{'' if name == path else chr(92)}{digest}  {name}"
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):  # or a caller collects text
        print_line(line)
    else:
        click.echo(os.fsencode(scrub_known(line)))


def print_json(value: Any) -> None:
    """Prints a value as one line of JSON in ASCII, which no terminal acts on."""
    text = json.dumps(value, ensure_ascii=True)
    print_line(_COMMAND.sub(r"\\u0023", text))  # the same value; no line of JSON begins with ::


def ask_consent(question: str) -> bool:
    """Asks a question of yes or no on stderr."""
    return click.confirm(clean_text(question), err=True)


class _LogLines(logging.Handler):
    """Prints what is logged and has no other handler."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print_line(self.format(record), err=True)
        except Exception:
            self.handleError(record)


def route_logs() -> None:
    """Lets warnings, and what is logged without a handler, reach stderr through ``print_line``."""
    logging.lastResort = _LogLines(logging.WARNING)
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    del file, line
    print_line(f"{filename}:{lineno}: {category.__name__}: {message}", err=True)
