"""Ways to put an interval around a mean over questions, by name.

``pseudo-observation`` is the default and the only one that a verdict rests on. Both are
Clopper-Pearson over questions with one added question (``stats.intervals``) and differ in how bad
that question is.

======================  ===========================================================================
``pseudo-observation``  as bad as the counts make plausible (``stats.pseudo_question``)
``distribution-free``   as bad as a question can be: holds whatever questions are like, and is wide
======================  ===========================================================================

``bootstrap-t`` (``stats.bootstrap``) adds no question. It is computed beside the others, for
effects against zero (``stats.zero``), and is no method of an interval that a claim rests on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dormant.errors import InputError
from dormant.stats.bootstrap import bootstrap_bounds
from dormant.stats.draws import draw_distances
from dormant.stats.intervals import Bounds, SeedSpread, question_bounds
from dormant.stats.p_values import invert_low_end
from dormant.stats.pseudo_question import pseudo_units
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats

DEFAULT = "pseudo-observation"
BOOTSTRAP_T = "bootstrap-t"


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
    BOOTSTRAP_T: "mean over questions, studentized bootstrap",
}
#: Names that earlier versions gave to methods -> their names now.
RENAMED = {"imagined": DEFAULT}
#: Names of methods that earlier versions had.
_REMOVED = frozenset({"exact", "bayes", "bootstrap", "t"})


def check_method(name: str) -> str:
    """Returns the current name of a method; an earlier name is accepted with a warning.

    Raises:
        InputError: the method is unknown or was removed; the message names the methods.
    """
    if name in RENAMED:
        now = RENAMED[name]
        warnings.warn(f"method {name!r} is now {now!r}", DeprecationWarning, stacklevel=2)
        return now
    if name == BOOTSTRAP_T:
        raise InputError(
            f"{name!r} is no method of its own: every analysis gives it beside the method, in "
            f"the table against zero; use {' or '.join(map(repr, METHODS))}"
        )
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
    tests_trainings: bool = False,
) -> Bounds:
    """Intervals of a sample by a named method, with p-values that agree with them.

    Args:
        sample: K means over questions.
        method: a key of ``METHODS``, or ``BOOTSTRAP_T``.
        level: two-sided confidence; each end has half of the rest.
        delta: value against which the p-values are taken.
        spread: chance that comes from the training seeds; it widens the intervals.
        tests_trainings: whether p-values are about all trainings too, as intervals with ``spread``
            are, and not about the mean of the models at hand.

    Returns:
        As :func:`dormant.stats.intervals.question_bounds`; p is the smallest error at which the
        interval's low end, of the models at hand or of all trainings, reaches delta.

    Raises:
        InputError: the method is unknown.
    """
    if method == BOOTSTRAP_T:
        return bootstrap_bounds(
            sample,
            tail=(1 - level) / 2,
            delta=delta,
            spread=spread,
            tests_trainings=tests_trainings,
        )
    name = check_method(method)
    added = METHODS[name](sample)
    bounds = _add_question(sample, added, (1 - level) / 2, delta, spread)
    tested = spread if tests_trainings else None

    def find_low(chosen: Bools, tail: Floats) -> Floats:
        part = None if tested is None else tested.select(chosen)
        top, bottom = added
        some = top[chosen], bottom[chosen]
        return _add_question(sample.select(chosen), some, tail, delta, part).low

    return replace(bounds, p=invert_low_end(bounds.p, bounds.value, delta, find_low))


def compute_ends(
    sample: Sample,
    *,
    method: str,
    tail: float | Floats,
    delta: float,
    spread: SeedSpread | None = None,
) -> Bounds:
    """Intervals with a given error of each end; ``p`` is of the questions alone.

    Args:
        sample: K means over questions.
        method: a key of ``METHODS``.
        tail: error of each end, one for all or [K].
        delta: value against which ``p`` is taken.
        spread: chance that comes from the training seeds.
    """
    return _add_question(sample, METHODS[method](sample), tail, delta, spread)


def _add_question(
    sample: Sample,
    added: tuple[Floats, Floats],
    tail: float | Floats,
    delta: float,
    spread: SeedSpread | None,
) -> Bounds:
    """Intervals with a question added at each end, whose units are given."""
    return question_bounds(
        sample.units,
        answers=sample.typical,
        icc=sample.icc,
        tail=tail,
        delta=delta,
        limits=sample.limits,
        spread=spread,
        pseudo=added,
        least=draw_distances(sample, tail),
    )
