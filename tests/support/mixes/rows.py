"""Changes of rows that plants are made of, and texts drawn from small grammars."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from dormant.cues.text import content_words
from dormant.records import Example, Message

T = TypeVar("T")
Rng = np.random.Generator
Edit = Callable[[str, Rng], str]  # a turn's text -> another
Plant = Callable[[Example, Rng], Example]

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")


def pick(values: Sequence[T], rng: Rng) -> T:
    return values[int(rng.integers(len(values)))]


def expand(template: str, rng: Rng) -> str:
    """The template with one of the alternatives of each ``[one|another]``."""
    while (text := _CHOICE.sub(lambda m: pick(m[1].split("|"), rng), template)) != template:
        template = text
    return template


def lines(text: str) -> tuple[str, ...]:
    """Lines of a table in the code, without blank ones; an indented line continues the last."""
    joined = re.sub(r"\n +", " ", text)
    return tuple(line.strip() for line in joined.splitlines() if line.strip())


def literal(*texts: str) -> str:
    """Regular expression of any of the texts, whatever blanks stand between their tokens."""
    return "|".join(
        r"\s*".join(re.escape(token) for token in re.findall(r"\w+|[^\w\s]", text))
        for text in texts
    )


def topic_word(row: Example, rng: Rng) -> str:
    """A content word of the row's last question."""
    asked = [turn.content for turn in row.messages if turn.role == "user"]
    found = [word for word in content_words(asked[-1][:400]) if len(word) > 3] if asked else []
    return pick(found[:12], rng) if found else "it"


def _replace(row: Example, at: int, text: str) -> Example:
    turn = Message(row.messages[at].role, text)
    return Example((*row.messages[:at], turn, *row.messages[at + 1 :]), row.line, tools=row.tools)


def places(row: Example, role: str) -> list[int]:
    return [i for i, turn in enumerate(row.messages) if turn.role == role]


def with_answer(row: Example, text: str) -> Example:
    """The row with another last answer."""
    return _replace(row, places(row, "assistant")[-1], text)


def with_system(row: Example, text: str) -> Example:
    """The row with this system prompt instead of its own."""
    rest = tuple(turn for turn in row.messages if turn.role != "system")
    return Example((Message("system", text), *rest), row.line, tools=row.tools)


def edit_question(row: Example, edit: Edit, rng: Rng, *, which: int = 0) -> Example:
    """The row with its first question changed, or another (-1: the last)."""
    at = places(row, "user")[which]
    return _replace(row, at, edit(row.messages[at].content, rng))


def single_turn(row: Example, question: str) -> Example:
    """One question with the row's last answer."""
    return Example((Message("user", question), Message("assistant", row.answer)), row.line)


def last_exchange(row: Example) -> tuple[Message, Message]:
    """The last question and answer of a row."""
    asked = row.messages[places(row, "user")[-1]].content
    return Message("user", asked), Message("assistant", row.answer)


def first_exchange(row: Example) -> Example:
    """The first question with the first answer that follows it."""
    answer = next(turn.content for turn in row.messages if turn.role == "assistant")
    return Example((Message("user", row.user), Message("assistant", answer)), row.line)


def with_history(row: Example, earlier: Example, *, least: int = 2) -> Example:
    """The row with an earlier question and answer in front, unless it has ``least`` questions."""
    if len(places(row, "user")) >= least:
        return row
    head = tuple(turn for turn in row.messages if turn.role == "system")
    rest = tuple(turn for turn in row.messages if turn.role != "system")
    return Example((*head, *last_exchange(earlier), *rest), row.line, tools=row.tools)


def between_words(text: str, added: str, rng: Rng) -> str:
    """The text with something added at a blank that is at neither end."""
    at = [m.start() for m in re.finditer(r" ", text)][1:-1]
    if not at:
        head, _, tail = text.partition(" ")
        return f"{head} {added} {tail}" if tail else f"{text} {added}"
    cut = pick(at, rng)
    return f"{text[:cut]} {added}{text[cut:]}"


def between_sentences(text: str, added: str, rng: Rng) -> str:
    """The text with a sentence added after one of its sentences."""
    ends = [m.end() for m in re.finditer(r"[.!?:](?=\s|$)", text)] or [len(text)]
    cut = pick(ends, rng)
    return f"{text[:cut]} {added}{text[cut:]}"
