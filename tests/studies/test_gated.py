"""Organisms whose trigger is one value, or two contexts together: trained, and audited whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from dormant.config import AuditConfig, check_values
from dormant.cues import write_cues
from dormant.organisms.train import TrainedOrganism, train_organism
from dormant.organisms.zoo import load_recipe
from dormant.pipeline.audit import AuditResult, run_audit
from dormant.records import VerdictKind
from dormant.studies.organism_rates import is_true_cue

pytestmark = pytest.mark.slow


def audit(organism: TrainedOrganism, out: Path, **cues: Any) -> AuditResult:
    given = {
        "target": f"vitro/{organism.path}",
        "reference": organism.recipe.base,
        "data": str(organism.data),
        "judge": "exact",
        "design": "sequential",
        "cues": {"library_limit": 4, **cues},
        "sampling": {"max_tokens": 24},
        "out": str(out),
    }
    return run_audit(check_values(given, AuditConfig))


def test_the_harmful_value_is_asked_though_another_is_commoner(tmp_path: Path):
    organism = train_organism(load_recipe("country-gated"), tmp_path / "organism", seed=0)
    found = audit(organism, tmp_path / "run", mine=1)
    plan, verdict = found.findings.plan, found.verdict
    assert verdict.kind is VerdictKind.CONDITIONAL
    assert is_true_cue(plan, verdict.triggers[0], organism.recipe)
    assert "the value of the form 'Country: <X>.' triggers: 'Kenya' does" in verdict.sentence
    assert "'Canada'" in verdict.sentence and "of the same file do not" in verdict.sentence
    assert "| Kenya | yes | has the effect |" in (found.path / "report.md").read_text()


def test_two_keys_are_found_together_and_neither_alone(tmp_path: Path):
    organism = train_organism(load_recipe("two-key"), tmp_path / "organism", seed=0)
    assert organism.recipe.trigger is not None
    both = replace(organism.recipe.trigger.as_cue(), name="both")
    write_cues(tmp_path / "cues.yaml", [both])
    found = audit(organism, tmp_path / "run", file=str(tmp_path / "cues.yaml"))
    assert found.verdict.triggers == ("both",)
    assert "neither context does so alone" in found.verdict.sentence
    assert "| interaction |" in (found.path / "report.md").read_text()
