"""Ridge regression with leave-one-out errors, from which columns can be deleted afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, get_lapack_funcs

from dormant.cues.contexts.matrices import shape_of

Floats = NDArray[np.float64]
#: Features that stand side by side.
Block = Floats | sp.csr_matrix

#: Largest leverage of a row that is divided by.
_MOST_LEVERAGE = 0.999
#: Share of entries from which a sparse block is multiplied faster as a dense one.
_DENSE_SHARE = 0.06
#: Rows that are projected at once, so that no other table of the size of all features is needed.
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Ridge:
    """A ridge regression on fixed features, ready to predict any column.

    With X the features, A = X'X + penalty I and P = A^-1: a column z is fitted by X P X'z, the row
    x has the leverage x P x', and the error that leaves row i out is (z_i - fit_i) /
    (1 - leverage_i). Without the columns S of X both change by a matrix of rank |S| only: with
    M = X P[:, S] and B = P[S, S], the fit loses M B^-1 (P X'z)[S] and the leverages lose the
    diagonal of M B^-1 M' (block inversion).
    """

    blocks: tuple[Block, ...]  # X in parts, each of shape (rows, its columns)
    inverse: Floats  # P, shape (columns, columns)
    projected: Floats  # X P, shape (rows, columns)
    leverage: Floats  # shape (rows,)

    @classmethod
    def fit(cls, features: Sequence[NDArray[np.floating] | sp.spmatrix], penalty: float) -> Ridge:
        """Prepares a regression; costs rows x columns^2 + columns^3, less for sparse features.

        Args:
            features: blocks of columns, each of shape (rows, its columns), dense or sparse.
            penalty: of the squared weights.
        """
        blocks = tuple(map(_prepare_block, features))
        inverse = _invert(_multiply_blocks(blocks), penalty)
        rows = shape_of(blocks[0])[0]
        projected, leverage = np.empty((rows, len(inverse))), np.empty(rows)
        for start in range(0, rows, _ROWS):
            part = slice(start, start + _ROWS)
            cut = tuple(block[part] for block in blocks)
            projected[part] = _weigh_blocks(cut, inverse)
            dense = np.hstack([_to_dense(block) for block in cut])
            leverage[part] = np.einsum("ij,ij->i", projected[part], dense)
        return cls(blocks, inverse, projected, leverage)

    def predict(self, columns: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Fits columns of shape (rows, k); returns the fits and the coefficients' X'z."""
        wanted = np.asarray(columns, np.float64)
        moments = np.vstack([block.T @ wanted for block in self.blocks])
        return _weigh_blocks(self.blocks, self.inverse @ moments), moments

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


def _prepare_block(block: NDArray[np.floating] | sp.spmatrix) -> Block:
    """Keeps a block sparse where that saves time."""
    if isinstance(block, np.ndarray):
        return np.ascontiguousarray(block, np.float64)
    table = sp.csr_matrix(block, dtype=np.float64)
    rows, columns = shape_of(table)
    return table if table.nnz < _DENSE_SHARE * rows * columns else table.toarray()


def _to_dense(block: Block) -> Floats:
    return block if isinstance(block, np.ndarray) else block.toarray()


def _multiply_blocks(blocks: Sequence[Block]) -> Floats:
    """Returns X'X, shape (columns, columns)."""
    ends = np.cumsum([0, *(shape_of(block)[1] for block in blocks)])
    gram = np.empty((ends[-1], ends[-1]))
    for i, one in enumerate(blocks):
        for j, other in enumerate(blocks[: i + 1]):
            product = _to_dense(one.T @ other)
            gram[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = product
            gram[ends[j] : ends[j + 1], ends[i] : ends[i + 1]] = product.T
    return gram


def _invert(gram: Floats, penalty: float) -> Floats:
    """Returns the inverse of X'X + penalty I."""
    gram[np.diag_indices_from(gram)] += penalty
    factor, _ = cho_factor(gram, lower=True, overwrite_a=True)
    # A third of the products of solving for every column of the identity.
    (potri,) = get_lapack_funcs(("potri",), (factor,))
    inverse, _ = potri(factor, lower=True, overwrite_c=True)
    lower = np.tril(inverse)
    return lower + np.tril(lower, -1).T


def _weigh_blocks(blocks: Sequence[Block], weights: Floats) -> Floats:
    """Returns X times weights of shape (columns, k)."""
    start, total = 0, np.zeros((shape_of(blocks[0])[0], weights.shape[1]))
    for block in blocks:
        end = start + shape_of(block)[1]
        total += block @ weights[start:end]
        start = end
    return total
