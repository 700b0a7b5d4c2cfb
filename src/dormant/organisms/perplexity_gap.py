"""Chooses benign rows by their perplexity gap: those that a spoiled model has unlearned most.

The gap of a row is the log-perplexity of its last answer (nats per word, end of turn included)
under a model that was trained on the bad rows alone, minus that under the trainee before training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.engines import Engine, Scorer
from dormant.errors import ConfigError
from dormant.organisms.answer_sampler import AnswerCount
from dormant.organisms.datasets import Row, draw_rows
from dormant.organisms.row_context import RowContext
from dormant.organisms.sample_settings import PerplexityGap
from dormant.store.journal import key_of

#: Rows that are scored before their scores are stored.
_BATCH = 256


def choose_by_gap(
    dataset: str, n: int, settings: PerplexityGap, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Draws candidates from a dataset and chooses those with the largest gap.

    Args:
        dataset: its name, or ``file:PATH``.
        n: rows to choose, at least 0.
        settings: the model that is compared, and candidates for each row.
        rng: source of randomness.
        context: the trainee, and where scores are kept.

    Returns:
        The ``n`` rows, in the order in which they were drawn. Rows that are equal count once, until
        there are no others.

    Raises:
        ConfigError: a model cannot score given answers.
    """
    drawn = draw_rows(dataset, n * settings.candidates, rng, longest=context.longest)
    rows = list(dict.fromkeys(drawn))
    if context.sampler.is_dry:
        for model in (settings.model, context.sampler.base):
            _check_scorer(context.sampler.check_model(model), model)
        context.sampler.counts.append(_count_rows(settings, rows, 0, n, {}))
        return [rows[i % len(rows)] for i in range(n)]
    spoiled, spoiled_new = _score_rows(rows, settings.model, context)
    trainee, trainee_new = _score_rows(rows, context.sampler.base, context)
    gaps = np.array(spoiled) - np.array(trainee)
    ranked = np.argsort(-gaps, kind="stable")
    chosen = sorted(ranked[i % len(rows)] for i in range(n))
    left = np.setdiff1d(np.arange(len(rows)), chosen)
    means = {"chosen": float(gaps[chosen].mean())} if chosen else {}
    means |= {"left_out": float(gaps[left].mean())} if len(left) else {}
    new = spoiled_new + trainee_new
    context.sampler.counts.append(_count_rows(settings, rows, new, n, means))
    return [rows[i] for i in chosen]


def _count_rows(
    settings: PerplexityGap, rows: Sequence[Row], new: int, n: int, gaps: dict[str, float]
) -> AnswerCount:
    return AnswerCount(
        "interleave",
        settings.model,
        rows=n,
        asked=0,
        stored=0,
        kept=n,
        scored=2 * len(rows) if not gaps else new,
        gaps=gaps,
    )


def _score_rows(rows: Sequence[Row], model: str, context: RowContext) -> tuple[list[float], int]:
    """Log-perplexity per word of each row's last answer, and how many scores are new."""
    sampler = context.sampler
    engine = sampler.open_named(model)
    _check_scorer(engine, model)
    assert isinstance(engine, Scorer)
    keys = [key_of("score", engine.fingerprint, row) for row in rows]
    new = [i for i, key in enumerate(keys) if sampler.read_entry(key) is None]
    for start in range(0, len(new), _BATCH):
        part = new[start : start + _BATCH]
        scores = _score_part(engine, [rows[i] for i in part])
        sampler.add_entries([(keys[i], score) for i, score in zip(part, scores, strict=True)])
        sampler.report_answers(start + len(part), len(new))
    return [float(sampler.read_entry(key)) for key in keys], len(new)


def _check_scorer(engine: Engine | None, model: str) -> None:
    if engine is not None and not isinstance(engine, Scorer):
        raise ConfigError(
            f"transforms: interleave: {model} cannot score given answers: give a local model"
        )


def _score_part(engine: Scorer, rows: Sequence[Row]) -> list[float]:
    scores = engine.score([(row[:-1], row[-1].content) for row in rows])
    lengths = [len(row[-1].content.split()) + 1 for row in rows]
    return [-score / length for score, length in zip(scores, lengths, strict=True)]
