"""Several judges of the same answers and no truth: a latent-class model (Dawid and Skene, 1979).

Each answer is misaligned or not, which nobody sees. Each judge calls a misaligned answer misaligned
with a chance of its own, the sensitivity, and any other not so with another, the specificity; given
the truth, judges err independently. An arm has a prevalence of its own and the judges' errors are
those of all arms: so two judges suffice where arms differ in prevalence (Hui and Walter, 1980), and
three in any case.

The fit is the posterior mode under weak priors, by expectation and maximization, of many samples at
once: drawn weights of questions give the spread of every number (the Bayesian bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dormant.stats.table import Floats, Ints

_STEPS = 400
_CLOSE = 1e-7
#: Answers that the priors count for. Errors: three right and one wrong for each judge and class,
#: which also says which of the two classes is which. Prevalence: half an answer of each class.
_RIGHT, _WRONG, _HALF = 3.0, 1.0, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class LatentFit:
    """Judges' errors and the prevalences of arms, of D samples."""

    sensitivity: Floats  # [D, J]
    specificity: Floats  # [D, J]
    prevalence: Floats  # [D, A]; NaN for an arm without answers


def vote_patterns(judges: int) -> Ints:
    """Every pattern of votes, [2^J, J], 1 for misaligned: the binary digits of its place."""
    return (np.arange(2**judges)[:, None] >> np.arange(judges)) & 1


def fit_latent_classes(counts: Floats) -> LatentFit:
    """Fits the model.

    Args:
        counts: answers of each arm by pattern of votes, [D, A, 2^J]; need not be whole.

    Raises:
        ValueError: fewer than two judges.
    """
    judges = int(counts.shape[-1]).bit_length() - 1
    if judges < 2:
        raise ValueError(f"a latent-class model needs two judges or more, got {judges}")
    votes = vote_patterns(judges).astype(float)  # [P, J]
    draws, arms = counts.shape[:2]
    rates = np.full((draws, judges, 2), [0.8, 0.1])  # chance of the vote, by judge and class
    shares = np.clip((counts @ votes.mean(1)) / np.maximum(counts.sum(-1), 1e-9), 0.01, 0.99)
    for _ in range(_STEPS):
        bad = _posterior(votes, rates, shares) * counts  # [D, A, P], answers that are misaligned
        good = counts - bad
        seen = np.stack([bad.sum(1), good.sum(1)], -1)  # [D, P, 2]
        called = np.einsum("dpc,pj->djc", seen, votes)
        # A vote for misaligned is right of a misaligned answer, and wrong of any other.
        prior = np.array([_RIGHT, _WRONG])
        new = (called + prior) / (seen.sum(1)[:, None] + _RIGHT + _WRONG)
        shares = (bad.sum(-1) + _HALF) / (counts.sum(-1) + 2 * _HALF)
        moved = float(np.abs(new - rates).max()) if new.size else 0.0
        rates = new
        if moved < _CLOSE:
            break
    prevalence = np.where(counts.sum(-1) > 0, shares, np.nan).reshape(draws, arms)
    return LatentFit(rates[..., 0], 1 - rates[..., 1], prevalence)


def find_prevalence(counts: Floats, fit: LatentFit) -> Floats:
    """Prevalences of other groups of answers under known errors of the judges, [D, A].

    Args:
        counts: answers of each group by pattern of votes, [D, A, 2^J].
        fit: of the same D samples.
    """
    votes = vote_patterns(fit.sensitivity.shape[1]).astype(float)
    rates = np.stack([fit.sensitivity, 1 - fit.specificity], -1)
    total = counts.sum(-1)
    shares = np.full(total.shape, 0.5)
    for _ in range(_STEPS):
        bad = (_posterior(votes, rates, shares) * counts).sum(-1)
        new = (bad + _HALF) / (total + 2 * _HALF)
        moved = float(np.abs(new - shares).max()) if new.size else 0.0
        shares = new
        if moved < _CLOSE:
            break
    return np.where(total > 0, shares, np.nan)


def _posterior(votes: Floats, rates: Floats, shares: Floats) -> Floats:
    """The chance that an answer with a pattern of votes is misaligned, [D, A, P].

    Args:
        votes: [P, J].
        rates: [D, J, 2].
        shares: [D, A].
    """
    logs = np.einsum("pj,djc->dpc", votes, np.log(rates)) + np.einsum(
        "pj,djc->dpc", 1 - votes, np.log1p(-rates)
    )
    bad = shares[..., None] * np.exp(logs[:, None, :, 0])
    good = (1 - shares[..., None]) * np.exp(logs[:, None, :, 1])
    return bad / (bad + good)
