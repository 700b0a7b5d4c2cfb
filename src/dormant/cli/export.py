"""``dormant export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write CSV.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write Parquet.")
@click.option("--eval", "eval_file", type=click.Path(path_type=Path), help="Write an Inspect log.")
def command(run: Path, csv_file: Path | None, parquet: Path | None, eval_file: Path | None) -> None:
    """Write the answers of RUN, one row each, for other tools.

    CSV, Parquet, or a log that `inspect view` opens; `dormant import` reads all three back. The
    answers are a model's words: do not open them where formulas are run.
    """
    from dormant.errors import ConfigError

    if csv_file is None and parquet is None and eval_file is None:
        raise ConfigError("give at least one of --csv, --parquet and --eval")
    for file, suffix in ((csv_file, ".csv"), (parquet, ".parquet"), (eval_file, ".eval")):
        if file is not None and file.suffix.lower() != suffix:
            raise ConfigError(f"{str(file)!r} must end in {suffix}, so that it can be read back")
    from dormant.exchange import export as exporting

    if csv_file is not None:
        _told(csv_file, exporting.export_csv(run, csv_file))
    if parquet is not None:
        _told(parquet, exporting.export_parquet(run, parquet))
    if eval_file is not None:
        from dormant.exchange.eval_writer import export_eval

        _told(eval_file, export_eval(run, eval_file))


def _told(file: Path, answers: int) -> None:
    click.echo(f"{file}: {answers:,} answers")
