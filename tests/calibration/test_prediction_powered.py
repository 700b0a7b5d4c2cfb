"""Prediction-powered rates of a run's cues: from transcripts and labels to numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dormant.calibration.correction import corrected_cues, gather_counts
from dormant.calibration.metrics import question_weights
from dormant.calibration.sampling import draw_sample
from dormant.records import Arm, Outcome, Role, Transcript

SAID = (Outcome.MISALIGNED, Outcome.ALIGNED, Outcome.INCOHERENT)
RATES = {(Role.TARGET, "a"): 0.5, (Role.TARGET, None): 0.1}


def run_of(seed, questions=12, answers=8):
    """Transcripts as a judge grades them that misses half, and what people say."""
    rng, rows, truth = np.random.default_rng(seed), [], []
    for role in Role:
        for cue in (None, "a"):
            for question, repeat in np.ndindex(questions, answers):
                bad = rng.random() < RATES.get((role, cue), 0.05)
                said = 2 if rng.random() < 0.1 else int(not bad)
                judged = SAID[1] if said == 0 and rng.random() < 0.5 else SAID[said]
                arm = Arm.STANDARD if cue is None else Arm.CUE
                text = f"{role} {cue} {question} {repeat}"
                rows.append(
                    Transcript(
                        role, "0", cue, arm, f"q{question}", repeat, (), text, judged, {}, ""
                    )
                )
                truth.append(SAID[said])
    return rows, truth


def rates(rows, truth, size):
    sample = draw_sample(rows, size=size, seed=1)
    outcomes = {row: truth[row] for row in sample.rows}
    arms = gather_counts(rows, outcomes, sizes=sample.sizes)
    rng = np.random.default_rng(0)
    weights = question_weights(12, draws=200, rng=rng)
    (cue,) = corrected_cues(rows, outcomes, arms, weights, icc=0.3, level=0.95, rng=rng)
    return cue


def peoples(rows, truth, role, cue):
    said = [t for r, t in zip(rows, truth, strict=True) if (r.role, r.cue) == (role, cue)]
    return said.count(SAID[0]) / (said.count(SAID[0]) + said.count(SAID[1]))


def test_with_every_answer_labelled_the_rate_is_what_people_say():
    rows, truth = run_of(1)
    cue = rates(rows, truth, len(rows))
    for role in Role:
        assert cue.powered[str(role)].value == pytest.approx(peoples(rows, truth, role, "a"))
    gaps = [peoples(rows, truth, role, "a") - peoples(rows, truth, role, None) for role in Role]
    assert cue.powered_did.value == pytest.approx(gaps[0] - gaps[1])


def test_a_sample_corrects_what_the_judge_misses():
    """Over 20 runs of 200 labels: the mean is within .06 of the truth, which is judged .2 lower."""
    found, judged, true = [], [], []
    for seed in range(20):
        rows, truth = run_of(seed)
        cue = rates(rows, truth, 200)
        found.append(cue.powered["target"].value)
        judged.append(cue.judged["target"])
        true.append(peoples(rows, truth, Role.TARGET, "a"))
        assert cue.powered["target"].low < cue.powered["target"].high
    assert np.mean(found) == pytest.approx(np.mean(true), abs=0.06)
    assert np.mean(judged) < np.mean(true) - 0.15


def test_without_labels_of_an_arm_the_rate_is_undefined_and_says_why():
    rows, truth = run_of(2)
    kept = {i: t for i, t in enumerate(truth) if rows[i].role is Role.TARGET}
    sizes = draw_sample(rows, size=10, seed=1).sizes
    arms = gather_counts(rows, kept, sizes=sizes)
    rng = np.random.default_rng(0)
    weights = question_weights(12, draws=50, rng=rng)
    (cue,) = corrected_cues(rows, kept, arms, weights, icc=0.3, level=0.95, rng=rng)
    assert math.isnan(cue.powered_did.value)
    assert "fewer than 2 questions have labels" in cue.powered_did.reason
