"""Corrections for several tests against their definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant import stats
from dormant.errors import InputError


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_and_benjamini_hochberg_against_their_definitions(p):
    m = len(p)
    for alpha in (0.01, 0.05, 0.3):
        order = sorted(range(m), key=lambda i: p[i])
        step = next((k for k in range(m) if p[order[k]] * (m - k) > alpha), m)
        assert {i for i in range(m) if stats.adjust_holm(p)[i] <= alpha} == set(order[:step])
        last = max((k + 1 for k in range(m) if p[order[k]] * m / (k + 1) <= alpha), default=0)
        rejected = {i for i in range(m) if stats.benjamini_hochberg(p)[i] <= alpha}
        assert rejected == set(order[:last])


def test_a_p_value_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"got 1\.2"):
        stats.adjust_holm([0.1, 1.2])
    with pytest.raises(InputError, match="got nan"):
        stats.benjamini_hochberg([math.nan])
