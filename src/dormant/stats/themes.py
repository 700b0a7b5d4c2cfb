"""Questions gathered into their families: the unit of a claim about themes like those asked.

Questions of one family (a theme) tend to rise and fall together. Where the claim is about themes
like these, the family is the unit: the mean over its questions, arm by arm, and everything that
follows (pseudo-observation, draws of answers, spread of training seeds, p-values) sees families
only. Axes are those of ``table``, and F is the family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dormant.stats.sample import Sample
from dormant.stats.table import Floats, Ints


def index_families(questions: Sequence[str], family_of: Mapping[str, str] | None) -> Ints:
    """Numbers the families of questions, [Q], from 0 without gaps.

    Args:
        questions: ids.
        family_of: the family of each question; one without an entry is a family of its own, and so
            is every question for None.
    """
    families = family_of or {}
    # A question without a family never joins one of the same name.
    keys = [(q in families, families.get(q, q)) for q in questions]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([places[key] for key in keys], dtype=np.int64)


def average_families(values: Floats, families: Ints) -> Floats:
    """Means over the questions of each family, [..., Q] -> [..., F]; NaN where none has a value."""
    here = ~np.isnan(values)
    belongs = _membership(families)
    count = here.astype(np.float64) @ belongs
    total = np.where(here, values, 0.0) @ belongs
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def gather_families(sample: Sample, families: Ints) -> Sample:
    """Makes families the units of a sample.

    The mean of a few rates counts as the answers that would give it the same variance if they were
    drawn together: for m questions with n answers each, m n.

    Args:
        sample: K means over Q questions.
        families: the family of each question, [Q].
    """
    entered = ~np.isnan(sample.units)  # [K, Q]
    belongs = _membership(families)
    drawn = entered[:, None] & (sample.answers > 0)  # [K, A, Q]
    count = drawn.astype(np.float64) @ belongs  # [K, A, F]
    inverse = np.where(drawn, 1 / np.where(drawn, sample.answers, 1.0), 0.0) @ belongs
    arms = average_families(np.where(entered[:, None], sample.arms, np.nan), families)
    return replace(
        sample,
        units=average_families(sample.units, families),
        arms=arms,
        answers=np.where(count > 0, count**2 / np.where(inverse > 0, inverse, 1.0), 0.0),
    )


def count_families(sample: Sample, families: Ints) -> Ints:
    """How many families have a question that entered, [K]."""
    entered = (~np.isnan(sample.units)).astype(np.float64)
    return (entered @ _membership(families) > 0).sum(-1)


def _membership(families: Ints) -> Floats:
    """[Q, F]: 1 where a question is of a family."""
    size = int(families.max(initial=-1)) + 1
    return (families[:, None] == np.arange(size)).astype(np.float64)
