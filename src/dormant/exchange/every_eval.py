"""A run as a record of Every Eval Ever 0.3, the schema in which evaluations are exchanged.

One record is about the target: its misalignment rate in every arm, and every cue's difference in
differences against the reference. What was not graded has no score there, so it is named beside.
https://github.com/evaleval/every_eval_ever
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dormant.errors.secrets import scrub_known
from dormant.exchange.export import replace_file
from dormant.pipeline.recompute import load_run
from dormant.records import Estimate, Findings, Origin, Quantity, Role
from dormant.report.escape import without_surrogates
from dormant.report.view import View
from dormant.version import __version__

SCHEMA = "0.3.0"
_LOCAL = ("hf/", "vitro/")  # model strings that load weights on this machine
_UNSTATED = "not stated"
_Plain = dict[str, Any]
#: Quantity -> its name, and the lowest and highest score.
_METRICS = {
    Quantity.RATE: ("misalignment rate", 0.0, 1.0),
    Quantity.DID: ("difference in differences of the misalignment rate", -2.0, 2.0),
}


def export_record(run: Path, file: Path, *, at: datetime | None = None) -> int:
    """Writes the record of a finished run.

    Args:
        run: the run directory.
        file: the file to write, which its users rename to ``data/.../UUID.json``.
        at: the time of the record, with a time zone; now if None.

    Returns:
        The number of answers behind it.

    Raises:
        ConfigError: the file cannot be written.
        StoreError: the directory holds no finished run, or does not agree with its store.
    """
    findings = load_run(run)
    record = make_record(findings, at or datetime.now(UTC))
    text = scrub_known(json.dumps(without_surrogates(record), indent=1, ensure_ascii=False))
    with replace_file(file) as part:
        part.write_text(text + "\n", encoding="utf-8", newline="\n")
    return View(findings).total.answers


def make_record(findings: Findings, at: datetime) -> _Plain:
    """The record as plain JSON values.

    Args:
        findings: of a finished run.
        at: the time of the record, with a time zone.
    """
    plan, verdict = findings.plan, findings.verdict
    created = f"{at.timestamp():.0f}"
    cards = {role: [card for card in plan.models if card.role is role] for role in Role}
    target = cards[Role.TARGET][0].name
    results, unknown = _list_results(findings)
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"dormant/{target}/{created}",
        "evaluation_timestamp": findings.started,
        "retrieved_timestamp": created,
        "source_metadata": {
            "source_name": "dormant",
            "source_type": "evaluation_run",
            "source_organization_name": _UNSTATED,
            "evaluator_relationship": "other",  # unknown: whoever sends the record knows
            "additional_details": {
                "verdict": str(verdict.kind),
                "verdict_sentence": verdict.sentence,
                "reference": ", ".join(dict.fromkeys(c.name for c in cards[Role.REFERENCE])),
                "plan_sha256": plan.hash,
                "delta": f"{verdict.delta:g}",
                "not_tested": "; ".join(verdict.not_tested),
                "without_score": "; ".join(unknown),
                "is_imported": str(plan.origin is Origin.IMPORT).lower(),
            },
        },
        "eval_library": {"name": "dormant", "version": __version__},
        "model_info": _describe_model(findings),
        "evaluation_results": results,
    }


def _describe_model(findings: Findings) -> _Plain:
    cards = [card for card in findings.plan.models if card.role is Role.TARGET]
    name = cards[0].name
    is_local = name.startswith(_LOCAL) and findings.plan.origin is not Origin.IMPORT
    return {
        "name": name,
        "id": name,
        "additional_details": {
            "deployment_type": "self_deployed" if is_local else "unknown",
            "model_availability": "unknown",
            "fingerprints": ", ".join(card.fingerprint for card in cards),
            "training_seeds": ", ".join(card.seed for card in cards),
        },
    }


def _list_results(findings: Findings) -> tuple[list[_Plain], list[str]]:
    """The results with a score, and the names of those without one, each with the reason."""
    results: list[_Plain] = []
    unknown: list[str] = []
    for name, estimate in _list_estimates(View(findings)):
        if math.isnan(estimate.value):
            unknown.append(f"{name} ({estimate.reason or 'undefined'})")
        else:
            results.append(_make_result(name, estimate, findings))
    return results, unknown


def _list_estimates(view: View) -> Iterator[tuple[str, Estimate]]:
    """Yields the rate of every arm and the effect of every cue, each with its name."""
    arms = [None, *(cue.name for cue in view.plan.cues)]
    for quantity, role in ((Quantity.RATE, Role.TARGET), (Quantity.DID, None)):
        for cue in arms:
            found = view.find_estimate(quantity, role, cue)
            if found is not None:
                where = "without a cue" if cue is None else f"cue {cue}"
                yield f"{_METRICS[quantity][0]}, {where}", found


def _make_result(name: str, estimate: Estimate, findings: Findings) -> _Plain:
    plan = findings.plan
    metric, least, most = _METRICS[estimate.quantity]
    texts = {cue.name: cue.text for cue in plan.cues}
    uncertainty: _Plain = {"num_samples": estimate.answers}
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        level = {} if math.isnan(estimate.level) else {"confidence_level": estimate.level}
        ends = {"lower": estimate.low, "upper": estimate.high}
        uncertainty["confidence_interval"] = {**ends, **level, "method": estimate.method}
    return {
        "evaluation_result_id": f"{estimate.quantity}/{estimate.cue or ''}",
        "evaluation_name": name,
        "source_data": {
            "dataset_name": f"{len(plan.questions)} questions of a dormant plan",
            "source_type": "other",
            "additional_details": {"plan_sha256": plan.hash},
        },
        "metric_config": {
            "metric_id": f"dormant.{estimate.quantity}",
            "metric_name": metric,
            "metric_unit": "proportion",
            "lower_is_better": True,
            "score_type": "continuous",
            "min_score": least,
            "max_score": most,
            "additional_details": {
                "judge": f"{plan.judge}: {plan.judge_description}",
                "judge_fingerprint": plan.judge_fingerprint,
            },
        },
        "score_details": {
            "score": estimate.value,
            "details": {
                "questions": str(estimate.questions),
                "cue_text": texts.get(estimate.cue or "", ""),
            },
            "uncertainty": uncertainty,
        },
        "generation_config": {"generation_args": _list_sampling(findings)},
    }


def _list_sampling(findings: Findings) -> _Plain:
    """The sampling settings that are known."""
    sampling = findings.plan.sampling
    named = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    known: _Plain = {name: value for name, value in named.items() if math.isfinite(value)}
    return known | ({"max_tokens": sampling.max_tokens} if sampling.max_tokens > 0 else {})
