"""One line of the doctor's screen, and how an attempt becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    ABSENT = "absent"  # something optional is not there
    BAD = "bad"  # an audit cannot work like this


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's screen."""

    name: str
    health: Health
    found: str
    advice: str = ""

    def to_row(self) -> dict[str, str]:
        """Plain values for ``--json``."""
        return {
            "name": self.name,
            "health": str(self.health),
            "found": self.found,
            "advice": self.advice,
        }


def check_attempt(name: str, attempt: Callable[[], str]) -> Check:
    """An attempt as a check: what it returns, or what went wrong."""
    try:
        return Check(name, Health.OK, attempt())
    except Exception as error:  # whatever a model does wrong is the doctor's finding
        return Check(name, Health.BAD, f"{type(error).__name__}: {error}"[:200])
