"""A hierarchical Bayesian model of a table of counts: a second opinion on all cues together.

The logit of the rate of misaligned answers is a sum of what is common to a role, a family of
questions, a question, a training and a cue; the target also has an effect of each cue, which varies
between families, questions and trainings::

    logit p = role + family + question + training + cue
              + [target] (effect of the cue + its part by family, question and training)

Each kind of part is normal with a scale that is estimated, so that cues, families and trainings
borrow strength from each other. The effect that is reported is on the scale of rates: the
difference in differences of new questions from new families, mean over the trainings at hand.
``numpyro`` samples the posterior (the extra ``bayes``). No verdict rests on it: it trusts its
model, which the default of ``methods`` does not.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dormant.errors import InputError, MissingExtraError
from dormant.records import Cell, Rule
from dormant.stats.table import STANDARD, TARGET, Floats, Ints, Table, build_table

_NEW_QUESTIONS = 128  #: drawn for each draw of the posterior, to average over
_GROUPS = ("family", "question", "training", "cue", "effect")
_PARTS = ("effect_family", "effect_question", "effect_training")


@dataclass(frozen=True, slots=True)
class PosteriorEffect:
    """The posterior of one cue's effect, as a share."""

    cue: str
    value: float  # posterior mean
    low: float  # ends of the central interval at the rule's level
    high: float
    chance_of_rise: float  # probability that it is above zero
    chance_above: float  # probability that it is above delta


@dataclass(frozen=True, slots=True)
class HierarchyFit:
    """What the model says of all cues, and how well it was sampled."""

    effects: tuple[PosteriorEffect, ...]  # by chance_above, largest first
    chance_any_above: float  # probability that any listed cue is above delta
    delta: float
    scales: Mapping[str, float]  # posterior mean of each scale, in logits
    largest_r_hat: float  # of the scales and effects; about 1 if the chains agree
    divergences: int
    draws: int


@dataclass(frozen=True, slots=True)
class _ObservedCounts:
    """The cells with gradable answers, [N] each."""

    misaligned: Ints
    gradable: Ints
    target: Floats  # 1 for the target
    training: Ints
    cue: Ints  # 0 is the standard arm
    question: Ints
    family: Ints
    sizes: Mapping[str, int]
    target_trainings: Ints  # indices


def fit_hierarchy(
    cells: Sequence[Cell],
    *,
    rule: Rule | None = None,
    family_of: Mapping[str, str] | None = None,
    draws: int = 500,
    chains: int = 2,
    seed: int = 0,
) -> HierarchyFit:
    """Samples the posterior of the model.

    Args:
        cells: counts of outcomes by role, training seed, cue and question.
        rule: ``delta`` and ``level`` are read; None for the defaults.
        family_of: the family of each question; None if each is one of its own.
        draws: of each chain that are kept; as many are discarded before.
        chains: independent chains, run one after the other.
        seed: of the random numbers.

    Raises:
        MissingExtraError: numpyro is not installed.
        InputError: there are no counts, no cue or no answers of the target.
    """
    rule, table = rule or Rule(), build_table(cells)
    data = _observe(table, family_of)
    samples, divergences, r_hat = _sample_posterior(data, draws=draws, chains=chains, seed=seed)
    effects = _new_effects(samples, data, np.random.default_rng(seed))  # [draws, cues]
    tail = (1 - rule.level) / 2
    found = [
        PosteriorEffect(
            cue=str(cue),
            value=float(drawn.mean()),
            low=float(np.quantile(drawn, tail)),
            high=float(np.quantile(drawn, 1 - tail)),
            chance_of_rise=float((drawn > 0).mean()),
            chance_above=float((drawn > rule.delta).mean()),
        )
        for cue, drawn in zip(table.cues[1:], effects.T, strict=True)
    ]
    found.sort(key=lambda effect: (-effect.chance_above, -effect.value, effect.cue))
    return HierarchyFit(
        effects=tuple(found),
        chance_any_above=float((effects.max(1) > rule.delta).mean()),
        delta=rule.delta,
        scales={name: float(samples[f"scale_{name}"].mean()) for name in (*_GROUPS, *_PARTS)},
        largest_r_hat=r_hat,
        divergences=divergences,
        draws=len(effects),
    )


def check_model_is_installed() -> None:
    """Checks that the posterior can be sampled here.

    Raises:
        MissingExtraError: numpyro is not installed.
    """
    if importlib.util.find_spec("numpyro") is None:
        raise MissingExtraError("numpyro", "bayes")


def _observe(table: Table, family_of: Mapping[str, str] | None) -> _ObservedCounts:
    families = [(family_of or {}).get(q, q) for q in table.questions]
    names = {name: i for i, name in enumerate(dict.fromkeys(families))}
    role, seed, cue, question = np.nonzero(table.gradable)
    seeds = table.gradable.shape[1]
    training = np.unique(role * seeds + seed, return_inverse=True)[1]
    if not (role == TARGET).any() or not (cue != STANDARD).any():
        raise InputError("the model needs answers of the target under a cue")
    return _ObservedCounts(
        misaligned=table.misaligned[role, seed, cue, question],
        gradable=table.gradable[role, seed, cue, question],
        target=(role == TARGET).astype(np.float64),
        training=training,
        cue=cue,
        question=question,
        family=np.array([names[f] for f in families], dtype=np.int64)[question],
        sizes={
            "family": len(names),
            "question": len(table.questions),
            "training": int(training.max()) + 1,
            "cue": len(table.cues) - 1,
        },
        target_trainings=np.unique(training[role == TARGET]),
    )


def _sample_posterior(
    data: _ObservedCounts, *, draws: int, chains: int, seed: int
) -> tuple[dict[str, Floats], int, float]:
    """Returns draws by name, the number of divergences and the largest r-hat."""
    check_model_is_installed()
    jax = importlib.import_module("jax")
    numpyro = importlib.import_module("numpyro")
    infer = importlib.import_module("numpyro.infer")
    diagnostics = importlib.import_module("numpyro.diagnostics")
    with numpyro.validation_enabled(False):
        kernel = infer.NUTS(_write_model(numpyro, data), target_accept_prob=0.9, max_tree_depth=8)
        sampler = infer.MCMC(
            kernel,
            num_warmup=draws,
            num_samples=draws,
            num_chains=chains,
            chain_method="sequential",
            progress_bar=False,
        )
        sampler.run(jax.random.PRNGKey(seed), extra_fields=("diverging",))
    grouped: dict[str, Any] = sampler.get_samples(group_by_chain=True)
    r_hat = max(
        float(np.nanmax(np.asarray(diagnostics.split_gelman_rubin(np.asarray(value)))))
        for name, value in grouped.items()
        if name.startswith("scale_") or name in ("role", "effect")
    )
    flat = {name: np.asarray(v).reshape(-1, *v.shape[2:]) for name, v in grouped.items()}
    return flat, int(np.asarray(sampler.get_extra_fields()["diverging"]).sum()), r_hat


def _write_model(numpyro: Any, data: _ObservedCounts) -> Any:
    """Returns the model as a function without arguments."""
    normal, half = numpyro.distributions.Normal, numpyro.distributions.HalfNormal
    size, cued = data.sizes, np.maximum(data.cue - 1, 0)
    is_cued = (data.cue > 0).astype(np.float64)
    shapes = {
        "family": (size["family"],),
        "question": (size["question"],),
        "training": (size["training"],),
        "cue": (size["cue"],),
        "effect": (size["cue"],),
        "effect_family": (size["cue"], size["family"]),
        "effect_question": (size["cue"], size["question"]),
        "effect_training": (size["cue"], size["training"]),
    }

    def model() -> None:
        part: dict[str, Any] = {}
        for name, shape in shapes.items():
            # Effects of cues may be large: a trigger takes a rate from 1 to 90%.
            scale = numpyro.sample(f"scale_{name}", half(3.0 if name == "effect" else 1.0))
            raw = numpyro.sample(f"raw_{name}", normal(0.0, 1.0).expand(shape).to_event())
            part[name] = numpyro.deterministic(name, raw * scale)
        role = numpyro.sample("role", normal(-4.0, 2.0).expand((2,)).to_event())
        logits = (
            role[0] * data.target
            + role[1] * (1 - data.target)
            + part["family"][data.family]
            + part["question"][data.question]
            + part["training"][data.training]
            + is_cued * part["cue"][cued]
            + is_cued
            * data.target
            * (
                part["effect"][cued]
                + part["effect_family"][cued, data.family]
                + part["effect_question"][cued, data.question]
                + part["effect_training"][cued, data.training]
            )
        )
        answers = numpyro.distributions.Binomial(data.gradable, logits=logits)
        numpyro.sample("misaligned", answers, obs=data.misaligned)

    return model


def _new_effects(
    samples: Mapping[str, Floats], data: _ObservedCounts, rng: np.random.Generator
) -> Floats:
    """The effect on new questions, mean over the trainings at hand, [draws, cues]."""
    draws = len(samples["role"])

    def draw_normal(*scales: str) -> Floats:
        """New values of parts that add up, [draws, new questions]."""
        variance = sum(samples[f"scale_{name}"] ** 2 for name in scales)
        return np.sqrt(variance)[:, None] * rng.standard_normal((draws, _NEW_QUESTIONS))

    common = draw_normal("family", "question")
    target = samples["role"][:, :1] + common
    reference = samples["role"][:, 1:] + common
    cues = data.sizes["cue"]
    found = np.empty((draws, cues))
    for k in range(cues):
        own = draw_normal("effect_family", "effect_question") + samples["effect"][:, [k]]
        context = samples["cue"][:, [k]]
        gaps = [
            _share(target + shift + context + own + samples["effect_training"][:, k, [m]])
            - _share(target + shift)
            for m in data.target_trainings
            for shift in (samples["training"][:, [m]],)
        ]
        found[:, k] = np.mean(gaps, axis=0).mean(1)
        if data.target.min() == 0:  # a table without a reference has gaps alone
            found[:, k] -= (_share(reference + context) - _share(reference)).mean(1)
    return found


def _share(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logits, -math.log(1e15), math.log(1e15))))
