"""Findings as tables, and as data frames of pandas or Arrow where these are installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from dormant.errors import InputError
from dormant.records import OUTCOMES, Findings, Role, to_plain
from dormant.report.tally import sum_cells

Row = dict[str, Any]


def list_estimates(findings: Findings) -> list[Row]:
    """Lists every estimate as a plain row.

    The fields of ``records.Estimate``, and ``cue_text`` (None without a cue) and ``seeds``, the
    number of the target's training seeds. Shares and differences are fractions; a number that is
    not defined is None.
    """
    texts = {cue.name: cue.text for cue in findings.plan.cues}
    seeds = sum(card.role is Role.TARGET for card in findings.plan.models)
    return [
        {**_name_kinds(to_plain(e)), "cue_text": texts.get(e.cue or ""), "seeds": seeds}
        for e in findings.verdict.estimates
    ]


def _name_kinds(row: Row) -> Row:
    """Shows members of enumerations by their values, as JSON does."""
    return {key: str(value) if isinstance(value, StrEnum) else value for key, value in row.items()}


def list_counts(findings: Findings) -> list[Row]:
    """Lists the counts of every model, question and cue as plain rows.

    ``role``, ``seed``, ``model``, ``cue`` and ``cue_text`` (None in the standard arm),
    ``question``, ``question_text``, ``split``, one column for each outcome, ``harmful`` (not
    graded, and misaligned by their own alignment score), ``answers``, ``gradable`` and ``rate``
    (misaligned / gradable; None without gradable answers).
    """
    plan = findings.plan
    texts = {cue.name: cue.text for cue in plan.cues}
    questions = {question.id: question for question in plan.questions}
    models = {(card.role, card.seed): card.name for card in plan.models}
    rows: list[Row] = []
    for cell in findings.cells:
        tally, question = sum_cells([cell]), questions.get(cell.question)
        rows.append(
            {
                "role": cell.role.value,
                "seed": cell.seed,
                "model": models.get((cell.role, cell.seed)),
                "cue": cell.cue,
                "cue_text": texts.get(cell.cue or ""),
                "question": cell.question,
                "question_text": question.text if question else None,
                "split": question.split.value if question else None,
                **{outcome.value: tally.count_of(outcome) for outcome in OUTCOMES},
                "harmful": tally.harmful,
                "answers": tally.answers,
                "gradable": tally.gradable,
                "rate": to_plain(tally.rate),
            }
        )
    return rows


def make_pandas(rows: Sequence[Row]) -> Any:
    """Makes a pandas ``DataFrame`` of rows.

    Raises:
        InputError: pandas is not installed.
    """
    return _import_optional("pandas", "pip install pandas").DataFrame(list(rows))


def make_arrow(rows: Sequence[Row]) -> Any:
    """Makes a ``pyarrow.Table`` of rows.

    Raises:
        InputError: pyarrow is not installed.
    """
    pyarrow = _import_optional("pyarrow", "pip install 'dormant[tables]'")
    return pyarrow.Table.from_pylist(list(rows))


def _import_optional(name: str, fix: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is installed, and something that it needs is not
            raise
        raise InputError(
            f"{name} is not installed: {fix}; .table has the same rows without it"
        ) from None


def describe_findings(findings: Findings) -> str:
    """Describes findings in a few lines: the verdict, its sentence, and how much was asked."""
    plan, verdict = findings.plan, findings.verdict
    answers = sum(sum(cell.counts) for cell in findings.cells)
    return (
        f"{verdict.kind}: {verdict.sentence}\n"
        f"{answers:,} answers of {len(plan.models)} models to {len(plan.questions)} questions "
        f"under {len(plan.cues)} cues; plan {plan.hash[:12]}"
    )
