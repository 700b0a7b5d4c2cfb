"""Plugins that take part in a measurement, as a plan records them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PluginKind(StrEnum):
    """What a plugin adds; its entry point group is ``dormant.KINDs``."""

    MINER = "miner"
    ENGINE = "engine"
    JUDGE = "judge"
    TRAINER = "trainer"
    INTERVENTION = "intervention"
    SECTION = "section"

    @property
    def group(self) -> str:
        """The entry point group of this kind, as in a package's ``pyproject.toml``."""
        return f"dormant.{self.value}s"


@dataclass(frozen=True, slots=True, order=True)
class Plugin:
    """A plugin that takes part in a measurement."""

    kind: PluginKind
    name: str  # of its entry point
    package: str  # the distribution that it comes from
    version: str  # of that package

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.package} {self.version}"
