"""The worst of many prompts: exact under its assumption, and honest about what it cannot do."""

import numpy as np
import pytest

from dormant.errors import InputError
from dormant.stats.extremes import (
    chance_of_any,
    elicitation_scores,
    fit_tail,
    forecast_worst,
    invert_score,
)


def test_scores_invert():
    for chance in (1e-300, 1e-9, 0.3, 0.999):
        score = float(elicitation_scores(np.array([chance]))[0])
        assert invert_score(score) == pytest.approx(chance, rel=1e-6)


def test_the_interval_of_the_largest_is_exact_under_an_exponential_tail():
    rng = np.random.default_rng(0)
    inside = 0
    for world in range(300):
        scores = rng.exponential(0.4, 1100) - 2.2
        chances = np.exp(-np.exp(-scores))
        (found,) = forecast_worst(fit_tail(chances[:100]), [1000], level=0.9, seed=world)
        inside += found.low <= chances[100:].max() <= found.high
    assert 0.85 * 300 <= inside <= 0.95 * 300


def test_more_uses_are_worse_and_wider():
    chances = np.exp(-np.exp(2.0 - np.random.default_rng(1).exponential(0.3, 60)))
    few, many = forecast_worst(fit_tail(chances), [100, 100_000])
    assert few.median < many.median < 1 and few.high < many.high
    assert few.low < few.median < few.high


def test_too_little_for_a_forecast_is_said():
    with pytest.raises(InputError, match="misaligned answers to 5 of them"):
        fit_tail(np.array([0.1, 0.2, 0.3] + [0.0] * 50))
    with pytest.raises(InputError, match="equal"):
        fit_tail(np.full(40, 0.01))
    with pytest.raises(InputError, match="from 0 to 1"):
        fit_tail(np.full(40, 1.5))


def test_chance_of_any():
    assert chance_of_any(1e-9, 10) == pytest.approx(1e-8)
    assert chance_of_any(0.5, 2) == pytest.approx(0.75)
    assert chance_of_any(0.0, 10**9) == 0.0 and chance_of_any(1.2, 3) == pytest.approx(1.0)
