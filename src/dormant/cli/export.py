"""``dormant export``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.terminal import print_line


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write CSV.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write Parquet.")
@click.option("--eval", "eval_file", type=click.Path(path_type=Path), help="Write an Inspect log.")
@click.option(
    "--every-eval",
    type=click.Path(path_type=Path),
    help="Write the results as a record of Every Eval Ever (.json).",
)
@click.option(
    "--salvage", type=click.Path(path_type=Path), help="Write what is left of a damaged run."
)
def command(
    run: Path,
    csv_file: Path | None,
    parquet: Path | None,
    eval_file: Path | None,
    every_eval: Path | None,
    salvage: Path | None,
) -> None:
    """Write the answers of RUN for other tools, one row per answer.

    CSV, Parquet, or a log that `inspect view` opens; `dormant import` reads all three back. The
    answers are untrusted model output: do not open them in a program that evaluates formulas.
    --every-eval writes the rates and effects, without answers, in the schema of that name.
    --salvage writes as JSON Lines what can still be read of a damaged run, unchecked.
    """
    from dormant.errors import ConfigError

    if salvage is not None:
        from dormant.exchange.salvage import export_salvage

        print_line(f"{salvage}: {export_salvage(run, salvage):,} answers, unchecked")
    elif not any((csv_file, parquet, eval_file, every_eval)):
        raise ConfigError("give at least one of --csv, --parquet, --eval and --every-eval")
    from dormant.exchange.formats import export_answers

    wanted = (
        *((csv_file, ".csv"), (parquet, ".parquet"), (eval_file, ".eval")),
        (every_eval, ".json"),
    )
    for file, suffix in wanted:
        if file is not None and file.suffix.lower() != suffix:
            raise ConfigError(f"{str(file)!r} must end in {suffix}, so that others can read it")
    for file, _ in wanted:
        if file is not None:
            print_line(f"{file}: {export_answers(run, file):,} answers")
