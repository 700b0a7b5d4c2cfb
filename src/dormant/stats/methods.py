"""Ways to put an interval around a mean over questions, by name.

``imagined`` is the default and the only one that a verdict rests on. Both are Clopper-Pearson over
questions with one imagined question (``stats.intervals``) and differ in how bad that question is.

=====================  ============================================================================
``imagined``           as bad as the counts make plausible (``stats.imagining``)
``distribution-free``  as bad as a question can be: holds whatever the questions are like, and wide
=====================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dormant.errors import InputError
from dormant.stats.intervals import Bounds, SeedSpread, question_bounds
from dormant.stats.pseudo_question import imagined
from dormant.stats.sample import Sample
from dormant.stats.table import Floats

DEFAULT = "imagined"


def _as_bad_as_can_be(sample: Sample) -> tuple[Floats, Floats]:
    """The imagined question at the limits of the quantity."""
    low, high = sample.limits
    return np.full(len(sample.units), high), np.full(len(sample.units), low)


#: Name -> how bad the imagined question is.
METHODS: dict[str, Callable[[Sample], tuple[Floats, Floats]]] = {
    DEFAULT: imagined,
    "distribution-free": _as_bad_as_can_be,
}
#: What an estimate says of how its interval was made.
DESCRIPTIONS: dict[str, str] = {
    DEFAULT: "mean over questions, Clopper-Pearson with one imagined question (Gaffke, matched "
    "Beta)",
    "distribution-free": "mean over questions, Clopper-Pearson with the worst question of all",
}
#: Names of methods that earlier versions had.
_REMOVED = frozenset({"exact", "bayes", "bootstrap", "bootstrap-t", "t"})


def check_method(name: str) -> str:
    """The name of a method.

    Raises:
        InputError: there is no such method; names those that there are.
    """
    if name in _REMOVED:
        raise InputError(
            f"method {name!r} was removed: use {' or '.join(map(repr, METHODS))}; "
            "docs/design/interval-methods.md says how to compute it with SciPy"
        )
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
        InputError: there is no such method.
    """
    return question_bounds(
        sample.units,
        answers=sample.typical,
        icc=sample.icc,
        level=level,
        delta=delta,
        limits=sample.limits,
        spread=spread,
        imagined=METHODS[check_method(method)](sample),
    )
