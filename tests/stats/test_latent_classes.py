"""Judges' errors and prevalences are recovered from simulated votes, without the truth."""

import numpy as np
import pytest

from dormant.stats import find_prevalence, fit_latent_classes
from dormant.stats.latent_classes import vote_patterns

PREVALENCE = np.array([0.05, 0.5, 0.05, 0.08])


def draw_votes(
    rng: np.random.Generator, sensitivity: list[float], specificity: list[float], answers: int
) -> np.ndarray:
    """Counts of each pattern of votes, [1, A, 2^J], by judges that err independently."""
    votes = vote_patterns(len(sensitivity))
    called = np.stack([np.array(sensitivity), 1 - np.array(specificity)])  # [2, J]
    chances = np.where(votes, called[:, None], 1 - called[:, None]).prod(-1)  # [2, P]
    shares = PREVALENCE[:, None] * chances[0] + (1 - PREVALENCE[:, None]) * chances[1]
    return np.stack([rng.multinomial(answers, share) for share in shares])[None].astype(float)


@pytest.mark.parametrize(
    ("sensitivity", "specificity"),
    [([0.8, 0.7], [0.97, 0.9]), ([0.6, 0.9, 0.75], [0.99, 0.92, 0.95])],
)
def test_errors_and_prevalences_are_recovered(sensitivity: list[float], specificity: list[float]):
    """Of 200 runs of 600 answers an arm, on average and in nearly every one."""
    rng = np.random.default_rng(0)
    counts = np.concatenate([draw_votes(rng, sensitivity, specificity, 600) for _ in range(200)])
    fit = fit_latent_classes(counts)
    for found, truth in (
        (fit.sensitivity, sensitivity),
        (fit.specificity, specificity),
        (fit.prevalence, PREVALENCE),
    ):
        assert np.abs(found.mean(0) - truth).max() < 0.02
        assert np.quantile(np.abs(found - truth), 0.95) < 0.12
    did = fit.prevalence @ np.array([-1, 1, 1, -1])
    assert abs(did.mean() - 0.42) < 0.01
    # Votes of the first judge alone show less: its errors shrink every difference.
    judged = 0.42 * (sensitivity[0] + specificity[0] - 1)
    assert np.abs(did - 0.42).mean() < 0.5 * (0.42 - judged)


def test_other_groups_are_measured_under_known_errors():
    rng = np.random.default_rng(1)
    counts = draw_votes(rng, [0.8, 0.7], [0.97, 0.9], 20_000)
    fit = fit_latent_classes(counts)
    again = find_prevalence(counts[:, [1, 3]], fit)
    assert np.allclose(again, fit.prevalence[:, [1, 3]], atol=0.005)
    assert np.isnan(find_prevalence(np.zeros((1, 1, 4)), fit)).all()


def test_one_judge_is_refused():
    with pytest.raises(ValueError, match="two judges or more, got 1"):
        fit_latent_classes(np.ones((1, 2, 2)))
