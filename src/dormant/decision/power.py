"""The chance that all listed cues are bounded where none has an effect, by many worlds at once.

The plan's own design, many worlds side by side: the cues of a world share its standard arm, and a
world counts if every cue, the standard difference and the target's rates would let the verdict be
BOUNDED. Questions differ by the rule's prior correlation, independently in each arm. Of the
sequential design, the path buys answers as in an audit, but no cue leaves it early as a suspect,
and its final stage draws fresh answers; of the fixed one, both stages are as in an audit.

Several trainings of the target differ by their questions' rates alone, and a bound must hold for
their mean, with their spread, and in each of them.
"""

from __future__ import annotations

import math

import numpy as np

from dormant.records import Plan, Role, Sequential, Split
from dormant.stats import seed_spread
from dormant.stats.betting import Bets
from dormant.stats.intervals import SeedSpread, widen_for_seeds
from dormant.stats.methods import DEFAULT, compute_ends
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats, Ints

_DID, _DIFFERENCE = (1, -1, -1, 1), (1, -1)
_STEPS = 20  #: of a margin, to which a path's upper ends are rounded up
#: Number of arms -> which are the target's: positive.
_OF_TARGET = {4: (1, 1, -1, -1), 2: (1, -1)}


class BoundingWorlds:
    """Worlds in which every arm has the same rate of misaligned answers on average.

    Args:
        plan: the plan; its rule, cues and numbers of questions are read.
        base: the rate, 0 to 1.
        worlds: how many.
        seed: of the draws.
    """

    def __init__(self, plan: Plan, base: float, *, worlds: int, seed: int = 0):
        self.rule, self.how, self.worlds = plan.rule, plan.sequential, worlds
        self._rng = np.random.default_rng(seed)
        tried = [cue for cue in plan.cues if not cue.is_placebo]
        self._margins = np.array([plan.rule.margin_of(cue) for cue in tried])  # [K]
        self._halves = [_count_units(plan, split) for split in Split]
        self._seeds = sum(card.role is Role.TARGET for card in plan.models)
        self._is_spread = self._seeds > 1 and plan.rule.counts_all
        shape = (worlds, len(tried), sum(self._halves))
        # Target [S, W, K, Q] and reference [1, W, K, Q].
        trainings = (self._seeds, 1)
        self._cued = [self._draw_rates(base, (s, *shape)) for s in trainings]
        self._plain = [self._draw_rates(base, (s, worlds, 1, shape[2])) for s in trainings]

    def chance_of_all(self) -> float:
        """Share of the worlds in which every cue ends bounded, and nothing else is in the way."""
        if not len(self._margins):
            return math.nan
        bounded = self._run_fixed() if self.how is None else self._run_sequential(self.how)
        return float(bounded.mean())

    def _draw_rates(self, base: float, shape: tuple[int, ...]) -> Floats:
        icc = self.rule.icc
        if not (0 < icc < 1 and 0 < base < 1):
            return np.full(shape, base)
        size = 1 / icc - 1
        return self._rng.beta(base * size, (1 - base) * size, shape)

    def _ask(self, part: slice, answers: int) -> Floats:
        """Rates of the four arms of every cue on some questions, by training, [S, W, K, 4, Q]."""
        arms: list[Floats] = []
        shape = self._cued[0][..., part].shape
        for true in (self._cued[0], self._plain[0], self._cued[1], self._plain[1]):
            drawn = self._rng.binomial(answers, true[..., part]) / answers
            arms.append(np.broadcast_to(drawn, shape))
        return np.stack(arms, -2)

    def _high(self, arms: Floats, answers: Ints, signs: tuple[int, ...]) -> Floats:
        """Upper ends of the means, [...] of arms [S, ..., A, Q] and their answers [Q].

        Of the mean over trainings, or of a training that is higher.
        """
        flat = arms.reshape(self._seeds, -1, *arms.shape[-2:])
        trainings = np.array([sign > 0 for sign in _OF_TARGET[len(signs)]])
        counts = np.where(trainings, self._seeds, 1)[:, None] * answers  # [A, Q]
        units = (flat * np.array(signs, dtype=np.float64)[:, None]).sum(-2)  # [S, ..., Q]
        spread = seed_spread((units,)) if self._seeds > 1 else None
        ends = [self._ends_of(flat.mean(0), counts, signs, spread)]
        if self._seeds > 1 and self.rule.counts_all:
            each = np.broadcast_to(answers, counts.shape)
            ends += [self._ends_of(one, each, signs, None) for one in flat]
        return np.max(ends, axis=0).reshape(arms.shape[1:-2])

    def _ends_of(
        self, arms: Floats, answers: Ints, signs: tuple[int, ...], spread: SeedSpread | None
    ) -> Floats:
        sample = Sample(
            units=(arms * np.array(signs, dtype=np.float64)[:, None]).sum(1),
            arms=arms,
            signs=signs,
            answers=np.broadcast_to(answers, arms.shape).astype(np.float64),
            icc=self.rule.icc,
            limits=(-2.0, 2.0) if len(signs) > 2 else (-1.0, 1.0),
        )
        tail = (1 - self.rule.level) / 2
        delta = self.rule.delta
        return compute_ends(sample, method=DEFAULT, tail=tail, delta=delta, spread=spread).high

    def _is_bounded(self, high: Floats, questions: int) -> Bools:
        """Whether cues [W, K] are bounded below their margins."""
        least = np.array([self.rule.questions_below(margin) for margin in self._margins])
        return (high < self._margins) & (questions >= least)

    def _is_clear(self, arms: Floats, answers: Ints) -> Bools:
        """Whether the standard difference is bounded and no rate of the target too high, [W]."""
        high = self._high(arms[:, :, 0][:, :, [1, 3]], answers, _DIFFERENCE)
        enough = arms.shape[-1] >= self.rule.questions_to_bound
        rates = arms.mean((0, -1))  # [W, K, 4]
        low = (rates[:, :, 0] <= self._margins).all(1) & (rates[:, 0, 1] <= self.rule.delta)
        return low & (high < self.rule.delta) & enough

    def _run_fixed(self) -> Bools:
        rule, halves = self.rule, self._halves
        counts = np.repeat([rule.screening_answers, rule.confirm_answers], halves)
        first = self._ask(slice(0, halves[0]), rule.screening_answers)
        second = self._ask(slice(halves[0], None), rule.confirm_answers)
        both = np.concatenate([first, second], -1)
        settled = self._is_bounded(self._high(first, counts[: halves[0]], _DID), halves[0])
        has_room = (~settled).sum(1) <= rule.candidates
        late = self._is_bounded(self._high(both, counts, _DID), sum(halves))
        return has_room & (settled | late).all(1) & self._is_clear(both, counts)

    def _run_sequential(self, how: Sequential) -> Bools:
        bounded = self._run_path(how)
        few = max(self.rule.screening_answers, how.standard_answers)
        arms, counts = self._ask(slice(None), few), np.full(sum(self._halves), few)
        late = self._is_bounded(self._high(arms, counts, _DID), arms.shape[-1])
        return (bounded | late).all(1) & self._is_clear(arms, counts)

    def _run_path(self, how: Sequential) -> Bools:
        """Which cues the bets bound, [W, K]: of the mean over trainings, and of each."""
        shape = self._cued[0].shape[1:3]
        tail, single = (1 - self.rule.level) / 2, self._seeds if self._seeds > 1 else 0
        rows = (1 + single) * self.worlds * shape[1]  # the mean, and each training by itself
        groups = [
            (margin, Bets(rows, delta=margin, tail=tail, interval=False))
            for margin in np.unique(self._margins).tolist()
        ]
        spread = (
            _PathSpread(self._margins, (self._seeds, *shape), tail) if self._is_spread else None
        )
        answers = np.full(shape, how.answers)
        risen, bounded = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for q in range(self._cued[0].shape[-1]):
            cued = self._draw_gaps(self._cued, q, answers)
            plain = self._draw_gaps(self._plain, q, np.array(how.standard_answers))
            gaps = cued - plain  # [S, W, K]
            units = np.concatenate([gaps.mean(0, keepdims=True), gaps[:single]])
            units = np.where(bounded, np.nan, np.clip(units, -1, 1))
            risen |= units[0] > 0
            for margin, bets in groups:
                bets.bet_on(np.where(self._margins == margin, units, np.nan).ravel())
            if spread is not None:
                spread.add_question(gaps, units[0])
            if (q + 1) % how.batch == 0:
                bounded |= self._bounded_by(groups, shape, spread)
                more = np.minimum(2 * answers, max(how.most_answers, how.answers))
                answers, risen = np.where(risen, more, answers), np.zeros(shape, dtype=bool)
        return bounded | self._bounded_by(groups, shape, spread)

    def _draw_gaps(self, rates: list[Floats], q: int, answers: np.ndarray) -> Floats:
        """Each training of the target minus the reference on one question, [S, W, K]."""
        target, reference = (self._rng.binomial(answers, role[..., q]) / answers for role in rates)
        return target - reference

    def _bounded_by(
        self, groups: list[tuple[float, Bets]], shape: tuple[int, int], spread: _PathSpread | None
    ) -> Bools:
        found = np.zeros(shape, dtype=bool)
        for margin, bets in groups:
            won = bets.log_below >= math.log(2 / (1 - self.rule.level))
            enough = bets.count >= self.rule.questions_below(margin)
            all_won = (won & enough).reshape(-1, *shape).all(0)
            found |= all_won & (self._margins == margin)
        return found if spread is None else found & spread.is_below()


class _PathSpread:
    """A path's bounds of the mean over trainings, widened by their spread.

    Args:
        margins: of each cue, [K].
        shape: trainings, worlds and cues, (S, W, K).
        tail: error of each end.
    """

    def __init__(self, margins: Floats, shape: tuple[int, int, int], tail: float):
        self._margins, self._tail, self._shape = margins, tail, shape
        self._bets = [
            (
                margin,
                Bets(
                    shape[1] * shape[2],
                    delta=margin,
                    tail=tail,
                    interval=False,
                    others=[margin * i / _STEPS for i in range(_STEPS)],
                ),
            )
            for margin in np.unique(margins).tolist()
        ]
        self._total, self._count = np.zeros(shape), np.zeros(shape[1:])

    def add_question(self, gaps: Floats, units: Floats) -> None:
        """Adds the gap in each training [S, W, K] and what is bet on [W, K], NaN for neither."""
        asked = ~np.isnan(units)
        self._total += np.where(asked, gaps, 0.0)
        self._count += asked
        for margin, bets in self._bets:
            bets.bet_on(np.where(self._margins == margin, units, np.nan).ravel())

    def is_below(self) -> Bools:
        """Whether the widened bounds are below the margins, [W, K]."""
        shape = self._shape[1:]
        of_seed = self._total / np.maximum(self._count, 1)  # [S, W, K]
        spread = seed_spread((of_seed.reshape(len(of_seed), -1, 1),))
        low = np.full(shape, -1.0)
        high = np.ones(shape)
        for margin, bets in self._bets:
            high = np.where(self._margins == margin, bets.high.reshape(shape), high)
        value = np.clip(of_seed.mean(0), low, high).ravel()
        ends = widen_for_seeds(low.ravel(), value, high.ravel(), spread, self._tail)
        return ends[1].reshape(shape) < self._margins


def _count_units(plan: Plan, split: Split) -> int:
    """Questions of a half, or themes where the claim is about these."""
    half = [question for question in plan.questions if question.split is split]
    is_about_themes = plan.rule.is_about_themes
    return len({question.family if is_about_themes else question.id for question in half})
