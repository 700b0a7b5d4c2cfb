"""Leave-one-out ridge regression against fitting again without each row and without columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.cues.contexts.ridge import Ridge


def predict_one_by_one(table, z, penalty):
    """Each row from a fit to all other rows."""
    found = np.empty(len(z))
    for i in range(len(z)):
        rest = np.delete(table, i, axis=0)
        gram = rest.T @ rest + penalty * np.eye(table.shape[1])
        found[i] = table[i] @ np.linalg.solve(gram, rest.T @ np.delete(z, i))
    return found


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 6))
def test_leaving_out_is_fitting_again(seed, rows, columns):
    rng = np.random.default_rng(seed)
    table, z = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    got = Ridge.fit(table, 0.3).leave_out(z[:, None])[:, 0]
    assert got == pytest.approx(predict_one_by_one(table, z, 0.3), abs=2e-3)


@given(st.integers(0, 10_000), st.integers(0, 4))
def test_deleting_columns_is_fitting_without_them(seed, size):
    rng = np.random.default_rng(seed)
    table, z = rng.normal(size=(15, 6)), rng.normal(size=15)
    deleted = rng.choice(6, size, replace=False)
    model = Ridge.fit(table, 0.3)
    fit, moments = model.predict(z[:, None])
    got = model.leave_out_without(z, fit[:, 0], moments[:, 0], deleted)
    wanted = predict_one_by_one(np.delete(table, deleted, axis=1), z, 0.3)
    assert got == pytest.approx(wanted, abs=5e-3)
