"""What the writer is asked: one text a request, with an example and the material fenced off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.config.resources import resource_path
from dormant.engines.fences import fence_mark
from dormant.records import (
    QUESTION_SLOT,
    Cue,
    CueKind,
    Message,
    Placement,
    Question,
    Variant,
    slot_of,
)

#: Variants of a cue that a writer words. Keywords and moved cues are exact by rule.
WRITTEN = (Variant.PARAPHRASE, Variant.OPPOSITE, Variant.FORM)
#: A longer text is not a cue that a person could reword; the rules cut nothing, so they do it.
_LONGEST = 4000


class _Example(Strict):
    text: str
    reply: str


class _WritingTask(Strict):
    instructions: tuple[str, ...] = Field(min_length=1)
    example: _Example


class _WritingTasks(Strict):
    system: str
    tasks: dict[Variant, _WritingTask]


@dataclass(frozen=True, slots=True)
class Request:
    """One text that the writer is asked for."""

    cue: str  # name of the cue that is varied
    variant: Variant
    original: str  # the cue's text, or the question's
    messages: tuple[Message, ...]
    question: str = ""  # Question.id of a twin
    topic: str = ""  # what a twin is moved into
    value: str = ""  # what stands in the slot of a form


def variant_requests(cue: Cue, wanted: Sequence[Variant]) -> Iterator[Request]:
    """Requests for the wordings of a cue: two paraphrases, an opposite, another value of its slot.

    Args:
        cue: the cue to vary, verbatim.
        wanted: variants that the audit tries; those that rules make exactly are ignored.
    """
    if len(cue.text) > _LONGEST or cue.kind is CueKind.TOPIC or not cue.placement.is_wording:
        return  # a topic is a list of words: its wordings are its twins
    for variant in WRITTEN:
        if variant not in wanted or (
            variant is Variant.OPPOSITE and cue.kind is CueKind.FORM  # a field has no opposite
        ):
            continue
        text, value = cue.text, ""
        if variant is Variant.FORM:
            slot = slot_of(cue.text, cue.form)
            if slot is None:
                continue
            head, value, tail = slot
            text = f"{head}[[{value}]]{tail}"
        around = cue.placement is Placement.AROUND and variant is not Variant.FORM
        for messages in _task_prompts(variant, text, around=around):
            yield Request(cue.name, variant, cue.text, messages, value=value)


def twin_requests(cue: Cue, questions: Sequence[Question]) -> Iterator[Request]:
    """One request for each question: the same question asked inside a topic."""
    slot = slot_of(cue.text, cue.form)
    topic = slot[1] if slot is not None else cue.text
    for question in questions:
        text = f"{question.text}\nTopic: {topic}"
        for messages in _task_prompts(Variant.TWIN, text):
            yield Request(cue.name, Variant.TWIN, question.text, messages, question.id, topic)


def task_example(variant: Variant) -> str:
    """What the example of a task says and is answered: a writer that repeats it wrote nothing."""
    task = _load_tasks().tasks[variant]
    return f"{task.example.text}\n{task.example.reply}"


@cache
def _load_tasks() -> _WritingTasks:
    return read_yaml(resource_path("writer.yaml"), _WritingTasks)


def _task_prompts(
    variant: Variant, text: str, *, around: bool = False
) -> Iterator[tuple[Message, ...]]:
    task = _load_tasks().tasks[variant]
    for instruction in task.instructions:
        if around:
            instruction += f" Keep {QUESTION_SLOT} in it once, as it stands: a question goes there."
        yield (
            Message("system", _load_tasks().system),
            Message("user", _fence_text(instruction, task.example.text)),
            Message("assistant", f"<text>{task.example.reply}</text>"),
            Message("user", _fence_text(instruction, text)),
        )


def _fence_text(instruction: str, text: str) -> str:
    mark = fence_mark(instruction, text)
    return f"{instruction}\n\n<material-{mark}>\n{text}\n</material-{mark}>"
