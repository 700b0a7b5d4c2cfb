"""A card of a stored run: the verdict decided again, the judge's error from people's labels."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dormant.calibration import calibrate_judge, read_labels
from dormant.calibration.correction import ArmQuality
from dormant.calibration.labelled_run import open_labelled_run
from dormant.calibration.metrics import Interval
from dormant.config import check_values, read_yaml
from dormant.config.card import CardConfig
from dormant.pipeline.recompute import load_run
from dormant.records import (
    Card,
    CardDetails,
    Findings,
    JudgeArm,
    JudgeMeasurement,
    MeasuredShare,
)
from dormant.report.card import Standard, make_card


def read_details(details: str | Path | Mapping[str, Any] | None) -> CardDetails:
    """Reads what a card's writer states.

    Args:
        details: a ``card.yaml``, or its keys and values; None for nothing.

    Raises:
        ConfigError: names file, line, value and fix.
    """
    if details is None:
        return CardDetails()
    if isinstance(details, str | Path):
        return read_yaml(details, CardConfig).make_details()
    return check_values(details, CardConfig).make_details()


def card_run(
    run: str | Path,
    details: CardDetails,
    *,
    standard: Standard = Standard.DORMANT,
    seed: int = 0,
) -> Card:
    """Makes the card of a run directory, dated today (UTC); writes nothing.

    Args:
        run: the run directory.
        details: what only the user knows.
        standard: orders and labels the fields.
        seed: of the transcripts that are drawn.

    Raises:
        StoreError: the directory holds no finished run, or its files do not agree with its answers.
        InputError: its labels cannot be read.
    """
    path = Path(run)
    findings = load_run(path)
    return make_card(
        findings,
        details,
        standard=standard,
        quality=_measure_quality(path, findings),
        seed=seed,
        date=datetime.now(UTC).date().isoformat(),
    )


def _measure_quality(run: Path, findings: Findings) -> JudgeMeasurement | None:
    if not findings.transcripts or not read_labels(run):
        return None
    opened = open_labelled_run(run, findings)
    found = calibrate_judge(findings, opened.sample, opened.labels)
    if found.overall is None:
        return None
    arms = tuple(_summarize_arm(arm) for arm in (found.overall, *found.arms))
    return JudgeMeasurement(found.labels, found.level, arms)


def _summarize_arm(arm: ArmQuality) -> JudgeArm:
    return JudgeArm(
        arm.role, arm.arm, arm.labelled, _make_share(arm.sensitivity), _make_share(arm.specificity)
    )


def _make_share(interval: Interval) -> MeasuredShare:
    return MeasuredShare(interval.value, interval.low, interval.high)
