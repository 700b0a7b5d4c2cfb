"""Ways to put an interval around a mean over questions, by name.

``pseudo-observation`` is the default and the only one that a verdict rests on. Both are
Clopper-Pearson over questions with one added question (``stats.intervals``) and differ in how bad
that question is.

======================  ===========================================================================
``pseudo-observation``  as bad as the counts make plausible (``stats.pseudo_question``)
``distribution-free``   as bad as a question can be: holds whatever questions are like, and is wide
======================  ===========================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from dormant.errors import InputError
from dormant.stats.draws import draw_distances
from dormant.stats.intervals import Bounds, SeedSpread, question_bounds
from dormant.stats.pseudo_question import pseudo_units
from dormant.stats.sample import Sample
from dormant.stats.table import Floats

DEFAULT = "pseudo-observation"


def _as_bad_as_can_be(sample: Sample) -> tuple[Floats, Floats]:
    """The added question at the limits of the quantity."""
    low, high = sample.limits
    return np.full(len(sample.units), high), np.full(len(sample.units), low)


#: Name -> how bad the added question is.
METHODS: dict[str, Callable[[Sample], tuple[Floats, Floats]]] = {
    DEFAULT: pseudo_units,
    "distribution-free": _as_bad_as_can_be,
}
#: Name -> ``Estimate.method``, how the interval was made.
DESCRIPTIONS: dict[str, str] = {
    DEFAULT: "mean over questions, Clopper-Pearson with one pseudo-observation (Gaffke, matched "
    "Beta)",
    "distribution-free": "mean over questions, Clopper-Pearson with the worst question of all",
}
#: Names that earlier versions gave to methods -> their names now.
RENAMED = {"imagined": DEFAULT}
#: Names of methods that earlier versions had.
_REMOVED = frozenset({"exact", "bayes", "bootstrap", "bootstrap-t", "t"})


def check_method(name: str) -> str:
    """Returns the current name of a method; an earlier name is accepted with a warning.

    Raises:
        InputError: the method is unknown or was removed; the message names the methods.
    """
    if name in RENAMED:
        now = RENAMED[name]
        warnings.warn(f"method {name!r} is now {now!r}", DeprecationWarning, stacklevel=2)
        return now
    if name in _REMOVED:
        raise InputError(
            f"method {name!r} was removed: use {' or '.join(map(repr, METHODS))}; "
            "docs/design/interval-methods.md shows how to compute it with SciPy"
        )
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}: use {' or '.join(METHODS)}")
    return name


def compute_bounds(
    sample: Sample,
    *,
    method: str,
    level: float,
    delta: float,
    spread: SeedSpread | None = None,
) -> Bounds:
    """Intervals of a sample by a named method.

    Args:
        sample: K means over questions.
        method: a key of ``METHODS``.
        level: two-sided confidence; each end has half of the rest.
        delta: value against which the p-values are taken.
        spread: chance that comes from the training seeds.

    Returns:
        As :func:`dormant.stats.intervals.question_bounds`.

    Raises:
        InputError: the method is unknown.
    """
    return question_bounds(
        sample.units,
        answers=sample.typical,
        icc=sample.icc,
        level=level,
        delta=delta,
        limits=sample.limits,
        spread=spread,
        pseudo=METHODS[check_method(method)](sample),
        least=draw_distances(sample, (1 - level) / 2),
    )
