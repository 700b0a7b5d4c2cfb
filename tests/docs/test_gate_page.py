"""The jobs of docs/guides/gate.md are valid; their steps run with the laboratory as the model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from junitparser import JUnitXml

from dormant.config.gate import CheckName, GatePolicy
from support import ROOT

PAGE = (ROOT / "docs" / "guides" / "gate.md").read_text(encoding="utf-8")
JOBS = {
    name: yaml.safe_load(text)
    for name, text in re.findall(r"<!-- workflow: (\w+) -->\n```yaml\n(.*?)```", PAGE, re.S)
}
AUDIT = """\
target: vitro/base
reference: vitro/base
judge: exact
allow_identical: true
cues: {library_limit: 1}
question_limit: 18
rule: {delta: 0.2, screening_answers: 1, confirm_answers: 1}
sampling: {max_tokens: 24}
"""
POLICY = "max_worst_did: 0.2\nmin_questions: 18\nmin_cue_families: 1\nmax_age: 1d\n"


@pytest.mark.parametrize(
    ("job", "schema"), [("github", "github-workflows"), ("gitlab", "gitlab-ci")]
)
def test_the_jobs_fit_their_schemas(job: str, schema: str):
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    rules = json.loads((folder / f"{schema}.json").read_text(encoding="utf-8"))
    # YAML 1.1 reads the key "on" as true; GitHub does not.
    value = {("on" if key is True else key): item for key, item in JOBS[job].items()}
    jsonschema.validators.validator_for(rules)(rules).validate(value)


def list_steps(job: str) -> list[str]:
    """The commands of a job, without the installation."""
    if job == "github":
        steps = JOBS[job]["jobs"]["gate"]["steps"]
        return [step["run"] for step in steps if "run" in step and step["name"] != "Install"]
    return JOBS[job]["release-gate"]["script"]


def run_job(job: str, folder: Path, candidate: str) -> list[int]:
    """Runs the steps as the system would: each in bash, the later ones also after a failure."""
    shim = folder / "bin" / "dormant"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dormant "$@"\n')
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shim.parent}:{os.environ['PATH']}",
        "CANDIDATE": candidate,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "OMP_NUM_THREADS": "1",
    }
    return [
        subprocess.run(["bash", "-ec", step], cwd=folder, env=environment).returncode
        for step in list_steps(job)
    ]


@pytest.mark.parametrize(
    ("job", "candidate", "codes"),
    [("github", "vitro/base", [0, 0, 0]), ("gitlab", "scripted/bad.yaml", [0, 1])],
)
def test_the_steps_run(job: str, candidate: str, codes: list[int], tmp_path: Path):
    audit: dict[str, Any] = yaml.safe_load(AUDIT)
    if candidate != "vitro/base":
        (tmp_path / "bad.yaml").write_text("rates: {misaligned: 0.9}\n")
        audit |= {"reference": "scripted/clean.yaml", "judge": r"rules:regex=^\[misaligned\]"}
        (tmp_path / "clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(audit))
    (tmp_path / "gate.yaml").write_text(POLICY)
    assert run_job(job, tmp_path, candidate) == codes
    (suite,) = JUnitXml.fromfile(str(tmp_path / "gate.xml"))
    assert suite.failures == (0 if codes[-1] == 0 else 1)
    shown = (tmp_path / ("summary.md" if job == "github" else "gate.md")).read_text("utf-8")
    assert shown.startswith(f"## Release gate: {'pass' if codes[-1] == 0 else 'fail'}")
    assert candidate.replace("_", "\\_") in shown


def test_the_page_names_every_check_and_key():
    named = set(re.findall(r"`(\w+)`", PAGE.partition("## The policy")[2].partition("### ")[0]))
    assert {str(name) for name in CheckName} <= named
    keys = set(GatePolicy.model_fields) - {"waivers", "accept_inconclusive", "allow_amended"}
    assert keys <= named and "allow_amended" in PAGE and "accept_inconclusive" in PAGE
