"""Extension points: built-in implementations, and those that packages add by entry points.

Entry points are read only when a name is looked up, and only the package that provides the name is
imported. A built-in name cannot be overridden: a package that provides one is an error, and so are
two packages that provide the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from dormant.errors import ConfigError, DormantError, shorten_value
from dormant.records import Plugin, PluginKind

Function = TypeVar("Function", bound=Callable[..., Any])
Value = TypeVar("Value")
_PAGE = "docs/guides/plugins.md"


@dataclass(frozen=True, slots=True)
class Extension(Generic[Function]):
    """One named implementation of an extension point."""

    name: str
    load: Callable[[], Function]
    plugin: Plugin | None = None  # where it comes from; None for a built-in

    def call(self, *arguments: Any, **settings: Any) -> Any:
        """Calls the implementation.

        Raises:
            ConfigError: a plugin cannot be loaded, or raises anything but a ``DormantError``.
        """
        function = self.load()
        if self.plugin is None:
            return function(*arguments, **settings)
        with name_failures(self.plugin):
            return function(*arguments, **settings)

    def check(self, value: Any, kind: type[Value]) -> Value:
        """Returns ``value``, which the implementation returned, after a check of its type.

        Raises:
            ConfigError: it is not an instance of ``kind``.
        """
        if isinstance(value, kind):
            return value
        raise ConfigError(
            f"{self.plugin or self.name} returned {shorten_value(value)}, not a {kind.__name__}: "
            f"{_PAGE} says what it must return"
        )


@contextmanager
def name_failures(plugin: Plugin) -> Generator[None]:
    """Names the package of a plugin that fails in the block, or that would end the process.

    Raises:
        ConfigError: the block raised anything but a ``DormantError`` or an interruption.
    """
    try:
        yield
    except DormantError:
        raise
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        reason = f"failed ({_describe_error(error)})"
        raise ConfigError(f"{plugin} {reason}: {blame_authors(plugin)}") from error


def check_text(plugin: Plugin, what: str, value: object) -> None:
    """Checks a text that a plugin gives.

    Raises:
        ConfigError: it is no text, or blank.
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(
            f"{plugin} returned {shorten_value(value)} as {what}, not a text: "
            f"{blame_authors(plugin)}"
        )


def blame_authors(plugin: Plugin) -> str:
    """What a user does about a plugin that is wrong."""
    return f"report it to the authors of {plugin.package}"


class ExtensionPoint(Generic[Function]):
    """The implementations of one kind, by name: the built-in ones, and those of other packages.

    Args:
        kind: the kind of plugin.
        built_in: the built-in implementations, by name.
        reserved: further names that a plugin cannot have, such as a prefix that marks a file.
    """

    def __init__(
        self,
        kind: PluginKind,
        built_in: Mapping[str, Function] | None = None,
        reserved: Iterable[str] = (),
    ):
        self.kind = kind
        self._built_in: Mapping[str, Function] = built_in or {}
        self._reserved = frozenset((*self._built_in, *reserved))

    @property
    def plugin_names(self) -> tuple[str, ...]:
        """Names that installed packages add, in alphabetical order."""
        return tuple(sorted({point.name for point in read_entry_points(self.kind)}))

    def get(self, name: str) -> Extension[Function] | None:
        """The implementation of a name; None if there is none.

        Raises:
            ConfigError: a package provides a built-in name, or two provide the same one.
        """
        offers = [point for point in read_entry_points(self.kind) if point.name == name]
        if name in self._reserved:
            if offers:
                raise ConfigError(
                    f"{name!r} is a {self.kind} that ships with dormant, and "
                    f"{_name_package(offers[0])} offers another one: uninstall it, or give its "
                    "entry point another name"
                )
            function = self._built_in.get(name)
            return Extension(name, lambda: function) if function is not None else None
        if not offers:
            return None
        if len(offers) > 1:
            packages = " and ".join(sorted(map(_name_package, offers)))
            raise ConfigError(
                f"{packages} both offer a {self.kind} {name!r}: uninstall one of them"
            )
        plugin = _describe_plugin(self.kind, offers[0])
        return Extension(name, lambda: _load_plugin(offers[0], plugin), plugin)

    def find(self, name: str, place: str = "") -> Extension[Function]:
        """The implementation of a name.

        Args:
            name: the name to look up.
            place: the key or option that gives it, for error messages.

        Raises:
            ConfigError: the name is unknown, is built in and provided again, or is ambiguous.
        """
        found = self.get(name)
        if found is not None:
            return found
        known = ", ".join(sorted({*self._built_in, *self.plugin_names})) or "none"
        raise ConfigError(
            f"{place and f'{place}: '}unknown {self.kind} {name!r}; there are: {known}. A package "
            f"adds one by the entry point group {self.kind.group!r} ({_PAGE}); is it installed in "
            "this environment?"
        )


def list_plugins() -> list[Plugin]:
    """Lists every plugin that is installed, without importing any."""
    return sorted(
        _describe_plugin(kind, point) for kind in PluginKind for point in read_entry_points(kind)
    )


@cache
def read_entry_points(kind: PluginKind) -> tuple[EntryPoint, ...]:
    """Reads what installed packages offer of a kind."""
    return tuple(entry_points(group=kind.group))


def _describe_plugin(kind: PluginKind, point: EntryPoint) -> Plugin:
    package, version = ("", "") if point.dist is None else (point.dist.name, point.dist.version)
    return Plugin(kind, point.name, package, version)


def _name_package(point: EntryPoint) -> str:
    return "a package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _load_plugin(point: EntryPoint, plugin: Plugin) -> Any:
    """Imports what an entry point names.

    Raises:
        ConfigError: it cannot be imported, or is not a function.
    """
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # a third-party module may raise anything on import
        raise ConfigError(
            f"{plugin} cannot be loaded from {point.value!r} ({_describe_error(error)}): install "
            f"what {plugin.package} needs, or uninstall it"
        ) from error
    if not callable(found):
        raise ConfigError(f"{plugin}: {point.value!r} is not a function: {blame_authors(plugin)}")
    return found


def _describe_error(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
