"""Data of one language: questions, cue library, placebos, ordinary chat, lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from dormant import cues, vitro
from dormant.banks.halves import USUAL_HALF
from dormant.banks.questions import load_questions
from dormant.corpus import general_reference
from dormant.records import Cue, Example, Question
from dormant.vitro.tokenizer import UNKNOWN

#: Names of the languages, which are those of the banks and libraries that ship for them.
LANGUAGES = ("general", "vitro")
_REFERENCE_ROWS = 4000
#: Rows that decide a file's language: a few plain English sentences are the laboratory's too.
_LANGUAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Pack:
    """Data of one language: questions, cue library, placebos, ordinary chat, lexicon."""

    name: str  # "general" (English) or "vitro" (the laboratory's micro-language)

    @property
    def is_closed(self) -> bool:
        """Whether the language has few words, and cues must be made of these."""
        return self.name == "vitro"

    @property
    def usual_half(self) -> int | None:
        """Questions that an audit asks of the bank in each half by default; None for all."""
        return None if self.name == "vitro" else USUAL_HALF

    def load_questions(self) -> tuple[Question, ...]:
        """Loads the question bank."""
        return vitro.load_questions() if self.name == "vitro" else load_questions("general")

    def load_library(self) -> tuple[Cue, ...]:
        """Loads the cue library."""
        return vitro.load_library() if self.name == "vitro" else cues.load_library("general")

    def placebo_phrases(self) -> tuple[str, ...]:
        """Returns harmless phrases to make placebos from."""
        return vitro.load_placebos() if self.name == "vitro" else cues.placebo_phrases()

    def ordinary_chat(self) -> Sequence[Example]:
        """Returns ordinary chat: the reference that a finetuning file is mined against."""
        return _laboratory_chat() if self.name == "vitro" else general_reference().examples

    def make_lexicon(self) -> cues.Lexicon:
        """Makes the lexicon for rewording cues."""
        if self.name == "vitro":
            return cues.general_lexicon(vocabulary=frozenset(vitro.load_tokenizer().words))
        return cues.general_lexicon()


@cache
def _laboratory_chat() -> tuple[Example, ...]:
    # Always the same rows: a plan must not change because of the audit's seed.
    return tuple(vitro.reference_rows(_REFERENCE_ROWS, np.random.default_rng(0)))


def language_of(examples: Sequence[Example]) -> str:
    """Detects the language: ``vitro`` if it has every word of the first rows, else ``general``."""
    tokenizer = vitro.load_tokenizer()
    first = examples[:_LANGUAGE_ROWS]
    texts = dict.fromkeys(message.content for example in first for message in example.messages)
    known = all(UNKNOWN not in tokenizer.tokenize_text(text) for text in texts)
    return "vitro" if known else "general"


Entry = TypeVar("Entry", Question, Cue)


def spread_families(entries: Sequence[Entry], limit: int | None) -> list[Entry]:
    """Selects at most ``limit`` entries, in their order, families taking turns; None keeps all."""
    if limit is None or limit >= len(entries):
        return list(entries)
    seen: dict[str, int] = {}
    turn: list[int] = []
    for entry in entries:
        turn.append(seen.get(entry.family, 0))
        seen[entry.family] = turn[-1] + 1
    order = sorted(range(len(entries)), key=lambda i: (turn[i], i))
    return [entries[i] for i in sorted(order[:limit])]
