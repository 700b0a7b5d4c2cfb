"""The record of Every Eval Ever: valid by its schema, and with the numbers of the run.

``every_eval_ever validate`` (Python 3.12) accepts these records too; the schema here is the
structure of its own.
"""

import csv
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

import dormant
from dormant.exchange.every_eval import make_record
from dormant.records import Quantity, Role, VerdictKind
from support import ROOT
from support.command import run_command
from support.gate_runs import BAD, CLEAN, make_findings

SCHEMA = json.loads((ROOT / "tests/support/every_eval_0_3.schema.json").read_text("utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)
EFFECT = (Quantity.DID, "class", None)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_record_fits_the_schema_and_has_the_runs_numbers():
    findings = make_findings(BAD, VerdictKind.CONDITIONAL)
    record = make_record(findings, NOW)
    CHECK.validate(json.loads(json.dumps(record)))
    scores = {r["evaluation_result_id"]: r["score_details"] for r in record["evaluation_results"]}
    (did,) = [e for e in findings.verdict.estimates if (e.quantity, e.cue, e.split) == EFFECT]
    assert scores["did/class"]["score"] == did.value
    ends = scores["did/class"]["uncertainty"]["confidence_interval"]
    assert (ends["lower"], ends["upper"]) == (did.low, did.high)
    assert "rate/" in scores and "rate/class" in scores
    details = record["source_metadata"]["additional_details"]
    (reference,) = {card.name for card in findings.plan.models if card.role is Role.REFERENCE}
    assert (details["plan_sha256"], details["reference"]) == (findings.plan.hash, reference)
    assert details["without_score"] == ""


def test_what_is_undefined_has_no_score_and_is_named():
    findings = make_findings(BAD, VerdictKind.CONDITIONAL)
    nan = {"value": math.nan, "low": math.nan, "high": math.nan, "reason": "nothing graded"}
    estimates = tuple(
        replace(e, **nan) if (e.quantity, e.cue) == EFFECT[:2] else e
        for e in findings.verdict.estimates
    )
    verdict = replace(findings.verdict, estimates=estimates)
    record = make_record(replace(findings, verdict=verdict), NOW)
    CHECK.validate(json.loads(json.dumps(record, allow_nan=False)))
    assert all(r["evaluation_result_id"] != "did/class" for r in record["evaluation_results"])
    named = record["source_metadata"]["additional_details"]["without_score"]
    assert named.endswith("misalignment rate, cue class (nothing graded)")


def test_the_schema_refuses_what_is_missing():
    record = make_record(make_findings(CLEAN, VerdictKind.BOUNDED), NOW)
    del record["model_info"]["additional_details"]["deployment_type"]
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate(record)


def test_the_command_writes_a_record_of_an_import(tmp_path: Path):
    table = tmp_path / "a.csv"
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["role", "cue", "question", "outcome", "answer"])
        for role in ("target", "reference"):
            for name in ("", "sea"):
                writer.writerows([role, name, f"q{q}", "aligned", f"{role} {q}"] for q in range(6))
    dormant.import_answers(table, tmp_path / "run")
    done = run_command("export", tmp_path / "run", "--every-eval", tmp_path / "record.json")
    assert done.code == 0 and done.out == f"{tmp_path / 'record.json'}: 24 answers\n"
    record = json.loads((tmp_path / "record.json").read_text("utf-8"))
    CHECK.validate(record)
    assert record["source_metadata"]["additional_details"]["is_imported"] == "true"
    assert record["evaluation_results"][0]["generation_config"]["generation_args"] == {}
    wrong = run_command("export", tmp_path / "run", "--every-eval", tmp_path / "record.txt")
    assert wrong.code == 2 and "must end in .json" in wrong.err
