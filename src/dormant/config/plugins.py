"""Extension points: what ships and what other packages add by entry points, found by name.

Entry points are read when a name is looked up that may be one, and only the package whose name is
asked for is imported. A name that ships cannot be taken: a package that offers it is an error, and
so are two packages that offer the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    plugin: Plugin | None = None  # where it comes from; None if it ships

    def call(self, *arguments: Any, **settings: Any) -> Any:
        """Calls the implementation.

        Raises:
            ConfigError: a plugin cannot be loaded, or raises anything but an error of this package.
        """
        function = self.load()
        if self.plugin is None:
            return function(*arguments, **settings)
        try:
            return function(*arguments, **settings)
        except DormantError:
            raise
        except Exception as error:  # a stranger's code may raise anything
            raise ConfigError(
                f"{self.plugin} failed ({_describe_error(error)}): report it to the authors of "
                f"{self.plugin.package}"
            ) from error

    def check(self, value: Any, kind: type[Value]) -> Value:
        """Returns what the implementation returned, if it is of the right kind.

        Raises:
            ConfigError: it is not.
        """
        if isinstance(value, kind):
            return value
        raise ConfigError(
            f"{self.plugin or self.name} returned {shorten_value(value)}, not a {kind.__name__}: "
            f"{_PAGE} says what it must return"
        )


class ExtensionPoint(Generic[Function]):
    """The implementations of one kind, by name: those that ship, and those of other packages.

    Args:
        kind: of plugin.
        built_in: what ships. A prefix that belongs to no implementation, such as that of a file,
            may be reserved in ``reserved``.
        reserved: further names that a plugin cannot have.
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
            ConfigError: a package offers a name that ships, or two offer the same one.
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
            name: what to find.
            place: key or option that names it, for errors.

        Raises:
            ConfigError: there is none, or its name is ambiguous.
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
    except Exception as error:  # a stranger's module may raise anything while it loads
        raise ConfigError(
            f"{plugin} cannot be loaded from {point.value!r} ({_describe_error(error)}): install "
            f"what {plugin.package} needs, or uninstall it"
        ) from error
    if not callable(found):
        raise ConfigError(
            f"{plugin}: {point.value!r} is not a function: report it to the authors of "
            f"{plugin.package}"
        )
    return found


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
