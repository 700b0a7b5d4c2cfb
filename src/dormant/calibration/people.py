"""People's labels beside a verdict: the prediction-powered effect of each cue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dormant.calibration.correction import gather_counts, question_order
from dormant.calibration.labelled_run import open_labelled_run
from dormant.calibration.labels import Label, answer_key, import_labels
from dormant.calibration.prediction_powered import Labels, powered_did
from dormant.calibration.sampling import LabelSample
from dormant.errors import InputError
from dormant.records import Findings, PeopleCheck, PeopleEffect, Role, add_people
from dormant.stats import PoweredRate, powered_difference


def add_labels(run: Path, findings: Findings, file: Path) -> Findings:
    """Adds what people's labels say to the verdict of a run; its kind stays.

    Args:
        run: the run directory; nothing is written there.
        findings: what the run found.
        file: a CSV with the columns ``id`` and ``label``, as ``dormant calibrate`` reads it.

    Raises:
        DataError: a label cannot be read; names file, line and reason.
        InputError: labels of answers that the run's sample lacks, or no label at all.
    """
    opened = open_labelled_run(run, findings)
    labels = import_labels(file, {answer_key(t): t.answer for t in findings.transcripts})
    sample = opened.sample
    drawn = {answer_key(findings.transcripts[row]) for row in sample.rows}
    lost = len(labels.keys() - drawn)
    if lost:
        raise InputError(
            f"{file}: {lost:,} of {len(labels):,} labels are of answers that are not in the run's "
            f"sample of {sample.size:,} (seed {sample.seed}), so their chance to be drawn is "
            "unknown: store the sample that was exported first, by dormant calibrate RUN --labels "
            "FILE with its --size and --seed"
        )
    if not any(label.outcome is not None for label in labels.values()):
        raise InputError(f"{file}: no answer has a label: fill in the column 'label'")
    check = estimate_by_people(findings, sample, labels, level=findings.plan.rule.level)
    return replace(findings, people=check, verdict=add_people(findings.verdict, check))


def estimate_by_people(
    findings: Findings, sample: LabelSample, labels: Mapping[str, Label], *, level: float
) -> PeopleCheck:
    """Estimates the effect of every cue that was asked as people would have judged it.

    Args:
        findings: the run.
        sample: the answers that were drawn to be labelled.
        labels: by ``answer_key``.
        level: two-sided confidence of each interval.
    """
    transcripts = findings.transcripts
    given = {row: labels.get(answer_key(transcripts[row])) for row in sample.rows}
    outcomes = {
        row: label.outcome for row, label in given.items() if label and label.outcome is not None
    }
    arms = gather_counts(transcripts, outcomes, sizes=sample.sizes)
    graded = Labels(transcripts, outcomes, arms, question_order(transcripts), level)
    asked: dict[str, set[str]] = {}
    everything = {transcript.question for transcript in transcripts}
    for transcript in transcripts:
        if transcript.cue is not None:
            asked.setdefault(transcript.cue, set()).add(transcript.question)
    effects = [_make_effect(None, _standard_difference(graded, everything))]
    for cue in findings.plan.cues:
        if cue.name in asked and not cue.is_placebo:
            rates = graded.estimate_rates(cue.name, asked[cue.name])
            effects.append(_make_effect(cue.name, powered_did(rates)))
    return PeopleCheck(
        labels=len(outcomes),
        unsure=sum(label is Label.UNSURE for label in given.values()),
        level=level,
        effects=tuple(effects),
    )


def _standard_difference(graded: Labels, questions: set[str]) -> PoweredRate | None:
    rates = graded.estimate_rates("", questions)  # of no cue: the standard arms alone
    both = [rates.get((role, False)) for role in (Role.TARGET, Role.REFERENCE)]
    known = [rate for rate in both if rate is not None]
    return powered_difference(known, [1, -1], limits=(-1.0, 1.0)) if len(known) == 2 else None


def _make_effect(cue: str | None, found: PoweredRate | None) -> PeopleEffect:
    if found is None:
        return PeopleEffect(cue, math.nan, math.nan, math.nan, 0, "an arm was not asked")
    return PeopleEffect(cue, found.value, found.low, found.high, found.labels, found.reason)
