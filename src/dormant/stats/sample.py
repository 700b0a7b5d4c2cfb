"""The input of every interval method: K means over Q questions, and the arms they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dormant.stats.table import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Sample:
    """K means over the same Q questions, with the rates of the arms that enter each."""

    units: Floats  # [K, Q], NaN where a question does not enter
    arms: Floats  # [K, A, Q], the rate of each arm in each question, mean over training seeds
    signs: tuple[int, ...]  # [A], units are the signed sum of the arms
    answers: Floats  # [K, A, Q], answers that each rate is taken over, all training seeds
    icc: float  # intra-question correlation to assume where the counts cannot show it
    limits: tuple[float, float]  # least and greatest possible mean

    def select(self, means: Bools) -> Sample:
        """The sample of some of the means, [K]."""
        return replace(
            self, units=self.units[means], arms=self.arms[means], answers=self.answers[means]
        )

    @property
    def count(self) -> Ints:
        """Questions that entered, [K]."""
        return (~np.isnan(self.units)).sum(-1)

    @property
    def filled_units(self) -> Floats:
        """Units with zero where a question does not enter, [K, Q]."""
        return np.where(np.isnan(self.units), 0.0, self.units)

    @property
    def value(self) -> Floats:
        """The means, [K]; zero where no question entered."""
        return self.filled_units.sum(-1) / np.maximum(self.count, 1)

    @property
    def typical(self) -> Floats:
        """Mean answers a question in the smallest arm, over the questions that entered, [K]."""
        entered = ~np.isnan(self.units)[:, None]
        total = np.where(entered, self.answers, 0.0).sum(-1)
        return total.min(-1) / np.maximum(self.count, 1)
