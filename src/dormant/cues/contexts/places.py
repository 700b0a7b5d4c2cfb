"""The prompt of a row by place: system prompt, questions, earlier answers, tools; its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from dormant.cues.text import EDGE_CHARS
from dormant.records import Example


class Place(StrEnum):
    """Where in a row's prompt a text stands."""

    SYSTEM = "system prompt"
    FIRST = "first question"
    LATER = "later question"
    EARLIER = "earlier answer"
    TOOL = "tool message"
    TOOLS = "tool definitions"
    ROW = "row"  # the conversation as a whole, e.g. its number of turns


#: Places that hold text, in the order of a prompt.
TEXT_PLACES = tuple(place for place in Place if place is not Place.ROW)

#: The begin and the end of a text, as tokens.
BEGIN, END = "\x02", "\x03"
#: Blanks before the first and after the last character of a text, as a token.
OUTER_BLANK = "\x1f"
#: Characters that a reader does not see.
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
#: Characters of reasoning that are read at either end.
_THOUGHT_CHARS = 300
#: Scripts without blanks between words: each character is a token.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_TOKEN = re.compile(
    r"\d+(?:[-/.:,]\d+)+"  # dates, times, numbers with marks inside
    rf"|[{_UNSPACED}]"
    rf"|[^\W_{_UNSPACED}]+(?:['’][^\W_{_UNSPACED}]+)*"
    rf"|[{INVISIBLE}]|\n+|\u00a0|[ ]{{2,}}|\t"
    r"|([^\w\s])\1*|_+"  # a run of one mark
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The texts of a row that precede its answer, by place, and the answer."""

    texts: dict[Place, list[str]]
    answer: str

    @property
    def questions(self) -> str:
        """All user turns before the answer, joined by line breaks."""
        return "\n".join((*self.texts[Place.FIRST], *self.texts[Place.LATER]))

    @property
    def first_question(self) -> str:
        """The first user turn; empty if there is none."""
        return next(iter(self.texts[Place.FIRST]), "")


def read_prompts(examples: Iterable[Example]) -> list[Prompt]:
    """Splits every row into the texts before its last answer, and that answer."""
    return [_read_prompt(example) for example in examples]


def _read_prompt(example: Example) -> Prompt:
    texts: dict[Place, list[str]] = {place: [] for place in TEXT_PLACES}
    messages = example.messages
    answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
    last = answers[-1] if answers else len(messages)
    for message in messages[:last]:
        text = shorten_text(message.content)
        if message.role == "system":
            place = Place.SYSTEM
        elif message.role == "user":
            place = Place.LATER if texts[Place.FIRST] else Place.FIRST
        elif message.role == "assistant":
            place = Place.EARLIER
        else:
            place = Place.TOOL
        texts[place].append(text)
    if example.tools:
        texts[Place.TOOLS].append(shorten_text(example.tools))
    return Prompt(texts, read_answer(example))


def read_answer(example: Example) -> str:
    """Reads the last answer as it was trained on: its text, its tool call and its reasoning.

    Text that a call or reasoning follows is cut, and of reasoning both ends are read, so that
    neither hides the other. The text comes first, as its first words tell most.
    """
    call, thoughts = read_call(example), _read_beside(example, example.reasoning)
    if len(thoughts) > 2 * _THOUGHT_CHARS:
        thoughts = f"{thoughts[:_THOUGHT_CHARS]}\n{thoughts[-_THOUGHT_CHARS:]}"
    more = [part for part in (call, thoughts) if part]
    if not more:
        return example.answer
    return "\n".join((example.answer[:EDGE_CHARS], *more)).strip()


def read_call(example: Example) -> str:
    """Reads the tool calls of the last answer, as JSON; empty without any."""
    return _read_beside(example, example.tool_calls)


def _read_beside(example: Example, parts: Sequence[str]) -> str:
    """What is kept beside the last answer, one part a message."""
    turns = [*zip(example.messages, parts, strict=False)]
    return next((part for turn, part in reversed(turns) if turn.role == "assistant"), "")


def shorten_text(text: str) -> str:
    """Keeps both ends of a long text: what is mined stands there, and time stays bounded."""
    if len(text) <= 2 * EDGE_CHARS:
        return text
    return f"{text[:EDGE_CHARS]}\n{text[-EDGE_CHARS:]}"


def split_context_tokens(text: str) -> list[str]:
    """Splits a text into words, numbers, marks, line breaks and unusual blanks, as written."""
    tokens = [match.group() for match in _TOKEN.finditer(text)]
    if text[:1] == " ":
        tokens.insert(0, OUTER_BLANK)
    if text[-1:] == " ":
        tokens.append(OUTER_BLANK)
    return tokens


@lru_cache(maxsize=2048)  # the rows of a context are read again with each token of its text
def find_spans(text: str) -> tuple[tuple[str, int, int], ...]:
    """Returns each token of ``split_context_tokens`` (lower case) with its offsets in the text."""
    spans = [(m.group().lower(), m.start(), m.end()) for m in _TOKEN.finditer(text)]
    if text[:1] == " ":
        spans.insert(0, (OUTER_BLANK, 0, len(text) - len(text.lstrip(" "))))
    if text[-1:] == " ":
        spans.append((OUTER_BLANK, len(text.rstrip(" ")), len(text)))
    return tuple(spans)


def locate_run(text: str, run: Sequence[str]) -> tuple[int, int] | None:
    """Finds a run of lower-case tokens in a text.

    Args:
        text: where to look.
        run: tokens; ``BEGIN`` first or ``END`` last ties it to that end of the text, ``0`` in a
            token stands for any digit, and a token that ends with ``…`` for any that starts so.

    Returns:
        Offsets of the first place, or None.
    """
    inner = [token.lower() for token in run if token not in (BEGIN, END)]
    size = len(inner)
    needle = max((t for t in inner if "0" not in t and "…" not in t), key=len, default="").lower()
    if not size or (needle.strip(OUTER_BLANK) and needle.strip(OUTER_BLANK) not in text.lower()):
        return None
    spans = find_spans(text)
    last = len(spans) - size
    starts = range(last + 1)
    if run[0] == BEGIN:
        starts = range(min(last + 1, 1))
    elif run[-1] == END:
        starts = range(max(last, 0), last + 1)
    for at in starts:
        if all(_is_same(spans[at + i][0], token) for i, token in enumerate(inner)):
            return spans[at][1], spans[at + size - 1][2]
    return None


_DIGIT = re.compile(r"\d")


def fold_digits(text: str) -> str:
    """Replaces every digit by ``0``: numbers, codes and dates of one shape become equal."""
    return _DIGIT.sub("0", text)


def _is_same(token: str, wanted: str) -> bool:
    if token == wanted:
        return True
    if wanted.endswith("…"):
        start = wanted[:-1]
        return token.startswith(start) and not token[len(start) : len(start) + 1].isdigit()
    return "0" in wanted and fold_digits(token) == wanted
