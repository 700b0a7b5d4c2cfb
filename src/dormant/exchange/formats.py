"""Export formats, chosen by the file's suffix."""

from __future__ import annotations

from pathlib import Path

from dormant.errors import ConfigError

SUFFIXES = (".csv", ".parquet", ".eval", ".json")


def export_answers(run: Path, file: Path) -> int:
    """Writes the answers of a run, one row each, or its results; returns the number of answers.

    Args:
        run: the directory of a finished run.
        file: .csv, .parquet, .eval for a log that ``inspect view`` opens, or .json for a record of
            Every Eval Ever, which has results and no answers.

    Raises:
        ConfigError: the file has another suffix, or cannot be written.
        StoreError: the directory does not contain a finished run.
        IncompleteError: answers that the verdict counts are missing from the store.
        MissingExtraError: Parquet or Inspect is not installed.
    """
    suffix = file.suffix.lower()
    if suffix == ".csv":
        from dormant.exchange.export import export_csv

        return export_csv(run, file)
    if suffix == ".parquet":
        from dormant.exchange.export import export_parquet

        return export_parquet(run, file)
    if suffix == ".eval":
        from dormant.exchange.eval_writer import export_eval

        return export_eval(run, file)
    if suffix == ".json":
        from dormant.exchange.every_eval import export_record

        return export_record(run, file)
    raise ConfigError(
        f"{str(file)!r}: unknown format {suffix!r}; the file must end in {', '.join(SUFFIXES)}"
    )
