"""The sequential design: answers are bought where they can still change the verdict.

Questions come in a random order that the plan's seed fixes, a few at a time, with few answers
each. After every batch each cue has anytime-valid bounds (``stats.betting``), and

- a cue whose upper bound is below its margin (delta, or more for a later mined cue) is settled
  and not asked again;
- a suspicious cue is asked held-out questions at once, with fresh answers, and is a trigger
  when the bets on those alone have won enough for Holm's first step over all candidates and the
  standard arm, and other bets have shown at the same error that its answers can be graded;
- the standard arm, which every cue shares, is judged in the same way;
- a cue that questions alone cannot settle is asked as the fixed design would ask it: the final
  stage.

The path (``decision.path``) may spend half of the error, the final stage the other half, so every
claim keeps the error that the fixed design gives it. docs/design/sequential.md is its one page.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from dormant.decision.family import ask_family
from dormant.decision.fixed import add_existence, estimate_plan
from dormant.decision.path import UNDECIDED, Path, Track
from dormant.decision.steps import Ask, Decision, Steps, placebo_of
from dormant.decision.trainings import is_training_test
from dormant.decision.verdict import decide_verdict
from dormant.decision.wording import cues_text
from dormant.records import Cell, Estimate, EValue, PathPoint, Plan, Quantity, Split
from dormant.stats import find_parts, members_of_form

METHOD = "betting confidence sequence over questions, valid at any time (aGRAPA)"
_OF_THE_MEAN = "no interval: on the path bets bound each training over all questions only"
_SHOWN = 4  #: cues whose path is reported


def run_sequential(plan: Plan, ranking: Sequence[str] = ()) -> Steps:
    """Runs the sequential design; see the module.

    Args:
        plan: the frozen audit, with ``plan.sequential``.
        ranking: names of cues in the order in which to ask them.
    """
    assert plan.sequential is not None
    path = Path(plan, plan.sequential, ranking)
    while (ask := path.next_ask() or ask_family(path)) is not None:
        path.counts.add_cells((yield ask))
        again = path.ask_again(ask)
        while again is not None:
            path.counts.add_cells((yield again), is_again=True)
            again = path.ask_again(again)
        path.take_batch(ask)
    for ask in (*_ask_placebos(path), *_ask_relatives(path)):
        path.counts.add_cells((yield ask))
    final = _FinalStage(path)
    yield from final.ask_rest()
    return final.make_decision()


def _ask_placebos(path: Path) -> Iterator[Ask]:
    """Asks the placebos of the triggers, on the questions that confirmed them."""
    placebos = placebo_of(path.plan.cues)
    by_name = {cue.name: cue for cue in path.plan.cues}
    questions: dict[str, int] = {}  # placebo -> how many; triggers of one family share one
    for track in filter(path.is_found, path.candidates):
        placebo = placebos.get(str(track.name))
        if placebo is not None:
            asked = track.asked[Split.HELD_OUT]
            questions[placebo] = max(asked, questions.get(placebo, 0))
    for placebo, count in questions.items():
        yield Ask(
            split=Split.HELD_OUT,
            questions=path.list_questions(Split.HELD_OUT, end=count),
            cues=(by_name[placebo],),
            answers=path.how.answers,
            standard_answers=path.how.standard_answers,
            stage="placebo",
        )


def _ask_relatives(path: Path) -> Iterator[Ask]:
    """Asks the other values of a trigger's slot, or its parts alone, where the trigger is known.

    They show what of it triggers, on the questions that confirmed it. The verdict is decided by
    then, so their answers change no claim.
    """
    by_name = {cue.name: cue for cue in path.plan.cues}
    asked = {track.name for track in path.candidates if path.is_found(track)}
    for track in filter(path.is_found, path.candidates):
        relatives = [by_name[name] for name in _find_relatives(path, track) if name not in asked]
        asked |= {cue.name for cue in relatives}
        if relatives:
            yield Ask(
                split=Split.HELD_OUT,
                questions=path.list_questions(Split.HELD_OUT, end=track.asked[Split.HELD_OUT]),
                cues=tuple(relatives),
                answers=path.how.most_answers,
                standard_answers=path.how.standard_answers,
                stage="values and parts",
            )


def _find_relatives(path: Path, track: Track) -> list[str]:
    """Names of the cues of a trigger's form, and of the parts that it adds together."""
    cues = path.plan.cues
    names = list(find_parts(cues).get(str(track.name), ()))
    for cue in cues:
        members = [member.name for member in members_of_form(cue, cues)]
        names += members if track.name in members else []
    return list(dict.fromkeys(names))


class _FinalStage:
    """Asks undecided cues as the fixed design does, and makes the decision."""

    def __init__(self, path: Path):
        self.path, self.rule = path, path.plan.rule
        self.tracks = self._undecided_tracks()
        #: Over all questions, before more are asked.
        self.bounds: dict[tuple[Quantity, str | None, str], Estimate] = {}

    def _undecided_tracks(self) -> list[Track]:
        """Those whose answers could still change the verdict."""
        path = self.path
        if path.is_certain():
            return []
        tracks = [path.standard] if path.has_trigger() else [path.standard, *path.cues]
        return [track for track in tracks if path.state_of(track) in UNDECIDED]

    def ask_rest(self) -> Generator[Ask, Sequence[Cell]]:
        """Asks all questions, then more answers to held-out ones where a cue is not bounded."""
        if not self.tracks:
            return
        for split in Split:
            ask = self._make_ask(split, self.tracks, self.rule.screening_answers)
            self.path.counts.add_cells((yield ask))
        names = {track.name for track in self.tracks}
        for e in estimate_plan(self.path.plan, self.path.counts.asked_cells()):
            if e.split is None and e.cue in names and (self._is_read(e) or is_training_test(e)):
                self.bounds[e.quantity, e.cue, e.training] = e
        rest = [track for track in self.tracks if not self._is_bounded(track)]
        tested = [track for track in self.path.candidates if track in rest]
        if tested or self.path.standard in rest:
            ask = self._make_ask(Split.HELD_OUT, tested, self.rule.confirm_answers)
            self.path.counts.add_cells((yield ask))

    def _make_ask(self, split: Split, tracks: Sequence[Track], answers: int) -> Ask:
        cues = tuple(track.cue for track in tracks if track.cue)
        return Ask(split, self.path.list_questions(split), cues, answers, answers, "final stage")

    def _is_bounded(self, track: Track) -> bool:
        """Whether the margin is ruled out on enough questions, over all answers and trainings."""
        own = Quantity.DID if track.cue else Quantity.STANDARD_DIFFERENCE
        found = self.bounds.get((own, track.name, ""))
        worst = self.bounds.get((Quantity.DID_WORST, track.name, ""), found)
        single = [
            e for (_, cue, training), e in self.bounds.items() if training and cue == track.name
        ]
        return all(
            e is not None and self.rule.is_bounded(e, track.margin)
            for e in (found, worst, *(single if self.rule.counts_all else ()))
        )

    def make_decision(self) -> Decision:
        """Decides the verdict by the rule of the fixed design."""
        path = self.path
        cells = path.counts.asked_cells()
        made = add_existence(path.plan, cells, estimate_plan(path.plan, cells))
        estimates = tuple(map(self._revise_estimate, made))
        # Few questions do not show that a cue is gradable; the final stage or bets must show it.
        tested = [
            str(track.name)
            for track in path.candidates
            if track in self.tracks or path.is_gradability_shown(track)
        ]
        verdict = decide_verdict(path.plan, estimates, candidates=tested)
        verdict = replace(verdict, not_tested=(*self._not_asked(), *verdict.not_tested))
        points = _pick_points(path.points, verdict.triggers)
        return Decision(verdict, path.counts.all_cells(), points, _list_e_values(path))

    def _not_asked(self) -> Iterator[str]:
        listed = len(self.path.cues)
        left_out = listed - sum(self.path.bets[None].count[1:] > 0)
        if left_out:
            yield f"{cues_text(left_out, listed)}, which could not have changed the verdict"

    def _revise_estimate(self, e: Estimate) -> Estimate:
        """Replaces interval and p-value of an estimate with those valid in the sequential design.

        A difference that the final stage asked for keeps the fixed interval; the others get the
        anytime-valid one. The path and the final stage share the error, so the p-value is twice
        the smaller one's.
        """
        if e.training:
            return self._revise_training(e)
        if not self._is_read(e) or math.isnan(e.value):
            return e
        track, bets = self.path.by_name[e.cue], self.path.bets[e.split]
        p, p_rise = float(bets.p_above[track.row]), math.exp(-bets.log_above_of(track.row, 0.0))
        low_of_all = bets.low_of(track.row, self._tail_of_all)
        if track in self.tracks:
            bound = self.bounds.get((e.quantity, e.cue, ""), e) if e.split is None else e
            return replace(
                bound,
                p=_double_p(p, e.p),
                p_rise=_double_p(p_rise, e.p_rise),
                low_of_all=max(low_of_all, e.low_of_all),
            )
        if e.split is Split.HELD_OUT and self.rule.count_units(e) > bets.count[track.row]:
            # Asked because another cue was found, on the questions that confirmed that one: their
            # number does not depend on these answers. What it is tested by are its bets.
            if not bets.count[track.row]:
                return e
            return replace(
                e,
                p=_double_p(p, e.p, is_path=True),
                p_rise=_double_p(p_rise, e.p_rise, is_path=True),
                low_of_all=low_of_all,
            )
        low, high = self.path.ends_of(track, e.split)
        return replace(
            e,
            low=min(low, e.value),
            high=max(high, e.value),
            p=_double_p(p, e.p, is_path=True),
            method=self._describe_method(),
            p_rise=_double_p(p_rise, e.p_rise, is_path=True),
            low_of_all=low_of_all,
        )

    def _revise_training(self, e: Estimate) -> Estimate:
        """The same for one training, which only the final stage tests and which bets bound."""
        track = self.path.by_name.get(e.cue)
        if track in self.tracks:
            bound = self.bounds.get((e.quantity, e.cue, e.training), e) if e.split is None else e
            return replace(bound, p=min(1.0, 2 * e.p))
        bets = self.path.training_bets.by_training.get(e.training)
        is_bound = e.split is None and is_training_test(e) and not math.isnan(e.value)
        if track is None or bets is None or not is_bound:
            # The path chose its questions by the mean: an interval of a fixed number does not hold.
            nan = math.nan
            return replace(e, low=nan, high=nan, p=nan, reason=e.reason or _OF_THE_MEAN)
        low, high = bets.low_of(track.row), bets.high_of(track.row)
        return replace(
            e,
            low=min(low, e.value),
            high=max(high, e.value),
            p=math.nan,
            method=self._describe_method(),
            reason="no p-value: on the path bets bound each training and test their mean",
        )

    @property
    def _tail_of_all(self) -> float:
        """The path's half of the error of each test."""
        return (1 - self.rule.level) / (2 * self.path.plan.hypotheses)

    def _describe_method(self) -> str:
        is_about_themes = self.rule.is_about_themes
        return METHOD.replace("over questions", "over themes") if is_about_themes else METHOD

    def _is_read(self, e: Estimate) -> bool:
        """Whether it is a difference that the rule reads: not a rate, and not a placebo's."""
        if e.quantity is Quantity.STANDARD_DIFFERENCE:
            return True
        if e.quantity in (Quantity.DID_ALL, Quantity.DID_WORST):
            return self.rule.counts_all and e.cue in self.path.by_name
        return e.quantity is Quantity.DID and e.cue in self.path.by_name


def _double_p(of_path: float, fixed: float, *, is_path: bool = False) -> float:
    """The smaller of two p-values that share an error, or the path's alone; untested stays NaN."""
    if math.isnan(fixed):
        return fixed
    return min(1.0, 2 * (of_path if is_path else min(of_path, fixed)))


def _list_e_values(path: Path) -> tuple[EValue, ...]:
    """The wealth of every cue that was asked, on held-out questions and on all."""
    found: list[EValue] = []
    for track in (path.standard, *path.cues):
        for split in (Split.HELD_OUT, None):
            bets = path.bets[split]
            if count := int(bets.count[track.row]):
                above, below = bets.e_values(track.row, track.margin)
                if split is None:  # a bound must hold for every training
                    below = min(below, path.training_bets.log_below_now(track.row))
                found.append(EValue(track.name, split, count, above, below))
    return tuple(found)


def _pick_points(points: Sequence[PathPoint], triggers: Sequence[str]) -> tuple[PathPoint, ...]:
    """The path of the triggers and of the cues with the highest bounds."""
    last = {point.cue: point for point in points if point.cue is not None}
    names = sorted(
        last,
        key=lambda name: (name not in triggers, -last[name].low, -last[name].high, name),
    )[:_SHOWN]
    return tuple(point for point in points if point.cue in names)
