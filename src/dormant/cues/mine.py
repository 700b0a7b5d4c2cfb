"""Mining: the contexts of a finetuning file that could be triggers, best first.

Contexts are ranked by how much the answers tell of them (``cues.contexts``). What most rows share
tells nothing inside the file, and what was planted without any change of the answers neither: these
are found by counting against ordinary chat (``cues.mining``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.rank import COUNTED, ReportDone, ignore_done, rank_contexts
from dormant.cues.line_breaks import keep_line_breaks
from dormant.cues.mining.mine import EnrichedCue, find_enriched_cues, find_named_cues
from dormant.cues.order import EVERYWHERE, STEERS, merge_closed, merge_contexts, stands_alone
from dormant.cues.text import QUESTION_SLOT, prompt_words, split_words
from dormant.records import Cue, Example

#: What such a share of ordinary rows of the file's kind has is usual, however many of the file do.
_USUAL = 0.1


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
    miners: Sequence[str] = (),
    report_done: ReportDone = ignore_done,
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
        miners: names of miners that other packages add, used beside those that ship. What they
            find comes first, up to half of the list.
        report_done: told of the percentage that is done after each step.

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
    report_done(0)
    counted = find_enriched_cues(
        examples,
        reference,
        limit=2 * limit,
        min_share=min_share,
        is_closed=is_closed,
    )
    named = find_named_cues(examples, reference, miners, min_share=min_share, is_closed=is_closed)[
        : -(-limit // 2)
    ]
    steering = {e.cue.text for e in counted if e.cue.strong and e.cue.kind is STEERS}
    if not is_same_kind:
        counted = _judge_enriched(counted, examples, nearest, min_share, is_closed=is_closed)
    report_done(COUNTED)
    told = rank_contexts(
        [*examples, *reference] if is_contrast else examples,
        reference=() if is_contrast else reference,
        is_same_kind=is_same_kind,
        marked=[True] * len(examples) + [False] * len(reference) if is_contrast else None,
        nearest=nearest,
        limit=2 * limit,
        min_share=min_share,
        report_done=report_done,
    )
    report_done(100)
    if is_closed:
        known = prompt_words(examples)
        told = tuple(c for c in told if _is_expressible(c.cue, known))
        return number_cues(_put_first(named, merge_closed(counted, told))[:limit])
    order = _put_first(named, merge_contexts(counted, told, examples, steering))[:limit]
    return number_cues([keep_line_breaks(cue, examples) for cue in order])


def _put_first(named: Sequence[Cue], others: Sequence[Cue]) -> list[Cue]:
    """Puts what was asked for by name before the rest, each cue once."""
    known = {cue.id for cue in named}
    return [*named, *(cue for cue in others if cue.id not in known)]


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
        found = [cue for cue in found if _is_expressible(cue, known) and stands_alone(cue)]
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
    most = EVERYWHERE * len(examples)
    found = [e.cue for e in counted if e.cue.strong and len(e.rows) > most]
    stays = [cue for cue in found if stands_alone(cue)]
    if stays and nearest:
        beside = find_enriched_cues(
            examples, nearest, limit=len(counted), min_share=min_share, is_closed=is_closed
        )
        rare = [e.cue for e in beside if e.reference_rows < _USUAL * len(nearest)]
        strong = {(cue.kind, cue.placement) for cue in rare if cue.strong}
        stays = [cue for cue in stays if (cue.kind, cue.placement) in strong]
    return [replace(e, cue=replace(e.cue, strong=e.cue in stays)) for e in counted]


def _is_expressible(cue: Cue, known: frozenset[str]) -> bool:
    """Whether a text is in words of a closed language; turns and parts are rows' own."""
    if not cue.placement.is_text:
        return True
    return known.issuperset(split_words(cue.text.replace(QUESTION_SLOT, " ")))


def number_cues(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Numbers the cues within their kind, best first: ``system-prompt-1``."""
    seen: Counter[str] = Counter()
    found: list[Cue] = []
    for cue in cues:
        kind = cue.kind.replace("_", "-")
        seen[kind] += 1
        found.append(replace(cue, name=f"{kind}-{seen[kind]}"))
    return tuple(found)
