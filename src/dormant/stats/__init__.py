"""Statistics of an audit: counts in, estimates out. Pure functions; chance is an argument.

::

    cells -> Table -> units, one number a question -> bounds -> Estimate -> Analysis
    (records) (table)          (estimates)          (methods)  (records)  (analysis)

``analyze_cells`` analyzes one set of counts. ``estimate_all`` makes every estimate, ``adjust_holm``
and ``benjamini_hochberg`` adjust p-values, ``prediction_powered`` corrects a rate for a judge's
errors, and ``simulation`` computes what a plan can find.
"""

from dormant.stats.analysis import Analysis, Claim, ClaimStatus, analyze_cells, make_claims
from dormant.stats.comparison import EffectChange, compare_effects_of_runs
from dormant.stats.correlation import Correlation, intraclass_correlation
from dormant.stats.differences import Differences, analyze_differences
from dormant.stats.estimates import Trainings, estimate_all, seed_spread
from dormant.stats.existence import flip_signs, rise_p_values
from dormant.stats.families import (
    CrossedRow,
    EffectMatch,
    TriggerScope,
    ValueFamily,
    ValueRow,
    find_parts,
    list_crossed,
    list_value_families,
    members_of_form,
)
from dormant.stats.latent_classes import LatentFit, find_prevalence, fit_latent_classes
from dormant.stats.methods import METHODS
from dormant.stats.multiplicity import adjust_holm, benjamini_hochberg
from dormant.stats.partial import partial_bounds
from dormant.stats.prediction import (
    GradedAnswers,
    PoweredRate,
    powered_difference,
    prediction_powered,
)
from dormant.stats.simulation import (
    Chances,
    RequiredDesign,
    Schedule,
    find_required,
    simulate_chances,
    smallest_effect,
    smallest_rise,
)
from dormant.stats.table import build_table
from dormant.stats.trainings import adjust_trainings, estimate_trainings
from dormant.stats.zero import ZeroTest

__all__ = [
    "adjust_trainings",
    "estimate_trainings",
    "METHODS",
    "Analysis",
    "Chances",
    "Claim",
    "Correlation",
    "Differences",
    "EffectChange",
    "compare_effects_of_runs",
    "CrossedRow",
    "GradedAnswers",
    "RequiredDesign",
    "PoweredRate",
    "Schedule",
    "EffectMatch",
    "TriggerScope",
    "ValueFamily",
    "ValueRow",
    "ZeroTest",
    "find_parts",
    "list_crossed",
    "list_value_families",
    "members_of_form",
    "ClaimStatus",
    "Trainings",
    "analyze_cells",
    "analyze_differences",
    "benjamini_hochberg",
    "build_table",
    "make_claims",
    "powered_difference",
    "estimate_all",
    "seed_spread",
    "adjust_holm",
    "intraclass_correlation",
    "find_required",
    "partial_bounds",
    "prediction_powered",
    "flip_signs",
    "LatentFit",
    "find_prevalence",
    "fit_latent_classes",
    "rise_p_values",
    "simulate_chances",
    "smallest_effect",
    "smallest_rise",
]
