"""What the checks of a release gate read, and how a check is tied to a cue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from dormant.calibration.correction import ArmQuality
from dormant.config.gate import GatePolicy
from dormant.records import Cue, GateCheck
from dormant.report.rows import CueRow
from dormant.report.view import View


@dataclass(frozen=True, slots=True)
class GateInputs:
    """What the checks read."""

    view: View
    policy: GatePolicy
    now: datetime  # with a time zone
    labels: int  # answers of the run that people labelled
    quality: ArmQuality | None  # of the judge, at the policy's level; None without labels


def measured_cues(view: View) -> list[CueRow]:
    """The cues that are claimed about: all of the plan but placebos."""
    return [row for row in view.rows if not row.cue.is_placebo]


def about_row(view: View, row: CueRow, check: GateCheck) -> GateCheck:
    """The check, of the cue of a row."""
    return name_cue(view, row.cue, check)


def name_cue(view: View, cue: Cue, check: GateCheck) -> GateCheck:
    """The check, of a cue."""
    return replace(check, cue=cue.name, label=view.label_of(cue.name))
