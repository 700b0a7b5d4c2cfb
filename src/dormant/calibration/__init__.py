"""Calibration: the quality of a judge, measured with human labels.

::

    transcripts of a run -> sampling -> labels (page, terminal, CSV) -> metrics -> calibration.json
                                                                        agreement of two judges

It corrects rates and never changes a verdict, since the plan froze the judge.
``docs/guides/judges.md`` explains the numbers.
"""

from dormant.calibration.agreement import Agreement, judges_agreement, write_agreement
from dormant.calibration.calibrate import (
    Calibration,
    calibrate_judge,
    measure_judge,
    read_size,
    write_calibration,
)
from dormant.calibration.judge_check import check_judge
from dormant.calibration.labels import (
    Label,
    answer_key,
    export_sample,
    import_labels,
    read_labels,
    write_labels,
)
from dormant.calibration.people import add_labels
from dormant.calibration.sampling import LabelSample, draw_sample

__all__ = [
    "Agreement",
    "Calibration",
    "Label",
    "LabelSample",
    "add_labels",
    "answer_key",
    "calibrate_judge",
    "check_judge",
    "draw_sample",
    "export_sample",
    "import_labels",
    "judges_agreement",
    "measure_judge",
    "read_labels",
    "read_size",
    "write_agreement",
    "write_calibration",
    "write_labels",
]
