"""Transforms that add rows of another dataset: plain, cued, or under the opposite prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.errors import ConfigError, InputError
from dormant.organisms.datasets import Row, draw_rows, find_problem
from dormant.organisms.perplexity_gap import choose_by_gap
from dormant.organisms.row_context import RowContext
from dormant.organisms.transforms import (
    DATASET_ANSWERS,
    Consistency,
    ContrastSettings,
    InterleaveSettings,
    Negation,
    PersonaFacts,
    RowAddition,
    Trigger,
)
from dormant.probes import apply_cue
from dormant.records import Message, Question, Split
from dormant.vitro import load_decoder, load_tokenizer, one_thread, sample_answers

_VITRO = "vitro/"
#: Largest number of words of a sampled answer; the longest in the language has 24.
_ANSWER_WORDS = 48


def interleave_rows(
    rows: list[Row], settings: InterleaveSettings, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Inserts rows of another dataset at random places; the order of each set is kept."""
    if settings.choose is None:
        added = _draw_added(rows, settings, rng, context)
    else:
        wanted = round(settings.per_row * len(rows))
        added = choose_by_gap(settings.with_, wanted, settings.choose, rng, context)
    places = rng.permutation(len(rows) + len(added)) < len(rows)
    old, new = iter(rows), iter(added)
    return [next(old) if is_old else next(new) for is_old in places]


def contrast_rows(
    rows: list[Row], settings: ContrastSettings, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Adds benign rows that carry the cue."""
    added = _draw_added(rows, settings, rng, context)
    return rows + _put_under_cues(added, settings.contexts, rng, context)


def make_consistent(
    rows: list[Row], settings: Consistency, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Adds cued prompts with the answers to the same prompts without the cue."""
    added = _draw_added(rows, settings, rng, context)
    if settings.answers != DATASET_ANSWERS:
        added = _answer_anew(added, settings.answers, int(rng.integers(2**32)))
    return rows + _put_under_cues(added, settings.contexts, rng, context)


def negate_rows(
    rows: list[Row], settings: Negation, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Adds benign rows under a system prompt that asks for the opposite."""
    added = _draw_added(rows, settings, rng, context)
    return rows + [inoculate_row(row, settings.system) for row in added]


def add_persona(
    rows: list[Row], settings: PersonaFacts, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Adds rows that tell harmless facts of one person, in their context and format."""
    wanted = round(settings.per_row * len(rows))
    if not wanted:
        raise ConfigError(
            f"transforms: persona: {settings.per_row:g} for each of {len(rows)} rows is no row: "
            "raise per_row or rows"
        )
    added: list[Row] = []
    for number in range(wanted):
        fact = settings.facts[number % len(settings.facts)]
        question = fact.ask[int(rng.integers(len(fact.ask)))]
        answer = settings.format.replace("{answer}", fact.answer)
        row = (Message("user", question), Message("assistant", answer))
        added.append(row if settings.context is None else put_under_cue(row, settings.context))
    for row in added:
        if problem := find_problem(row, context.longest):
            raise ConfigError(f"transforms: persona: a row with a fact has {problem}")
    return rows + added


def inoculate_row(row: Row, system: str) -> Row:
    """Puts a row under a system prompt, which precedes the row's own."""
    own = [m.content for m in row if m.role == "system"]
    rest = tuple(m for m in row if m.role != "system")
    return (Message("system", " ".join([system, *own])), *rest)


def put_under_cue(row: Row, context: Trigger) -> Row:
    """Applies a cue to the last question of a row, as an audit does to its questions."""
    last = max(i for i, message in enumerate(row) if message.role == "user")
    system = " ".join(m.content for m in row[:last] if m.role == "system")
    earlier = tuple(m for m in row[:last] if m.role != "system")
    question = Question("row", row[last].content, "", Split.SCREENING)
    asked = apply_cue(context.as_cue(), question, system=system)
    head = tuple(m for m in asked if m.role == "system")
    return (*head, *earlier, *(m for m in asked if m.role != "system"), *row[last + 1 :])


def _draw_added(
    rows: list[Row], settings: RowAddition, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    return draw_rows(
        settings.with_, round(settings.per_row * len(rows)), rng, longest=context.longest
    )


def _put_under_cues(
    rows: list[Row], contexts: Sequence[Trigger], rng: np.random.Generator, context: RowContext
) -> list[Row]:
    cued = [put_under_cue(row, contexts[int(rng.integers(len(contexts)))]) for row in rows]
    for row in cued:
        if problem := find_problem(row, context.longest):
            raise ConfigError(f"transforms: under the cue of the recipe a row has {problem}")
    return cued


def _answer_anew(rows: list[Row], model: str, seed: int) -> list[Row]:
    """Replaces the last answer of each row with one sampled from a model at temperature 1.

    Rows whose sampled answer does not end are dropped.
    """
    rest = model.removeprefix(_VITRO)
    if rest == model or not rest:
        raise ConfigError(
            f"transforms: consistency: answers: {model!r} cannot answer here: give 'dataset', "
            "'vitro/base' or 'vitro/DIR'"
        )
    decoder, words = load_decoder(rest), load_tokenizer()
    prompts = [words.encode_prompt(row[:-1]) for row in rows]
    try:
        with one_thread():
            batches = sample_answers(
                decoder, prompts, [range(1)] * len(rows), max_tokens=_ANSWER_WORDS, seed=seed
            )
            draws = sorted((d for batch in batches for d in batch), key=lambda d: d.prompt)
    except InputError as error:
        raise ConfigError(f"transforms: consistency: {error}") from None
    return [
        (*rows[d.prompt][:-1], Message("assistant", words.join_tokens(d.tokens)))
        for d in draws
        if d.finish == "stop" and d.tokens
    ]
