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


def test_what_several_trainings_exceed_is_said_of_them_alone():
    effect = EffectReach("c", 1e-6, 1e-5, True, 0.06, 0.71, math.nan, 0.235)
    assert describe_reach(effect, found=0.05) == "It exceeds every delta up to 24 points."
    words = describe_reach(effect, found=0.05, trainings=2)
    assert words.startswith("In the mean of these 2 trainings it exceeds every delta up to 24 ")
    assert "interval is about all such trainings" in words
