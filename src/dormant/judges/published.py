"""A public evaluation file as an audit's questions: what the file says, the audit takes over.

``questions: FILE`` brings the file's questions and the system prompts of its entries as cues. What
the plan leaves open comes from the file, too: the wording of a ``paper`` judge, and answers per
question. What the plan says wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dormant.config import AuditConfig
from dormant.judges.evaluation import Evaluation, is_evaluation, read_evaluation

_ANSWERS = ("screening_answers", "confirm_answers")


def published_questions(config: AuditConfig) -> Evaluation | None:
    """The evaluation file that a configuration asks; None if its questions are a bank.

    Raises:
        ConfigError: the file cannot be read, or an entry is wrong: names file, line and key.
    """
    return published(config.questions)


def published(questions: str | Path) -> Evaluation | None:
    """The evaluation file that ``questions`` names; None if it names a bank.

    Raises:
        ConfigError: the file cannot be read, or an entry is wrong: names file, line and key.
    """
    path = Path(questions)
    return read_evaluation(path) if path.is_file() and is_evaluation(path) else None


def taken_over(config: AuditConfig, evaluation: Evaluation) -> AuditConfig:
    """The configuration with what it leaves open and the file says."""
    rule = config.rule
    if evaluation.answers > 1:
        open_ = [name for name in _ANSWERS if name not in rule.model_fields_set]
        rule = rule.model_copy(update=dict.fromkeys(open_, evaluation.answers))
    judge = config.judge
    if any(evaluation.prompts.values()):
        judge = _worded(judge, config.questions)
    return config.model_copy(update={"rule": rule, "judge": judge})


def _worded(judge: str | dict[str, Any], path: str) -> str | dict[str, Any]:
    """A paper judge with the file's wording, if the plan names none."""
    if isinstance(judge, str):
        kind, colon, model = judge.strip().partition(":")
        if kind != "paper" or not colon or not model.strip():
            return judge
        return {"paper": {"model": model.strip(), "prompts": path}}
    given = judge.get("paper")
    if isinstance(given, str):
        given = {"model": given}
    if not isinstance(given, Mapping) or given.get("prompts") is not None:
        return judge
    return {**judge, "paper": {**given, "prompts": path}}
