"""Leave-one-out ridge regression against fitting again without each row and without columns."""

import numpy as np
import pytest
import scipy.sparse as sp
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
    got = Ridge.fit([table], 0.3).leave_out(z[:, None])[:, 0]
    assert got == pytest.approx(predict_one_by_one(table, z, 0.3), abs=2e-3)


@given(st.integers(0, 10_000), st.integers(0, 4))
def test_deleting_columns_is_fitting_without_them(seed, size):
    rng = np.random.default_rng(seed)
    table, z = rng.normal(size=(15, 6)), rng.normal(size=15)
    deleted = rng.choice(6, size, replace=False)
    model = Ridge.fit([table], 0.3)
    fit, moments = model.predict(z[:, None])
    got = model.leave_out_without(z, fit[:, 0], moments[:, 0], deleted)
    wanted = predict_one_by_one(np.delete(table, deleted, axis=1), z, 0.3)
    assert got == pytest.approx(wanted, abs=5e-3)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_sparse_and_dense_columns_side_by_side_are_one_table(share):
    rng = np.random.default_rng(3)
    words = sp.random(1_500, 40, density=share, format="csc", rng=rng)
    dense, z = rng.normal(size=(1_500, 5)), rng.normal(size=(1_500, 2))
    whole = Ridge.fit([np.hstack([dense[:, :2], words.toarray(), dense[:, 2:]])], 0.3)
    parts = Ridge.fit([dense[:, :2], words, dense[:, 2:]], 0.3)
    for one, other in zip(parts.predict(z), whole.predict(z), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
    np.testing.assert_allclose(parts.projected, whole.projected, atol=1e-10)
    np.testing.assert_allclose(parts.leverage, whole.leverage, atol=1e-10)
    np.testing.assert_allclose(parts.inverse, whole.inverse, atol=1e-10)
