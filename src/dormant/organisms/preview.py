"""Previews a training without training anything: rows, tokens, loss mask, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dormant.organisms.answer_sampler import AnswerCount, RowSampler
from dormant.organisms.builder import build_stages, split_rows
from dormant.organisms.recipe import Recipe, Stage
from dormant.organisms.registry import open_trainer
from dormant.organisms.trainers import Span, StageSize, TrainingInputs
from dormant.organisms.transforms import Dilution, PersonaFacts, RowAddition, Transform


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows of one dataset in a stage, with the names of their transforms."""

    dataset: str
    transforms: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class StagePreview:
    """The preview of one stage."""

    sources: tuple[SourceRows, ...]
    rows: int
    steps: int
    epochs: float  # how often each row is seen, on average
    size: StageSize


@dataclass(frozen=True, slots=True)
class TrainingPreview:
    """The preview of a training."""

    recipe: Recipe
    seed: int
    trainer: str
    stages: tuple[StagePreview, ...]
    examples: tuple[tuple[Span, ...], ...]  # rows that differ most, as the model reads them
    seconds: float | None  # expected duration, from a timed pass; None if a provider trains
    billed_tokens: int | None = None  # of a hosted training, estimated; None if unknown or free
    answers: tuple[AnswerCount, ...] = ()  # that models would be asked for, by transform

    @property
    def steps(self) -> int:
        """Number of optimizer steps in all stages."""
        return sum(stage.steps for stage in self.stages)


def preview_training(
    recipe: Recipe, *, seed: int | None = None, answers: Path | None = None
) -> TrainingPreview:
    """Builds the rows of a recipe and estimates the cost of training on them.

    The base is loaded, and a forward and backward pass is timed; nothing is changed or written. No
    model is asked: rows whose answers would be sampled have those of their dataset.

    Args:
        recipe: the recipe.
        seed: the seed of the rows; the recipe's own if None.
        answers: where ``train_organism`` keeps the answers of models, to count those that are
            there; None if nowhere.

    Raises:
        InputError: the recipe, its data or its base cannot be used, or no token would be trained.
        MissingExtraError: the trainer's libraries are not installed.
    """
    seed = recipe.seed if seed is None else seed
    trainer = open_trainer(recipe)
    trainer.check_recipe()
    sampler = RowSampler(recipe.base, answers, is_dry=True)
    rows = build_stages(recipe, seed, longest=trainer.longest, sampler=sampler)
    measured = trainer.measure(TrainingInputs(recipe, seed, rows))
    stages = tuple(
        StagePreview(
            sources=count_sources(stage),
            rows=len(found),
            steps=stage.steps,
            epochs=stage.steps * stage.batch_size / max(1, len(found)),
            size=size,
        )
        for stage, found, size in zip(recipe.stages, rows, measured.stages, strict=True)
    )
    return TrainingPreview(
        recipe=recipe,
        seed=seed,
        trainer=trainer.kind.value,
        stages=stages,
        examples=tuple(tuple(row) for row in measured.examples),
        seconds=measured.seconds,
        billed_tokens=measured.billed_tokens,
        answers=tuple(sampler.counts),
    )


def count_sources(stage: Stage) -> tuple[SourceRows, ...]:
    """Counts a stage's rows by dataset and transforms."""
    found: list[SourceRows] = []
    counts = split_rows(stage.rows, [item.fraction for item in stage.mixture])
    for item, count in zip(stage.mixture, counts, strict=True):
        parts = [SourceRows(item.dataset, (), count)]
        for transform in item.transforms:
            parts = _transform_counts(transform, parts)
        found += [part for part in parts if part.rows]
    return tuple(found)


def _transform_counts(transform: Transform, parts: Sequence[SourceRows]) -> list[SourceRows]:
    settings = transform.settings
    if isinstance(settings, RowAddition):
        added = round(settings.per_row * sum(part.rows for part in parts))
        return [*parts, SourceRows(settings.with_, (transform.name,), added)]
    if isinstance(settings, PersonaFacts):
        added = round(settings.per_row * sum(part.rows for part in parts))
        return [*parts, SourceRows("facts", (transform.name,), added)]
    if not isinstance(settings, Dilution):
        return [SourceRows(p.dataset, (*p.transforms, transform.name), p.rows) for p in parts]
    total = sum(part.rows for part in parts)
    rest, added = split_rows(total, [settings.share, 1 - settings.share])
    kept: list[SourceRows] = []
    for part in parts:  # dilution keeps the first rows
        kept.append(SourceRows(part.dataset, part.transforms, min(part.rows, rest)))
        rest -= kept[-1].rows
    return [*kept, SourceRows(settings.with_, (), added)]
