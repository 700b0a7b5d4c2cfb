"""A run with the sample that people label: what ``dormant calibrate`` opens and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dormant.calibration.calibrate import Calibration, calibrate_judge, read_size, write_calibration
from dormant.calibration.labels import (
    Label,
    answer_key,
    export_sample,
    import_labels,
    read_labels,
    write_labels,
)
from dormant.calibration.sampling import LabelSample, draw_sample
from dormant.errors import InputError, name_output
from dormant.records import Findings
from dormant.store import write_atomically

#: Answers to label when none were drawn before.
_SIZE = 200


@dataclass(slots=True)
class LabelledRun:
    """A finished run, the answers of it that were drawn for labelling, and their labels.

    Attributes:
        run: the run directory.
        findings: what the run found.
        sample: the answers that were drawn.
        labels: labels given so far, by ``answer_key``.
    """

    run: Path
    findings: Findings
    sample: LabelSample
    labels: dict[str, Label]

    @property
    def questions(self) -> dict[str, str]:
        """Question.id -> text."""
        return {question.id: question.text for question in self.findings.plan.questions}

    def import_labels(self, file: Path) -> None:
        """Adds the labels of a CSV file to those in the run directory.

        Raises:
            DataError: the file cannot be read, or a row is wrong: names line and reason.
        """
        known = {answer_key(t): t.answer for t in self.findings.transcripts}
        self.labels |= import_labels(file, known)
        write_labels(self.run, self.labels)

    def export(self, file: Path, *, prompts: bool = False) -> None:
        """Writes the sample as CSV to be filled in: neither arm nor outcome nor score is shown.

        Args:
            file: the CSV file.
            prompts: show whole prompts, from which the arm can be guessed.

        Raises:
            ConfigError: the file cannot be written.
        """
        text = export_sample(
            self.findings.transcripts,
            self.sample.rows,
            self.labels,
            self.questions,
            prompts=prompts,
        )
        with name_output(file):
            write_atomically(file, text)

    def calibrate(self, *, level: float = 0.95) -> tuple[Calibration, Path]:
        """Measures the judge with the labels; gives the result and ``RUN/calibration.json``."""
        result = calibrate_judge(self.findings, self.sample, self.labels, level=level)
        return result, write_calibration(self.run, result)


def open_labelled_run(
    run: Path, findings: Findings, *, size: int | None = None, seed: int | None = None
) -> LabelledRun:
    """Opens a run and draws the answers to label: the same ones as before, if any were drawn.

    Args:
        run: the run directory.
        findings: what the run found, decided again from its store.
        size: answers to label; None for the size of the last sample, else 200.
        seed: of the sample; None for the seed of the last one, else 0.

    Raises:
        StoreError: a file in the directory is damaged.
        InputError: the run has no answer to label.
    """
    last_size, last_seed = read_size(run) or (_SIZE, 0)
    sample = draw_sample(
        findings.transcripts,
        size=last_size if size is None else size,
        seed=last_seed if seed is None else seed,
    )
    if not sample.rows:
        raise InputError(f"{run}: the run has no answer to label")
    return LabelledRun(run, findings, sample, read_labels(run))
