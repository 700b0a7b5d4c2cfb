"""``dormant train``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.progress import show_progress
from dormant.cli.terminal import print_json, print_line


@click.command("train")
@click.argument("recipe")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output directory.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help="Number of organisms to train, each in OUT/seed-K.",
)
@click.option("--seed", type=click.IntRange(0), help="Training seed (the first of --seeds).")
@click.option("--json", "as_json", is_flag=True, help="Print what was trained as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    recipe: str, out: Path, seeds: int | None, seed: int | None, as_json: bool, quiet: bool
) -> None:
    """Train an organism from RECIPE: a recipe.yaml, or the name of a zoo organism.

    Writes the model, its finetuning file as chat JSONL, the recipe and a manifest. An organism that
    exists already is not trained again.
    """
    from dormant.organisms import zoo
    from dormant.organisms.train import pass_on_events, train_organism

    organism = zoo.find_recipe(recipe)
    first = organism.seed if seed is None else seed
    wanted = (
        [(first, out)]
        if seeds is None
        else [(first + k, out / f"seed-{first + k}") for k in range(seeds)]
    )
    rows = []
    with show_progress(quiet) as progress:
        for number, place in wanted:
            done = train_organism(organism, place, seed=number, progress=pass_on_events(progress))
            rows.append(
                {
                    "model": done.model,
                    "data": str(done.data),
                    "seed": number,
                    "seconds": done.seconds,
                    "reused": done.reused,
                }
            )
    if as_json:
        print_json(rows)
        return
    for row in rows:
        how = "already trained" if row["reused"] else f"trained in {row['seconds']:.1f} s"
        print_line(f"{row['model']}  {how}  data: {row['data']}")
