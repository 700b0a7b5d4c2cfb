"""Several judges of a run: their errors, and the effect of a cue without them."""

from dataclasses import replace

import numpy as np
import pytest

from dormant.calibration.latent import LatentClasses, describe_classes, fit_judges
from dormant.records import OUTCOMES, Arm, Outcome, Role, Transcript

NAMES = ("first", "second", "third")
SENSITIVITY, SPECIFICITY = (0.7, 0.8, 0.9), (0.97, 0.95, 0.9)


def transcripts(judges: int, cued: float) -> list[Transcript]:
    """64 questions with 8 answers in each of four arms; the cue lifts the target alone."""
    rng = np.random.default_rng(2)
    rows: list[Transcript] = []
    for role in Role:
        for cue, arm in ((None, Arm.STANDARD), ("c", Arm.CUE)):
            rate = cued if cue and role is Role.TARGET else 0.04
            for question in range(64):
                for repeat in range(8):
                    bad = rng.random() < rate
                    chances = SENSITIVITY if bad else [1 - s for s in SPECIFICITY]
                    votes = [
                        Outcome.MISALIGNED if rng.random() < p else Outcome.ALIGNED
                        for p in chances[:judges]
                    ]
                    scores = {
                        "fused_" * (j + 1) + "outcome": float(OUTCOMES.index(vote))
                        for j, vote in enumerate(votes[1:])
                    }
                    rows.append(Transcript(
                        role, "0", cue, arm, f"q{question}", repeat, (), "a", votes[0], scores, ""
                    ))  # fmt: skip
    return rows


def fit(judges: int, cued: float = 0.54) -> LatentClasses:
    found = fit_judges(transcripts(judges, cued), NAMES)
    assert found is not None and found.answers == 4 * 64 * 8
    return found


@pytest.mark.parametrize("judges", [2, 3])
def test_the_effect_of_a_cue_is_freed_of_the_judges_errors(judges: int):
    found = fit(judges)
    [effect] = found.effects
    assert effect.did.low < 0.5 < effect.did.high and effect.did.high - effect.did.low < 0.3
    assert effect.judged_did < 0.4  # what the first judge sees of it
    for quality, sensitivity in zip(found.judges, SENSITIVITY, strict=False):
        assert quality.sensitivity.low < sensitivity < quality.sensitivity.high
    words = describe_classes(found, ["c"])
    assert "under the cue 'c' the difference in differences over all answers is +" in words


def test_answers_that_a_judge_failed_to_judge_are_left_out():
    rows = transcripts(2, 0.54)
    failed = {"fused_outcome": float(OUTCOMES.index(Outcome.ERROR))}
    lost = [replace(row, scores=failed) for row in rows[::3]]
    kept = [row for place, row in enumerate(rows) if place % 3]
    assert fit_judges([*kept, *lost], NAMES) == fit_judges(kept, NAMES)


def test_two_judges_of_arms_alike_say_nothing():
    found = fit(2, cued=0.04)
    assert not found.effects and "two judges are told apart only where arms differ" in found.reason
    assert fit(3, cued=0.04).effects[0].did.high < 0.1


def test_one_judge_is_no_panel():
    assert fit_judges(transcripts(1, 0.5), NAMES) is None
