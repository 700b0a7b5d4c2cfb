"""Sparse word matrices, their main directions and clusters of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

Floats = NDArray[np.float64]


def weigh_words(
    rows: Sequence[Iterable[str]], *, least: int = 3, most: int | None = None
) -> tuple[sp.csr_matrix, list[str]]:
    """Makes a matrix of which words each row has, weighted by rarity, rows of length one.

    Args:
        rows: the words of each row; repeated words count once.
        least: smallest number of rows of a word.
        most: largest number of words, the most frequent ones; None for all.

    Returns:
        A matrix of shape (rows, words) with weights log((1 + n) / (1 + rows with the word)) + 0.1,
        each row divided by its length, and the words.
    """
    numbers: dict[str, int] = {}
    index: list[int] = []
    ends = [0]
    for row in rows:
        index += sorted({numbers.setdefault(word, len(numbers)) for word in row})
        ends.append(len(index))
    ones = np.ones(len(index), np.float64)
    table = sp.csr_matrix((ones, index, ends), shape=(len(rows), len(numbers)))
    counts = np.asarray(table.sum(axis=0)).ravel()
    kept = np.flatnonzero(counts >= least)
    if most is not None and len(kept) > most:
        kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[:most]])
    words = list(numbers)
    weights = np.log((1 + len(rows)) / (1 + counts[kept])) + 0.1
    table = table[:, kept] @ sp.diags(weights.astype(np.float64))
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel()) + 1e-9
    scaled = sp.csr_matrix(sp.diags((1 / lengths).astype(np.float64)) @ table)
    return scaled, [words[i] for i in kept]


def shape_of(table: sp.spmatrix | Floats) -> tuple[int, int]:
    """Returns rows and columns; the type of ``shape`` allows for none."""
    rows, columns = cast("tuple[int, int]", table.shape)
    return rows, columns


def count_rows(table: sp.spmatrix) -> Floats:
    """Counts the rows in which each column is not zero; no stored value may be zero."""
    columns = sp.csc_matrix(table)
    return np.diff(columns.indptr).astype(np.float64)


def find_directions(table: sp.csr_matrix, size: int, rng: np.random.Generator) -> Floats:
    """Projects rows on the main directions of a matrix (truncated singular values, U S).

    Returns:
        Shape (rows, size), or fewer columns if the matrix has a lower rank; one column of zeros
        if there is nothing to project.
    """
    rows, columns = shape_of(table)
    size = min(size, rows - 1, columns - 1)
    if size < 1 or not table.nnz:
        return np.zeros((rows, 1), np.float64)
    # Halko, Martinsson and Tropp (2011), with two power iterations. ARPACK gives other directions
    # on each call where singular values are close, and a plan must not depend on the call.
    basis = table @ rng.normal(size=(columns, min(size + 10, columns)))
    for _ in range(2):
        basis, _ = np.linalg.qr(table @ (table.T @ basis))
    basis, _ = np.linalg.qr(basis)
    left, values, _ = np.linalg.svd((table.T @ basis).T, full_matrices=False)
    return np.ascontiguousarray((basis @ left[:, :size]) * values[:size])


def cluster_rows(points: Floats, size: int, seed: int) -> NDArray[np.int32]:
    """Assigns rows of length one to clusters (k-means, 15 steps)."""
    _, labels = kmeans2(points, size, iter=15, minit="points", missing="warn", rng=seed)
    return labels


def scale_columns(table: NDArray[np.floating], clip: float = 4.0) -> Floats:
    """Centres columns at the median, divides by their spread, clips and standardizes.

    Columns without any spread are left out.
    """
    table = np.asarray(table, np.float64) - np.median(table, axis=0)
    spread = table.std(axis=0)
    table = table[:, spread > 1e-9] / spread[spread > 1e-9]
    table = np.clip(table, -clip, clip)
    table = table - table.mean(axis=0)
    return table / (table.std(axis=0) + 1e-9)


def scale_rows(table: NDArray[np.floating]) -> Floats:
    """Centres columns and divides by one number, so that rows have a mean squared length of one."""
    centred = np.asarray(table, np.float64) - np.mean(table, axis=0)
    return centred / np.sqrt((centred**2).sum(axis=1).mean() + 1e-12)
