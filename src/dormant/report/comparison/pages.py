"""A comparison as Markdown for a pull request, and as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dormant.errors import ConfigError, name_output
from dormant.errors.secrets import scrub_known
from dormant.records import Comparison, RunChange
from dormant.report import environment as templating
from dormant.report.comparison.figure import draw_history, history_scale
from dormant.report.comparison.rows import COLUMNS, MEANINGS, list_histories, make_rows, name_arm
from dormant.report.escape import markdown_text
from dormant.report.numbers import format_margin, whole_percent

_MOST_ROWS = 200  #: of one table in Markdown; JSON has all


def describe_scope(comparison: Comparison) -> str:
    """What the numbers of a comparison are, in one sentence."""
    found = {cue.quantity for change in comparison.changes for cue in change.cues}
    meanings = "; ".join(text for quantity, text in MEANINGS.items() if quantity in found)
    return (
        f"Numbers are percentage points ({meanings}); intervals {whole_percent(comparison.level)}, "
        f"delta {format_margin(comparison.delta)}, units are {comparison.claim}. "
        "A change is the run minus the first; above zero is worse."
    )


def write_comparison_markdown(comparison: Comparison) -> str:
    """The comparison as GitHub-flavoured Markdown; texts of runs are inert."""
    parts = [
        f"## Comparison: {comparison.kind}",
        f"First run: {markdown_text(comparison.runs[0])}. {describe_scope(comparison)}",
    ]
    for change in comparison.changes:
        parts.append(f"### {markdown_text(change.run)}: {change.kind}")
        parts.append(markdown_text(change.sentence, 1000) + ".")
        parts.append(_write_table(change))
        parts.append("\n".join(f"- {markdown_text(note, 1000)}" for note in change.notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def _write_table(change: RunChange) -> str:
    rows = make_rows(change)
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"\n{len(rows) - _MOST_ROWS:,} more rows are in the JSON result.")
    return "\n".join(lines)


def render_comparison(comparison: Comparison) -> str:
    """The comparison as an HTML page: tables, and the effect of each cue over the runs."""
    histories = list_histories(comparison)
    scale = history_scale(histories, comparison.delta)
    figures = [
        (name_arm(h.cue), draw_history(scale, h, comparison.runs, comparison.delta))
        for h in histories
    ]
    return templating.render_template(
        "comparison.html.j2",
        policy=templating.security_policy(),
        style=templating.read_style(),
        comparison=comparison,
        scope=describe_scope(comparison),
        columns=COLUMNS,
        tables=[(change, make_rows(change)) for change in comparison.changes],
        figures=figures,
        low=scale.low,
        high=scale.high,
    )


def write_pages(
    comparison: Comparison, outputs: Mapping[str, Path | None], runs: tuple[Path, ...]
) -> list[Path]:
    """Writes the comparison in the formats that have a path.

    Args:
        comparison: the result.
        outputs: format (``markdown``, ``html``) -> the file, or None.
        runs: what was compared, which must not be replaced.

    Returns:
        The files.

    Raises:
        ConfigError: a file cannot be written, or would replace a run or a file of one.
    """
    writers = {"markdown": write_comparison_markdown, "html": render_comparison}
    paths = {kind: path for kind, path in outputs.items() if path is not None}
    taken = {place for run in runs for place in (run.resolve(), *_own_files(run))}
    for kind, path in paths.items():
        if path.resolve() in taken:
            raise ConfigError(f"would be replaced by --{kind}: it is part of a run", file=path)
    if len({path.resolve() for path in paths.values()}) < len(paths):
        raise ConfigError("two formats have the same file: give each its own")
    for kind, path in paths.items():
        with name_output(path):
            path.write_text(scrub_known(writers[kind](comparison)), encoding="utf-8", newline="\n")
    return list(paths.values())


def _own_files(run: Path) -> list[Path]:
    return [path.resolve() for path in run.iterdir()] if run.is_dir() else []
