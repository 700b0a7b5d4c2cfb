"""Ways to put an interval around a mean over questions, by name.

``imagined`` is the default and the only one that a verdict rests on; the others are those that
readers of a paper expect beside it. All see the same :class:`Sample`, treat the question as the
unit, and are widened by the spread between training seeds in the same way.

=====================  ============================================================================
``imagined``           Clopper-Pearson over questions with one imagined (``stats.intervals``)
``distribution-free``  the same, the imagined question as bad as a question can be
``exact``              Clopper-Pearson with a design effect (``stats.exact``)
``bayes``              Dirichlet over questions with one prior question (``stats.resampling``)
``bootstrap``          cluster bootstrap, BCa (``stats.resampling``)
``bootstrap-t``        cluster bootstrap, percentile-t (``stats.resampling``)
``t``                  Student's t over questions, for comparison with the literature
=====================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from dormant.errors import InputError
from dormant.stats.exact import exact
from dormant.stats.imagining import imagined
from dormant.stats.intervals import Bounds, SeedSpread, question_bounds, widen
from dormant.stats.resampling import bayes, bootstrap, bootstrap_t
from dormant.stats.sample import Ends, Sample
from dormant.stats.table import Bools, Floats

DEFAULT = "imagined"
_STEPS = 30  #: halvings in the search for a p-value: accurate to a relative 1e-6


def student_t(sample: Sample) -> Ends:
    """Student's interval for the mean of the units with Q - 1 degrees of freedom."""
    error = np.sqrt(sample.variance / np.maximum(sample.count, 1))
    freedom = np.maximum(sample.count - 1, 1)

    def ends(tail: float | Floats) -> tuple[Floats, Floats]:
        half = special.stdtrit(freedom, 1 - tail) * error
        return sample.value - half, sample.value + half

    return ends


def _as_bad_as_can_be(sample: Sample) -> tuple[Floats, Floats]:
    """The imagined question at the limits of the quantity."""
    low, high = sample.limits
    return np.full(len(sample.units), high), np.full(len(sample.units), low)


#: Methods with one imagined question -> how bad it is.
_IMAGINED: dict[str, Callable[[Sample], tuple[Floats, Floats]]] = {
    DEFAULT: imagined,
    "distribution-free": _as_bad_as_can_be,
}
#: Name -> function of a sample that gives its ends; None where the form is closed.
METHODS: dict[str, Callable[[Sample], Ends] | None] = {
    **dict.fromkeys(_IMAGINED),
    "exact": exact,
    "bayes": bayes,
    "bootstrap": bootstrap,
    "bootstrap-t": bootstrap_t,
    "t": student_t,
}
#: What an estimate says of how its interval was made.
DESCRIPTIONS: dict[str, str] = {
    DEFAULT: "mean over questions, Clopper-Pearson with one imagined question (Gaffke, matched "
    "Beta)",
    "distribution-free": "mean over questions, Clopper-Pearson with the worst question of all",
    "exact": "mean over questions, Clopper-Pearson with a design effect (Korn and Graubard)",
    "bayes": "mean over questions, Dirichlet over questions with one prior question",
    "bootstrap": "mean over questions, bootstrap over questions (BCa)",
    "bootstrap-t": "mean over questions, bootstrap over questions (percentile-t)",
    "t": "mean over questions, Student's t over questions",
}
#: Methods that have no width where all questions are alike; the default's bound stands there.
_NEED_SPREAD = frozenset({"bootstrap", "bootstrap-t", "t"})


def check_method(name: str) -> str:
    """The name of a method.

    Raises:
        InputError: there is no such method; names those that there are.
    """
    if name not in METHODS:
        raise InputError(f"no method {name!r}: the methods are {', '.join(METHODS)}")
    return name


def bounds(
    sample: Sample,
    *,
    method: str,
    level: float,
    delta: float,
    spread: SeedSpread | None = None,
    tested: bool = True,
) -> Bounds:
    """Intervals of a sample by a named method.

    Args:
        sample: K means over questions.
        method: a key of ``METHODS``.
        level: two-sided confidence; each end has half of the rest.
        delta: value against which the p-values are taken.
        spread: chance that comes from the training seeds.
        tested: whether p-values are wanted; they are NaN otherwise.

    Returns:
        As :func:`dormant.stats.intervals.question_bounds`.

    Raises:
        InputError: there is no such method.
    """
    base = question_bounds(
        sample.units,
        answers=sample.typical,
        icc=sample.icc,
        level=level,
        delta=delta,
        limits=sample.limits,
        spread=spread,
        imagined=_IMAGINED.get(check_method(method), imagined)(sample),
    )
    make = METHODS[method]
    if make is None:
        return base
    ends, tail = make(sample), (1 - level) / 2
    low, high = ends(tail)
    low, high = np.minimum(low, sample.value), np.maximum(high, sample.value)
    if spread is not None:
        low, high = widen(low, sample.value, high, spread, tail)
    use = sample.count > 0
    if method in _NEED_SPREAD:
        use &= sample.variance > 0
    low, high = (np.clip(x, *sample.limits) for x in (low, high))
    p = np.where(use, _p(ends, delta, use), base.p) if tested else base.p
    return Bounds(
        base.value,
        np.where(use, low, base.low),
        np.where(use, high, base.high),
        p,
        base.questions,
    )


def _p(ends: Ends, delta: float, use: Bools) -> Floats:
    """The tail at which the lower end meets delta, by bisection: a p that agrees with the interval.

    Where even an end with a tail of a half is below delta, p is 1 less the upper end's.
    """
    above, below = (_tail(ends, delta, use, lower=lower) for lower in (True, False))
    return np.where(above < 0.5, above, 1 - below)


def _tail(ends: Ends, delta: float, use: Bools, *, lower: bool) -> Floats:
    # Of the logarithm to base 10; beyond a half an end is past the value and means nothing.
    low, high = np.full(use.shape, -14.0), np.full(use.shape, np.log10(0.5))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = ends(np.where(use, 10.0**middle, 0.5))[0 if lower else 1]
        past = found > delta if lower else found < delta
        low, high = np.where(past, low, middle), np.where(past, middle, high)
    return np.minimum(10.0**high, 0.5)
