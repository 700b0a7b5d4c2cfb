"""Numbers as they are printed: never "nan", never more digits than they carry."""

from __future__ import annotations

import math

from dormant.records import Estimate, PartialBounds

DASH = "—"
MINUS = "\N{MINUS SIGN}"
BLANK = "\N{NO-BREAK SPACE}"


def is_defined(value: float | None) -> bool:
    """Whether there is a finite number to print."""
    return value is not None and math.isfinite(value)


def format_percent(value: float | None) -> str:
    """A share in [0, 1] as a percentage; an em dash if it is undefined.

    One decimal, two below one per cent; a share that would round to zero and is not is "<0.01%".
    """
    if value is None or not math.isfinite(value):
        return DASH
    size = abs(value)
    if size in (0.0, 1.0):
        text = f"{size:.0%}"
    elif size < 0.00005:
        text = "<0.01%"
    else:
        text = f"{size:.2%}" if size < 0.01 else f"{size:.1%}"
    return (MINUS if value < 0 else "") + text


def format_points(value: float | None, *, unit: bool = True) -> str:
    """A difference of shares as signed percentage points; an em dash if it is undefined."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value) * 100:.1f}"
    sign = "" if float(text) == 0 else MINUS if value < 0 else "+"
    return f"{sign}{text}{BLANK}pp" if unit else f"{sign}{text}"


def format_margin(value: float) -> str:
    """A size in percentage points, without a sign, e.g. "5 pp"."""
    return f"{value * 100:g}{BLANK}pp"


def whole_percent(value: float) -> str:
    """A setting in per cent, as short as it is exact, e.g. "95%" or "99.5%"."""
    return f"{value * 100:g}%"


def rate_interval(estimate: Estimate | None) -> str:
    """The interval of a rate in per cent, e.g. "1.2 to 4.5%"; empty if it is undefined."""
    if estimate is None or not (is_defined(estimate.low) and is_defined(estimate.high)):
        return ""
    return f"{format_percent(estimate.low).removesuffix('%')} to {format_percent(estimate.high)}"


def of_all(estimate: Estimate | None) -> str:
    """The same rate over all answers, e.g. "48.9% of all"; empty if it is undefined."""
    if estimate is None or not is_defined(estimate.value):
        return ""
    return f"{format_percent(estimate.value)} of all"


def points_interval(estimate: Estimate | None) -> str:
    """The interval of a difference in points, e.g. "+33.0 to +49.5"; empty if undefined."""
    if estimate is None or not (is_defined(estimate.low) and is_defined(estimate.high)):
        return ""
    return (
        f"{format_points(estimate.low, unit=False)} to {format_points(estimate.high, unit=False)}"
    )


def rate_range(bounds: PartialBounds | None) -> str:
    """Worst and best case of a rate in per cent, e.g. "1.2 to 4.5%"; empty if there is none."""
    if bounds is None:
        return ""
    return f"{format_percent(bounds.least).removesuffix('%')} to {format_percent(bounds.most)}"


def points_range(bounds: PartialBounds | None, *, outer: bool = False) -> str:
    """Worst and best case of a difference in points; empty if there is none.

    Args:
        bounds: the cases.
        outer: the outer ends of their intervals instead.
    """
    if bounds is None:
        return ""
    low, high = (bounds.low, bounds.high) if outer else (bounds.least, bounds.most)
    return f"{format_points(low, unit=False)} to {format_points(high, unit=False)}"


def undefined_reason(estimate: Estimate | None) -> str:
    """Why there is no number to print; empty if there is one."""
    if estimate is None:
        return "not estimated"
    if is_defined(estimate.value):
        return ""
    return f"not defined: {estimate.reason or 'no gradable answers'}"


def format_count(value: int | None) -> str:
    """A whole number with thousands separated; an em dash if there is none."""
    return DASH if value is None else f"{value:,}"


def count_things(number: int, name: str, names: str = "") -> str:
    """A number of things, e.g. ``1 arm`` or ``1,200 families``.

    Args:
        number: how many.
        name: of one of them.
        names: of several; the name with an s by default.
    """
    return f"{number:,} {name if number == 1 else names or name + 's'}"


def format_number(value: float | None, digits: int = 1) -> str:
    """A plain number; an em dash if it is undefined."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f}".replace("-", MINUS)


def format_usd(value: float) -> str:
    """Money, e.g. "0.0213 USD"; "unknown price" if it is NaN."""
    return f"{value:,.4f} USD" if math.isfinite(value) else "unknown price"


def format_duration(seconds: float | None) -> str:
    """A time span in words, e.g. "41 s", "3 min 20 s", "2 h 5 min"."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, round(seconds))
    if seconds < 10:
        return f"{seconds:.1f}{BLANK}s"
    if whole < 60:
        return f"{whole}{BLANK}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{BLANK}min {rest}{BLANK}s"
    return f"{minutes // 60}{BLANK}h {minutes % 60}{BLANK}min"
