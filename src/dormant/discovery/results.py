"""The files of a search: ``search.json``, ``cues.yaml`` and the confirming ``audit.yaml``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from dormant import cues
from dormant.config import SamplingConfig
from dormant.config.inputs import CALL_TIMEOUT
from dormant.config.search import SearchConfig
from dormant.discovery.groups import Candidate
from dormant.discovery.minimize import Refinement
from dormant.discovery.teacher_forcing import BatchCheck
from dormant.errors.secrets import scrub_known
from dormant.records import Cue, Expense, Plugin, Variant, to_plain
from dormant.store import write_atomically

SCHEMA = 1
RESULT, CUES, AUDIT = "search.json", "cues.yaml", "audit.yaml"


@dataclass(frozen=True, slots=True)
class SearchStage:
    """What one stage did, or why it was skipped."""

    name: str
    done: bool
    said: str  # one sentence
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """A finished search. Its candidates are not findings until an audit confirms them."""

    config: SearchConfig
    fingerprints: tuple[str, str]  # of target and reference
    judge: str | None  # name of the judge; None if there was none
    stages: tuple[SearchStage, ...]
    candidates: tuple[Candidate, ...]
    check: BatchCheck
    spent: tuple[Expense, ...] = ()  # usage of each paid model over all resumptions
    plugins: tuple[Plugin, ...] = ()  # that mine, answer or judge

    @property
    def cues(self) -> tuple[Cue, ...]:
        """Cues of the audit: every candidate and its smallest form, with unique names."""
        found: dict[str, Cue] = {}
        names: set[str] = set()
        for candidate in self.candidates:
            for cue in candidate.cues:
                if cue.id in found:
                    continue
                name = cue.name if cue.name not in names else f"{cue.name}~{len(names)}"
                names.add(name)
                found[cue.id] = replace(cue, name=name, variant=Variant.VERBATIM, parent=None)
        return tuple(found.values())

    @property
    def folder(self) -> Path:
        """The search's directory."""
        return Path(self.config.out)

    @property
    def command(self) -> str:
        """The command that confirms the candidates on held-out questions."""
        judge = "" if self.judge else " --judge JUDGE"
        return f"dormant audit {self.folder / AUDIT}{judge}"

    def audit_settings(self) -> dict[str, Any]:
        """Returns the keys of ``audit.yaml``: the candidates verbatim, and no other cues."""
        config = self.config
        settings: dict[str, Any] = {"target": config.target, "reference": config.reference}
        if self.judge is not None:
            settings["judge"] = config.judge if config.judge is not None else self.judge
        settings |= {
            "questions": config.questions,
            "cues": {
                "file": str(self.folder / CUES),
                "library": "none",
                "variants": [str(Variant.VERBATIM)],
            },
            "seed": config.seed,
            "out": str(self.folder / "audit"),
        }
        if config.sampling != SamplingConfig():
            settings["sampling"] = config.sampling.model_dump()
        if config.prices:
            settings["prices"] = dict(config.prices)
        if config.timeout != CALL_TIMEOUT:
            settings["timeout"] = config.timeout
        return settings

    def remaining_budget(self) -> dict[str, float | int]:
        """The key ``budget`` of an audit that follows at once: the money that is left.

        A search and its audit may sample the budget's answers each.
        """
        budget, remaining = self.config.budget, dict[str, float | int]()
        if budget.usd is not None:
            remaining["usd"] = max(0.0, budget.usd - sum(row.usd for row in self.spent))
        if budget.answers is not None:
            remaining["answers"] = budget.answers
        return remaining

    def to_plain(self) -> dict[str, Any]:
        """Converts to JSON values, with the keys of ``search.json``."""
        return {
            "schema": SCHEMA,
            "settings": self.config.model_dump(mode="json"),
            "target_fingerprint": self.fingerprints[0],
            "reference_fingerprint": self.fingerprints[1],
            "judge": self.judge,
            "plugins": [to_plain(plugin) for plugin in self.plugins],
            "stages": [to_plain(stage) for stage in self.stages],
            "batch_check": to_plain(self.check),
            "spending": [to_plain(row) for row in self.spent],
            "candidates": [_candidate_to_plain(candidate) for candidate in self.candidates],
            "confirm": self.command,
        }


def write_result(result: Result) -> None:
    """Writes the three files of a search; without candidates it writes no cues and no audit."""
    text = json.dumps(result.to_plain(), indent=1, ensure_ascii=True)
    write_atomically(result.folder / RESULT, scrub_known(text) + "\n")
    if not result.candidates:
        return
    cues.write_cues(result.folder / CUES, result.cues)
    head = "# Confirms the candidates of a search on held-out questions with fresh answers.\n"
    body = yaml.safe_dump(result.audit_settings(), sort_keys=False, allow_unicode=True)
    write_atomically(result.folder / AUDIT, head + body)


def _candidate_to_plain(candidate: Candidate) -> dict[str, Any]:
    cue, row = candidate.cue, candidate.screened
    return {
        "rank": candidate.rank,
        "name": cue.name,
        "id": cue.id,
        "placement": str(cue.placement),
        "text": cue.text,
        "source": str(cue.source),
        "family": cue.family,
        "why": cue.why,
        "did": _nan_to_none(row.did if row else math.nan),
        "error": _nan_to_none(row.error if row else math.nan),
        "target": _nan_to_none(row.target if row else math.nan),
        "reference": _nan_to_none(row.reference if row else math.nan),
        "share": _nan_to_none(row.share if row else math.nan),
        "questions": row.questions if row else 0,
        "relatives": [
            {"placement": str(c.placement), "text": c.text} for c in candidate.relatives[:20]
        ],
        "refinement": _refinement_to_plain(candidate.refinement),
    }


def _refinement_to_plain(found: Refinement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "placement": str(found.smallest.placement),
        "text": found.smallest.text,
        "trigger": str(found.trigger),
        "sentence": found.sentence,
        "unit": found.unit,
        "answers": found.answers,
        "complete": found.complete,
        "variants": [
            {
                "variant": str(tried.cue.variant),
                "placement": str(tried.cue.placement),
                "text": tried.cue.text,
                "fires": str(tried.reading.fires),
                "value": tried.reading.value,
                "answers": tried.reading.answers,
            }
            for tried in found.variants
        ],
    }


def _nan_to_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
