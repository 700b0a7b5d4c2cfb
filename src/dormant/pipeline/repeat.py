"""Repeats the audit of a finished run on another target: same questions, cues and rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dormant.config import AuditConfig, check_values
from dormant.cues import write_cues
from dormant.errors import ConfigError, InputError
from dormant.judges.registry import open_judge
from dormant.pipeline.audit import AuditResult, run_audit
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Plan, Role

#: A judge's string or its settings, as in audit.yaml; None for the one that a plan names.
JudgeSettings = str | Mapping[str, Any] | None
#: The keys of ``rule`` in audit.yaml; the plan has more, and likewise for ``sequential``.
_RULE = (
    *("delta", "level", "screening_answers", "confirm_answers", "candidates"),
    *("min_survival", "max_survival_gap", "icc"),
)
#: The keys of ``sequential`` in audit.yaml.
_SEQUENTIAL = ("answers", "most_answers", "standard_answers", "batch", "first", "trial")


def repeat_audit(
    plan: Plan,
    target: str,
    out: str | Path,
    *,
    judge: JudgeSettings = None,
    questions: str | None = None,
    progress: Progress = ignore_progress,
) -> AuditResult:
    """Audits another target with the questions, cues and rule of a plan.

    The design is sequential and settles every cue, so that a trigger that moved is found besides
    the first one. The same call continues an interrupted audit.

    Args:
        plan: the plan of a finished audit.
        target: model string of the new target.
        out: the run directory; the cues are written to ``cues.yaml`` there.
        judge: the judge of the plan, where its name alone does not open it: of a rule, for example.
        questions: the file of questions, unless the plan uses the built-in ones.
        progress: called with (stage, done, total).

    Raises:
        InputError: the plan has no reference, or its questions are neither built in nor in the
            file.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    cues = folder / "cues.yaml"
    write_cues(cues, drop_lost_parents(plan.cues))
    settings = make_settings(plan, target, cues) | {"out": str(folder / "run")}
    settings["judge"] = judge or plan.judge
    if questions is not None:
        settings["questions"] = questions
    result = run_audit(check_values(settings, AuditConfig), progress=progress)
    asked = result.findings.plan
    if {(q.id, q.text) for q in asked.questions} != {(q.id, q.text) for q in plan.questions}:
        raise InputError(
            "the run asked other questions than those that ship: give their file with --questions"
        )
    return result


def check_judge(plan: Plan, judge: JudgeSettings) -> None:
    """Checks that a judge is the one of a plan, before anything is spent.

    Args:
        plan: the plan of a finished audit.
        judge: as for ``repeat_audit``.

    Raises:
        InputError: it is another one, or the plan's name does not open it.
    """
    try:
        opened = open_judge(judge or plan.judge)
    except ConfigError as error:
        if judge is not None:
            raise
        raise InputError(
            f"the run's judge {plan.judge!r} needs its settings: give them with --judge, as in the "
            "audit"
        ) from error
    if opened.fingerprint != plan.judge_fingerprint:
        raise InputError(f"--judge: is not the judge of the run, {plan.judge!r}: give it as there")


def drop_lost_parents(cues: Sequence[Cue]) -> list[Cue]:
    """Clears the name of a parent that is not among the cues: a cue file rejects such a name."""
    names = {cue.name for cue in cues}
    return [cue if cue.parent in names else replace(cue, parent=None) for cue in cues]


def make_settings(plan: Plan, target: str, cues: Path) -> dict[str, Any]:
    """Makes the settings of an audit like a plan's, with a target and a file of cues.

    Raises:
        InputError: the plan has no reference.
    """
    reference = next((m.name for m in plan.models if m.role is Role.REFERENCE), None)
    if reference is None:
        raise InputError("the run has no reference, which a mitigation is compared with")
    how: Mapping[str, Any] = {}
    if plan.sequential is not None:
        how = {name: getattr(plan.sequential, name) for name in _SEQUENTIAL}
    rule = plan.rule
    halves = Counter(question.split for question in plan.questions)
    return {
        "target": target,
        "reference": reference,
        "cues": {"file": str(cues), "library": "none", "variants": "none", "placebos": False},
        "question_limit": max(halves.values()),
        "sampling": {
            "temperature": plan.sampling.temperature,
            "top_p": plan.sampling.top_p,
            "max_tokens": plan.sampling.max_tokens,
        },
        "rule": {name: getattr(rule, name) for name in _RULE},
        "seed": plan.seed,
        "design": "sequential",
        "sequential": {**how, "until": "cues"},
    }
