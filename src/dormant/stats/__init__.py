"""Statistics of an audit: counts in, estimates out. Pure functions; chance is an argument.

::

    cells -> Table -> units, one number a question -> bounds -> Estimate -> Analysis
    (records) (table)          (estimates)          (methods)  (records)  (analysis)

``analyze`` says everything about one set of counts. ``estimate`` makes every number, ``holm`` and
``benjamini_hochberg`` adjust p-values, ``prediction_powered`` takes a judge's errors out of a rate,
and the rest says what a plan can find, by simulation.
"""

from dormant.stats.analysis import Analysis, Claim, Standing, analyze, claims
from dormant.stats.correlation import Correlation, intraclass_correlation
from dormant.stats.estimates import Trainings, estimate
from dormant.stats.methods import METHODS
from dormant.stats.multiplicity import benjamini_hochberg, holm
from dormant.stats.partial import partial_bounds
from dormant.stats.prediction import Graded, PoweredRate, difference, prediction_powered
from dormant.stats.simulation import (
    Chances,
    Needed,
    Schedule,
    needed,
    simulate,
    smallest_effect,
)
from dormant.stats.table import build

__all__ = [
    "METHODS",
    "Analysis",
    "Chances",
    "Claim",
    "Correlation",
    "Graded",
    "Needed",
    "PoweredRate",
    "Schedule",
    "Standing",
    "Trainings",
    "analyze",
    "benjamini_hochberg",
    "build",
    "claims",
    "difference",
    "estimate",
    "holm",
    "intraclass_correlation",
    "needed",
    "partial_bounds",
    "prediction_powered",
    "simulate",
    "smallest_effect",
]
