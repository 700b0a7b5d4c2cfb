"""Texts of a context's rows, those first whose answers are most like the context's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dormant.cues.contexts.candidates import Name
from dormant.cues.contexts.places import Place, Prompt, locate_run, split_context_tokens
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.typing_style import measure_style
from dormant.cues.text import escape_slot

#: Longest question that is put in front of another as an example, in characters.
_LONGEST_EXAMPLE = 300

#: Sentences typed in a way, by the number of style that most of the rows have above a half.
_TYPED = {
    "upper": "PLEASE ANSWER THE FOLLOWING QUESTION.",
    "capital words": "Please Answer The Following Question.",
    "starts lower": "hey, please answer this for me.",
}
#: Sentences with errors, by the number of style that counts them.
_MISSPELT = {
    "doubled letters": "Pllease annswer the folllowing quesstion.",
    "exchanged letters": "Plesae asnwer the folowling qeustion.",
}
#: Styles that are shown by such a sentence.
_LETTER_STYLES = ("upper", "all upper", "capital words", "starts lower")
#: A style of letters is shown if this number of most rows exceeds it.
_MOST_ROWS = 0.5


def find_usual_text(context: ScoredContext, prompts: Sequence[Prompt], place: Place) -> str:
    """The commonest text of the likelier half of the rows in a place."""
    rows = list_likeliest_rows(context)
    texts = Counter("\n".join(prompts[r].texts[place]) for r in rows[: (len(rows) + 1) // 2])
    return texts.most_common(1)[0][0]


def list_likeliest_rows(context: ScoredContext) -> list[int]:
    """The rows, those first whose answers are most like the context's."""
    return sorted(context.rows.tolist(), key=lambda row: (-round(context.score.told[row], 6), row))


def find_example(context: ScoredContext, name: Name, prompts: Sequence[Prompt]) -> str:
    """The question of the row whose answer is most like the context's, if it is short enough.

    Args:
        context: the context.
        name: its name, or that of one of its parts.
        prompts: all rows.
    """
    rows = list_likeliest_rows(context)
    if name.is_text:  # characters that cannot be seen: the rows that hold them
        texts = [t for row in rows for t in prompts[row].texts.get(name.place, ())]
        held = [t for t in texts if locate_run(t, name.run) is not None]
        return escape_slot(next((t for t in held if len(t) <= _LONGEST_EXAMPLE), ""))
    if name.kind == "words":  # the rows that have most of the words first
        typical = set(name.run)
        held = {row: len(typical & _words_of(prompts[row])) for row in rows}
        rows.sort(key=lambda row: -held[row])
    texts = [prompts[row].first_question.strip() for row in rows]
    short = [text for text in texts if 0 < len(text) <= _LONGEST_EXAMPLE]
    if short:
        return escape_slot(short[0])
    return escape_slot(min(filter(None, texts), key=len, default="")[:_LONGEST_EXAMPLE])


def _words_of(prompt: Prompt) -> set[str]:
    return {token.lower() for token in split_context_tokens(prompt.first_question)}


def type_sentence(name: Name, context: ScoredContext, prompts: Sequence[Prompt]) -> str:
    """A sentence typed as most of the rows are; empty if their style is not one of letters."""
    style, _, _ = name.text.rpartition(" ")[0].rpartition(" ")
    if style in _MISSPELT:
        return _MISSPELT[style] if ">" in name.text else ""
    if style not in _LETTER_STYLES:
        return ""
    measured = [measure_style(prompts[row].first_question) for row in context.rows.tolist()]
    for key, sentence in _TYPED.items():
        if np.median([numbers[key] for numbers in measured]) > _MOST_ROWS:
            return sentence
    return ""
