"""The chance that all listed cues are bounded where none has an effect, by many worlds at once.

The plan's own design, many worlds side by side: the cues of a world share its standard arm, and a
world counts if every cue, the standard difference and the target's rates would let the verdict be
BOUNDED. Questions differ by the rule's prior correlation, independently in each arm. Of the
sequential design, the path buys answers as in an audit, but no cue leaves it early as a suspect,
and its final stage draws fresh answers; of the fixed one, both stages are as in an audit.
"""

from __future__ import annotations

import math

import numpy as np

from dormant.records import Plan, Role, Sequential, Split
from dormant.stats.betting import Bets
from dormant.stats.methods import DEFAULT, compute_ends
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats

_DID, _DIFFERENCE = (1, -1, -1, 1), (1, -1)


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
        shape = (worlds, len(tried), sum(self._halves))
        self._cued = [self._draw_rates(base, shape) for _ in Role]  # target, reference [W, K, Q]
        self._plain = [self._draw_rates(base, (worlds, 1, shape[2])) for _ in Role]

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

    def _ask(self, part: slice, answers: int) -> tuple[Floats, Floats]:
        """Rates of the four arms of every cue on some questions, and answers, [W, K, 4, Q]."""
        arms: list[Floats] = []
        shape = self._cued[0][:, :, part].shape
        counts = np.empty((4, 1))
        for place, true in enumerate(
            (self._cued[0], self._plain[0], self._cued[1], self._plain[1])
        ):
            count = answers * (self._seeds if place < 2 else 1)
            drawn = self._rng.binomial(count, true[:, :, part]) / count
            arms.append(np.broadcast_to(drawn, shape))
            counts[place] = count
        return np.stack(arms, 2), np.broadcast_to(counts, (*shape[:2], 4, shape[2]))

    def _high(self, arms: Floats, answers: Floats, signs: tuple[int, ...]) -> Floats:
        """Upper ends of the means, [...] of arms [..., A, Q]."""
        flat, sizes = (x.reshape(-1, *x.shape[-2:]) for x in (arms, answers))
        sample = Sample(
            units=(flat * np.array(signs, dtype=np.float64)[:, None]).sum(1),
            arms=flat,
            signs=signs,
            answers=sizes,
            icc=self.rule.icc,
            limits=(-2.0, 2.0) if len(signs) > 2 else (-1.0, 1.0),
        )
        tail = (1 - self.rule.level) / 2
        ends = compute_ends(sample, method=DEFAULT, tail=tail, delta=self.rule.delta)
        return ends.high.reshape(arms.shape[:-2])

    def _is_bounded(self, high: Floats, questions: int) -> Bools:
        """Whether cues [W, K] are bounded below their margins."""
        least = np.array([self.rule.questions_below(margin) for margin in self._margins])
        return (high < self._margins) & (questions >= least)

    def _is_clear(self, arms: Floats, answers: Floats) -> Bools:
        """Whether the standard difference is bounded and no rate of the target too high, [W]."""
        high = self._high(arms[:, 0][:, [1, 3]], answers[:, 0][:, [1, 3]], _DIFFERENCE)
        enough = arms.shape[-1] >= self.rule.questions_to_bound
        rates = arms.mean(-1)  # [W, K, 4]
        low = (rates[:, :, 0] <= self._margins).all(1) & (rates[:, 0, 1] <= self.rule.delta)
        return low & (high < self.rule.delta) & enough

    def _run_fixed(self) -> Bools:
        first, few = self._ask(slice(0, self._halves[0]), self.rule.screening_answers)
        second, many = self._ask(slice(self._halves[0], None), self.rule.confirm_answers)
        both, counts = np.concatenate([first, second], -1), np.concatenate([few, many], -1)
        settled = self._is_bounded(self._high(first, few, _DID), self._halves[0])
        has_room = (~settled).sum(1) <= self.rule.candidates
        late = self._is_bounded(self._high(both, counts, _DID), sum(self._halves))
        return has_room & (settled | late).all(1) & self._is_clear(both, counts)

    def _run_sequential(self, how: Sequential) -> Bools:
        bounded = self._run_path(how)
        few = max(self.rule.screening_answers, how.standard_answers)
        arms, counts = self._ask(slice(None), few)
        late = self._is_bounded(self._high(arms, counts, _DID), arms.shape[-1])
        return (bounded | late).all(1) & self._is_clear(arms, counts)

    def _run_path(self, how: Sequential) -> Bools:
        """Which cues the bets bound, [W, K]."""
        shape = self._cued[0].shape[:2]
        tail = (1 - self.rule.level) / 2
        groups = [
            (margin, Bets(self.worlds * shape[1], delta=margin, tail=tail, interval=False))
            for margin in np.unique(self._margins).tolist()
        ]
        answers = np.full(shape, how.answers)
        risen, bounded = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for q in range(self._cued[0].shape[2]):
            cued = self._draw_gap(self._cued, q, answers)
            plain = self._draw_gap(self._plain, q, np.array(how.standard_answers))
            units = np.where(bounded, np.nan, np.clip(cued - plain, -1, 1))
            risen |= units > 0
            for margin, bets in groups:
                bets.bet_on(np.where(self._margins == margin, units, np.nan).ravel())
            if (q + 1) % how.batch == 0:
                bounded |= self._bounded_by(groups, shape)
                more = np.minimum(2 * answers, max(how.most_answers, how.answers))
                answers, risen = np.where(risen, more, answers), np.zeros(shape, dtype=bool)
        return bounded | self._bounded_by(groups, shape)

    def _draw_gap(self, rates: list[Floats], q: int, answers: np.ndarray) -> Floats:
        """Target minus reference on one question."""
        target, reference = (
            self._rng.binomial(n, role[:, :, q]) / n
            for role, n in zip(rates, (answers * self._seeds, answers), strict=True)
        )
        return target - reference

    def _bounded_by(self, groups: list[tuple[float, Bets]], shape: tuple[int, int]) -> Bools:
        found = np.zeros(shape, dtype=bool)
        for margin, bets in groups:
            won = bets.log_below >= math.log(2 / (1 - self.rule.level))
            enough = bets.count >= self.rule.questions_below(margin)
            found |= (won & enough).reshape(shape) & (self._margins == margin)
        return found


def _count_units(plan: Plan, split: Split) -> int:
    """Questions of a half, or themes where the claim is about these."""
    half = [question for question in plan.questions if question.split is split]
    is_about_themes = plan.rule.is_about_themes
    return len({question.family if is_about_themes else question.id for question in half})
