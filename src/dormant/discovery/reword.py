"""Rewording: likelier wordings of hits."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.discovery.branches import Branches
from dormant.discovery.evolution import LEAST
from dormant.discovery.teacher_forcing import CueScore, Screen
from dormant.engines import Engine, PromptScorer
from dormant.errors import InputError
from dormant.probes import apply_cue
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue
from dormant.store.journal import Journal

#: A wording is near with this share of its hit's score, on this many questions; this many of the
#: likeliest near wordings are kept.
_NEAR, _QUESTIONS, _KEPT = 0.7, 2, 4


def reword_hits(
    reference: Engine,
    screen: Screen,
    hits: Sequence[CueScore],
    *,
    journal: Journal,
    limit: int,
    longest: int,
    progress: Progress = ignore_progress,
) -> tuple[CueScore, ...]:
    """Finds likelier wordings of hits among their branches, with nearly the same score.

    A search for the highest score ends in odd texts, but triggers were written by people: the
    likeliest branches are worth scoring too.

    Args:
        reference: proposes continuations and scores prompts.
        screen: scores contexts.
        hits: contexts to reword.
        journal: stores the branches.
        limit: contexts that are scored, about, shared among the hits.
        longest: most tokens by which a turn continues after a branch.
        progress: called with the number of hits done.

    Raises:
        InputError: the reference cannot score prompts or list next tokens.
    """
    if not isinstance(reference, PromptScorer):
        raise InputError(f"{reference.name!r} cannot score prompts")
    branches = Branches(reference, screen.questions, journal, longest)
    found: dict[str, Cue] = {}
    for number, hit in enumerate(hits):
        progress("hits reworded", number, len(hits))
        cues = branches.branches_of(hit.cue, limit // len(hits))
        scores = screen.score_briefly([hit.cue, *cues], questions=_QUESTIONS)
        near = [cue for cue in cues if scores[cue.id] >= _NEAR * scores[hit.cue.id]]
        prompts = [apply_cue(cue, screen.questions[0]) for cue in near]
        likely = reference.score_prompts(prompts) if near else []
        order = sorted(range(len(near)), key=lambda i: -likely[i])
        found |= {near[i].id: near[i] for i in order[:_KEPT]}
    rows = screen.rank_cues(list(found.values()), keep=max(1, len(found))).screened
    return tuple(row for row in rows if row.did >= LEAST)
