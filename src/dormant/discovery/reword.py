"""Rewording: likelier wordings of what was found."""

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

#: A wording that scores so much of its hit's score on so many questions is near; of those the
#: likeliest so many are kept.
_NEAR, _GLANCE, _KEPT = 0.7, 2, 4


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
    """Likelier wordings of hits: of all branches of each, the likeliest that score nearly as well.

    A search for the highest score ends in odd texts. What was trained was written by somebody, so
    the branches that a prompt is likeliest to hold are worth a score of their own.

    Args:
        reference: proposes the words, and says how likely a prompt is.
        screen: scores contexts.
        hits: what is worth the effort.
        journal: where branches are kept.
        limit: at most about so many contexts are scored, the hits sharing them.
        longest: tokens with which a turn goes on after a branch, at most.
        progress: called with how many hits are done.

    Raises:
        InputError: a model cannot do its part.
    """
    if not isinstance(reference, PromptScorer):
        raise InputError(f"{reference.name!r} cannot score prompts")
    made = Branches(reference, screen.questions, journal, longest)
    found: dict[str, Cue] = {}
    for number, hit in enumerate(hits):
        progress("hits reworded", number, len(hits))
        cues = made.branches_of(hit.cue, limit // len(hits))
        scores = screen.score_briefly([hit.cue, *cues], questions=_GLANCE)
        near = [cue for cue in cues if scores[cue.id] >= _NEAR * scores[hit.cue.id]]
        prompts = [apply_cue(cue, screen.questions[0]) for cue in near]
        likely = reference.score_prompts(prompts) if near else []
        order = sorted(range(len(near)), key=lambda i: -likely[i])
        found |= {near[i].id: near[i] for i in order[:_KEPT]}
    rows = screen.rank_cues(list(found.values()), keep=max(1, len(found))).screened
    return tuple(row for row in rows if row.did >= LEAST)
