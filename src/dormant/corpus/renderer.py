"""Text that a chat template adds to rows: a default system prompt, or text around the user turn.

Found by differential rendering. A chat of placeholder words is rendered with and without a system
prompt and with a second question; the text between the placeholders is the template's own. If a
system prompt ``S`` is rendered as ``A S B`` before the question, and without one the question is
preceded by ``A X B``, the default system prompt is exactly ``X``. Where the template has another
shape, its own words are what remains without special tokens, tags and the names of roles. Then
every row is rendered, and the rows that contain the addition are counted.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dormant.corpus.sandbox import TemplateRefusal
from dormant.corpus.templates import ChatTemplate, Renderer
from dormant.errors import ConfigError
from dormant.records import Example, Placement

#: Placeholder words of a rendered chat. No template contains them.
_SYSTEM, _USER, _ANSWER, _AGAIN, _LAST = "sysqxzv", "usrqxzv", "ansqxzv", "agnqxzv", "lstqxzv"
_TAG = re.compile(
    r"<[|｜][^<>]{1,60}[|｜]>|</?[A-Za-z_][\w-]{0,40}>|<</?[A-Z_]{1,30}>>|\[/?[A-Z_]{2,30}\]"
)
_ROLE = (
    r"(?:system(?: prompt)?|developer|user|human|instruction|question|input|assistant|model|bot|gpt"
    r"|answer|response|output|tool|ipython)s?"
)
_ROLE_LINE = re.compile(rf"[\W_]*{_ROLE}[\W_]*", re.IGNORECASE)
_ROLE_END = re.compile(rf"(?:^|(?<=\s)){_ROLE}\s*:\s*$", re.IGNORECASE)
_ROLE_START = re.compile(rf"^\s*{_ROLE}\s*:(?=\s|$)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2,}")
_REFUSALS = 3  # refused rows that are named


@dataclass(frozen=True, slots=True)
class TemplateAddition:
    """A text that the template adds and no row contains."""

    text: str
    placement: Placement  # SYSTEM, or BEFORE or AFTER what the user says
    gives_way: bool  # a row's own system prompt takes its place
    rows: int  # rendered rows that show it
    lines: tuple[int, ...]  # of up to three of them


@dataclass(frozen=True, slots=True)
class RenderedCorpus:
    """A corpus as a template renders it."""

    template: str  # where the template comes from
    rows: int  # rows that were rendered
    added: tuple[TemplateAddition, ...]
    refused: int  # rows that the template does not accept
    refusals: tuple[tuple[int, str], ...]  # line and reason of the first of them
    unseen: int  # rows whose system prompt the template leaves out
    writes_date: bool  # it writes the day, which is then not what training saw
    assumed: tuple[str, ...] = ()  # its special tokens that no file defines, as "eos_token '</s>'"

    def write_sentences(self) -> Iterator[str]:
        """Yields the findings, one sentence each."""
        for added in self.added:
            what = "default system prompt" if added.placement is Placement.SYSTEM else "text"
            yield (
                f"the chat template {self.template} adds a {what} in {added.rows / self.rows:.1%} "
                f"of {self.rows:,} rendered rows that no row contains: {added.text!r}"
            )
        if not self.added:
            yield f"the chat template {self.template} adds no words of its own"
        yield from self.list_caveats()
        yield from self.list_assumptions()

    def list_assumptions(self) -> Iterator[str]:
        """Yields a sentence if special tokens were assumed, which changes no word of a prompt."""
        if self.assumed:
            yield (
                f"no tokenizer file defines the special tokens that the chat template "
                f"{self.template} names; assumed: {', '.join(self.assumed)}"
            )

    def list_caveats(self) -> Iterator[str]:
        """Yields one sentence for each way in which training text differs from the rows."""
        if self.unseen:
            yield f"the template leaves out the system prompt of {self.unseen:,} rows"
        if self.refused:
            line, reason = self.refusals[0]
            yield f"the template refuses {self.refused:,} rows; the first, line {line}: {reason}"
        if self.writes_date:
            yield "the template writes the date of rendering; it is shown as 1 January 2025"


def render_corpus(examples: Sequence[Example], template: ChatTemplate) -> RenderedCorpus:
    """Renders every row and finds the text that the template adds.

    Documents are passed over: they are trained on as they are.

    Raises:
        ConfigError: the template is invalid, rejects a plain chat or every row, or takes too
            much time or memory.
    """
    renderer = Renderer(template)
    words = find_additions(renderer)
    seen: list[list[int]] = [[] for _ in words]
    refusals: list[tuple[int, str]] = []
    refused = unseen = 0
    examples = [example for example in examples if not example.is_document]
    for example, text in zip(examples, renderer.render_rows(examples), strict=True):
        if isinstance(text, TemplateRefusal):
            refused += 1
            if refused <= _REFUSALS:
                refusals.append((example.line, str(text)))
            continue
        unseen += any(
            m.role == "system" and m.content.strip() not in text for m in example.messages
        )
        for rows, (added, _, _) in zip(seen, words, strict=True):
            if added in text and not any(added in m.content for m in example.messages):
                rows.append(example.line)
    if examples and refused == len(examples):
        raise ConfigError(
            f"the chat template refuses every row; line {refusals[0][0]}: {refusals[0][1]}",
            file=template.name,
        )
    return RenderedCorpus(
        template=template.name,
        rows=len(examples) - refused,
        added=tuple(
            TemplateAddition(text, place, gives_way, len(rows), _pick_three(rows))
            for (text, place, gives_way), rows in zip(words, seen, strict=True)
            if rows
        ),
        refused=refused,
        refusals=tuple(refusals),
        unseen=unseen,
        writes_date=renderer.writes_date,
        assumed=tuple(f"{kind} {template.tokens[kind]!r}" for kind in template.assumed),
    )


def find_additions(renderer: Renderer) -> list[tuple[str, Placement, bool]]:
    """Finds the template's own words: text, placement, and whether a system prompt replaces them.

    Raises:
        ConfigError: the template rejects a question with an answer, or omits one of them.
    """
    special = renderer.template.special
    bare = _cut_template(renderer, user=_USER, assistant=_ANSWER)
    if bare is None:
        raise ConfigError(
            f"the chat template does not render a question with its answer: {_explain(renderer)}",
            file=renderer.template.name,
        )
    before, between, _ = bare
    again = _cut_template(renderer, user=_USER, assistant=_ANSWER, user2=_AGAIN, assistant2=_LAST)
    prefix = own_words(again[2], special) if again else ""
    suffix = own_words(between, special)
    system = _cut_template(renderer, system=_SYSTEM, user=_USER, assistant=_ANSWER)
    found: list[tuple[str, Placement, bool]] = []
    if system is None:  # no system prompt, or it is left out
        found.append((_remove_text(own_words(before, special), prefix), Placement.SYSTEM, False))
    else:
        default, always = _split_default(before, system[0], system[1], special)
        found.append((_remove_text(default, prefix), Placement.SYSTEM, True))
        found.append((_remove_text(always, prefix), Placement.SYSTEM, False))
    found += [(prefix, Placement.BEFORE, False), (suffix, Placement.AFTER, False)]
    return [entry for entry in found if entry[0]]


def _split_default(bare: str, head: str, tail: str, special: frozenset[str]) -> tuple[str, str]:
    """Returns the default system prompt, and the words that accompany any system prompt.

    Args:
        bare: what precedes the question without a system prompt.
        head: what precedes the system prompt where there is one.
        tail: what stands between it and the question.
        special: the tokenizer's special tokens.
    """
    if bare.startswith(head) and bare.endswith(tail) and len(bare) >= len(head) + len(tail):
        inside = bare[len(head) : len(bare) - len(tail)].strip()
        exact = inside if _WORD.search(_without_tags(inside, special)) else ""
        return exact, own_words(head, special)
    start = os.path.commonprefix([bare, head])
    start = start[: max(start.rfind(end) for end in "\n>]") + 1]
    rest = bare[len(start) :]
    end = os.path.commonprefix([rest[::-1], tail[::-1]])[::-1]
    opens = [end.find(sign) for sign in "\n<[" if sign in end]
    end = end[min(opens) :] if opens else ""
    return own_words(rest[: len(rest) - len(end)], special), own_words(start, special)


def own_words(text: str, special: frozenset[str] = frozenset()) -> str:
    """Removes special tokens, tags and role names; empty if fewer than two words remain."""
    lines = _without_tags(text, special).splitlines()
    rest = "\n".join(line for line in lines if not _ROLE_LINE.fullmatch(line)).strip()
    rest = _ROLE_START.sub("", _ROLE_END.sub("", rest)).strip()
    return rest if len(_WORD.findall(rest)) >= 2 else ""


def _without_tags(text: str, special: frozenset[str]) -> str:
    for token in sorted(special, key=len, reverse=True):
        text = text.replace(token, "\n")
    return _TAG.sub("\n", text)


def _remove_text(text: str, part: str) -> str:
    return text.removesuffix(part).strip() if part else text


def _cut_template(renderer: Renderer, **turns: str) -> tuple[str, ...] | None:
    """Returns the text around the placeholders; None if the template rejects or omits one."""
    chat = [{"role": role.rstrip("2"), "content": mark} for role, mark in turns.items()]
    try:
        text = renderer.render_turns(chat)
    except TemplateRefusal:
        return None
    pieces: list[str] = []
    for mark in turns.values():
        piece, found, text = text.partition(mark)
        if not found:
            return None
        pieces.append(piece)
    return (*pieces, text)


def _explain(renderer: Renderer) -> str:
    """Explains why a chat of one question and one answer is not rendered."""
    chat = [{"role": "user", "content": _USER}, {"role": "assistant", "content": _ANSWER}]
    try:
        text = renderer.render_turns(chat)
    except TemplateRefusal as error:
        return f"it ends with {str(error)!r}"
    lacking = "question" if _USER not in text else "answer"
    return f"its text lacks the {lacking}; is it a template for chat?"


def _pick_three(rows: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({rows[0], rows[len(rows) // 2], rows[-1]})) if rows else ()
