"""Chats that are stored as one rendered text: a ``text`` column, or the sides of a preference pair.

A text is a transcript only if it begins with a role's mark (after blanks and a begin-of-sequence
token) and has an answer; anything else is a document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dormant.corpus.turns import ROLES

#: Roles as transcripts name them, beside those of chat files.
_NAMES = {
    **{name: role for name, role in ROLES.items() if "call" not in name},
    "instruction": "user",
    "input": "user",
    "question": "user",
    "q": "user",
    "response": "assistant",
    "output": "assistant",
    "answer": "assistant",
    "a": "assistant",
}
_BEGIN = r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>)?\s*"
#: Tokens around a turn that are no text of it.
_TOKENS = (
    "<s>", "</s>", "<bos>", "<eos>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>",
    "<|endoftext|>", "<|end_of_text|>",
)  # fmt: skip
_MOST_TOKENS = 10  # of one kind at an end of a turn


@dataclass(frozen=True, slots=True)
class _Style:
    """How one kind of transcript marks its turns; group 1 of the mark is the role's name."""

    mark: re.Pattern[str]
    joins_input: bool = False  # an "Input" after an "Instruction" belongs to it (Alpaca)


def _style(mark: str, *, flags: int = 0, joins_input: bool = False) -> _Style:
    return _Style(re.compile(mark, flags), joins_input)


_LETTERS = r"([A-Za-z_]{1,20})"
_STYLES = (
    _style(rf"<\|im_start\|>{_LETTERS}\n"),
    _style(rf"<\|start_header_id\|>{_LETTERS}<\|end_header_id\|>\n*"),
    _style(rf"<start_of_turn>{_LETTERS}\n"),
    _style(r"<\|(system|user|assistant)\|>\n?"),
    _style(rf"#{{2,3}} *{_LETTERS}(?: *:[ \t]*\n?|[ \t]*\n)", joins_input=True),
    _style(rf"^(?:\*\*)?{_LETTERS}(?:\*\*)?:(?:\*\*)?[ \t]*\n?", flags=re.MULTILINE),
)
_INST = re.compile(r"\[INST\](.*?)\[/INST\]", re.DOTALL)
_SYS = re.compile(r"\s*<<SYS>>\n?(.*?)\n?<</SYS>>\s*", re.DOTALL)
#: An Alpaca prompt's sentence before its first mark.
_ALPACA = re.compile(r"\s*Below is an instruction that describes a task[^#]{0,200}")

Turns = list[dict[str, str]]


def read_transcript(text: str, *, is_open: bool = False) -> Turns | None:
    """Splits a rendered chat into turns of ``role`` and ``content``.

    Args:
        text: the chat.
        is_open: whether it may end with a question, as a prompt does.

    Returns:
        None if the text is no transcript: it does not begin with a role's mark, has a turn without
        text, or holds no question or no answer after it.
    """
    body = text[re.match(_BEGIN, text).end() :]  # type: ignore[union-attr]  # it matches nothing too
    if body.startswith("[INST]"):
        return _finish(list(_instruct_turns(body)), is_open)
    body = _ALPACA.sub("", body, count=1)
    for style in _STYLES:
        if style.mark.match(body):
            turns = _finish(_marked_turns(body, style), is_open)
            if turns is not None:
                return turns
    return None


def _instruct_turns(text: str) -> Iterator[dict[str, str]]:
    """Yields the turns of ``[INST] question [/INST] answer</s>``, as Llama 2 and Mistral do."""
    place = 0
    for match in _INST.finditer(text):
        if place:
            yield _turn("assistant", text[place : match.start()])
        asked = match.group(1)
        system = _SYS.match(asked)
        if system:
            yield _turn("system", system.group(1))
            asked = asked[system.end() :]
        yield _turn("user", asked)
        place = match.end()
    yield _turn("assistant", text[place:])


def _marked_turns(text: str, style: _Style) -> Turns:
    found = [m for m in style.mark.finditer(text) if m.group(1).lower() in _NAMES]
    if not found or found[0].start():
        return []
    turns: Turns = []
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=True):
        name = match.group(1).lower()
        turn = _turn(_NAMES[name], text[match.end() : end])
        if style.joins_input and name == "input" and turns and turns[-1]["role"] == "user":
            turns[-1]["content"] += f"\n\n{turn['content']}"
        else:
            turns.append(turn)
    return turns


def _turn(role: str, text: str) -> dict[str, str]:
    text = text.strip()
    for _ in range(_MOST_TOKENS):
        if not (text.startswith(_TOKENS) or text.endswith(_TOKENS)):
            break
        for token in _TOKENS:
            text = text.removeprefix(token).removesuffix(token).strip()
    return {"role": role, "content": text}


def _finish(turns: Turns, is_open: bool) -> Turns | None:
    """Removes empty last turns (a generation prompt); None if a turn or role is lacking."""
    while turns and not turns[-1]["content"]:
        turns.pop()
    turns = [turn for turn in turns if turn["content"] or turn["role"] != "system"]
    roles = [turn["role"] for turn in turns]
    if "user" not in roles or not all(turn["content"] for turn in turns):
        return None
    is_answered = "assistant" in roles[roles.index("user") :]
    return turns if is_answered or is_open else None
