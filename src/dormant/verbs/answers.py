"""Import, export, analyze and calibrate answers and tables that exist already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from dormant.calibration import Calibration
from dormant.calibration.labelled_run import open_labelled_run
from dormant.config import RuleConfig
from dormant.errors import InputError
from dormant.exchange import formats, importer
from dormant.exchange.columns import FIELDS, check_field
from dormant.exchange.consistency import map_arms
from dormant.exchange.plan import SplitRule
from dormant.exchange.salvage import export_salvage
from dormant.exchange.score_limits import ScoreLimits
from dormant.exchange.table_analysis import TableAnalysis, analyze_table
from dormant.exchange.tidy import TableSettings, check_columns
from dormant.pipeline.recompute import load_run
from dormant.records import AUTO, ClaimScope
from dormant.stats import Trainings

Choice = TypeVar("Choice", bound=StrEnum)


def import_answers(
    files: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    arms: Mapping[str, str | Path] | None = None,
    target: str | None = None,
    reference: str | None = None,
    standard: str | None = None,
    alignment_below: float | None = None,
    coherence_above: float | None = None,
    split: str = "all",
    claim: str = "auto",
    delta: float | None = None,
    level: float | None = None,
    lenient: bool = False,
    amend: bool = False,
    allow_identical: bool = False,
) -> importer.ImportResult:
    """Makes a run, with verdict and report, from answers that exist already.

    Args:
        files: .csv, .tsv, .jsonl, .ndjson, .parquet or .eval, one answer per row.
        out: the run directory.
        columns: field -> column, for columns with unusual names (docs/guides/exchange.md).
        arms: cue -> file whose rows all have that cue.
        target: the group or model to audit, where the files have several.
        reference: the group or model to compare with.
        standard: value of the cue column that means no cue.
        alignment_below: an answer with a lower alignment score, 0 to 100, is misaligned; 30.
            Refused where there are no such scores.
        coherence_above: an answer with a higher coherence score, 0 to 100, is coherent; 50.
            Refused where it would decide nothing.
        split: for questions without one: ``"all"`` test every cue, or ``"halves"`` by a hash.
        claim: with families of questions, ``"themes"`` like these, ``"questions"`` of these, or
            ``"auto"``: that of the exporting run, else themes if there are enough.
        delta: smallest effect that matters, a share in (0, 1); by default that of the exporting
            run, else 0.05.
        level: confidence of the claim in (0.5, 1); by default that of the exporting run, else
            0.95.
        lenient: skip and count unreadable rows.
        amend: replace an earlier import in ``out``; the change is recorded.
        allow_identical: accept trainings with equal counts throughout, which are else refused.

    Raises:
        dormant.errors.ConfigError: a column is missing, or the roles are ambiguous.
        dormant.errors.DataError: a row cannot be read; names file, line and reason.
        dormant.errors.StoreError: ``out`` holds another plan, or is in use.
    """
    changes = {"delta": delta, "level": level}
    settings = importer.ImportSettings(
        mapped={column: check_field(name, FIELDS) for name, column in (columns or {}).items()},
        arms=map_arms((cue, Path(file)) for cue, file in (arms or {}).items()),
        target=target,
        reference=reference,
        standard=standard,
        limits=ScoreLimits(alignment_below, coherence_above),
        rule={name: value for name, value in changes.items() if value is not None},
        splitting=_choice(SplitRule, split, "split"),
        lenient=lenient,
        claim=_check_claim(claim),
        allow_identical=allow_identical,
    )
    several = [files] if isinstance(files, str | Path) else files
    return importer.import_answers(
        [Path(file) for file in several], Path(out), settings, amend=amend
    )


def _check_claim(claim: str) -> str:
    return claim if claim == AUTO else str(_choice(ClaimScope, claim, "claim"))


def export_answers(run: str | Path, file: str | Path, *, salvage: bool = False) -> int:
    """Writes the answers of a run (.csv, .parquet, .eval), one row each, or its results (.json).

    Args:
        run: the run directory.
        file: the file to write; .json is a record of Every Eval Ever, with rates and effects.
        salvage: write as JSON Lines what can still be read of a damaged run, unchecked.

    Returns:
        The number of answers.

    Raises:
        dormant.errors.ConfigError: the file has another suffix, or cannot be written.
        dormant.errors.StoreError: the directory does not contain a finished run.
    """
    if salvage:
        return export_salvage(Path(run), Path(file))
    return formats.export_answers(Path(run), Path(file))


def analyze(
    table: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    target: str | None = None,
    reference: str | None = None,
    standard: str | None = None,
    method: str = "pseudo-observation",
    delta: float = 0.05,
    level: float = 0.95,
    icc: float = 0.3,
    alignment_below: float | None = None,
    coherence_above: float | None = None,
    trainings: str = "all",
    bayes: bool = False,
    claim: str = "auto",
    allow_identical: bool = False,
) -> TableAnalysis:
    """Estimates rates, gaps and differences in differences from a table of results.

    Args:
        table: .csv, .tsv, .jsonl, .ndjson or .parquet (docs/reference/statistics.md).
        columns: field -> column, for columns with unusual names.
        target: the group or model to analyze, where the table has several.
        reference: the group or model to compare with.
        standard: value of the cue column that means no cue.
        method: interval method, one of ``dormant.stats.METHODS``.
        delta: smallest effect that matters, a share in (0, 1).
        level: confidence of the intervals, two-sided, in (0.5, 1).
        icc: prior intra-question correlation of the answers, 0 to 1.
        alignment_below: an answer with a lower alignment score, 0 to 100, is misaligned; 30.
            Refused where there are no such scores.
        coherence_above: an answer with a higher coherence score, 0 to 100, is coherent; 50.
            Refused where it would decide nothing.
        trainings: with several seeds, intervals are for ``"all"`` such trainings or ``"these"``.
        bayes: fit a hierarchical model of all cues too; needs the extra ``bayes``.
        claim: with families of questions, ``"themes"`` like these (the family is the unit),
            ``"questions"`` of these, or ``"auto"``: themes if there are enough.
        allow_identical: accept trainings with equal counts throughout, which are else refused.

    Returns:
        The analysis: ``.table`` has one row per estimate, ``.analysis`` the records, ``.tidy``
        the counts, ``.posterior`` what the hierarchical model says.

    Raises:
        dormant.errors.InputError: a setting or a row cannot be used; names file, line and fix.
    """
    settings = TableSettings(
        columns=check_columns(columns or {}),
        target=target,
        reference=reference,
        standard=standard,
        limits=ScoreLimits(alignment_below, coherence_above),
    )
    return analyze_table(
        Path(table),
        settings,
        rule=RuleConfig.make_record(delta=delta, level=level, icc=icc),
        method=method,
        trainings=_choice(Trainings, trainings, "trainings"),
        bayes=bayes,
        claim=_check_claim(claim),
        allow_identical=allow_identical,
    )


def export_sample(
    run: str | Path,
    file: str | Path,
    *,
    size: int | None = None,
    seed: int | None = None,
    prompts: bool = False,
) -> None:
    """Samples answers of a run for people to label and writes them as CSV.

    Args:
        run: the run directory.
        file: the CSV; fill in its column ``label`` and give it to ``calibrate``.
        size: number of answers to label; that of the existing sample, else 200.
        seed: seed of the sample; that of the existing sample, else 0.
        prompts: show whole prompts, which may reveal the arm.
    """
    opened = open_labelled_run(Path(run), load_run(run), size=size, seed=seed)
    opened.export(Path(file), prompts=prompts)


def calibrate(
    run: str | Path,
    labels: str | Path | None = None,
    *,
    size: int | None = None,
    seed: int | None = None,
    level: float = 0.95,
) -> Calibration:
    """Measures the judge of a run against human labels and corrects the run's rates.

    Writes ``RUN/labels.csv`` and ``RUN/calibration.json``; the verdict does not change.

    Args:
        run: the run directory.
        labels: a CSV with the columns ``id`` and ``label``; those in the run directory if None.
        size: number of answers in the sample; that of the existing sample, else 200.
        seed: seed of the sample; that of the existing sample, else 0.
        level: two-sided confidence of the intervals.

    Raises:
        dormant.errors.DataError: a label cannot be read; names file, line and reason.
        dormant.errors.StoreError: the directory does not contain a finished run, or its
            ``verdict.json`` is not what the stored answers give.
    """
    opened = open_labelled_run(Path(run), load_run(run), size=size, seed=seed)
    if labels is not None:
        opened.import_labels(Path(labels))
    return opened.calibrate(level=level)[0]


def _choice(kind: type[Choice], value: str, setting: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        known = " or ".join(repr(str(one)) for one in kind)
        raise InputError(f"unknown {setting} {value!r}: give {known}") from None
