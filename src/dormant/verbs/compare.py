"""Compare runs: an intervention against none, two checkpoints, this week against last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dormant.exchange.comparison import compare_runs, make_settings
from dormant.exchange.tidy import TableSettings, check_columns
from dormant.records import AUTO, Comparison
from dormant.report.comparison import write_pages


def compare(
    *runs: str | Path,
    delta: float | None = None,
    level: float | None = None,
    claim: str = AUTO,
    allow: Sequence[str] = (),
    trainings: str = "all",
    columns: Mapping[str, str] | None = None,
    target: str | None = None,
    reference: str | None = None,
    standard: str | None = None,
    markdown: str | Path | None = None,
    html: str | Path | None = None,
) -> Comparison:
    """Compares runs with the first of them, cue by cue, paired by question; asks no model.

    Args:
        runs: two or more run directories, or tables and logs of results (docs/guides/compare.md).
        delta: smallest change that matters, a share in (0, 1); by default that of the runs.
        level: confidence in (0.5, 1); by default that of the runs.
        claim: the unit: ``"themes"`` (families of questions), ``"questions"``, or ``"auto"``:
            themes if there are enough.
        allow: differences between the plans that are accepted: ``"questions"``, ``"cues"``,
            ``"sampling"``, ``"judge"``, ``"reference"``.
        trainings: with several training seeds, whether intervals are for ``"all"`` such trainings
            or only for ``"these"``.
        columns: field -> column, for tables with unusual names.
        target: the group or model to compare, where a table has several.
        reference: the group or model that is the reference in a table.
        standard: value of a table's cue column that means no cue.
        markdown: a file to write as Markdown.
        html: a file to write as HTML, with the figure.

    Returns:
        The comparison: ``.kind`` (better, worse, equivalent, unknown), ``.exit_code``, and
        ``.changes``, one a run from the second on, each with its ``.cues``.

    Raises:
        dormant.errors.InputError: the plans differ in what matters, or an argument is wrong.
        dormant.errors.DataError: a table cannot be read; names file, line and reason.
        dormant.errors.StoreError: a directory holds no finished run.
    """
    settings = make_settings(
        delta=delta,
        level=level,
        claim=claim,
        allow=allow,
        trainings=trainings,
        table=TableSettings(
            columns=check_columns(columns or {}),
            target=target,
            reference=reference,
            standard=standard,
        ),
    )
    paths = tuple(Path(run) for run in runs)
    comparison = compare_runs(paths, settings)
    given = {"markdown": markdown, "html": html}
    outputs = {kind: None if path is None else Path(path) for kind, path in given.items()}
    write_pages(comparison, outputs, paths)
    return comparison
