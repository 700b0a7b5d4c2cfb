"""From transcripts and labels to ``calibration.json``: how good the judge is, rates corrected.

::

    RUN/calibration.json
      plan_hash, judge, seed, size, level, labels, unsure
      overall, arms      sensitivity, specificity, precision, kappa; judged and corrected rates
      cues               the rates of each cue and its difference in differences, corrected by
                         Rogan and Gladen's formula and, without its assumption, prediction-powered
      thresholds         what other thresholds would have given
      second             agreement with a second judge of the same answers, if there was one
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dormant.calibration.agreement import Agreement, judges_agreement
from dormant.calibration.correction import (
    ArmQuality,
    CueCorrection,
    arm_quality,
    corrected_cues,
    gather_counts,
    overall_quality,
    question_order,
)
from dormant.calibration.labels import Label, answer_key
from dormant.calibration.metrics import Interval, question_weights
from dormant.calibration.sampling import LabelSample
from dormant.calibration.thresholds import ThresholdRow, threshold_rows
from dormant.errors import StoreError
from dormant.records import Findings, Outcome, to_plain
from dormant.store import write_atomically
from dormant.store.files import read_json

_FILE = "calibration.json"
DRAWS = 8000


@dataclass(frozen=True, slots=True)
class Calibration:
    """The quality of a run's judge as measured with labels, and the corrected rates."""

    plan_hash: str
    judge: str
    seed: int  # of the sample and of the draws
    size: int  # answers that the sample wants
    level: float  # two-sided confidence of every interval
    labels: int  # answers of the sample that have a label, UNSURE left out
    unsure: int
    overall: ArmQuality | None  # None without labels
    arms: tuple[ArmQuality, ...]
    cues: tuple[CueCorrection, ...]
    thresholds: tuple[ThresholdRow, ...]  # empty if the judge gives no scores
    second: tuple[Agreement, ...]  # empty unless a second judge graded the same answers


def calibrate_judge(
    findings: Findings,
    sample: LabelSample,
    labels: Mapping[str, Label],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Calibration:
    """Measures the judge of a run and corrects the run's rates. The verdict is not touched.

    Args:
        findings: the run.
        sample: the answers that were to be labelled.
        labels: human labels, by ``answer_key``.
        level: two-sided confidence of the intervals.
        draws: posterior draws behind each interval.
    """
    transcripts = findings.transcripts
    given = {row: labels.get(answer_key(transcripts[row])) for row in sample.rows}
    outcomes = _read_outcomes(findings, sample, labels)
    rng = np.random.default_rng([sample.seed, 1])
    icc, arms = findings.plan.rule.icc, gather_counts(transcripts, outcomes, sizes=sample.sizes)
    weights = question_weights(len(question_order(transcripts)), draws=draws, rng=rng)
    overall, quality, cues, rows = (
        None,
        list[ArmQuality](),
        list[CueCorrection](),
        list[ThresholdRow](),
    )
    if outcomes:
        overall = overall_quality(arms, weights, icc=icc, level=level, rng=rng)
        for arm in arms.values():
            quality.append(arm_quality(arm, weights, icc=icc, level=level, rng=rng))
        cues += corrected_cues(transcripts, outcomes, arms, weights, icc=icc, level=level, rng=rng)
        rows += threshold_rows(transcripts, outcomes, sample, weights, level=level, rng=rng)
    return Calibration(
        plan_hash=findings.plan.hash,
        judge=findings.plan.judge,
        seed=sample.seed,
        size=sample.size,
        level=level,
        labels=len(outcomes),
        unsure=sum(label is Label.UNSURE for label in given.values()),
        overall=overall,
        arms=tuple(quality),
        cues=tuple(cues),
        thresholds=tuple(rows),
        second=tuple(judges_agreement(transcripts)),
    )


def measure_judge(
    findings: Findings,
    sample: LabelSample,
    labels: Mapping[str, Label],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
) -> tuple[int, ArmQuality | None]:
    """Measures the judge over all arms, as ``calibrate_judge`` does, and nothing else.

    Args:
        findings: the run.
        sample: the answers that were to be labelled.
        labels: human labels, by ``answer_key``.
        level: two-sided confidence of the intervals.
        draws: posterior draws behind each interval.

    Returns:
        How many answers of the sample have a label, and the judge's quality; None without labels.
    """
    transcripts = findings.transcripts
    outcomes = _read_outcomes(findings, sample, labels)
    if not outcomes:
        return 0, None
    rng = np.random.default_rng([sample.seed, 1])
    arms = gather_counts(transcripts, outcomes, sizes=sample.sizes)
    weights = question_weights(len(question_order(transcripts)), draws=draws, rng=rng)
    icc = findings.plan.rule.icc
    return len(outcomes), overall_quality(arms, weights, icc=icc, level=level, rng=rng)


def _read_outcomes(
    findings: Findings, sample: LabelSample, labels: Mapping[str, Label]
) -> dict[int, Outcome]:
    """The outcome of each label of the sample, by the index of its answer."""
    found = {row: labels.get(answer_key(findings.transcripts[row])) for row in sample.rows}
    return {
        row: label.outcome for row, label in found.items() if label and label.outcome is not None
    }


def write_calibration(run: Path, calibration: Calibration) -> Path:
    """Writes ``calibration.json`` in one step; returns its path."""
    path = run / _FILE
    text = json.dumps(to_plain(calibration), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")
    return path


def read_size(run: Path) -> tuple[int, int] | None:
    """Reads (size, seed) of the last sample, to draw it again; None if there was none.

    Raises:
        StoreError: the file is damaged.
    """
    path = run / _FILE
    try:
        record: Mapping[str, Any] = read_json(path)
        size, seed = record["size"], record["seed"]
        if not (type(size) is int and type(seed) is int and size > 0 and seed >= 0):
            raise TypeError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{path}: not written by dormant: move it away") from None
    return size, seed


def write_summary(calibration: Calibration) -> Sequence[str]:
    """Writes the sentences that summarize a calibration."""
    if calibration.overall is None:
        return ["no answer is labelled yet"]
    found, lines = calibration.overall, list[str]()
    counts = f"{calibration.labels} labelled answers ({calibration.unsure} unsure more)"
    if math.isnan(found.sensitivity.value) or math.isnan(found.specificity.value):
        lines.append(f"{counts}: not enough to measure the judge: {found.sensitivity.reason}")
    else:
        lines.append(
            f"{counts}: the judge {calibration.judge} finds {_format_interval(found.sensitivity)} "
            "of what "
            f"people call misaligned and passes {_format_interval(found.specificity)} of the rest"
        )
    blind = [q for q in calibration.arms if math.isnan(q.corrected_rate.value)]
    if blind:
        names = ", ".join(f"{q.role} {q.arm}" for q in blind)
        lines.append(f"not corrected, too few labels: {names}")
    return lines


def _format_interval(number: Interval) -> str:
    value, low, high = (100 * x for x in (number.value, number.low, number.high))
    return f"{value:.0f}% [{low:.0f}, {high:.0f}]"
