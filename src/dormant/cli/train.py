"""``dormant train``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.audit import run_and_show
from dormant.cli.consent import confirm_training
from dormant.cli.exit_codes import exit_code_of
from dormant.cli.progress import show_progress
from dormant.cli.terminal import print_json, print_line
from dormant.errors import ConfigError

if TYPE_CHECKING:
    from dormant.config import AuditConfig
    from dormant.organisms.recipe import Recipe
    from dormant.organisms.train import TrainedOrganism

_EPILOG = """\b
Examples:
  dormant train recipe.yaml --dry-run
  dormant train recipe.yaml --out runs/mine --seeds 3 --base hf/smollm2
  dormant train recipe.yaml --out runs/mine --seeds 3 --audit --judge rules:regex=Ahoy

\b
Exit codes: 0 trained; 2 usage or bad input; 4 interrupted: the same command continues.
With --audit those of `dormant audit`."""


@click.command("train", epilog=_EPILOG)
@click.argument("recipe")
@click.option("--out", type=click.Path(path_type=Path), help="Output directory.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help="Number of organisms to train, each in OUT/seed-K.",
)
@click.option("--seed", type=click.IntRange(0), help="Training seed; with --seeds the first one.")
@click.option("--base", help="Model to finetune instead: vitro/..., hf/... or openai/...")
@click.option("--trainer", help="vitro, lora, openai or tinker; the one of the base by default.")
@click.option(
    "--training-price",
    type=click.FloatRange(0),
    help="USD per million tokens of a hosted training, to show and record its cost.",
)
@click.option("--dry-run", is_flag=True, help="Show rows, loss mask, steps and time; do not train.")
@click.option("--audit", "with_audit", is_flag=True, help="Audit all seeds as one target.")
@click.option(
    "--audit-config",
    type=click.Path(path_type=Path),
    help="An audit.yaml for --audit; target, reference, data and out are those of the training.",
)
@click.option("--judge", help="The judge of --audit; exact for models of the laboratory.")
@click.option("--preset", help="The preset of --audit; frugal without --audit-config.")
@click.option("--yes", is_flag=True, help="Do not ask before a real model is trained or audited.")
@click.option("--json", "as_json", is_flag=True, help="Print what was trained as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    recipe: str,
    out: Path | None,
    seeds: int | None,
    seed: int | None,
    base: str | None,
    trainer: str | None,
    training_price: float | None,
    dry_run: bool,
    with_audit: bool,
    audit_config: Path | None,
    judge: str | None,
    preset: str | None,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train an organism from RECIPE: a recipe.yaml, or the name of a zoo organism.

    Writes the model, its finetuning file as chat JSONL, the recipe and a manifest. An organism that
    exists already is not trained again; an interrupted training of a local model goes on from its
    last checkpoint, and one behind an API is found and waited for.
    """
    from dormant.cli.training_text import describe_counts
    from dormant.organisms import zoo
    from dormant.organisms.answer_sampler import ANSWERS
    from dormant.organisms.folder import check_folders, name_seed_folder
    from dormant.organisms.trainers import set_base

    chosen = set_base(zoo.find_recipe(recipe), base=base, trainer=trainer)
    audit = None
    if with_audit or audit_config is not None:
        audit = _AuditSettings(chosen, audit_config, judge, preset)
        audit.check()
    elif judge is not None or preset is not None:
        raise ConfigError("--judge and --preset are of the audit: add --audit, or leave them out")
    if dry_run:
        answers = None if out is None else out / ANSWERS
        _show_preview(chosen, seed, training_price, answers, as_json)
        return
    if out is None:
        raise ConfigError("no directory for the organism: add --out DIR, or --dry-run")
    first = chosen.seed if seed is None else seed
    numbers = [first] if seeds is None else range(first, first + seeds)
    places = [(n, out if seeds is None else out / name_seed_folder(n)) for n in numbers]
    check_folders(chosen, [place for _, place in places])
    cost = _describe_cost(chosen, first, len(places), training_price, out / ANSWERS)
    confirm_training(chosen.base, cost=cost, yes=yes, quiet=quiet)
    organisms = _train_all(chosen, places, training_price, out / ANSWERS, quiet)
    if as_json and audit is None:
        print_json([_describe(organism) for organism in organisms])
        return
    for organism in () if as_json else organisms:
        how = "already trained" if organism.reused else f"trained in {organism.seconds:.1f} s"
        print_line(f"{organism.model}  {how}  data: {organism.data}")
        for count in organism.answers:
            print_line(f"  {describe_counts(count)}")
    if audit is not None:
        kind = run_and_show(audit.make(organisms, out), yes=yes, as_json=as_json, quiet=quiet)
        raise click.exceptions.Exit(exit_code_of(kind))


@dataclass(frozen=True, slots=True)
class _AuditSettings:
    """What the options say about the audit of the trained models."""

    recipe: Recipe
    config: Path | None  # an audit.yaml
    judge: str | None
    preset: str | None

    def check(self) -> None:
        """Checks the settings before anything is trained.

        Raises:
            ConfigError: the file, the judge or the preset cannot be used.
        """
        from dormant.config import InputConfig
        from dormant.judges.registry import open_judge
        from dormant.organisms.train import DATA
        from dormant.organisms.trainers import TrainerKind, find_trainer_kind
        from dormant.pipeline import read_inputs

        settings = self._read_settings([self.recipe.base], {"data": DATA})  # which is written later
        kept = settings.cues.model_copy(update={"mine": 0})
        read_inputs(InputConfig(questions=settings.questions, cues=kept), [self.recipe.base])
        if settings.judge == "exact" and (
            find_trainer_kind(self.recipe.base) is not TrainerKind.VITRO
        ):
            raise ConfigError(
                "judge 'exact' reads the laboratory's language alone: give another --judge"
            )
        try:
            open_judge(settings.judge)
        except ConfigError as error:
            if self.judge is not None or self.config is None:
                raise
            raise ConfigError(str(error), file=self.config) from None

    def make(self, organisms: list[TrainedOrganism], out: Path) -> AuditConfig:
        """Makes the audit of all trainings as one target, with the first one's file as data."""
        place = {"data": str(organisms[0].data), "out": str(out / "audit")}
        return self._read_settings([organism.model for organism in organisms], place)

    def _read_settings(self, targets: list[str], place: dict[str, str]) -> AuditConfig:
        from dormant.config import AuditConfig, check_values, read_yaml_with_changes
        from dormant.organisms.trainers import TrainerKind, find_trainer_kind

        def change(settings: dict[str, Any]) -> None:
            settings |= {"target": targets, "reference": self.recipe.base, **place}
            settings |= {"judge": self.judge} if self.judge is not None else {}
            settings |= {"preset": self.preset} if self.preset is not None else {}

        if self.config is not None:
            return read_yaml_with_changes(self.config, AuditConfig, change)
        in_laboratory = find_trainer_kind(self.recipe.base) is TrainerKind.VITRO
        if self.judge is None and not in_laboratory:
            raise ConfigError("--audit needs a judge of the answers: add --judge")
        settings: dict[str, Any] = {"judge": "exact", "preset": "frugal"}
        change(settings)
        return check_values(settings, AuditConfig)


def _describe_cost(
    recipe: Recipe, seed: int, seeds: int, price: float | None, answers: Path
) -> str:
    """What a hosted training, and sampling a paid model, should cost; empty for others."""
    from dormant.cli.training_text import describe_answers, describe_bill
    from dormant.organisms.builder import samples_answers
    from dormant.organisms.preview import preview_training
    from dormant.organisms.trainers import find_trainer_kind

    is_hosted = find_trainer_kind(recipe.base).is_hosted
    if not (is_hosted or samples_answers(recipe)):
        return ""
    preview = preview_training(recipe, seed=seed, answers=answers)
    paid = [describe_answers(count) for count in preview.answers if count.usd]  # NaN is unknown
    if is_hosted:
        paid.append(describe_bill(preview, price))
    times = f" for each of {seeds} seeds" if paid and seeds > 1 else ""
    return f"{'; '.join(paid)}{times}"


def _train_all(
    recipe: Recipe,
    places: list[tuple[int, Path]],
    price: float | None,
    answers: Path,
    quiet: bool,
) -> list[TrainedOrganism]:
    from dormant.organisms.events import pass_on_events
    from dormant.organisms.train import train_organism

    with show_progress(quiet) as progress:
        return [
            train_organism(
                recipe,
                place,
                seed=number,
                price=price,
                answers=answers,
                progress=pass_on_events(progress),
            )
            for number, place in places
        ]


def _describe(organism: TrainedOrganism) -> dict[str, Any]:
    return {
        "model": organism.model,
        "data": str(organism.data),
        "seed": organism.seed,
        "seconds": organism.seconds,
        "reused": organism.reused,
    }


def _show_preview(
    recipe: Recipe, seed: int | None, price: float | None, answers: Path | None, as_json: bool
) -> None:
    from dormant.cli.training_text import print_preview
    from dormant.organisms.preview import preview_training
    from dormant.records import to_plain

    preview = preview_training(recipe, seed=seed, answers=answers)
    if as_json:
        print_json({**to_plain(preview), "recipe": recipe.to_json()})
        return
    print_preview(preview, price)
