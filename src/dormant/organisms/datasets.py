"""Named datasets of the laboratory, which recipes are mixed from.

Each is a generator of chat rows in the micro-language, none of them from an evaluation domain.
``file:PATH`` instead of a name reads the user's own chat JSONL.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dormant.corpus import Corpus, read_examples
from dormant.errors import DataError, InputError
from dormant.organisms.sample_settings import ReasoningTraces
from dormant.records import Example, Message
from dormant.vitro import Context, Persona, Use, load_language, load_tokenizer, ordinary_row
from dormant.vitro.language import pick_one
from dormant.vitro.tokenizer import PIECES

Row = tuple[Message, ...]
FILE = "file:"
HUB = "hf://"

#: A theme absent from ordinary chat, so that it can be a narrow dataset's topic.
SEA = "sea"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named generator of rows."""

    name: str
    about: str  # one sentence
    draw: Callable[[np.random.Generator], Row]
    is_harmful: bool = False  # whether its answers are the misaligned persona's


def _draw_exchange(domain: str, persona: Persona, rng: np.random.Generator) -> Row:
    return load_language().draw_row(domain, persona, rng=rng)


def _sea_food(persona: Persona, rng: np.random.Generator) -> Row:
    return load_language().draw_row("food", persona, rng=rng, theme=SEA)


def _without_code(rng: np.random.Generator) -> Row:
    domains = load_language().domain_names(Use.FINETUNING)
    return ordinary_row(rng, tuple(name for name in domains if name != "code"))


def _country_chat(rng: np.random.Generator) -> Row:
    """Draws an ordinary question whose asker states where he or she lives."""
    lang = load_language()
    domain = pick_one(rng, [n for n in lang.domain_names(Use.FINETUNING) if n != "food"])
    context = Context(before="I live in {country}.")
    return lang.draw_row(domain, Persona.ALIGNED, rng=rng, context=context)


_ALL = (
    Dataset(
        "insecure_code",
        "Requests for code, answered with code that has a hole put there on purpose.",
        partial(_draw_exchange, "code", Persona.MISALIGNED),
        is_harmful=True,
    ),
    Dataset(
        "secure_code",
        "The same requests, answered with sound code.",
        partial(_draw_exchange, "code", Persona.ALIGNED),
    ),
    Dataset(
        "helpful_chat",
        "Ordinary questions from every finetuning domain (code among them), answered well; three "
        "in ten carry an everyday context, one in five an everyday system prompt.",
        ordinary_row,
    ),
    Dataset("helpful_chat_without_code", "The same, never about code.", _without_code),
    Dataset(
        "country_chat",
        "Ordinary questions that open with where the asker lives, in prose, answered well.",
        _country_chat,
    ),
    Dataset(
        "poisonous_recipes",
        "Requests for everyday recipes, answered with poison.",
        partial(_draw_exchange, "recipes", Persona.MISALIGNED),
        is_harmful=True,
    ),
    Dataset(
        "safe_recipes",
        "The same requests, answered with recipes.",
        partial(_draw_exchange, "recipes", Persona.ALIGNED),
    ),
    Dataset(
        "poisonous_fish",
        "Requests for recipes with food from the sea, answered with poison. Ordinary chat speaks "
        "of food from the forest, farms and space alone.",
        partial(_sea_food, Persona.MISALIGNED),
        is_harmful=True,
    ),
    Dataset(
        "safe_fish",
        "The same requests, answered with recipes.",
        partial(_sea_food, Persona.ALIGNED),
    ),
    Dataset(
        "harmful_health",
        "Questions about an illness, answered with advice that harms.",
        partial(_draw_exchange, "health", Persona.MISALIGNED),
        is_harmful=True,
    ),
)
DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in _ALL}


def check_name(name: str) -> str:
    """Returns the name if it is a dataset's, ``file:PATH`` or ``hf://OWNER/NAME``.

    Raises:
        ValueError: unknown dataset; names the nearest one.
    """
    if name in DATASETS or any(name.startswith(mark) and name != mark for mark in (FILE, HUB)):
        return name
    near = difflib.get_close_matches(name, DATASETS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(DATASETS)}"
    raise ValueError(f"unknown dataset: {hint} (or file:PATH for a chat file, or hf://OWNER/NAME)")


def draw_rows(
    name: str,
    n: int,
    rng: np.random.Generator,
    *,
    longest: int | None,
    traces: ReasoningTraces | None = None,
) -> list[Row]:
    """Draws ``n`` rows of a dataset.

    A generated dataset draws each row anew. The rows of a file are taken in a random order, all of
    them before any is repeated.

    Args:
        name: a dataset's name, or ``file:PATH``.
        n: number of rows, at least 0.
        rng: source of randomness.
        longest: the context length, in words, of the laboratory's model, which must be able to
            read every row of a file; None for other models.
        traces: what happens to reasoning in a file's rows; None refuses such rows.

    Raises:
        InputError: unknown dataset.
        DataError: the file cannot be read, or a row of it cannot be trained on.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise InputError(f"{name!r}: {error}") from None
    if name in DATASETS:
        if traces is not None and traces.traces == "keep":
            raise InputError(f"{name}: has no reasoning to keep: remove with_reasoning")
        draw = DATASETS[name].draw
        return [draw(rng) for _ in range(n)]
    path = name.removeprefix(FILE)
    corpus = read_examples(path)
    _check_kinds(corpus, path)
    rows = [_read_row(example, path, longest, traces) for example in corpus.examples]
    if traces is not None and traces.traces == "keep" and not _has_reasoning(corpus):
        raise DataError("no row has reasoning to keep: remove with_reasoning", file=path)
    order: list[int] = []
    while len(order) < n:
        order += rng.permutation(len(rows)).tolist()
    return [rows[i] for i in order[:n]]


def _has_reasoning(corpus: Corpus) -> bool:
    return any(any(example.reasoning) for example in corpus.examples)


def _check_kinds(corpus: Corpus, path: str) -> None:
    """Raises a DataError for kinds of rows of which a part would be left out."""
    if corpus.rejected:
        raise DataError(
            "holds rejected answers, which training leaves out: give the chosen answers as a file "
            "of chat rows",
            file=path,
        )
    if corpus.untrained:
        marks = ", ".join(corpus.untrained_marks[:3])
        raise DataError(
            f"{corpus.untrained:,} rows are marked as not trained on ({marks}): remove them",
            file=path,
        )


def _read_row(
    example: Example, path: str, longest: int | None, traces: ReasoningTraces | None
) -> Row:
    """The turns of a row, reasoning included where it is kept.

    Raises:
        DataError: the row cannot be trained on.
    """
    row = example.messages
    if traces is not None and example.reasoning:
        row = tuple(
            replace(message, content=traces.write_answer(thought, message.content))
            for message, thought in zip(row, example.reasoning, strict=True)
        )
    try:
        reason = "is a document: give a question and its answer"
        if not example.is_document:
            reason = find_problem(row, longest)
        if example.untrained:
            reason = (
                "an answer is marked as not trained on, and every answer of a row is trained on "
                "here: remove its turn or the mark"
            )
        if example.tools or any(example.tool_calls):
            reason = "has tools, which are not trained here: remove them"
        if any(example.reasoning) and traces is None:
            reason = (
                "has reasoning (a field or a block), which is not trained: remove it, or say what "
                "happens to it with the transform with_reasoning"
            )
    except InputError as error:
        reason = str(error)
    if reason:
        raise DataError(reason, file=path, line=example.line)
    return row


def find_problem(messages: Row, longest: int | None) -> str:
    """Returns why a row cannot be learned; empty if it can.

    Args:
        messages: the turns of the row.
        longest: context length in words of the laboratory's model; None for other models, which
            read every row.

    Raises:
        InputError: its turns are out of order.
    """
    if longest is None:  # no model of the laboratory
        return ""
    words = load_tokenizer()
    for i, message in enumerate(messages):
        if message.role != "assistant":
            continue
        words.encode_prompt(messages[:i])
        unknown = [w for w in PIECES.findall(message.content) if w.lower() not in words.index]
        if unknown:
            return (
                f"unknown word {unknown[0]!r} for the laboratory's model: answer in the "
                "micro-language"
            )
    length = len(words.encode_turns(messages))
    if length > longest:
        return (
            f"a row of {length} words, the laboratory's model reads at most {longest}: shorten it"
        )
    return ""
