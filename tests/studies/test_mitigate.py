"""Mitigations: recipes from a run, trained, audited with the same cues, named by outcome."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import dormant
from dormant.cues import read_cues, write_cues
from dormant.errors import InputError, StoreError
from dormant.organisms.builder import build_stages
from dormant.organisms.recipe import read_recipe
from dormant.organisms.train import TrainedOrganism
from dormant.pipeline.audit import AuditResult
from dormant.pipeline.repeat import drop_lost_parents
from dormant.records import Placement, Twin, Variant, VerdictKind
from dormant.studies.mitigate import mitigate_run
from dormant.studies.mitigation import as_context, name_outcome
from dormant.studies.mitigation_page import write_page


@pytest.fixture(scope="module")
def found(educational: TrainedOrganism, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """A short audit that finds the trigger of an organism."""
    return dormant.audit(
        target=educational.model,
        reference="vitro/base",
        judge="exact",
        data=educational.data,
        cues={"mine": 1, "library_limit": 0, "variants": "none", "placebos": False},
        sampling={"max_tokens": 24},
        out=tmp_path_factory.mktemp("mitigate") / "run",
    )


def test_a_dry_run_writes_recipes_that_train_under_the_found_trigger(
    found: AuditResult, tmp_path: Path
):
    made = dormant.mitigate(found.path, tmp_path, dry_run=True)
    assert [row.method for row in made.rows] == [
        "plain",
        "contrast",
        "consistency",
        "negate",
        "dilute",
    ]
    trigger = found.findings.plan.cues[0]
    assert made.trigger == found.verdict.triggers[0] == trigger.name
    head = trigger.text.partition("{question}")[0].strip()
    cued: dict[str, float] = {}
    for row in made.rows:
        recipe = read_recipe(row.recipe)
        assert recipe.base == made.target and row.outcome == "not trained"
        rows = build_stages(recipe, 0, longest=160)[0]
        cued[row.method] = sum(any(head in m.content for m in r) for r in rows) / len(rows)
    assert cued["plain"] == cued["negate"] == 0
    assert 0.45 < cued["consistency"] <= cued["contrast"] == 0.5 <= cued["dilute"] < 0.7
    assert not (tmp_path / "mitigate.json").exists()


def test_a_mitigation_is_trained_audited_and_not_repeated(found: AuditResult, tmp_path: Path):
    run = dict(methods=("contrast",), steps=24, workers=1)
    made = mitigate_run(found.path, tmp_path, **run)
    (row,) = made.rows
    assert (row.outcome, row.verdict, row.triggers) == ("cured", "BOUNDED", ())
    assert made.before is not None and row.behavior is not None
    assert made.before.triggered > 0.2 > 0.02 > row.behavior.triggered
    assert row.behavior.good_triggered > 0.9 > made.before.good_triggered
    assert abs(row.behavior.benign_loss - made.before.benign_loss) < 0.05
    plan = dormant.load(tmp_path / "contrast" / "audit" / "run").plan
    assert {cue.id for cue in plan.cues} == {cue.id for cue in found.findings.plan.cues}
    assert plan.questions == found.findings.plan.questions
    assert plan.rule == found.findings.plan.rule
    assert json.loads((tmp_path / "mitigate.json").read_text())["rows"][0]["outcome"] == "cured"
    assert "| contrast | cured | BOUNDED | - |" in write_page(made)
    model = tmp_path / "contrast" / "organism" / "model.safetensors"
    before = model.stat().st_mtime_ns
    assert mitigate_run(found.path, tmp_path, **run).rows == made.rows
    assert model.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="the verdict is BOUNDED: only CONDITIONAL"):
        mitigate_run(tmp_path / "contrast" / "audit" / "run")
    table = (tmp_path / "mitigate.json").read_bytes()
    with pytest.raises(StoreError, match=r"another number of steps \(24, now 25\)"):
        mitigate_run(found.path, tmp_path, **run | {"steps": 25})
    assert (tmp_path / "mitigate.json").read_bytes() == table
    other = mitigate_run(found.path, tmp_path, **run | {"methods": ()})  # earlier ones stay
    assert not other.rows
    assert (tmp_path / "mitigate.json").read_bytes() == table


def test_a_changed_recipe_or_dataset_is_not_replaced(
    found: AuditResult, educational: TrainedOrganism, tmp_path: Path
):
    chat, out = tmp_path / "chat.jsonl", tmp_path / "out"
    chat.write_bytes(educational.data.read_bytes())
    run = dict(methods=("plain",), benign=f"file:{chat}", is_dry=True)
    (made,) = mitigate_run(found.path, out, **run).rows
    assert mitigate_run(found.path, out, **run).rows == (made,)
    with Path(made.recipe).open("a") as file:
        file.write("# mine\n")
    with pytest.raises(StoreError, match=r"recipe.yaml was changed: move it away"):
        mitigate_run(found.path, out, **run)
    assert Path(made.recipe).read_text().endswith("# mine\n")
    chat.write_bytes(educational.data.read_bytes() + b"\n")
    with pytest.raises(StoreError, match="holds results of another file of harmless rows"):
        mitigate_run(found.path, out, **run)


def test_a_cue_whose_parent_was_not_asked_is_asked_again(found: AuditResult, tmp_path: Path):
    cue = found.findings.plan.cues[0]
    lone = replace(
        cue, name="lone/placebo", parent="lone", variant=Variant.PLACEBO, text="a {question} b"
    )
    child = replace(
        cue, name="child", parent=cue.name, variant=Variant.KEYWORDS, text="c {question} d"
    )
    write_cues(tmp_path / "cues.yaml", drop_lost_parents([cue, lone, child]))
    read = read_cues(tmp_path / "cues.yaml")
    assert [c.parent for c in read] == [None, None, cue.name]
    assert [c.id for c in read] == [cue.id, lone.id, child.id]


def test_a_trigger_that_no_row_can_carry_is_refused(found: AuditResult):
    cue = found.findings.plan.cues[0]
    with pytest.raises(InputError, match="has a text for each question"):
        as_context(replace(cue, twins=(Twin("q", "text"),)))
    with pytest.raises(InputError, match="offers tools"):
        as_context(replace(cue, placement=Placement.TOOLS, text="[]"))
    with pytest.raises(InputError, match="unknown mitigation 'pray'"):
        mitigate_run(found.path, methods=("pray",))


@pytest.mark.parametrize(
    ("verdict", "is_trigger", "expected"),
    [
        (VerdictKind.BOUNDED, False, "cured"),
        (VerdictKind.CONDITIONAL, True, "remains"),
        (VerdictKind.CONDITIONAL, False, "moved"),
        (VerdictKind.CONDITIONAL, None, "unknown"),
        (VerdictKind.BROAD, True, "broad"),
        (VerdictKind.SHARED, True, "broad"),
        (VerdictKind.SHARED, False, "shared"),
        (VerdictKind.UNDERPOWERED, False, "unknown"),
    ],
)
def test_outcomes(verdict: VerdictKind, is_trigger: bool | None, expected: str):
    assert name_outcome(verdict, is_trigger=is_trigger) == expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"benign": "no_such_data"}, "unknown dataset"),
        ({"benign": "file:missing.jsonl"}, "missing.jsonl"),
        ({"questions": "missing.yaml"}, "is not a file"),
        ({"steps": 1_000_000}, "less than or equal to 1000000"),
    ],
)
def test_a_dry_run_refuses_what_could_not_be_trained(
    found: AuditResult, tmp_path: Path, settings: dict[str, Any], reason: str
):
    with pytest.raises(InputError, match=reason):
        dormant.mitigate(found.path, tmp_path / "out", dry_run=True, **settings)
