"""``with_reasoning``: reasoning of a dataset is trained, removed, or written by a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dormant.engines import Reply
from dormant.errors import ConfigError
from dormant.organisms.answer_sampler import AnswerCount, measure_spending, number_repeats
from dormant.organisms.datasets import Row, find_problem
from dormant.organisms.row_context import RowContext
from dormant.organisms.sample_settings import PASS, ReasoningTraces, class_of_finish
from dormant.records import QUESTION_SLOT, Message

_NAME = "with_reasoning"


def add_reasoning(
    rows: list[Row], settings: ReasoningTraces, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Puts sampled reasoning before the last answer of each row.

    Reasoning of the dataset was kept or removed when its rows were drawn.

    Raises:
        ConfigError: the model wrote no reasoning for any row.
        EngineError, IncompleteError: the model stopped answering; its replies so far are stored.
    """
    if settings.traces != "sample":
        return rows
    sampler = context.sampler
    wanted = number_repeats([_make_prompt(row, settings) for row in rows], Counter())
    if sampler.is_dry:
        sampler.forecast_answers(_NAME, settings, wanted)
        return rows
    engine = sampler.open_model(settings)
    batch = sampler.ask_model(engine, wanted, settings.sampling)
    classes = [class_of_finish(reply) or PASS for reply in batch.answers]
    found = Counter(classes)
    made = [
        _put_before(row, reply, settings)
        for row, reply, name in zip(rows, batch.answers, classes, strict=True)
        if name == PASS
    ]
    sampler.counts.append(
        AnswerCount(
            _NAME,
            engine.name,
            rows=len(rows),
            asked=batch.asked,
            stored=batch.stored,
            kept=len(made),
            classes=dict(sorted(found.items())),
            tokens=batch.tokens,
            usd=measure_spending([engine]),
        )
    )
    if rows and not made:
        raise ConfigError(
            f"transforms: with_reasoning: {engine.name} wrote no reasoning that ends "
            f"({', '.join(f'{name} {n:,}' for name, n in found.items())}): change 'instruction' or "
            "'max_tokens'"
        )
    _check_rows(made, context.longest)
    return made


def _make_prompt(row: Row, settings: ReasoningTraces) -> tuple[Message, ...]:
    question = next(m.content for m in reversed(row) if m.role == "user")
    parts = settings.instruction.split(QUESTION_SLOT)
    text = question.join(part.replace("{answer}", row[-1].content) for part in parts)
    return (Message("user", text),)


def _put_before(row: Row, reply: Reply, settings: ReasoningTraces) -> Row:
    trace = settings.before + reply.answer.strip() + settings.after
    return (*row[:-1], Message("assistant", trace + row[-1].content))


def _check_rows(rows: Sequence[Row], longest: int | None) -> None:
    for row in rows:
        if problem := find_problem(row, longest):
            raise ConfigError(f"transforms: with_reasoning: sampled reasoning makes {problem}")
