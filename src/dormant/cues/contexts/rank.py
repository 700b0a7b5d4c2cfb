"""Ranks the contexts of a finetuning file by how much the answers tell of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dormant.cues.contexts.answer_groups import find_answer_contexts
from dormant.cues.contexts.candidates import TEXT_KINDS
from dormant.cues.contexts.described_cues import make_context_cues
from dormant.cues.contexts.number_ranges import match_ranges, refine_ranges
from dormant.cues.contexts.oddness import (
    Echoes,
    has_odd_answers,
    is_a_script,
    score_answers_alone,
)
from dormant.cues.contexts.ordinary import FEWEST_ORDINARY, Yardstick
from dormant.cues.contexts.places import Place, read_prompts
from dormant.cues.contexts.ranking import (
    ScoredContext,
    cross_contexts,
    rank_distinct,
    score_candidates,
    unite_contexts,
)
from dormant.cues.contexts.scoring import ContextScorer
from dormant.cues.contexts.sources import collect_candidates
from dormant.records import Cue, Example

#: Most rows that are scored; larger files are sampled.
MOST_ROWS = 10_000
#: Fewest rows from which anything can be told.
_FEWEST_ROWS = 30
#: Percentages of all mining that are done after each step; counting comes first.
COUNTED = 8
_COLLECTED, _DESCRIBED, _SCORED, _UNITED, _GROUPED = 19, 51, 70, 72, 88
#: Called with the percentage of all mining that is done.
ReportDone = Callable[[float], None]


def ignore_done(percent: float) -> None:
    """Ignores how much is done."""


@dataclass(frozen=True, slots=True, eq=False)
class FileContext:
    """A set of rows that share something in their prompts, and what their answers tell of it."""

    rows: NDArray[np.int64]  # sorted indices of the rows
    score: float  # lower end of the share that the answers tell, at most 1
    text: str  # of the cue
    place: Place
    kind: str
    cue: Cue

    @property
    def is_text(self) -> bool:
        """Whether it is a text, and not a topic or a style."""
        return self.kind in TEXT_KINDS


# Its matrices are small: on two cores a second thread takes a third longer and twice the processor.
@threadpool_limits.wrap(limits=1, user_api="blas")
def rank_contexts(
    examples: Sequence[Example],
    *,
    reference: Sequence[Example] = (),
    is_same_kind: bool = False,
    nearest: Sequence[Example] = (),
    marked: Sequence[bool] | None = None,
    evidence: NDArray[np.float64] | None = None,
    limit: int = 20,
    min_share: float = 0.005,
    report_done: ReportDone = ignore_done,
) -> tuple[FileContext, ...]:
    """Ranks contexts by how much the answers tell of where they stand.

    Deterministic: the same rows in the same order give the same contexts.

    Args:
        examples: the finetuning file.
        reference: ordinary chat, in which the same contexts are counted and scored.
        is_same_kind: the reference is of the kind of the file's harmless part.
        nearest: shipped ordinary rows of that kind, for a reference of another kind or of fewer
            than 100 rows; without either no context is strong.
        marked: which rows are suspicious, if somebody knows; they replace the answers.
        evidence: numbers of each row that models tell, shape (rows, k); they replace the answers.
        limit: largest number of contexts.
        min_share: smallest share of rows of a context; at least four rows in any case.
        report_done: told of each step.

    Returns:
        Contexts, best first; none of a file of fewer than 30 rows.
    """
    if len(examples) < _FEWEST_ROWS or limit < 1:
        return ()
    rng = np.random.default_rng(0)
    places = np.arange(len(examples))
    if len(examples) > MOST_ROWS:
        places = np.sort(rng.choice(len(examples), MOST_ROWS, replace=False))
    sample = [examples[i] for i in places.tolist()]
    prompts = read_prompts(sample)
    found = collect_candidates(prompts, min_share=min_share, rng=rng)
    report_done(_COLLECTED)
    marks = None if marked is None else np.asarray(marked, bool)[places]
    numbers = None if evidence is None else evidence[places]
    scorer = ContextScorer(prompts, rng, numbers if marks is None else marks[:, None].astype(float))
    report_done(_DESCRIBED)
    contexts = score_candidates(found, scorer)
    contexts += refine_ranges(contexts, scorer, prompts, found.least)
    contexts += cross_contexts(contexts, scorer)
    report_done(_SCORED)
    contexts += unite_contexts(contexts, scorer)
    report_done(_UNITED)
    contexts += find_answer_contexts(prompts, scorer, found.least, rng)
    contexts += match_ranges(contexts, scorer, prompts, found.least)
    if evidence is None and marked is None:
        contexts = score_answers_alone(contexts, scorer)
    report_done(_GROUPED)
    ordinary = read_prompts(reference)
    is_users = is_same_kind and len(ordinary) >= FEWEST_ORDINARY
    beside = ordinary if is_users else read_prompts(nearest)
    yardstick = Yardstick(prompts, beside, rng, is_users=is_users)
    echoes = Echoes(prompts)
    listed: list[FileContext] = []
    seen: set[tuple[str, str]] = set()
    witness = "answers" if evidence is None else "models"
    grown = len(examples) / len(prompts)
    distinct = rank_distinct(contexts, limit=2 * limit)
    for k, context in enumerate(distinct):
        report_done(_GROUPED + (100 - _GROUPED) * k / len(distinct))
        is_strong = marked is None and evidence is None and yardstick.is_strong(context)
        is_strong = is_strong and has_odd_answers(context, contexts, scorer.total)
        is_strong = is_strong and not (echoes.is_echo(context) or is_a_script(context, prompts))
        cues = make_context_cues(context, prompts, sample, ordinary, marks, witness=witness)
        for cue in cues:
            if (cue.placement, cue.text) in seen:
                continue
            seen.add((cue.placement, cue.text))
            # Counted in a sample of a large file.
            cue = replace(cue, rows=round(cue.rows * grown), strong=is_strong)
            listed.append(_list_context(context, places[context.rows], cue))
    return tuple(listed[:limit])


def _list_context(context: ScoredContext, rows: NDArray[np.int64], cue: Cue) -> FileContext:
    name, score = context.name, round(context.score.low, 4)
    return FileContext(rows, score, cue.text, name.place, name.kind, cue)
