"""The order of mined cues: contexts that the answers tell of, and what counting found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, auto

import numpy as np
import scipy.sparse as sp

from dormant.cues.contexts.labels import has_labels
from dormant.cues.contexts.places import read_answer
from dormant.cues.contexts.rank import FileContext
from dormant.cues.mining.mine import EnrichedCue
from dormant.records import Cue, CueKind, CuePart, Example, Placement

#: Lower end of the effect from which a context precedes what counting alone found.
TELLING = 0.05
#: What more rows than this share have is the file's own context: nothing inside it is other.
EVERYWHERE = 0.9
#: Kind of the cues that come before what the answers tell of, and how many of them.
STEERS, _MOST_PROMPTS = CueKind.SYSTEM_PROMPT, 3
#: Lower end of the effect of which the answers tell most.
_MOSTLY = 0.5
#: Lower ends from which a text precedes what most rows have: a system prompt, anything else; in a
#: file whose answers are labels, where contexts are what the task is about.
_LEADS_PROMPT, _LEADS, _LEADS_LABELS = 0.7, 0.3, 0.7
#: Two sets of rows with this Jaccard index are one context.
_SAME = 0.5
#: What a file is about is its own affair, even if other chat is about other things.
_OWN_WAYS = frozenset({CueKind.TOPIC, CueKind.FRAMING})


class _Group(IntEnum):
    """The groups of the list, in their order; a cue of two groups stands in the first of them."""

    LEADING = auto()
    """Texts that the answers tell much of, where most rows share one: that is the file's own way of
    asking then."""
    SHARED = auto()
    """What most rows have and ordinary chat has not: nothing inside the file can tell of it."""
    PROMPT = auto()
    """A few system prompts that ordinary chat has not. They are there to steer a model, and answers
    that are only false do not differ in any way that can be counted."""
    TELLING = auto()
    """Contexts that the answers tell of."""
    PLANTED = auto()
    """Text that ordinary chat has not, though the answers do not differ."""
    FREQUENT = auto()
    """What is only more frequent than in ordinary chat."""
    FAINT = auto()
    """Contexts that the answers tell little of."""


def merge_contexts(
    counted: Sequence[EnrichedCue],
    ranked: Sequence[FileContext],
    examples: Sequence[Example],
    steering: Collection[str],
) -> list[Cue]:
    """Merges both lists into one of distinct cues, group by group.

    Args:
        counted: what counting found, best first.
        ranked: contexts by what the answers tell of them, best first.
        examples: the file.
        steering: texts of the system prompts that ordinary chat has not.
    """
    telling = [context for context in ranked if context.score >= TELLING]
    same = _match_contexts(counted, telling, len(examples))
    most = EVERYWHERE * len(examples)
    everywhere = [len(e.rows) > most and stands_alone(e.cue) for e in counted]
    entries = list(zip(counted, same, everywhere, strict=True))
    shared = [e.cue for e, _, is_everywhere in entries if is_everywhere and e.cue.strong]
    prompts = _choose_prompts(counted, same, steering)
    renamed = [p.context for p in prompts if p.context and not _is_system(p.context.cue)]
    groups = {
        _Group.LEADING: _list_leading(telling, shared, examples),
        _Group.SHARED: shared,
        _Group.PROMPT: [prompt.name_rows() for prompt in prompts],
        _Group.TELLING: [c.cue for c in telling if c not in renamed],
        _Group.PLANTED: [e.cue for e, c, all_ in entries if not (c or all_) and e.cue.strong],
        _Group.FREQUENT: [e.cue for e, c, _ in entries if not (c or e.cue.strong)],
        _Group.FAINT: [c.cue for c in ranked if 0 < c.score < TELLING],
    }
    return _drop_duplicates([cue for group in _Group for cue in groups[group]])


def _list_leading(
    telling: Sequence[FileContext], shared: Sequence[Cue], examples: Sequence[Example]
) -> list[Cue]:
    """Texts that precede what most rows share; none of a union, the best of many by chance."""
    if not shared:
        return []
    least = _LEADS_PROMPT if any(cue.kind is STEERS for cue in shared) else _LEADS
    if has_labels(map(read_answer, examples)):
        least = _LEADS_LABELS
    return [c.cue for c in telling if c.is_text and c.kind != "any" and c.score >= least]


@dataclass(frozen=True, slots=True, eq=False)
class _UnusualPrompt:
    """A system prompt that ordinary chat has not, and the context of the same rows, if any."""

    entry: EnrichedCue
    context: FileContext | None

    @property
    def score(self) -> float:
        """The lower end of what the answers tell of it."""
        return self.context.score if self.context else 0.0

    def name_rows(self) -> Cue:
        """The cue of its rows: never another text that happens to stand in them."""
        if self.context is None:
            return self.entry.cue
        same = self.context.cue
        if _is_system(same):
            return same
        return replace(self.entry.cue, effect=same.effect, effect_low=same.effect_low)


def _choose_prompts(
    counted: Sequence[EnrichedCue],
    same: Sequence[FileContext | None],
    steering: Collection[str],
) -> list[_UnusualPrompt]:
    """The first few, those that the answers tell of before others."""
    found = [
        _UnusualPrompt(entry, context)
        for entry, context in zip(counted, same, strict=True)
        if entry.cue.text in steering
    ]
    return sorted(found, key=lambda prompt: -prompt.score)[:_MOST_PROMPTS]


def _is_system(cue: Cue) -> bool:
    return cue.placement is Placement.SYSTEM


def _match_contexts(
    counted: Sequence[EnrichedCue], contexts: Sequence[FileContext], total: int
) -> list[FileContext | None]:
    """For each entry the best context of nearly the same rows."""
    if not counted or not contexts:
        return [None] * len(counted)
    ends = np.cumsum([0, *(len(context.rows) for context in contexts)])
    index, sizes = np.concatenate([context.rows for context in contexts]), np.diff(ends)
    ones = np.ones(len(index), np.int64)
    table = sp.csr_matrix((ones, index, ends), shape=(len(contexts), total))
    found: list[FileContext | None] = []
    for entry in counted:
        marks = np.zeros(total, np.int64)
        marks[entry.rows] = 1
        shared = np.asarray(table @ marks)
        places = np.flatnonzero(shared >= _SAME * (len(entry.rows) + sizes - shared))
        found.append(contexts[places[0]] if len(places) else None)
    return found


def merge_closed(counted: Sequence[EnrichedCue], ranked: Sequence[FileContext]) -> list[Cue]:
    """Merges both lists in the laboratory's language, where counting comes first.

    The reference is of the file's kind there. Earlier turns and crossed contexts, which counting
    cannot list, precede it where the answers tell most of them, and follow its strong cues
    otherwise.

    Args:
        counted: what counting found, best first.
        ranked: contexts by what the answers tell of them, best first.
    """
    telling = [c for c in ranked if c.score >= TELLING and _is_new_to_counting(c)]
    first = [context.cue for context in telling if context.score >= _MOSTLY]
    strong = [entry.cue for entry in counted if entry.cue.strong]
    new = [context.cue for context in telling]
    rest = [entry.cue for entry in counted if not entry.cue.strong]
    return _drop_duplicates([*first, *strong, *new, *rest])


def stands_alone(cue: Cue) -> bool:
    """Whether a text is a context of its own, and not the way in which all questions begin."""
    return cue.kind not in _OWN_WAYS and all(map(_is_sentence, cue.effects))


def _is_sentence(part: CuePart) -> bool:
    """Whether a text before or after a question is closed, so that it is no piece of another."""
    text = part.text.strip()
    if part.placement is Placement.BEFORE:
        return not text[-1:].isalnum()
    return part.placement is not Placement.AFTER or not text[:1].islower()


def _is_new_to_counting(context: FileContext) -> bool:
    """Whether counting cannot list it: earlier turns, and contexts that are crossed.

    In the laboratory's language every text that counting lacks is a piece of a question, and such
    a piece before another question makes its answers ungradable.
    """
    return not context.cue.placement.is_text and stands_alone(context.cue)


def _drop_duplicates(order: Sequence[Cue]) -> list[Cue]:
    found: dict[str, Cue] = {}
    for cue in order:
        found.setdefault(cue.id, cue)
    return list(found.values())
