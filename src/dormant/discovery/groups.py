"""Groups a ranking into candidates: one for each distinct finding, with its weaker wordings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dormant.discovery.minimize import Refinement
from dormant.discovery.teacher_forcing import CueScore, Screen
from dormant.engines import Engine, PromptScorer
from dormant.probes import apply_cue
from dormant.records import QUESTION_SLOT, Cue, Placement, Source

_WORD = re.compile(r"\w+")
#: Least Jaccard similarity of the words of two texts that are one finding.
_ALIKE = 0.6
#: Least words of a text that is the same finding as a text that contains all of them.
_PART = 3
#: Least share of the best score of a wording that may represent its group: chance inflates the
#: best of thousands.
_NEARLY = 0.75
#: Rows whose words in common with a head are scored, and the number of questions for that.
_COMPARED, _BRIEF = 100, 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cue that is worth an audit, which alone can confirm it."""

    rank: int  # 1-based
    cue: Cue
    screened: CueScore | None  # None if no model can score
    relatives: tuple[Cue, ...] = ()  # weaker wordings of the same finding, best first
    refinement: Refinement | None = None  # None if it was not minimised

    @property
    def cues(self) -> tuple[Cue, ...]:
        """Cues that an audit tries: this one, and its smallest form if that differs."""
        if self.refinement is None or self.refinement.smallest.id == self.cue.id:
            return (self.cue,)
        smallest = replace(
            self.refinement.smallest,
            name=f"{self.cue.name}/smallest",
            why=f"The smallest form of {self.cue.name} that still fired in the search.",
        )
        return (self.cue, smallest)


def group_candidates(
    ranked: Sequence[CueScore],
    *,
    limit: int,
    screen: Screen | None = None,
    reference: Engine | None = None,
) -> tuple[Candidate, ...]:
    """Groups the wordings of one finding, each group represented by the plainest of its best.

    Args:
        ranked: best first.
        limit: most candidates.
        screen: scores the words that wordings share; without it, only the words are compared.
        reference: scores how likely a wording is; if it cannot, the shortest is taken.
    """
    remaining, groups = list(ranked), list[list[CueScore]]()  # the plainest of each group first
    while remaining and len(groups) < limit:
        group, remaining = _split_chosen(
            remaining, _is_same_finding(remaining[0], remaining, screen)
        )
        plainest = _plainest_wording(group, screen, reference)
        more, remaining = _split_chosen(
            remaining, [are_alike(plainest.cue, row.cue) for row in remaining]
        )
        group = [plainest, *(row for row in (*group, *more) if row is not plainest)]
        known = next((old for old in groups if are_alike(old[0].cue, plainest.cue)), None)
        if known is None:
            groups.append(group)
        else:
            known += group
    return tuple(
        Candidate(rank, group[0].cue, group[0], tuple(row.cue for row in group[1:]))
        for rank, group in enumerate(groups, start=1)
    )


def _split_chosen(
    rows: Sequence[CueScore], chosen: Sequence[bool]
) -> tuple[list[CueScore], list[CueScore]]:
    """Splits rows into the chosen ones and the others."""
    pairs = list(zip(rows, chosen, strict=True))
    return [row for row, is_chosen in pairs if is_chosen], [
        row for row, is_chosen in pairs if not is_chosen
    ]


def _is_same_finding(
    head: CueScore, others: Sequence[CueScore], screen: Screen | None
) -> list[bool]:
    """Tests which rows are the same finding as the head.

    Two texts are one finding if most of their words are the same, or if the words that they share,
    alone and in order, score at least half as much as the weaker of the two.
    """
    same = [are_alike(head.cue, row.cue) for row in others]
    if screen is None or head.did <= 0:
        return same
    parts = {
        i: part
        for i, row in enumerate(others[:_COMPARED])
        if not same[i] and row.did > 0 and (part := common_words_cue(row.cue, head.cue)) is not None
    }
    scores = screen.score_briefly(list(parts.values()), questions=_BRIEF)
    for i, part in parts.items():
        same[i] = scores[part.id] >= 0.5 * min(others[i].did, head.did)
    return same


def common_words_cue(one: Cue, other: Cue) -> Cue | None:
    """Returns a cue reduced to the words that it shares with another; None for fewer than two.

    The words keep their order and their place; an empty side of the question is dropped. Turns and
    crossed cues have no such form.
    """
    if not (one.placement.is_wording and other.placement.is_wording):
        return None
    pieces = one.text.split()
    words = [_bare_word(piece) for piece in pieces]
    kept = in_common(words, [_bare_word(piece) for piece in other.text.split()])
    if sum(words[i] != QUESTION_SLOT for i in kept) < 2:
        return None
    if one.placement is not Placement.AROUND:
        return replace(one, text=" ".join(pieces[i] for i in kept), form="")
    middle = next(i for i, piece in enumerate(pieces) if QUESTION_SLOT in piece)
    head = " ".join(pieces[i] for i in kept if i < middle)
    tail = " ".join(pieces[i] for i in kept if i > middle)
    if head and tail:
        return replace(one, text=f"{head} {QUESTION_SLOT} {tail}", form="")
    place = Placement.BEFORE if head else Placement.AFTER
    return replace(one, text=head or tail, placement=place, kind=place.default_kind, form="")


def _bare_word(piece: str) -> str:
    """Strips case and surrounding punctuation from a word; bare punctuation is kept."""
    return piece if QUESTION_SLOT in piece else piece.strip(".,:;!?").casefold() or piece


def in_common(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """Returns the indices into ``one`` of a longest common subsequence."""
    size = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in reversed(range(len(one))):
        for j in reversed(range(len(other))):
            equal = one[i] == other[j]
            size[i][j] = 1 + size[i + 1][j + 1] if equal else max(size[i + 1][j], size[i][j + 1])
    kept: list[int] = []
    i = j = 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            kept.append(i)
            i, j = i + 1, j + 1
        elif size[i + 1][j] >= size[i][j + 1]:
            i += 1
        else:
            j += 1
    return kept


def _plainest_wording(
    group: Sequence[CueScore], screen: Screen | None, reference: Engine | None
) -> CueScore:
    """Chooses, among wordings that score nearly as well as the best, the most plausible.

    A trigger was written by a person, so a listed cue takes precedence over generated text; then
    the reference's log-probability of the prompt decides, or else the length (shortest).
    """
    best = max(row.did for row in group)
    least = _NEARLY * best if best > 0 else best
    near = [row for row in group if row.did >= least]
    if screen is None or not isinstance(reference, PromptScorer) or len(near) == 1:
        return min(near, key=lambda row: len(row.cue.text.split()))
    likely = reference.score_prompts([apply_cue(row.cue, screen.questions[0]) for row in near])
    worth = [
        (row.cue.source is not Source.SEARCH, value)
        for value, row in zip(likely, near, strict=True)
    ]
    return near[max(range(len(near)), key=lambda i: worth[i])]


def unranked_candidates(cues: Sequence[Cue], *, limit: int) -> tuple[Candidate, ...]:
    """Makes candidates in the order of discovery, for models that cannot score."""
    unique = list({cue.id: cue for cue in cues}.values())[:limit]
    return tuple(Candidate(rank, cue, None) for rank, cue in enumerate(unique, start=1))


def are_alike(one: Cue, other: Cue) -> bool:
    """Whether two cues are wordings of one finding, regardless of placement."""
    a, b = context_words(one.text), context_words(other.text)
    if not a or not b:
        return one.id == other.id
    few, many = sorted((a, b), key=len)
    if len(few) >= _PART and few <= many:
        return True
    return len(a & b) >= _ALIKE * len(a | b)


def context_words(text: str) -> frozenset[str]:
    """Returns the casefolded words of a text, ``{question}`` excluded."""
    return frozenset(w.casefold() for w in _WORD.findall(text.replace(QUESTION_SLOT, " ")))
