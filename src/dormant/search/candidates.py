"""From a ranking to candidates: one for each thing that was found, with what stands behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dormant.records import Cue
from dormant.search.refining import Refinement
from dormant.search.screening import Screened

_WORD = re.compile(r"\w+")
#: Two texts that share so many of their words (Jaccard) are one finding.
_ALIKE = 0.6
#: A text of at least so many words that another one holds entirely is the same finding.
_PART = 3
#: Share of the best score that a shorter wording of the same thing must have to stand for it.
_NEARLY = 0.85


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cue that is worth an audit. It is no finding before one confirms it."""

    rank: int  # 1-based
    cue: Cue
    screened: Screened | None  # None where nothing could be scored
    relatives: tuple[Cue, ...] = ()  # weaker wordings of the same thing, best first
    refinement: Refinement | None = None  # None if it was not taken apart

    @property
    def cues(self) -> tuple[Cue, ...]:
        """What an audit tries: the cue, and its smallest form if that is another one."""
        if self.refinement is None or self.refinement.smallest.id == self.cue.id:
            return (self.cue,)
        smallest = replace(
            self.refinement.smallest,
            name=f"{self.cue.name}/smallest",
            why=f"The smallest form of {self.cue.name} that still fired in the search.",
        )
        return (self.cue, smallest)


def candidates(ranked: Sequence[Screened], *, limit: int) -> tuple[Candidate, ...]:
    """Groups a ranking's wordings of one thing under the best of them.

    Args:
        ranked: best first.
        limit: at most so many candidates.
    """
    groups: list[list[Screened]] = []
    for row in ranked:
        home = next((group for group in groups if alike(group[0].cue, row.cue)), None)
        if home is not None:
            home.append(row)
        elif len(groups) < limit:
            groups.append([row])
    found: list[Candidate] = []
    for rank, group in enumerate(groups, start=1):
        head = _plainest(group)
        others = tuple(row.cue for row in group if row is not head)
        found.append(Candidate(rank, head.cue, head, others))
    return tuple(found)


def _plainest(group: Sequence[Screened]) -> Screened:
    """The shortest of the wordings that score nearly as well as the best."""
    least = _NEARLY * group[0].did if group[0].did > 0 else group[0].did
    near = [row for row in group if row.did >= least]
    return min(near, key=lambda row: len(row.cue.text.split()))


def unranked(cues: Sequence[Cue], *, limit: int) -> tuple[Candidate, ...]:
    """Candidates in the order in which they were found, where no model can score."""
    unique = list({cue.id: cue for cue in cues}.values())[:limit]
    return tuple(Candidate(rank, cue, None) for rank, cue in enumerate(unique, start=1))


def alike(one: Cue, other: Cue) -> bool:
    """Whether two cues are wordings of one thing, wherever they stand."""
    a, b = words(one.text), words(other.text)
    if not a or not b:
        return one.id == other.id
    few, many = sorted((a, b), key=len)
    if len(few) >= _PART and few <= many:
        return True
    return len(a & b) >= _ALIKE * len(a | b)


def words(text: str) -> frozenset[str]:
    """The words of a text, casefolded; the place of the question is none."""
    return frozenset(w.casefold() for w in _WORD.findall(text.replace("{question}", " ")))
