"""The path of a sequential audit: the state of each cue, and the next batch of questions.

A cue is in one of five states::

    OPEN ------> CANDIDATE      its bets on screening questions have won enough, or screening ended
     |               |
     +---> BOUNDED <-+--> FOUND
     |
     +---> UNGRADABLE           when screening ends

An open cue is asked screening questions, and held-out ones once screening has ended for all cues; a
candidate is asked held-out questions at once, with fresh answers. The other states are final. The
standard difference is tracked in the same way; it needs no screening and is never a candidate.
Where the claim is about themes, a family with its questions takes the place of a question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from dormant.decision.claims import ClaimBets
from dormant.decision.counts import Counts, Unit, group_units, order_units
from dormant.decision.fixed import estimate_plan, pick_plan_candidates
from dormant.decision.gradability import Gradability, GradesSoFar
from dormant.decision.steps import Ask
from dormant.decision.training_bets import TrainingBets
from dormant.decision.training_spread import TrainingSpread
from dormant.records import (
    Cue,
    PathPoint,
    Plan,
    Quantity,
    Sequential,
    Split,
    deciding_arms,
)


class State(StrEnum):
    """Where a cue stands on the path."""

    OPEN = "open"  # nothing is decided
    CANDIDATE = "candidate"  # suspicious: tested on held-out questions
    FOUND = "found"  # an effect above delta is shown, on gradable answers
    BOUNDED = "bounded"  # its margin is ruled out
    UNGRADABLE = "ungradable"  # too few answers to screening questions could be graded


#: States in which a cue is still asked.
UNDECIDED = frozenset({State.OPEN, State.CANDIDATE})


@dataclass(slots=True, eq=False)
class Track:
    """One cue's way through the questions; without a cue, the standard arm's."""

    row: int  # in the bets
    cue: Cue | None
    answers: int  # to its next question, from each model
    margin: float  # the rise that must be ruled out to bound it
    asked: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(Split, 0))  # units
    graded: int = 0  # units that were asked and enter its estimate
    is_candidate: bool = False
    is_suspect: bool = False  # became a candidate by its bets, before screening ended
    is_ungradable: bool = False
    gradability: Gradability | None = None  # bets of the standard arm and of candidates

    @property
    def name(self) -> str | None:
        """The cue's name; None for the standard arm."""
        return self.cue.name if self.cue else None


class Path:
    """All tracks of an audit, the bets on them, and the choice of the next batch.

    Args:
        plan: the frozen audit.
        how: its sequential design.
        ranking: names of cues in the order in which to ask them.
    """

    def __init__(self, plan: Plan, how: Sequential, ranking: Sequence[str]):
        self.plan, self.how, self.rule = plan, how, plan.rule
        self.counts = Counts(plan)
        self.order = {split: order_units(plan, split) for split in Split}
        place = {name: i for i, name in enumerate(ranking)}
        tried = [cue for cue in plan.cues if not cue.is_placebo]
        tried.sort(key=lambda cue: place.get(cue.name, len(place)))
        self.standard = Track(0, None, how.answers, self.rule.delta)
        self.cues = [
            Track(row, cue, how.answers, self.rule.margin_of(cue))
            for row, cue in enumerate(tried, 1)
        ]
        self.by_name = {track.name: track for track in (self.standard, *self.cues)}
        # Held-out questions alone test a candidate; all questions together bound a cue.
        self.bets: dict[Split | None, ClaimBets] = {
            basis: ClaimBets(
                1 + len(tried),
                delta=self.rule.delta,
                tail=(1 - self.rule.level) / 2,
                others={0.0, *(track.margin for track in self.cues)},
            )
            for basis in (*Split, None)
        }
        self.spread = TrainingSpread(plan, self.counts)
        self.training_bets = TrainingBets(plan, self.counts, [None, *tried])
        #: Questions behind the bounds of a row, and the bounds with the spread.
        self._ends: dict[tuple[int, Split | None], tuple[int, tuple[float, float]]] = {}
        self.grades = GradesSoFar(self.counts)
        self.candidates: list[Track] = []  # in the order in which they became candidates
        self.has_screened = False  # whether screening has named the rest of the candidates
        self.points: list[PathPoint] = []  # bounds after each batch

    # What is decided

    def state_of(self, track: Track) -> State:
        """Where a cue, or the standard difference, stands."""
        if self.is_bounded(track):
            return State.BOUNDED
        if self.is_found(track):
            return State.FOUND
        if track.is_ungradable:
            return State.UNGRADABLE
        return State.CANDIDATE if track.is_candidate else State.OPEN

    def is_bounded(self, track: Track) -> bool:
        """Whether the bets have ruled out its margin, on as many questions as the rule asks for.

        Those count that enter its estimate, as in the verdict, and not all that were bet on.
        """
        if track.graded < self.rule.questions_below(track.margin):
            return False
        # Wealth of 1 / error: the path may spend half of the error of the claim.
        least = math.log(2 / (1 - self.rule.level))
        if self.bets[None].log_below_of(track.row, track.margin) < least:
            return False
        if self.spread.is_read and not self.ends_of(track, None)[1] < track.margin:
            return False
        return self.training_bets.rules_out(track.row) and self.grades.suffice(track.name)

    def ends_of(self, track: Track, basis: Split | None) -> tuple[float, float]:
        """Bounds of a track's mean, the spread of trainings included."""
        bets = self.bets[basis]
        if not self.spread.is_read:
            return bets.low_of(track.row), bets.high_of(track.row)
        count, ends = self._ends.get((track.row, basis), (0, (-1.0, 1.0)))
        if count != bets.count[track.row]:
            halves = Split if basis is None else (basis,)
            asked = [unit for half in halves for unit in self.order[half][: track.asked[half]]]
            found = bets.low_of(track.row), bets.high_of(track.row)
            ends = self.spread.widen_interval(track.name, asked, *found)
            self._ends[track.row, basis] = int(bets.count[track.row]), ends
        return ends

    def mean_of(self, track: Track) -> float:
        """Mean of a track's units on the held-out questions that it was asked; -1 without any."""
        asked = self.order[Split.HELD_OUT][: track.asked[Split.HELD_OUT]]
        units = (self.counts.unit_of(unit, track.name) for unit in asked)
        known = [unit for unit in units if not math.isnan(unit)]
        return sum(known) / len(known) if known else -1.0

    def follow(self, track: Track) -> None:
        """Makes a cue of a trigger's family a candidate, if there is room."""
        if self._add_candidate(track):
            track.answers = self.how.answers

    def is_found(self, track: Track) -> bool:
        """Whether more than delta is shown: by held-out questions, without a cue by all."""
        if track.cue and not track.is_candidate:
            return False
        basis = Split.HELD_OUT if track.cue else None
        return (
            self._is_shown(float(self.bets[basis].p_above[track.row]))
            and self.is_gradability_shown(track)
            and self.counts.is_gradable(track.name, basis)
        )

    def is_gradability_shown(self, track: Track) -> bool:
        """Whether other bets have shown that the arms of a track are gradable."""
        return track.gradability is not None and self._is_shown(track.gradability.p)

    def _is_shown(self, p: float) -> bool:
        """Whether a path's p-value is enough for Holm's first step, at the path's half."""
        return 2 * p <= (1 - self.rule.level) / self.plan.hypotheses

    def has_trigger(self) -> bool:
        """Whether a trigger was found and only the verdict is wanted, so no other cue matters."""
        return self.how.until == "verdict" and any(map(self.is_found, self.candidates))

    def is_certain(self) -> bool:
        """Whether nothing that could be asked would change the verdict's kind."""
        if self.how.until != "verdict":
            return False
        if self.is_found(self.standard):
            return True
        return self.is_bounded(self.standard) and self.has_trigger()

    # What to ask

    def list_questions(self, split: Split, first: int = 0, end: int | None = None) -> Unit:
        """The questions of some units of a half, in their order; of all by default."""
        return tuple(question for unit in self.order[split][first:end] for question in unit)

    def next_ask(self) -> Ask | None:
        """Returns the next batch; None where more questions cannot change the verdict."""
        if self.is_certain():
            return None
        if self.has_trigger():
            return self._ask_standard()
        if not self.has_screened:
            testing = self._waiting_tracks(self.candidates, Split.HELD_OUT)
            if testing:
                # One after the other: the first that is found makes the rest unnecessary.
                first = testing[:1] if self.how.until == "verdict" else testing
                return self.make_ask(first, Split.HELD_OUT, "held-out")
        screening = self._waiting_tracks(self.cues, Split.SCREENING)
        if screening:
            return self.make_ask(self._leading_tracks(screening), Split.SCREENING, "screening")
        self._end_screening()
        rest = self._waiting_tracks(self.cues, Split.HELD_OUT)
        if rest:
            return self.make_ask(rest, Split.HELD_OUT, "held-out")
        return self._ask_standard() if self.state_of(self.standard) in UNDECIDED else None

    def _waiting_tracks(self, tracks: Sequence[Track], split: Split) -> list[Track]:
        """Those that are still to be asked questions of a half."""
        return [track for track in tracks if self._is_waiting(track, split)]

    def _is_waiting(self, track: Track, split: Split) -> bool:
        if not self._has_left(track, split) or self.state_of(track) not in UNDECIDED:
            return False
        # A candidate is asked the held-out questions first.
        is_tested = track.is_candidate and self._has_left(track, Split.HELD_OUT)
        return split is Split.HELD_OUT or not is_tested

    def _has_left(self, track: Track, split: Split) -> bool:
        return track.asked[split] < len(self.order[split])

    def _leading_tracks(self, tracks: list[Track]) -> list[Track]:
        """The first few cues, as long as they are on trial; then all."""
        leading = [
            track
            for track in tracks
            if track.row <= self.how.first and track.asked[Split.SCREENING] < self.how.trial
        ]
        return leading or tracks

    def make_ask(self, tracks: Sequence[Track], split: Split, stage: str) -> Ask:
        """The next questions of those tracks that are furthest behind and get as many answers."""
        start = min(track.asked[split] for track in tracks)
        behind = [track for track in tracks if track.asked[split] == start]
        answers = min(track.answers for track in behind)
        cues = tuple(track.cue for track in behind if track.cue and track.answers == answers)
        return Ask(
            split=split,
            questions=self.list_questions(split, start, start + self.how.batch),
            cues=cues,
            answers=answers,
            # Half, rounded up, where no cue shares them any more.
            standard_answers=-(-self.how.standard_answers // (1 if cues else 2)),
            stage=stage,
        )

    def _ask_standard(self) -> Ask | None:
        """The next questions of the standard arm; None if it was asked all."""
        left = (split for split in Split if self._has_left(self.standard, split))
        split = next(left, None)
        return None if split is None else self.make_ask([self.standard], split, "standard")

    def _end_screening(self) -> None:
        """Ends screening: undecided cues become candidates, most suspicious first."""
        if self.has_screened:
            return
        self.has_screened = True
        cells = self.counts.asked_cells()
        if not cells:  # no cue is listed
            return
        estimates = estimate_plan(self.plan, cells)
        shares = {
            (e.role, e.cue): e
            for e in estimates
            if e.quantity is Quantity.SURVIVAL and e.split is Split.SCREENING
        }
        for track in self.cues:
            arms = [shares[arm] for arm in deciding_arms(track.name) if arm in shares]
            track.is_ungradable = self.rule.is_ungradable(arms)
        for name in pick_plan_candidates(self.plan, estimates):
            track = self.by_name.get(name)
            if track and not track.is_ungradable:
                self._add_candidate(track)

    def _add_candidate(self, track: Track) -> bool:
        """Makes a cue a candidate if there is room; returns whether it became one."""
        has_room = len(self.candidates) < self.rule.candidates
        if not has_room or track.is_candidate or self.is_bounded(track):
            return False
        track.is_candidate = True
        self.candidates.append(track)
        return True

    # Counts and bets

    def ask_again(self, ask: Ask) -> Ask | None:
        """The questions of a batch without any graded answer under a cue, with more answers.

        Returns:
            None where there are none, or where the limit ``most_answers`` is reached: what remains
            then counts against the cue's claims (``Counts.range_of``).
        """
        answers = min(2 * ask.answers, self.how.most_answers)
        if not self.rule.counts_all or answers <= ask.answers:
            return None
        lacking = {
            (question, cue)
            for question in ask.questions
            for cue in ask.cues
            if self.counts.lacks_grades(question.id, cue.name)
        }
        questions = tuple(q for q in ask.questions if any(q == of for of, _ in lacking))
        cues = tuple(cue for cue in ask.cues if any(cue == of for _, of in lacking))
        return replace(ask, questions=questions, cues=cues, answers=answers) if lacking else None

    def take_batch(self, ask: Ask) -> None:
        """Bets on the questions of a batch whose counts were added, and updates every track."""
        tracks = [self.by_name[cue.name] for cue in ask.cues]
        begun = (tracks or [self.standard])[0].asked[ask.split]
        risen: set[int] = set()  # rows of cues that rose on a question
        asked = group_units(ask.questions, self.rule)
        for place, unit in enumerate(asked, begun):
            # The standard arm has each unit once, whichever cue was the first to bring it.
            is_new = place >= self.standard.asked[ask.split]
            entering = [self.standard, *tracks] if is_new else tracks
            units = self._place_bets(unit, entering, ask.split)
            self._bet_on_gradability(unit, entering, ask.split)
            risen |= {track.row for track in tracks if units[track.row] > 0}
        done = begun + len(asked)
        for track in (self.standard, *tracks):
            track.asked[ask.split] = max(track.asked[ask.split], done)
        for track in tracks:
            self._resize_batch(track, has_risen=track.row in risen)
        self._note_bounds([self.standard, *tracks])
        self._promote_suspects()

    def _place_bets(self, unit: Unit, tracks: Sequence[Track], split: Split) -> np.ndarray:
        """Bets on a unit of each track; returns the least, [1 + cues], NaN where none was asked."""
        units = np.full((2, 1 + len(self.cues)), np.nan)
        for track in tracks:
            units[:, track.row] = self.counts.range_of(unit, track.name)
            track.graded += self.counts.is_graded(unit, track.name)
        # Clipped: bets on units from -2 to 2 may only be half as large.
        lowest, highest = np.clip(units, -1.0, 1.0)
        for basis in (split, None):
            self.bets[basis].bet_on(lowest, highest)
        self.training_bets.bet_on(unit, [(track.row, track.name) for track in tracks])
        return units[0]

    def _bet_on_gradability(self, unit: Unit, tracks: Sequence[Track], split: Split) -> None:
        """Bets on candidates on held-out questions, and on the standard arm on all questions."""
        for track in tracks:
            if track.cue and not (track.is_candidate and split is Split.HELD_OUT):
                continue
            if track.gradability is None:
                track.gradability = Gradability(len(deciding_arms(track.name)), self.rule)
            track.gradability.add_question(self.counts.gradable_rates(unit, track.name))

    def _resize_batch(self, track: Track, *, has_risen: bool) -> None:
        """A cue that rose is asked more answers from now on: one bad answer weighs less then.

        How many depends on the cue's earlier questions only, which leaves the bets fair.
        """
        if track.is_suspect:
            track.answers = self.how.answers
        elif has_risen:
            track.answers = min(2 * track.answers, self.how.most_answers)

    def _note_bounds(self, tracks: Sequence[Track]) -> None:
        """Stores the bounds of the tracks, for the report."""
        bets, answers = self.bets[None], self.counts.answers
        for track in tracks:
            low, high = self.ends_of(track, None)
            count = int(bets.count[track.row])
            self.points.append(PathPoint(track.name, answers, count, low, high))

    def _promote_suspects(self) -> None:
        """Makes cues candidates whose bets have won enough, the most suspicious first."""
        if self.has_screened:
            return
        wealth = self.bets[Split.SCREENING].log_above
        for track in sorted(self.cues, key=lambda track: (-wealth[track.row], track.row)):
            if wealth[track.row] < math.log(self.how.suspicion):
                return
            if self._add_candidate(track):
                track.is_suspect = True
                track.answers = self.how.answers
