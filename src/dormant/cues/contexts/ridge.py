"""Ridge regression with leave-one-out errors, from which columns can be deleted afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]

#: Largest leverage of a row that is divided by.
_MOST_LEVERAGE = 0.999


@dataclass(frozen=True, slots=True)
class Ridge:
    """A ridge regression on fixed features, ready to predict any column.

    With X the features, A = X'X + penalty I and P = A^-1: a column z is fitted by X P X'z, the row
    x has the leverage x P x', and the error that leaves row i out is (z_i - fit_i) /
    (1 - leverage_i). Without the columns S of X both change by a matrix of rank |S| only: with
    M = X P[:, S] and B = P[S, S], the fit loses M B^-1 (P X'z)[S] and the leverages lose the
    diagonal of M B^-1 M' (block inversion).
    """

    features: Floats  # shape (rows, columns)
    inverse: Floats  # P, shape (columns, columns)
    projected: Floats  # X P, shape (rows, columns)
    leverage: Floats  # shape (rows,)

    @classmethod
    def fit(cls, features: NDArray[np.floating], penalty: float) -> Ridge:
        """Prepares a regression; costs rows x columns^2 + columns^3."""
        table = np.ascontiguousarray(features, np.float64)
        gram = (table.T @ table).astype(np.float64)
        gram[np.diag_indices_from(gram)] += penalty
        inverse = cho_solve(cho_factor(gram, lower=True), np.eye(len(gram)))
        projected = table @ inverse.astype(np.float64)
        leverage = np.asarray(np.einsum("ij,ij->i", projected, table), np.float64)
        return cls(table, inverse, projected, leverage)

    def predict(self, columns: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Fits columns of shape (rows, k); returns the fits and the coefficients' X'z."""
        moments = np.asarray(self.features.T @ np.asarray(columns, np.float64), np.float64)
        return np.asarray(self.projected @ moments, np.float64), moments

    def leave_out(self, columns: NDArray[np.floating]) -> Floats:
        """Predicts columns of shape (rows, k), each row from all others."""
        wanted = np.asarray(columns, np.float64)
        fits, _ = self.predict(wanted)
        rest = np.maximum(1 - self.leverage, 1 - _MOST_LEVERAGE)[:, None]
        return wanted - (wanted - fits) / rest

    def leave_out_without(
        self, column: Floats, fit: Floats, moments: Floats, deleted: NDArray[np.intp]
    ) -> Floats:
        """Predicts one column, each row from all others, without some of the features.

        Args:
            column: what is predicted, shape (rows,).
            fit: its fit by all features, from ``predict``.
            moments: its moments, from ``predict``.
            deleted: indices of the features to leave out; may be empty.
        """
        fitted, leverage = fit.astype(np.float64), self.leverage
        if len(deleted):
            own = self.projected[:, deleted].astype(np.float64)
            weights = self.inverse[deleted] @ moments.astype(np.float64)
            block = cho_factor(self.inverse[np.ix_(deleted, deleted)], lower=True)
            solved = cho_solve(block, own.T).T
            fitted = fitted - solved @ weights
            leverage = leverage - np.einsum("ij,ij->i", solved, own)
        return column - (column - fitted) / np.maximum(1 - leverage, 1 - _MOST_LEVERAGE)
