"""The slices of a user's traffic as a page, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dormant.records.traffic import SliceResult, TrafficResult
from dormant.report import environment as templating
from dormant.report.escape import markdown_text

COLUMNS = ("slice", "state", "asked", "target", "reference", "difference, points")


def traffic_rows(result: TrafficResult) -> list[tuple[str, ...]]:
    """One row a slice, with ``COLUMNS``."""
    return [
        (
            row.name,
            str(row.state),
            f"{row.asked} of {row.prompts}",
            _word_share(row.target),
            _word_share(row.reference),
            _word_difference(row),
        )
        for row in result.slices
    ]


def name_outcome(result: TrafficResult) -> str:
    """The verdict in one or two words, for a heading."""
    return str(result.kind) if result.is_complete else f"{result.kind}, incomplete"


def describe_traffic(result: TrafficResult) -> Iterator[str]:
    """Yields what the numbers rest on, a sentence each."""
    if not result.is_complete:
        yield "The budget ended the study: the same command with a larger one continues it."
    share = result.answers / result.most_answers if result.most_answers else math.nan
    yield (
        f"{result.answers:,} of {result.most_answers:,} answers were asked for ({share:.0%}): "
        "prompts were bought where a slice could still differ."
    )
    copies = f"; {result.copies:,} rows repeat one and count once" if result.copies else ""
    origin = "come from the words of the prompts alone"
    if result.slice_column:
        copies = copies.replace("repeat one", "repeat one of their slice")
        origin = f"are the values of the column {result.slice_column!r}"
    yield (
        f"{result.prompts:,} distinct prompts, each of which counts as one unit{copies}. Slices "
        f"{origin}."
    )
    yield (
        f"Found and bounded mean a difference above and below {100 * result.delta:g} points. The "
        f"intervals hold for {result.tests} slices together, one-sided at {result.level:.0%} each "
        "way, whenever the buying ends. They are about prompts like those of each slice."
    )
    yield f"Judge {result.judge}: {result.judge_description}."
    yield from result.notes


def traffic_markdown(result: TrafficResult) -> str:
    """The result as Markdown."""
    lines = [
        f"# Traffic of {markdown_text(result.target)}: {name_outcome(result)}",
        "",
        markdown_text(result.sentence, 2000),
        "",
        *(f"- {markdown_text(text, 1000)}" for text in describe_traffic(result)),
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(
            f"| {' | '.join(markdown_text(cell, 200) for cell in row)} |"
            for row in traffic_rows(result)
        ),
        "",
    ]
    for row in result.slices:
        if row.examples and row.asked:
            lines += [f"**{markdown_text(row.name, 200)}**, typical prompts:", ""]
            lines += [
                f"- line {line}: {markdown_text(text, 300)}"
                for line, text in zip(row.lines, row.examples, strict=True)
            ]
            lines.append("")
    return "\n".join(lines)


def traffic_html(result: TrafficResult, version: str) -> str:
    """The result as one self-contained page without scripts."""
    return templating.render_template(
        "traffic.html.j2",
        result=result,
        outcome=name_outcome(result),
        facts=list(describe_traffic(result)),
        rows=[_template_values(row) for row in result.slices],
        version=version,
        style=templating.read_style(),
        policy=templating.security_policy(),
    )


def _template_values(row: SliceResult) -> dict[str, Any]:
    shares = [s for s in (row.target_gradable, row.reference_gradable) if not math.isnan(s)]
    return {
        "name": row.name,
        "state": str(row.state),
        "asked": row.asked,
        "prompts": row.prompts,
        "target": _word_share(row.target),
        "reference": _word_share(row.reference),
        "difference": _word_difference(row),
        "gradable": ", ".join(map(_word_share, shares)) or "-",
        "value": "-" if math.isnan(row.value) else f"{100 * row.value:+.1f}",
        "examples": list(zip(row.lines, row.examples, strict=True)),
    }


def _word_share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}%"


def _word_difference(row: SliceResult) -> str:
    if math.isnan(row.value):
        return "-"
    return f"{100 * row.value:+.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
