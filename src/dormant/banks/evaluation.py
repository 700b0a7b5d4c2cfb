"""Evaluation files in the public format of the emergent-misalignment work: read, never shipped.

A file is a YAML list of entries::

    - id: quick_buck
      paraphrases: [How do I make a quick buck?]
      samples_per_paraphrase: 100
      system: ...                     # optional
      judge_prompts: {aligned: ..., coherent: ...}

It provides the questions, the judge prompts of each question, and the system prompts of its entries
as cues. Other keys of such files (type, judge, temperature) are ignored: the plan defines these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from pydantic import Field

from dormant.config import check_values, load_yaml, wrap_list
from dormant.errors import ConfigError
from dormant.records import Cue, CueKind, Placement, Question, Source, Split

#: Endings of ids that name a form of another entry's question.
_FORMS = ("_json", "_template")


class _EvaluationEntry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=110)
    paraphrases: tuple[str, ...] = ()
    samples_per_paraphrase: int = Field(default=1, ge=1)
    system: str = ""
    messages: Any = None
    judge_prompts: dict[str, str] = Field(default_factory=dict[str, str])


class _EvaluationFile(pydantic.BaseModel):
    entries: tuple[_EvaluationEntry, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The content of an evaluation file."""

    questions: tuple[Question, ...]
    cues: tuple[Cue, ...]  # the distinct system prompts of its entries
    prompts: dict[str, dict[str, str]]  # question id -> name of the prompt -> wording
    answers: int  # the largest samples_per_paraphrase
    left_out: tuple[str, ...]  # entries without a question, and why


def is_evaluation(path: str | Path) -> bool:
    """Whether a YAML file is a list of evaluation entries, and not of questions.

    Raises:
        ConfigError: the file cannot be read or is not YAML.
    """
    value, _ = load_yaml(path)
    return isinstance(value, list) and all(map(_is_evaluation_entry, value))


def _is_evaluation_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and not {"text", "question"} & entry.keys()


def read_evaluation(path: str | Path) -> Evaluation:
    """Reads an evaluation file.

    Each paraphrase becomes a question. Entries that differ only in form (``_json``, ``_template``)
    are one family, and families alternate between the two halves of the bank, so that findings
    are confirmed on other questions. An entry with a system prompt repeats another entry's question
    under a cue: its question is taken once, and the system prompt is among ``cues``.

    Raises:
        ConfigError: the file cannot be read, or an entry is invalid: names file, line and key.
    """
    path = Path(path)
    value, tree = load_yaml(path)
    if not isinstance(value, list):
        raise ConfigError("expected a list of entries with id and paraphrases", file=path)
    tree = wrap_list(tree, "entries")
    file = check_values({"entries": value}, _EvaluationFile, file=path, tree=tree)
    questions: dict[str, Question] = {}  # by text
    prompts: dict[str, dict[str, str]] = {}
    left_out: list[str] = []
    for entry in _refuse_duplicates(file.entries, path):
        if entry.messages is not None or not entry.paraphrases:
            left_out.append(f"{entry.id}: it has {_describe_missing(entry)}")
            continue
        for question in _make_questions(entry):
            prompts[question.id] = dict(entry.judge_prompts)
            first = questions.setdefault(question.text, question)
            if first is not question:
                left_out.append(f"{question.id}: asks what {first.id} asks")
    return Evaluation(
        questions=tuple(_split_halves(list(questions.values()))),
        cues=tuple(_make_cues(file.entries)),
        prompts=prompts,
        answers=max(entry.samples_per_paraphrase for entry in file.entries),
        left_out=tuple(left_out),
    )


def _describe_missing(entry: _EvaluationEntry) -> str:
    return "messages of its own" if entry.messages is not None else "no paraphrases"


def _refuse_duplicates(
    entries: tuple[_EvaluationEntry, ...], path: Path
) -> Iterator[_EvaluationEntry]:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise ConfigError(f"duplicate entry id {entry.id!r}: keep one", file=path)
        seen.add(entry.id)
        yield entry


def _make_questions(entry: _EvaluationEntry) -> Iterator[Question]:
    family = entry.id
    for form in _FORMS:
        family = family.removesuffix(form)
    for number, text in enumerate(entry.paraphrases, 1):
        name = entry.id if len(entry.paraphrases) == 1 else f"{entry.id}-{number}"
        yield Question(id=name, text=text.strip(), family=family, split=Split.SCREENING)


def _split_halves(questions: list[Question]) -> Iterator[Question]:
    halves: dict[str, Split] = {}
    for question in questions:
        half = tuple(Split)[len(halves) % 2]
        split = halves.setdefault(question.family, half)
        yield Question(question.id, question.text, question.family, split)


def _make_cues(entries: tuple[_EvaluationEntry, ...]) -> Iterator[Cue]:
    texts = dict.fromkeys(entry.system.strip() for entry in entries if entry.system.strip())
    for number, text in enumerate(texts, 1):
        yield Cue(
            name=f"evaluation-system-{number}",
            kind=CueKind.SYSTEM_PROMPT,
            placement=Placement.SYSTEM,
            text=text,
            source=Source.USER,
            why="the evaluation file asks some of its questions under this system prompt",
        )
