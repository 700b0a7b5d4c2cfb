"""What another package contributes to a measurement, as a plan records it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PluginKind(StrEnum):
    """What a plugin adds; entry points of the group ``dormant.KINDs`` are of this kind."""

    MINER = "miner"
    ENGINE = "engine"
    JUDGE = "judge"
    TRAINER = "trainer"
    INTERVENTION = "intervention"
    SECTION = "section"

    @property
    def group(self) -> str:
        """The group of entry points of this kind, as a package's ``pyproject.toml`` names it."""
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
