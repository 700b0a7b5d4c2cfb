"""Statistics of an audit: counts in, estimates out. Pure functions, no randomness.

::

    cells -> Table -> units, one number a question -> bounds -> Estimate
    (records) (table)          (estimates)         (intervals)  (records)

``estimate`` makes every number, ``unresolved`` picks what goes on to the held-out questions,
``holm`` and ``benjamini_hochberg`` adjust p-values, and the rest says what a plan can find.
"""

from dormant.stats.analysis import Analysis, Claim, Standing, analyze, claims
from dormant.stats.correlation import Correlation, intraclass_correlation
from dormant.stats.estimates import estimate
from dormant.stats.methods import METHODS
from dormant.stats.multiplicity import benjamini_hochberg, holm
from dormant.stats.partial import PartialBounds, partial_bounds
from dormant.stats.power import (
    Design,
    answers_to_find,
    chance_to_bound,
    chance_to_find,
    questions_for_any_icc,
    questions_to_bound,
    questions_to_find,
    smallest_effect,
)
from dormant.stats.screening import unresolved

__all__ = [
    "METHODS",
    "Analysis",
    "Claim",
    "Correlation",
    "Design",
    "PartialBounds",
    "Standing",
    "analyze",
    "answers_to_find",
    "benjamini_hochberg",
    "chance_to_bound",
    "chance_to_find",
    "claims",
    "estimate",
    "holm",
    "intraclass_correlation",
    "partial_bounds",
    "questions_for_any_icc",
    "questions_to_bound",
    "questions_to_find",
    "smallest_effect",
    "unresolved",
]
