"""Chat templates run in a sandbox: jinja2 as transformers sets it up, with a budget.

A template comes with a model that somebody uploaded, so it is hostile text. It sees no files, no
modules and no attributes that lead to them, and cannot change what it is given (jinja2's immutable
sandbox). Against loops and growing texts every render has a budget: each turn of a loop, each call
and each character written costs; methods and filters that blow a text up are charged or absent.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.filters import do_indent
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.visitor import NodeTransformer

#: Units of work that a render may take, besides those that its messages pay for.
BUDGET = 1_000_000
_STEP = 10  # units that a turn of a loop or a call costs
_DATE = "2025-01-01"  # what a template that asks for the day is told
_MOST_BITS = 4096  # bits of a number
_LONGEST_RANGE = 10_000
_WIDEST = 16  # columns of an indent

#: jinja2's filters that chat templates use; those that are random or blow up texts are absent.
_FILTERS = frozenset(
    """
    abs attr capitalize count d default dictsort e escape first float int items last length list
    lower map max min reject rejectattr reverse round safe select selectattr sort string sum title
    trim unique upper
    """.split()
)
_BLOWING_UP = frozenset("center ljust rjust zfill expandtabs".split())
_WIDE = re.compile(r"\d{4}|\*")


class TooMuch(SecurityError):
    """A template went over its budget."""


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment for one chat template."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _Generation],
            finalize=self._written,
        )
        self.left = BUDGET
        self.call_cost = _STEP
        self.asked_for_date = False
        self.filters = {name: self._charged(self.filters[name]) for name in _FILTERS}
        self.filters |= {"tojson": self._tojson, "join": self._join, "replace": self._replace}
        self.filters |= {"indent": self._indent, "_steps": self._steps, "_concat": self._concat}
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": _raise, "strftime_now": self._date, "range": _range}

    def charge(self, units: int) -> None:
        """Takes from the budget.

        Raises:
            TooMuch: nothing is left.
        """
        self.left -= units
        if self.left < 0:
            raise TooMuch("it loops or grows without end")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        macros = (*tree.find_all(nodes.Macro), *tree.find_all(nodes.CallBlock))
        self.call_cost = _STEP + sum(map(_fixed_text, macros))
        return _Charged().visit(tree)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Charges for what an operator makes before it makes it."""
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise SecurityError("a format with a width")
        if operator == "**":
            self._check_power(left, right)
        elif operator == "*":
            self.charge(_size(left) * max(_count(right), 1) + _size(right) * max(_count(left), 1))
        elif operator == "+":
            self.charge(_size(left) + _size(right))
        value = super().call_binop(context, operator, left, right)
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise TooMuch("it makes a number of thousands of digits")
        return value

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Charges for a call."""
        __self.charge(__self.call_cost)
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if name in ("format", "format_map"):
            raise SecurityError("a format")
        if isinstance(owner, str) and name == "replace":
            return __self._replace(owner, *args[:3])
        if isinstance(owner, str) and name == "join":
            return __self._join(args[0], owner)
        parent: Any = super()
        return parent.call(__context, __obj, *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No underscores, as ever, and no method of a text that makes it any width."""
        if isinstance(obj, str) and attr in _BLOWING_UP:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def _charged(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that costs as much as what it is given is long."""
        at = int(hasattr(function, "jinja_pass_arg"))  # the context or environment comes first

        @functools.wraps(function)
        def charged(*args: Any, **kwargs: Any) -> Any:
            value = args[at] if len(args) > at else None
            self.charge(_STEP + (len(value) if isinstance(value, Sized) else 0))
            return function(*args, **kwargs)

        return charged

    def _check_power(self, left: Any, right: Any) -> None:
        if isinstance(left, int) and isinstance(right, int):
            if left.bit_length() * abs(right) > _MOST_BITS:
                raise TooMuch("it makes a number of thousands of digits")

    def _written(self, value: Any) -> Any:
        self.charge(len(value) if isinstance(value, str) else _STEP)
        return value

    def _steps(self, items: Any, cost: int) -> Any:
        if isinstance(items, jinja2.Undefined):
            return items  # an empty loop
        return self._counted(items, cost)

    def _counted(self, items: Iterable[Any], cost: int) -> _Counted:
        return _Counted(list(items), lambda: self.charge(_STEP + cost))

    def _concat(self, parts: Sequence[Any]) -> str:
        texts = [str(part) for part in parts]
        self.charge(sum(map(len, texts)))
        return "".join(texts)

    def _join(self, items: Iterable[Any], d: str = "", attribute: Any = None) -> str:
        if attribute is not None:
            raise SecurityError("join by attribute")
        texts: list[str] = []
        for item in items:
            texts.append(str(item))
            self.charge(len(texts[-1]) + len(d) + 1)
        return str(d).join(texts)

    def _replace(self, s: str, old: str, new: str, count: int | None = None) -> str:
        text, old, new = str(s), str(old), str(new)
        self.charge(len(text) + text.count(old) * len(new))
        return text.replace(old, new, -1 if count is None else count)

    def _indent(self, s: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
        if not 0 <= int(width) <= _WIDEST:
            raise SecurityError(f"an indent of {width!r}")
        lines = str(s).splitlines()
        self.charge(len(str(s)) + int(width) * len(lines))
        return do_indent(str(s), int(width), first, blank)

    def _tojson(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        if indent is not None and not 0 <= int(indent) <= _WIDEST:
            raise SecurityError(f"an indent of {indent!r}")
        text = json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )
        self.charge(len(text))
        return text

    def _date(self, form: str) -> str:
        from datetime import date

        self.asked_for_date = True
        if len(form) > 100:
            raise SecurityError("a long form of the date")
        return date.fromisoformat(_DATE).strftime(form)


class _Counted(list[Any]):
    """What a loop goes through; each turn costs."""

    def __init__(self, items: list[Any], step: Callable[[], None]):
        super().__init__(items)
        self._step = step

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self._step()
            yield item


class _Charged(NodeTransformer):
    """Rewrites a template so that loops and ``~`` are charged."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - jinja2's naming
        if node.recursive:
            raise SecurityError("a recursive loop")
        cost = nodes.Const(_fixed_text(node), lineno=node.lineno)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_steps", [cost])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concat", [])


def _filtered(node: Any, name: str, args: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(node, name, args, [], None, None, lineno=node.lineno)


def _fixed_text(node: nodes.Node) -> int:
    """Characters that a part of a template writes itself."""
    return sum(len(text.data) for text in node.find_all(nodes.TemplateData))


class _Generation(Extension):
    """``{% generation %}``: marks what a model is trained on, and changes no text."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise(message: Any) -> None:
    raise jinja2.TemplateError(str(message)[:500])


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > _LONGEST_RANGE:
        raise TooMuch(f"it counts to more than {_LONGEST_RANGE:,}")
    return numbers


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return _STEP * len(value) if isinstance(value, list | tuple) else 0


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 1
