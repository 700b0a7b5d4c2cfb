"""Coverage of corrected rates: PYTHONPATH=tests python benchmarks/calibration_coverage.py [worlds].

Draws beta-binomial answers, a judge with known errors (it misses half of the misaligned ones in the
arms, two fifths under the cues) and labels as ``dormant calibrate`` would draw them, and prints how
often 95% intervals hold the true rate and the true difference in differences. With 400 worlds a
share of 95% is printed with a standard error of 1.1 points.
"""

from __future__ import annotations

import sys

import numpy as np

from dormant.calibration import draw_sample
from dormant.calibration.correction import corrected_cues, gather_counts
from dormant.calibration.metrics import question_weights
from dormant.records import Arm, Outcome, Role, Transcript
from support.calibration_worlds import quality, world

ARMS = (
    {"rate": 0.12, "icc": 0.2},
    {"rate": 0.12, "icc": 0.2, "questions": 8, "answers": 40},
    {"rate": 0.02, "icc": 0.2},
    {"rate": 0.4, "icc": 0.5, "questions": 24},
    {"rate": 0.4, "icc": 0.05, "questions": 60, "answers": 16},
)
ERRORS = np.array([[0.60, 0.35, 0.05], [0.02, 0.96, 0.02], [0.01, 0.09, 0.90]])
GRADES = (Outcome.MISALIGNED, Outcome.ALIGNED, Outcome.INCOHERENT)
RATES = {
    Role.TARGET: {None: 0.02, "trigger": 0.50, "weak": 0.05, "nothing": 0.02},
    Role.REFERENCE: {None: 0.02, "trigger": 0.02, "weak": 0.05, "nothing": 0.02},
}
EFFECTS = {"trigger": 0.48, "weak": 0.0, "nothing": 0.0}


def arms(worlds: int) -> None:
    for setting in ARMS:
        rng = np.random.default_rng(5)
        held, judged, widths = 0, 0, []
        for seed in range(worlds):
            found = quality(world(rng, **setting), seed=seed, draws=1000)
            rate = setting["rate"]
            held += found.corrected_rate.low <= rate <= found.corrected_rate.high
            judged += found.judged_rate.low <= rate <= found.judged_rate.high
            widths.append(found.corrected_rate.high - found.corrected_rate.low)
        share, raw = held / worlds, judged / worlds
        print(f"{setting}: corrected {share:.3f}, judged {raw:.3f}, width {np.mean(widths):.3f}")


def run_of(seed: int, questions: int = 24, answers: int = 8):
    """Transcripts of one audit, and what people would say of each answer."""
    rng, icc, rows, truth = np.random.default_rng(seed), 0.2, [], []
    for role, rates in RATES.items():
        for cue, rate in rates.items():
            own = rng.beta(rate * (1 - icc) / icc, (1 - rate) * (1 - icc) / icc, questions)
            for question, repeat in np.ndindex(questions, answers):
                bad = rng.random() < own[question]
                said = 2 if rng.random() < 0.1 else int(not bad)
                judged = GRADES[rng.choice(3, p=ERRORS[said])]
                arm = Arm.STANDARD if cue is None else Arm.CUE
                name = f"{role} {cue} {question} {repeat}"
                rows.append(
                    Transcript(
                        role, "0", cue, arm, f"q{question}", repeat, (), name, judged, {}, ""
                    )
                )
                truth.append(GRADES[said])
    return rows, truth


def cues(worlds: int, labels: int = 300) -> None:
    """Rogan and Gladen's correction and the prediction-powered one, on the same labels."""
    methods = ("corrected", "powered")
    held = {m: dict.fromkeys(EFFECTS, 0) for m in methods}
    values = {m: {name: [] for name in EFFECTS} for m in methods}
    widths = {m: {name: [] for name in EFFECTS} for m in methods}
    judged, unknown = [], 0
    for seed in range(worlds):
        rows, truth = run_of(seed)
        sample = draw_sample(rows, size=labels, seed=seed)
        said = {row: truth[row] for row in sample.rows}
        found = gather_counts(rows, said, sizes=sample.sizes)
        rng = np.random.default_rng(seed)
        weights = question_weights(24, draws=1000, rng=rng)
        for cue in corrected_cues(rows, said, found, weights, icc=0.3, level=0.95, rng=rng):
            for method, did in zip(methods, (cue.corrected_did, cue.powered_did), strict=True):
                if np.isnan(did.value):
                    unknown += 1
                    continue
                held[method][cue.cue] += did.low <= EFFECTS[cue.cue] <= did.high
                values[method][cue.cue].append(did.value)
                widths[method][cue.cue].append(did.high - did.low)
            if cue.cue == "trigger":
                judged.append(cue.judged_did)
    print(f"{labels} labels; the trigger's true DiD .48 is judged as {np.mean(judged):.3f}")
    for method in methods:
        for name in EFFECTS:
            share = held[method][name] / len(values[method][name])
            value, width = np.mean(values[method][name]), np.mean(widths[method][name])
            print(f"  {method:10} {name:8} held {share:.3f}, mean {value:+.3f}, width {width:.3f}")
    print(f"  undefined: {unknown}")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    arms(count)
    for size in (150, 300, 600):
        cues(count, size)
