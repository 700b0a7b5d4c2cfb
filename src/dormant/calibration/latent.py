"""A second opinion from several judges of the same answers, when nobody knows the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dormant.calibration.correction import question_order
from dormant.calibration.grades import UNSEEN
from dormant.calibration.metrics import Floats, Interval, question_weights
from dormant.records import OUTCOMES, Outcome, Role, Transcript
from dormant.stats import LatentFit, find_prevalence, fit_latent_classes

_DRAWS, _LEVEL = 400, 0.95
#: Two judges are told apart only by arms of different prevalence; three by themselves.
_LEAST_SPREAD = 0.2
_OUTCOME = re.compile(r"(?:fused_)+outcome")

Arm = tuple[Role, str | None]


@dataclass(frozen=True, slots=True)
class JudgeQuality:
    """The errors of one judge under the model."""

    judge: str
    sensitivity: Interval  # of answers that are misaligned, the share that it calls so
    specificity: Interval  # of the others, the share that it does not


@dataclass(frozen=True, slots=True)
class LatentEffect:
    """The difference in differences of one cue under the model, over all answers."""

    cue: str
    did: Interval
    judged_did: float  # of the same answers by the judge that decides


@dataclass(frozen=True, slots=True)
class LatentClasses:
    """Several judges as a latent-class model."""

    answers: int  # that every judge graded
    judges: tuple[JudgeQuality, ...]  # the one that decides first
    effects: tuple[LatentEffect, ...]
    reason: str = ""  # why the model says nothing; empty otherwise


def fit_judges(
    transcripts: Sequence[Transcript], names: Sequence[str], *, seed: int = 0
) -> LatentClasses | None:
    """Fits the model to the grades of a run.

    Args:
        transcripts: every judged answer.
        names: of the judges, the one that decides first.
        seed: of the drawn weights of questions.

    Returns:
        None if one judge graded the answers.
    """
    rows = [t for t in transcripts if t.outcome not in UNSEEN]
    found = [_read_outcomes(t) for t in rows]
    judges = max(map(len, found), default=1)
    whole = [i for i, each in enumerate(found) if len(each) == judges and Outcome.ERROR not in each]
    votes = [[int(outcome is Outcome.MISALIGNED) for outcome in each] for each in found]
    if judges < 2 or not whole:
        return None
    rows = [rows[i] for i in whole]
    patterns = [sum(bit << j for j, bit in enumerate(votes[i])) for i in whole]
    order = question_order(rows)
    arms: dict[Arm, int] = {}
    for row in rows:
        arms.setdefault((row.role, row.cue), len(arms))
    table = np.zeros((len(order), len(arms), 2**judges))
    for row, pattern in zip(rows, patterns, strict=True):
        table[order[row.question], arms[row.role, row.cue], pattern] += 1
    rng = np.random.default_rng(seed)
    weights = question_weights(len(order), draws=_DRAWS, rng=rng)
    weights = np.vstack([np.full(len(order), weights.sum(1).mean() / len(order)), weights])
    fit = fit_latent_classes(np.einsum("dq,qap->dap", weights, table))
    spread = np.ptp(fit.prevalence[0])
    if judges == 2 and not spread >= _LEAST_SPREAD:
        return LatentClasses(
            len(rows),
            (),
            (),
            "two judges are told apart only where arms differ in prevalence, by at least "
            f"{100 * _LEAST_SPREAD:g} points; here by {100 * spread:.0f}",
        )
    called = [names[j] if j < len(names) else f"judge {j + 1}" for j in range(judges)]
    return LatentClasses(
        answers=len(rows),
        judges=tuple(
            JudgeQuality(name, _interval(fit.sensitivity[:, j]), _interval(fit.specificity[:, j]))
            for j, name in enumerate(called)
        ),
        effects=tuple(_estimate_effects(table, arms, weights, fit)),
    )


def _read_outcomes(transcript: Transcript) -> list[Outcome]:
    """What each judge made of an answer, the deciding one first."""
    names = sorted((n for n in transcript.scores if _OUTCOME.fullmatch(n)), key=len)
    return [transcript.outcome, *(OUTCOMES[int(transcript.scores[name])] for name in names)]


def _estimate_effects(
    table: Floats, arms: dict[Arm, int], weights: Floats, fit: LatentFit
) -> Iterator[LatentEffect]:
    """The effect of each cue that all four arms have, on the questions that were asked under it."""
    first = (np.arange(table.shape[-1]) & 1).astype(float)  # what the deciding judge votes
    for cue in dict.fromkeys(cue for _, cue in arms if cue is not None):
        places = [arms.get((role, name)) for role in Role for name in (cue, None)]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            continue
        asked = table[:, known[0]].sum(-1) > 0
        counts = np.einsum("dq,qap->dap", weights[:, asked], table[asked][:, known])
        prevalence = find_prevalence(counts, fit)
        judged = (counts[0] @ first) / np.maximum(counts[0].sum(-1), 1e-9)
        signs = np.array([1.0, -1.0, -1.0, 1.0])  # target, reference; with the cue and without
        yield LatentEffect(cue, _interval(prevalence @ signs), float(judged @ signs))


def _interval(values: Floats) -> Interval:
    """The value of the whole sample, which stands first, and the ends of the drawn ones."""
    low, high = np.quantile(values[1:], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(
        float(values[0]), min(float(low), float(values[0])), max(float(high), float(values[0]))
    )


def describe_classes(found: LatentClasses, shown: Sequence[str]) -> str:
    """The model in words.

    Args:
        found: the fit.
        shown: names of the cues whose effects are stated; the largest if none of them is known.
    """
    head = f"latent classes of the judges, over {found.answers:,} answers"
    if found.reason:
        return f"{head}: unknown, for {found.reason}"
    judges = "; ".join(
        f"{q.judge} calls {_format_share(q.sensitivity)} of misaligned answers so and passes "
        f"{_format_share(q.specificity)} of the others"
        for q in found.judges
    )
    named = [e for e in found.effects if e.cue in shown]
    named = named or sorted(found.effects, key=lambda e: -e.did.value)[:1]
    effects = "; ".join(
        f"under the cue '{e.cue}' the difference in differences over all answers is "
        f"{_format_points(e.did)} points ({100 * e.judged_did:+.1f} as {found.judges[0].judge} "
        "judges)"
        for e in named
    )
    return f"{head}: {judges}" + (f"; {effects}" if effects else "")


def _format_share(number: Interval) -> str:
    return f"{100 * number.value:.0f}% [{100 * number.low:.0f}, {100 * number.high:.0f}]"


def _format_points(number: Interval) -> str:
    value, low, high = (100 * x for x in (number.value, number.low, number.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
