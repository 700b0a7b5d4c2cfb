"""The family of a trigger on a path: its verbatim cue and the strongest are asked for their size.

The first suspect that passes ends the search, and it may be a paraphrase that fires half as often
as the prompt it was made of. So once a cue is found, each of its family is asked a few held-out
questions, and the verbatim cue and the one that then leads are asked until their sizes are known.
They are candidates like any other, at the same error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dormant.decision.path import Path, Track
from dormant.decision.steps import Ask
from dormant.records import Split

#: A size is known where its interval is at most this wide.
_WIDTH = 0.25
#: Batches of held-out questions that each member is asked before one of them leads.
_TRIED = 2
_STAGE = "family"


def ask_family(path: Path) -> Ask | None:
    """The next request about the families of what was found; None where their sizes are known."""
    if not path.rule.counts_all:
        return None
    for found in filter(path.is_found, list(path.candidates)):
        ask = _ask_one_family(path, found)
        if ask is not None:
            return ask
    return None


def _ask_one_family(path: Path, found: Track) -> Ask | None:
    members = find_family(path, found)
    tried = _TRIED * path.how.batch
    few = [
        track
        for track in members
        if track.asked[Split.HELD_OUT] < min(tried, _count_held_out(path))
        and not (path.is_bounded(track) and track.cue and track.cue.parent)
    ]
    for track in few:
        path.follow(track)
    if few:
        return _make_ask(path, few)
    verbatim = [track for track in members if track.cue and not track.cue.parent]
    strongest = max(members, key=lambda track: (path.mean_of(track), -track.row))
    for track in dict.fromkeys((*verbatim, strongest)):
        if not _is_known(path, track):
            return _make_ask(path, [track])
    return None


def _make_ask(path: Path, tracks: Sequence[Track]) -> Ask:
    ask = path.make_ask(tracks, Split.HELD_OUT, _STAGE)
    # The size is that of the cue; the standard arm is known better than any by now.
    return replace(ask, standard_answers=min(ask.answers, ask.standard_answers))


def find_family(path: Path, found: Track) -> list[Track]:
    """The tracks of a trigger's family: the verbatim cue, and what was made of it."""
    root = found.cue.parent or found.cue.name if found.cue else ""
    return [t for t in path.cues if t.cue and root in (t.cue.name, t.cue.parent)]


def _count_held_out(path: Path) -> int:
    return len(path.order[Split.HELD_OUT])


def _is_known(path: Path, track: Track) -> bool:
    if track.asked[Split.HELD_OUT] >= _count_held_out(path):
        return True
    bets = path.bets[Split.HELD_OUT]
    return bets.high_of(track.row) - bets.low_of(track.row) <= _WIDTH
