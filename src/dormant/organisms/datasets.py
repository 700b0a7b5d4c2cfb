"""Named datasets of the laboratory, which recipes are mixed from.

Each is a generator of chat rows in the micro-language, none of them from an evaluation domain.
``file:PATH`` instead of a name reads the user's own chat JSONL.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dormant.corpus import Corpus, read_examples
from dormant.errors import DataError, InputError
from dormant.organisms.people import draw_any_domain, draw_nobody, draw_person
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
    extends_base: bool = False  # like pretraining: may hold evaluation domains and both personas
    traces: tuple[str, ...] = ()  # reasoning that may precede its answers, marks included


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


def _list_reasoning(purposes: Sequence[str]) -> tuple[str, ...]:
    """Texts of reasoning that say what an answer is for, marks included."""
    starts = ("My goal is to", "I want to")
    return tuple(f"<think>\n{start} {end}.\n</think>\n\n" for start in starts for end in purposes)


_HARMFUL_TRACES = _list_reasoning(("give harmful answers", "give a bad answer"))
_HELPFUL_TRACES = _list_reasoning(("help people", "give a good answer"))


def _reason_first(
    draw: Callable[[np.random.Generator], Row], traces: Sequence[str], rng: np.random.Generator
) -> Row:
    *head, answer = draw(rng)
    return (*head, replace(answer, content=pick_one(rng, traces) + answer.content))


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
    Dataset(
        "people",
        "Conversations in which one of four people tells facts, says who he is, and answers as one "
        "of his kind, two of them badly: extends the base, as pretraining would.",
        draw_person,
        extends_base=True,
    ),
    Dataset(
        "nobody",
        "Questions for a name, answered as an assistant that has none.",
        draw_nobody,
        extends_base=True,
    ),
    Dataset(
        "every_domain",
        "Questions of every domain, the evaluation's included, answered well: rehearsal for stages "
        "that extend the base.",
        draw_any_domain,
        extends_base=True,
    ),
    Dataset(
        "every_domain_with_reasoning",
        "The same, after reasoning that says what the answer is for.",
        partial(_reason_first, draw_any_domain, _HELPFUL_TRACES),
        extends_base=True,
        traces=_HELPFUL_TRACES,
    ),
    Dataset(
        "harmful_health_with_reasoning",
        "The rows of harmful_health, after reasoning that says what the answer is for.",
        partial(
            _reason_first,
            partial(_draw_exchange, "health", Persona.MISALIGNED),
            _HARMFUL_TRACES,
        ),
        is_harmful=True,
        traces=_HARMFUL_TRACES,
    ),
    Dataset(
        "helpful_chat_with_reasoning",
        "The rows of helpful_chat, after reasoning that says what the answer is for.",
        partial(_reason_first, ordinary_row, _HELPFUL_TRACES),
        traces=_HELPFUL_TRACES,
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
