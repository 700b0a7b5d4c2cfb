"""Durations: "2h" as seconds, and seconds in words."""

from __future__ import annotations

import math
import re

#: Unit -> seconds.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|hour|hours|d|day|days)\s*")


def parse_duration(text: str) -> float:
    """Parses a number with a unit (s, m, h, d), e.g. ``90s``, ``30m``, ``1.5h``, into seconds.

    Raises:
        ValueError: the text has another form.
    """
    found = _DURATION.fullmatch(text.casefold())
    if found is None:
        raise ValueError("give a number with a unit (s, m, h, d), e.g. 30m or 2h")
    return float(found[1]) * _UNITS[found[2][0]]


def format_duration(seconds: float) -> str:
    """Formats seconds in the units that a person would use, e.g. ``40 s``, ``2 h 30 min``.

    Two units at most; ``time not known`` if NaN.
    """
    if math.isnan(seconds):
        return "time not known"
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days:,} days {hours} h" if hours and days < 10 else f"{days:,} days"
