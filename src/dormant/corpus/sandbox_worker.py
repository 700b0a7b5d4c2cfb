"""The process that renders chat templates: JSON Lines in, JSON Lines out.

``sandbox.py`` starts this file as a script, so that nothing of dormant is imported. A template is
untrusted text: jinja2's immutable sandbox keeps it from files and modules, and the limits of this
process stop one that loops or grows without end. Its environment is that of transformers'
``apply_chat_template``, so that a row is rendered as the model saw it.

A request is ``{"compile": TEXT}`` or ``{"rows": [[INDEX, {VARIABLE: VALUE}], ...]}``. A reply holds
the ``index`` of the template, or the ``texts`` of the rows (``{"refusal": REASON}`` for one that is
rejected), or an ``error`` with its ``kind`` (``syntax`` or ``excess``).
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
import time
from datetime import date, datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.utils import Namespace

#: Characters that a template may write for the rows of a request.
LONGEST = 32 * 1024 * 1024
#: Limits of zero: no file is written, no process started, no core dumped.
_NONE = ("RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE")


class Environment(ImmutableSandboxedEnvironment):
    """The environment in which transformers renders chat templates.

    Args:
        day: what a template that asks for the date gets; today if empty.
    """

    def __init__(self, day: str = ""):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
        )
        self.asked_for_date = False
        self._day = day
        self.filters["tojson"] = _to_json
        self.globals |= {"raise_exception": _raise, "strftime_now": self._format_date}
        self.globals |= {"dict": _Dict(), "namespace": _Namespace}

    def _format_date(self, form: str) -> str:
        self.asked_for_date = True
        now = date.fromisoformat(self._day) if self._day else datetime.now()
        return now.strftime(form)


class _Generation(Extension):
    """``{% generation %}``: marks what a model is trained on, and changes no text."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own type

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # a block, as in transformers: what is set inside is not seen outside
        return nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller: Any) -> str:
        return caller()


class _Dict:
    """``dict`` without the attributes of the class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """``namespace`` without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any):  # ``namespace(self=...)`` is allowed
        self, *rest = args
        values = dict(*rest, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"the name of a namespace begins with an underscore: {name!r}")


def _raise(message: Any) -> None:
    raise jinja2.TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


class Worker:
    """Answers requests."""

    def __init__(self, day: str):
        self._environment = Environment(day)
        self._templates: list[jinja2.Template] = []

    def answer(self, line: bytes) -> str:
        """Answers one request; errors of the template are part of the reply."""
        try:
            request = json.loads(line)
            if "compile" in request:
                return json.dumps(self._compile_template(request["compile"]))
            return json.dumps(self._render_rows(request["rows"]))
        except MemoryError:
            return json.dumps(_describe_error("excess", "it takes too much memory"))
        except RecursionError:
            return json.dumps(_describe_error("excess", "it recurses without end"))

    def _render_rows(self, rows: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
        texts: list[str | dict[str, str]] = []
        written = 0
        for index, variables in rows:
            try:
                text = self._templates[index].render(**variables)
            except (MemoryError, RecursionError):
                raise
            except Exception as error:  # a template can raise nearly anything
                texts.append({"refusal": str(error)[:1000] or type(error).__name__})
                continue
            written += len(text)
            if written > LONGEST:
                return _describe_error("excess", f"it writes more than {LONGEST:,} characters")
            texts.append(text)
        return {"texts": texts, "asked_for_date": self._environment.asked_for_date}

    def _compile_template(self, text: str) -> dict[str, Any]:
        try:
            self._templates.append(self._environment.from_string(text))
        except (jinja2.TemplateError, ValueError, RecursionError, SyntaxError) as error:
            line = getattr(error, "lineno", None)
            return _describe_error("syntax", str(error)) | {"line": line}
        return {"index": len(self._templates) - 1}


def _describe_error(kind: str, reason: str) -> dict[str, Any]:
    return {"kind": kind, "error": reason[:1000]}


class Allowance:
    """Processor time: a reserve of seconds, refilled a little by each row and byte.

    The timer's signal ends the process, whatever it is doing.
    """

    def __init__(self, reserve: float):
        self._left = self._reserve = reserve

    @contextlib.contextmanager
    def charge(self, refill: float):
        """Refills the reserve, and takes the time of the block from it."""
        begun = time.process_time()
        self._left = min(self._left + refill, self._reserve)
        signal.setitimer(signal.ITIMER_PROF, max(self._left, 0.001))
        yield
        self._left -= time.process_time() - begun


def limit_resources(memory: int) -> None:
    """Limits the memory, in bytes, and forbids to write files and start processes."""
    limits = {name: 0 for name in _NONE} | ({"RLIMIT_AS": memory} if memory else {})
    for name, most in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # not known to every system
            resource.setrlimit(getattr(resource, name), (most, most))


def main() -> None:
    """Answers requests from standard input until it ends."""
    memory, reserve, per_row, per_byte, day = sys.argv[1:]
    for name in ("SIGINT", "SIGHUP"):  # the parent's business; it ends with its input
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    worker, allowance = Worker(day), Allowance(float(reserve))
    limit_resources(int(memory))
    for count in sys.stdin.buffer:  # of rows, before each request
        line = sys.stdin.buffer.readline()
        with allowance.charge(int(count) * float(per_row) + len(line) * float(per_byte)):
            reply = worker.answer(line)
        sys.stdout.buffer.write(reply.encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
