"""Which deltas the deciding effect's answers decide, in words."""

import math

import pytest

from dormant.decision.effects import describe_reach
from dormant.records import EffectReach


@pytest.mark.parametrize(
    ("least", "words"),
    [
        (0.16, "A delta of 16 points would be bounded."),
        (1.6, ""),  # no delta of 100 points or more can be given
        (math.nan, ""),
    ],
)
def test_only_a_delta_that_can_be_given_would_be_bounded(least: float, words: str):
    effect = EffectReach("c", 0.5, 0.9, False, 0.23, 0.8, least, math.nan)
    assert describe_reach(effect, found=None) == words
