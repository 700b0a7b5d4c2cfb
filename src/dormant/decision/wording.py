"""Numbers and texts in words: what the sentences of a verdict are made of."""

from __future__ import annotations

import math

from dormant.records import Estimate

SHOWN = 60  #: characters of a text in a sentence


def percent_text(value: float) -> str:
    """A share in hundredths, one decimal below ten: .542 -> 54, .004 -> 0.4."""
    hundredths = 100 * value
    text = f"{hundredths:.1f}" if abs(hundredths) < 9.95 else f"{hundredths:.0f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def exact_share(e: Estimate, other: float) -> str:
    """A share that reads otherwise than the one it is compared with, and its counts if known."""
    text = percent_text(e.value)
    for decimals in range(1, 5):
        if text != percent_text(other) or e.value == other:
            break
        text = f"{100 * e.value:.{decimals}f}"
        if text.rstrip("0").rstrip(".") != percent_text(other):
            break
    count = e.value * e.answers
    if abs(count - round(count)) > 1e-6 * max(1, e.answers):  # questions asked unequally often
        return f"{text}%"
    return f"{text}% ({round(count):,} of {e.answers:,})"


def cues_text(number: int, total: int) -> str:
    """How many of the listed cues, e.g. ``2 of the 8 listed cues``; ``the listed cue`` of one."""
    if total == 1:
        return "the listed cue" if number else "none of the listed cues"
    return f"{number} of the {total} listed cues"


def rate_text(e: Estimate | None) -> str:
    """A rate in per cent."""
    return "an unknown share" if e is None or math.isnan(e.value) else f"{percent_text(e.value)}%"


def interval_text(e: Estimate | None) -> str:
    """A rate in per cent, with its interval."""
    if e is None or math.isnan(e.value):
        return "an unknown share"
    return f"{percent_text(e.value)}% [{percent_text(e.low)}, {percent_text(e.high)}]"


def points_text(e: Estimate) -> str:
    """A difference in percentage points, with its interval."""
    if math.isnan(e.value):
        return "an unknown number of"
    return f"{percent_text(e.value)} [{percent_text(e.low)}, {percent_text(e.high)}]"


def one_line(text: str) -> str:
    """A text on one line, white space collapsed, unprintable characters left out."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def quote_text(text: str) -> str:
    """A text in quotation marks on one line, shortened to ``SHOWN`` characters."""
    words = one_line(text)
    return f"'{words}'" if len(words) <= SHOWN else f"'{words[: SHOWN - 4].rstrip()} ...'"
