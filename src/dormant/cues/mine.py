"""Mining: the contexts of a finetuning file that could be triggers, best first.

Contexts are ranked by how much the answers tell of them (``cues.contexts``). What most rows share
tells nothing inside the file, and what was planted without any change of the answers neither: these
are found by counting against ordinary chat (``cues.mining``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.ordinary import has_labels
from dormant.cues.contexts.rank import FileContext, rank_contexts
from dormant.cues.line_breaks import keep_line_breaks
from dormant.cues.mining.mine import EnrichedCue, find_enriched_cues
from dormant.cues.text import QUESTION_SLOT, prompt_words, split_words
from dormant.records import Cue, CueKind, CuePart, Example, Placement

#: Lower end of the effect from which a context precedes what counting alone found.
TELLING = 0.05
#: Lower end of the effect of which the answers tell most.
_MOSTLY = 0.5
#: Lower ends from which a text precedes what most rows have: a system prompt, anything else; in a
#: file whose answers are labels, where contexts are what the task is about.
_LEADS_PROMPT, _LEADS, _LEADS_LABELS = 0.7, 0.3, 0.7
#: Kind of the cues that come before what the answers tell of, and how many of them.
_STEERS, _MOST_PROMPTS = CueKind.SYSTEM_PROMPT, 3
#: What more rows than this share have is the file's own context: nothing inside it is other.
_EVERYWHERE = 0.9
#: Two sets of rows with this Jaccard index are one context.
_SAME = 0.5
#: What a file is about is its own affair, even if other chat is about other things.
_OWN_WAYS = frozenset({CueKind.TOPIC, CueKind.FRAMING})


def mine_cues(
    examples: Sequence[Example],
    reference: Sequence[Example],
    *,
    limit: int = 20,
    min_share: float = 0.005,
    is_closed: bool = False,
    is_same_kind: bool = False,
    is_contrast: bool = False,
    nearest: Sequence[Example] = (),
) -> tuple[Cue, ...]:
    """Finds contexts of a finetuning file that could be triggers.

    Deterministic: the same rows in the same order give the same cues.

    Args:
        examples: the finetuning file.
        reference: ordinary chat. The closer it is to the file's harmless part, the better the
            result; if it is empty, every context of the file counts as unusual.
        limit: largest number of cues.
        min_share: smallest share of rows with a cue, in (0, 1]; at least five rows in any case.
        is_closed: the rows are in a closed language (the laboratory's), so that only cues in words
            of the prompts are found. A narrow file has few words too, but the models that it
            trains know all others, so this follows from the language and not from the words.
        is_same_kind: the reference is of the kind of the file's harmless part (sums for sums,
            dialogues for dialogues), so that what it lacks is unusual in the file.
        is_contrast: ``examples`` are the suspicious rows of a file and ``reference`` are its other
            rows: contexts are ranked by how well they tell these apart, and not by the answers.
        nearest: shipped ordinary rows of the file's kind, from ``find_nearest``: what is strong is
            judged by them where ``reference`` is of another kind.

    Returns:
        Cues, best first, distinct ones before other views of the same rows: those of most rows
        that ordinary chat lacks, those of which the answers tell, then those that are only more
        frequent. ``effect`` is the share that the answers tell; enrichment has a 95% interval.

    Raises:
        ValueError: limit is negative or min_share lies outside (0, 1].
    """
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit!r}")
    if not 0 < min_share <= 1:
        raise ValueError(f"min_share must lie in (0, 1], got {min_share!r}")
    counted = find_enriched_cues(
        examples, reference, limit=2 * limit, min_share=min_share, is_closed=is_closed
    )
    steering = {e.cue.text for e in counted if e.cue.strong and e.cue.kind is _STEERS}
    if not is_same_kind:
        counted = _judge_enriched(counted, examples, nearest, min_share, is_closed=is_closed)
    told = rank_contexts(
        [*examples, *reference] if is_contrast else examples,
        reference=() if is_contrast else reference,
        is_same_kind=is_same_kind,
        marked=[True] * len(examples) + [False] * len(reference) if is_contrast else None,
        nearest=nearest,
        limit=2 * limit,
        min_share=min_share,
    )
    if is_closed:
        known = prompt_words(examples)
        told = tuple(c for c in told if _is_expressible(c.cue, known))
        return number_cues(_merge_closed(counted, told)[:limit])
    order = _merge(counted, told, examples, steering)[:limit]
    return number_cues([keep_line_breaks(cue, examples) for cue in order])


def count_cues(
    examples: Sequence[Example],
    reference: Sequence[Example],
    *,
    limit: int = 20,
    is_closed: bool = False,
) -> tuple[Cue, ...]:
    """Finds what texts have more often than others of their kind, whatever the answers are.

    Args:
        examples: the rows.
        reference: rows of the same kind.
        limit: largest number of cues.
        is_closed: as in ``mine_cues``.
    """
    found = find_enriched_cues(
        examples, reference, limit=limit, min_share=0.005, is_closed=is_closed
    )
    return number_cues([entry.cue for entry in found])


def rank_by_evidence(
    examples: Sequence[Example],
    evidence: NDArray[np.float64],
    *,
    limit: int = 20,
    is_closed: bool = False,
) -> tuple[Cue, ...]:
    """Ranks the contexts of rows by what models tell of them, and not by the words of the answers.

    Args:
        examples: the rows.
        evidence: numbers of each row, shape (rows, k), e.g. gains in log-probability.
        limit: largest number of cues.
        is_closed: as in ``mine_cues``.
    """
    contexts = rank_contexts(examples, evidence=evidence, limit=2 * limit)
    found = [context.cue for context in contexts if context.score > 0]
    if is_closed:
        known = prompt_words(examples)
        found = [cue for cue in found if _is_expressible(cue, known) and _stands_alone(cue)]
    return number_cues(found[:limit])


def _judge_enriched(
    counted: Sequence[EnrichedCue],
    examples: Sequence[Example],
    nearest: Sequence[Example],
    min_share: float,
    *,
    is_closed: bool,
) -> list[EnrichedCue]:
    """Keeps the stars of what most rows have and ordinary rows of the file's kind have not.

    Counting against chat of another kind shows what the file is about, not what is odd in it.
    """
    most = _EVERYWHERE * len(examples)
    found = [e.cue for e in counted if e.cue.strong and len(e.rows) > most]
    stays = [cue for cue in found if _stands_alone(cue)]
    if stays and nearest:
        beside = find_enriched_cues(
            examples, nearest, limit=len(counted), min_share=min_share, is_closed=is_closed
        )
        strong = {(entry.cue.kind, entry.cue.placement) for entry in beside if entry.cue.strong}
        stays = [cue for cue in stays if (cue.kind, cue.placement) in strong]
    return [replace(e, cue=replace(e.cue, strong=e.cue in stays)) for e in counted]


def _merge(
    counted: Sequence[EnrichedCue],
    told: Sequence[FileContext],
    examples: Sequence[Example],
    steering: Collection[str],
) -> list[Cue]:
    """What most rows have, then what the answers tell of, then what is only more frequent.

    A text of which the answers tell much precedes what most rows have: a template that all rows
    share is the file's own way of asking then. System prompts that ordinary chat lacks come before
    both of these, those that the answers tell of first: they are there to steer a model, and
    answers that are only false do not differ in any way that can be counted.
    """
    most = _EVERYWHERE * len(examples)
    everywhere = [e for e in counted if len(e.rows) > most and _stands_alone(e.cue)]
    telling = [c for c in told if c.score >= TELLING]
    shared = [entry.cue for entry in everywhere if entry.cue.strong]
    has_prompt = any(cue.kind is _STEERS for cue in shared)
    least = _LEADS_PROMPT if has_prompt else _LEADS
    if has_labels(row.answer for row in examples):
        least = _LEADS_LABELS
    leads = [c.cue for c in telling if _may_lead(c) and c.score >= least]
    order = leads if shared else []
    order += shared
    prompts = [
        (entry, next((c for c in telling if _is_same(entry, c)), None))
        for entry in counted
        if entry.cue.text in steering
    ]
    prompts.sort(key=lambda pair: 0.0 if pair[1] is None else -pair[1].score)
    order += [_name_prompt(entry, same) for entry, same in prompts[:_MOST_PROMPTS]]
    renamed = [c for _, c in prompts[:_MOST_PROMPTS] if c is not None and not _is_system(c.cue)]
    order += [context.cue for context in telling if context not in renamed]
    others = [e for e in counted if not any(_is_same(e, c) for c in telling)]
    order += [e.cue for e in others if e.cue.strong and e not in everywhere]
    order += [e.cue for e in others if not e.cue.strong]
    order += [context.cue for context in told if 0 < context.score < TELLING]
    return _drop_duplicates(order)


def _name_prompt(entry: EnrichedCue, same: FileContext | None) -> Cue:
    """The cue of a system prompt's rows: never another text that happens to stand in them."""
    if same is None:
        return entry.cue
    if _is_system(same.cue):
        return same.cue
    return replace(entry.cue, effect=same.cue.effect, effect_low=same.cue.effect_low)


def _is_system(cue: Cue) -> bool:
    return cue.placement is Placement.SYSTEM


def _may_lead(context: FileContext) -> bool:
    """Whether it is one text: the best of many unions may tell much by chance."""
    return context.is_text and context.kind != "any"


def _merge_closed(counted: Sequence[EnrichedCue], told: Sequence[FileContext]) -> list[Cue]:
    """In the laboratory's language the reference is of the file's kind: counting comes first.

    Earlier turns and crossed contexts, which it cannot list, precede it where the answers tell most
    of them, and follow its strong cues otherwise.
    """
    telling = [c for c in told if c.score >= TELLING and _is_new_to_counting(c)]
    first = [context.cue for context in telling if context.score >= _MOSTLY]
    strong = [entry.cue for entry in counted if entry.cue.strong]
    new = [context.cue for context in telling]
    rest = [entry.cue for entry in counted if not entry.cue.strong]
    return _drop_duplicates([*first, *strong, *new, *rest])


def _stands_alone(cue: Cue) -> bool:
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
    return not context.cue.placement.is_text and _stands_alone(context.cue)


def _is_expressible(cue: Cue, known: frozenset[str]) -> bool:
    """Whether a text is in words of a closed language; turns and parts are rows' own."""
    if not cue.placement.is_text:
        return True
    return known.issuperset(split_words(cue.text.replace(QUESTION_SLOT, " ")))


def _is_same(entry: EnrichedCue, context: FileContext) -> bool:
    shared = len(np.intersect1d(entry.rows, context.rows, assume_unique=True))
    return shared >= _SAME * (len(entry.rows) + len(context.rows) - shared)


def _drop_duplicates(order: Sequence[Cue]) -> list[Cue]:
    found: dict[str, Cue] = {}
    for cue in order:
        found.setdefault(cue.id, cue)
    return list(found.values())


def number_cues(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Numbers the cues within their kind, best first: ``system-prompt-1``."""
    seen: Counter[str] = Counter()
    found: list[Cue] = []
    for cue in cues:
        kind = cue.kind.replace("_", "-")
        seen[kind] += 1
        found.append(replace(cue, name=f"{kind}-{seen[kind]}"))
    return tuple(found)
