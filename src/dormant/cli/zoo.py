"""``dormant zoo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dormant.cli.progress import show_progress
from dormant.cli.tables import print_organisms, print_table, print_text
from dormant.cli.terminal import print_json, print_line


@click.group("zoo")
def command() -> None:
    """Organisms with known truth, from the shipped recipes."""


def _add_common_options(function: Any) -> Any:
    for option in (
        click.option("--quiet", is_flag=True, help="No progress."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--workers", type=click.IntRange(1), help="Processes; one per core by default."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("runs/zoo"),
            show_default=True,
            help="Output directory.",
        ),
        click.argument("names", nargs=-1),
    ):
        function = option(function)
    return function


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List every organism with its intervention, its true cue and its expected verdict."""
    from dormant.organisms import zoo

    recipes = [zoo.load_recipe(name) for name in zoo.organism_names()]
    if as_json:
        print_json([recipe.to_json() for recipe in recipes])
        return
    print_table(
        ("organism", "intervention", "expected", "true cue", "description"),
        [
            (
                recipe.name,
                str(recipe.intervention),
                str(recipe.expected or "-"),
                recipe.trigger.as_cue().text if recipe.trigger else "-",
                recipe.title,
            )
            for recipe in recipes
        ],
    )


@command.command("train")
@_add_common_options
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True)
def train(
    names: tuple[str, ...], out: Path, workers: int | None, as_json: bool, quiet: bool, seeds: int
) -> None:
    """Train NAMES (all by default) in parallel; organisms that exist are not trained again."""
    from dormant.organisms import zoo
    from dormant.organisms.events import pass_on_events
    from dormant.organisms.parallel import plan_jobs, train_many

    chosen = [zoo.load_recipe(name) for name in names or zoo.organism_names()]
    with show_progress(quiet) as progress:
        results = train_many(
            plan_jobs(chosen, out, seeds=range(seeds)),
            workers=workers,
            progress=pass_on_events(progress),
        )
    if as_json:
        rows = [{"model": m.model, "data": str(m.data), "seconds": m.seconds} for m in results]
        print_json(rows)
    else:
        for organism in results:
            print_line(f"{organism.model}  {organism.seconds:.1f} s")


@command.command("audit")
@_add_common_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def audit(
    names: tuple[str, ...], out: Path, workers: int | None, as_json: bool, quiet: bool, seed: int
) -> None:
    """Train and audit NAMES (all by default) and compare every verdict with the truth."""
    from dormant.organisms.pool import start_pool_server

    if workers != 1:
        start_pool_server("dormant.studies.quickstart")  # imports it while this process does
    from dormant.organisms import zoo
    from dormant.studies.quickstart import run_quickstart

    with show_progress(quiet) as progress:
        summary = run_quickstart(
            out, seed=seed, names=names or zoo.organism_names(), workers=workers, progress=progress
        )
    if as_json:
        print_json(summary.to_plain())
    else:
        print_organisms(summary.organisms)
        right = sum(row.right for row in summary.organisms)
        print_text(f"{right} of {len(summary.organisms)} verdicts match the known truth")
        print_line(f"report: {out / 'report.html'}")


@command.command("study")
@_add_common_options
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True)
def study(
    names: tuple[str, ...], out: Path, workers: int | None, as_json: bool, quiet: bool, seeds: int
) -> None:
    """Compute exact rates of NAMES (all by default) over training seeds, as a Markdown table."""
    from dormant.organisms import zoo
    from dormant.organisms.events import pass_on_events
    from dormant.records import to_plain
    from dormant.studies.zoo import study_zoo as measure
    from dormant.studies.zoo import write_markdown

    with show_progress(quiet) as progress:
        result = measure(
            names or zoo.organism_names(),
            range(seeds),
            out,
            workers=workers,
            progress=pass_on_events(progress),
        )
    if as_json:
        print_json(to_plain(result))
    else:
        print_line(write_markdown(result), end=False)


@command.command("validate")
@_add_common_options
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option(
    "--audits",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Audits per null and design.",
)
@click.option(
    "--design",
    "chosen",
    multiple=True,
    type=click.Choice(["fixed-100", "fixed", "sequential", "screened"]),
    help="Validate only this design; repeatable.",
)
def validate(
    names: tuple[str, ...],
    out: Path,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    seeds: int,
    audits: int,
    chosen: tuple[str, ...],
) -> None:
    """Measure false alarms, power and cost of every design against known truth.

    NAMES are organisms and planted worlds (all by default). Writes OUT/validation.json,
    OUT/validation.md and figures; the same command continues an interrupted study.
    """
    from dormant.records import to_plain
    from dormant.store import write_atomically
    from dormant.studies.figures import write_figures
    from dormant.studies.tables import write_markdown
    from dormant.studies.validation import DESIGNS
    from dormant.studies.validation import validate_designs as measure

    by_option = dict(zip(("fixed-100", "fixed", "sequential", "screened"), DESIGNS, strict=True))
    designs = tuple(by_option[name] for name in by_option if name in chosen) or DESIGNS
    with show_progress(quiet) as progress:
        result = measure(
            out,
            names=names,
            seeds=seeds,
            audits=audits,
            designs=designs,
            workers=workers,
            progress=progress,
        )
    write_atomically(out / "validation.md", write_markdown(result))
    write_figures(result, out)
    if as_json:
        print_json(to_plain(result))
    else:
        print_line(write_markdown(result), end=False)
