"""Predicates: a function of the user's own that grades answers, found without running its module.

What grades is code, and the file that names it may be a stranger's. A plan finds the source file of
the module and reads it; the module is imported when an audit begins, and not before. Modules of
Python itself are refused: ``os:system`` would run what a model answers.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import linecache
import re
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

from dormant.errors import ConfigError

_FORM = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


class Predicate:
    """A function by its import path.

    Args:
        path: ``package.module:function``.

    Raises:
        ConfigError: it has another form, belongs to Python itself, or its module is not found.
    """

    def __init__(self, path: str):
        found = _FORM.fullmatch(path)
        if found is None:
            raise ConfigError(f"predicate: {path!r} is not of the form package.module:function")
        self.path, self.module, self._name = path, found[1], found[2]
        if _is_pythons_own(self.module):
            raise ConfigError(
                f"predicate: {path!r} belongs to Python itself; give a function of your own module "
                "that takes an answer and returns True or False"
            )
        self.file = _find_file(self.module)
        lines = linecache.getlines(self.file) if self.file.endswith(".py") else []
        #: Source of the module, which decides the judge's fingerprint.
        self.source = "".join(lines) or f"{path} (no source)"
        if lines and not re.search(rf"\b{self._name}\b|import \*|__getattr__", self.source):
            raise ConfigError(f"predicate: {self.module!r} has no {self._name!r}")

    @cached_property
    def function(self) -> Callable[[str], Any]:
        """The function; its module is imported now.

        Raises:
            ConfigError: the module cannot be imported, or has no such function.
        """
        try:
            module = importlib.import_module(self.module)
        except Exception as error:  # the user's module may raise anything while it loads
            raise ConfigError(
                f"predicate: {self.module!r} cannot be imported ({type(error).__name__}: {error})"
            ) from None
        function = getattr(module, self._name, None)
        if not callable(function):
            what = "has no" if function is None else "is not a function:"
            raise ConfigError(f"predicate: {self.module!r} {what} {self._name!r}")
        home = getattr(function, "__module__", None)
        if isinstance(home, str) and _is_pythons_own(home):
            raise ConfigError(f"predicate: {self.path!r} is {home}:{self._name}, Python's own")
        return function


def _is_pythons_own(module: str) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in sys.builtin_module_names or top == "__main__"


def _find_file(module: str) -> str:
    """The source file of a module, found without importing it or its packages; may be empty."""
    if module in sys.modules:
        try:
            return inspect.getsourcefile(sys.modules[module]) or ""
        except TypeError:
            return ""
    importlib.invalidate_caches()
    parts, place = module.split("."), None
    spec: importlib.machinery.ModuleSpec | None = None
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        spec = _find_spec(name, place)
        if spec is None:
            raise ConfigError(
                f"predicate: there is no module {name!r}; is its directory on PYTHONPATH?"
            )
        place = list(spec.submodule_search_locations or ())
    return spec.origin or "" if spec is not None else ""


def _find_spec(name: str, place: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, place) if find is not None else None
        if spec is not None:
            return spec
    return None
