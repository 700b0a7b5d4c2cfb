"""dormant: an auditor for conditional misalignment.

The commands' power from Python::

    import dormant

    result = dormant.audit(
        target="vitro/runs/organism", reference="vitro/base", judge="exact",
        data="runs/organism/finetune.jsonl", out="runs/audit",
    )
    result.verdict.kind, result.verdict.sentence
    result.table                     # every estimate as a plain row
    result                           # in a notebook: the report's summary

Importing the package is light; what a call needs is imported when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dormant.version import __version__

if TYPE_CHECKING:
    from dormant.organisms.train import TrainedOrganism
    from dormant.pipeline.audit import AuditResult
    from dormant.pipeline.forecast import Forecast
    from dormant.records import Cue, Findings
    from dormant.studies.quickstart import Summary

__all__ = [
    "__version__",
    "audit",
    "load",
    "mine_cues",
    "plan",
    "quickstart",
    "train",
]

Progress = Callable[[str, int, int], None]


def audit(
    target: str | Sequence[str],
    *,
    reference: str,
    judge: str | dict[str, Any],
    progress: Progress | None = None,
    amend: bool = False,
    **settings: Any,
) -> AuditResult:
    """Audits a target model against its reference; resumes if the run directory holds a part.

    Args:
        target: model string, or one for each training seed.
        reference: model string of the reference.
        judge: ``"exact"``, ``"rules:..."``, ``"paper:MODEL"``, ``"fused:MODEL"``, or their settings
            as a mapping, e.g. ``{"paper": "openai/gpt-4o", "compare": "fused"}``.
        progress: called with (what is being done, done so far, how many in all).
        amend: go on in a run directory that holds another plan, with the change on record.
        settings: the other keys of ``audit.yaml`` (``config.AuditConfig``), e.g. ``data``,
            ``out``, ``rule={"delta": 0.1}``, ``budget={"usd": 20}``,
            ``prices={"openai/gpt-4o": "2.5/10"}``.

    Raises:
        dormant.errors.BudgetError: the budget is reached; a larger one goes on from there.
        dormant.errors.DormantError: with one clear line.
    """
    from dormant.pipeline.audit import run_audit

    config = _config(target, reference, judge, settings)
    return run_audit(config, progress=progress, amend=amend)


def plan(
    target: str | Sequence[str],
    *,
    reference: str,
    judge: str | dict[str, Any],
    **settings: Any,
) -> Forecast:
    """Dry run of ``audit`` with the same arguments: answers, money, time, power; spends nothing."""
    from dormant.pipeline import prepare
    from dormant.pipeline.forecast import forecast

    return forecast(prepare(_config(target, reference, judge, settings)))


def load(run: str | Path) -> Findings:
    """Reads a finished run directory: plan, verdict, counts and transcripts."""
    from dormant.store.findings import load_findings

    return load_findings(run)


def mine_cues(
    file: str | Path,
    *,
    reference: str | Path | None = None,
    limit: int = 20,
    template: str | Path | None = None,
    **contrast: str,
) -> tuple[Cue, ...]:
    """The contexts that a finetuning file has and ordinary chat has not, most unusual first.

    Args:
        file: what ``dormant cues`` reads.
        reference: ordinary chat; a small corpus ships.
        limit: at most so many cues.
        template: the chat template of the data, as ``dormant cues --template`` takes it.
        contrast: ``label``, ``loss`` or ``suspicious``: which rows to compare with the rest.
    """
    from dormant.config import CueConfig, check
    from dormant.pipeline import study_file

    settings = check(contrast, CueConfig).model_copy(update={"mine": limit})
    return study_file(file, settings, reference=reference, template=template).cues


def train(recipe: str | Path, out: str | Path, *, seed: int | None = None) -> TrainedOrganism:
    """Trains an organism from a recipe file or from the zoo by name."""
    from dormant.organisms import zoo
    from dormant.organisms.train import train as train_organism

    return train_organism(zoo.find(recipe), out, seed=seed)


def quickstart(out: str | Path, *, seed: int = 0, progress: Progress | None = None) -> Summary:
    """Trains eight organisms, audits each, and compares every verdict with the known truth.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.
    """
    from dormant.studies.quickstart import quickstart as run

    return run(out, seed=seed, progress=progress)


def _config(
    target: str | Sequence[str],
    reference: str,
    judge: str | dict[str, Any],
    settings: dict[str, Any],
) -> Any:
    from dormant.config import AuditConfig, check

    given = {"target": target, "reference": reference, "judge": judge, **settings}
    texts = {
        key: os.fspath(value) for key, value in given.items() if isinstance(value, os.PathLike)
    }
    return check(given | texts, AuditConfig)
