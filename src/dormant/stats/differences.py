"""Estimates and claims from one difference a question, where the counts behind it are not known.

The difference of a question is exact: intervals hold the spread between questions and between
trainings, and not that of the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dormant.records import OUTCOMES, Estimate, Quantity, Rule
from dormant.stats.analysis import Analysis, make_claims
from dormant.stats.contrasts import CueContrast, nan_mean
from dormant.stats.estimates import Trainings, from_contrast
from dormant.stats.few_questions import drop_unsupported_p_values
from dormant.stats.methods import BOOTSTRAP_T, DEFAULT, check_method
from dormant.stats.table import REFERENCE, ROLES, STANDARD, TARGET, Floats, Table
from dormant.stats.zero import compare_effects

_EXACT = 10**9  #: answers behind a difference that is taken as exact


@dataclass(frozen=True, slots=True)
class Differences:
    """A difference in differences of each training seed, cue and question."""

    seeds: tuple[str, ...]  # [S]
    cues: tuple[str, ...]  # [K]
    questions: tuple[str, ...]  # [Q]
    values: Floats  # [S, K, Q], -2 to 2, as shares; NaN where there is none


def analyze_differences(
    differences: Differences,
    *,
    rule: Rule | None = None,
    placebos: frozenset[str] = frozenset(),
    family_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
) -> Analysis:
    """Makes a claim about each cue from one difference a question.

    Args:
        differences: the table.
        rule: ``delta``, ``level``, ``icc`` and ``claim`` are read; None for the defaults.
        placebos: names of cues that are not tested.
        family_of: the family of each question; None if each is one of its own.
        method: how intervals are made, one of ``METHODS``.
        trainings: whether intervals cover all trainings or only the models at hand.

    Raises:
        InputError: an unknown method, or a rule out of range.
    """
    rule, method = rule or Rule(), check_method(method)

    def estimate_by(against: Rule, by: str) -> tuple[Estimate, ...]:
        return _estimate(differences, against, by, trainings, family_of)

    estimates = drop_unsupported_p_values(estimate_by(rule, method), rule)
    claims = make_claims(estimates, rule, placebos=set(placebos))
    return Analysis(
        rule=rule,
        method=method,
        estimates=estimates,
        bounds=(),
        claims=claims,
        correlations={},
        zero_tests=compare_effects(
            [(claim.cue, claim.quantity) for claim in claims if not np.isnan(claim.value)],
            estimate_by,
            rule=rule,
            methods=(method, BOOTSTRAP_T),
        ),
    )


def _estimate(
    differences: Differences,
    rule: Rule,
    method: str,
    trainings: Trainings,
    family_of: Mapping[str, str] | None,
) -> tuple[Estimate, ...]:
    size = (len(ROLES), len(differences.seeds), 1 + len(differences.cues))
    size = (*size, len(differences.questions))
    table = Table(
        np.zeros((*size, len(OUTCOMES)), dtype=np.int64),
        (differences.seeds, ()),
        (None, *differences.cues),
        differences.questions,
    )
    return from_contrast(
        table,
        _make_contrast(differences),
        rule=rule,
        method=method,
        trainings=trainings,
        family_of=family_of,
    )


def _make_contrast(differences: Differences) -> CueContrast:
    """The contrast of all cues, in arms that would give the differences.

    The pseudo-observation looks at arms. A rise is taken as the target's under the cue, a fall as
    the reference's, and what exceeds 1 as the standard arm of the other role.
    """
    values = differences.values  # [S, K, Q]
    units = nan_mean(values, 0)
    rates = np.zeros((len(ROLES), 1 + len(differences.cues), len(differences.questions)))
    known = np.nan_to_num(units)
    rates[TARGET, 1:], rates[REFERENCE, 1:] = np.clip(known, 0, 1), np.clip(-known, 0, 1)
    rates[REFERENCE, STANDARD] = np.clip(known - 1, 0, 1).max(0, initial=0.0)
    rates[TARGET, STANDARD] = np.clip(-known - 1, 0, 1).max(0, initial=0.0)
    cues = range(1, 1 + len(differences.cues))
    return CueContrast(
        quantity=Quantity.DID,
        role=None,
        cues=tuple(cues),
        arms=tuple(
            ((TARGET, c), (TARGET, STANDARD), (REFERENCE, c), (REFERENCE, STANDARD)) for c in cues
        ),
        units=units,
        per_seed=(values,),
        rates=rates,
        denominators=np.full((len(ROLES), len(differences.seeds), *rates.shape[1:]), _EXACT),
        limits=(-2.0, 2.0),
    )
