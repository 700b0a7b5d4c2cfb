"""Answers as features of a kernel: half linear, half local likeness, by landmarks (Nyström)."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from dormant.cues.contexts.described import DescribedAnswers
from dormant.cues.contexts.matrices import Floats, scale_columns, scale_rows

#: Rows against which likeness is computed; files of fewer rows are represented exactly.
LANDMARKS = 700
#: Weights of manner and content, and of the fit beside three blocks of manner.
_MANNER, _CONTENT, _FIT = 0.6, 0.4, 0.5
#: Directions of the kernel below this share of the mean row are noise.
_LEAST_VALUE = 1e-4


def make_answer_features(answers: DescribedAnswers, rng: np.random.Generator) -> Floats:
    """Makes features whose products are the likeness of two answers.

    The likeness of manner and of content is half their linear product and half exp(-d^2 / s), with
    d the distance and s its median scale; manner counts more. Nyström's approximation from at most
    ``LANDMARKS`` rows is exact for smaller files (Williams and Seeger 2000).

    Returns:
        Shape (rows, at most LANDMARKS); rows have a mean squared length of about one.
    """
    fit = scale_rows(scale_columns(answers.fit)).astype(np.float64)
    scale = (len(answers.manner) + _FIT) ** -0.5
    manner = np.hstack([*answers.manner, fit * np.float64(_FIT**0.5)]) * np.float64(scale)
    total = len(manner)
    marks = np.sort(rng.permutation(total)[: min(total, LANDMARKS)])
    likeness = _MANNER * _bend(manner, marks) + _CONTENT * _bend(answers.content, marks)
    values, vectors = eigh(likeness[marks].astype(np.float64))
    kept = values > max(_LEAST_VALUE * len(marks) / 100, 1e-6)
    roots = vectors[:, kept] / np.sqrt(values[kept])
    features = likeness @ roots.astype(np.float64)
    return features - features.mean(axis=0)


def _bend(table: Floats, marks: np.ndarray) -> Floats:
    """Half linear, half Gaussian likeness of all rows to the landmarks."""
    chosen = table[marks]
    product = table @ chosen.T
    lengths = (table**2).sum(axis=1)
    distance = np.maximum(lengths[:, None] + lengths[marks][None] - 2 * product, 0)
    scale = float(np.median(distance)) + 0.1 * float(distance.mean()) + 1e-6
    return 0.5 * product + 0.5 * np.exp(-distance / scale)
