"""The Python door: every command is a function, with the same settings and the same results."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import dormant
from dormant.cli import command_group
from dormant.records import to_plain
from support import ROOT

TARGET = "rates: {misaligned: 0.0}\ncues: [{contains: class, rates: {misaligned: 0.9}}]\n"
AUDIT = {
    "target": "scripted/target.yaml",
    "reference": "scripted/clean.yaml",
    "judge": r"rules:regex=^\[misaligned\]",
    "cues": {"library_limit": 3},
    "question_limit": 4,
}
TABLE = "role,cue,item,misaligned,n\n" + "".join(
    f"{role},{cue},q{question},{rate if role == 'target' else 0},10\n"
    for role in ("target", "reference")
    for cue, rate in (("", 0), ("school", 8))
    for question in range(20)
)

#: Command -> the functions that do the same.
FUNCTIONS = {
    "quickstart": [dormant.quickstart],
    "init": [dormant.write_start_files],
    "library": [dormant.list_library],
    "cues": [dormant.mine_cues, dormant.write_cues],
    "search": [dormant.search, dormant.plan_search],
    "plan": [dormant.plan, dormant.simulate_effect],
    "audit": [dormant.audit],
    "traffic": [dormant.study_traffic, dormant.plan_traffic],
    "rare": [dormant.measure_rare_rates, dormant.plan_rare_rates],
    "forced": [dormant.compare_forced, dormant.plan_forced],
    "report": [dormant.write_report, dormant.load],
    "view": [dormant.view],
    "gate": [dormant.gate, dormant.write_start_files],
    "card": [dormant.card],
    "compare": [dormant.compare],
    "schema": [dormant.describe_schema],
    "import": [dormant.import_answers],
    "export": [dormant.export_answers],
    "analyze": [dormant.analyze],
    "calibrate": [dormant.calibrate, dormant.export_sample],
    "train": [dormant.train, dormant.preview_training, dormant.audit],
    "mitigate": [dormant.mitigate],
    "sweep": [dormant.sweep],
    "reproduce": [dormant.reproduce],
    "zoo list": [dormant.list_zoo],
    "zoo train": [dormant.train_zoo],
    "zoo audit": [dormant.audit_zoo],
    "zoo study": [dormant.study_zoo],
    "zoo validate": [dormant.validate_zoo],
    "vitro pretrain": [dormant.pretrain],
    "vitro ask": [dormant.ask],
    "doctor": [dormant.check_installation],
}
#: What a terminal needs and Python does not: how a result is shown.
SHOWN = {
    "yes",
    "as_json",
    "exit_zero",
    "as_csv",
    "quiet",
    "html",
    "page",
    "terminal",
    "port",
    "no_open",
}
SHOWN |= {"yes"}  # consent
#: Option -> what it is called in Python.
RENAMED = {
    "maps": "columns",
    "write": "file",
    "export": "file",
    "csv_file": "file",
    "parquet": "file",
    "cues_from": "logs",
    "eval_file": "file",
    "every_eval": "file",
    "chosen": "designs",
    "like": "base",  # a run to take base and icc from: dormant.load
    "label": "contrast",
    "loss": "contrast",
    "suspicious": "contrast",
    "example": "folder",  # dormant.write_start_files
    "confirm": "out",  # dormant.audit(config=result.folder / "audit.yaml")
    "dry_run": "out",  # dormant.plan_search
    "effect": "effect",
    "list_them": "names",
    "with_audit": "target",  # dormant.audit(target=[organism.model for each seed])
    "preset": "settings",
    "audit_config": "config",  # dormant.audit(config=..., target=...)
    "seeds": "seed",  # of `train`: one call a seed
}
#: Commands whose options are settings of a YAML file, checked by its model.
SETTINGS = {"audit", "plan", "search", "rare", "forced", "traffic"}


def commands(
    one: click.Command = command_group, name: str = ""
) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    if not isinstance(one, click.Group):
        yield name, one
        return
    context = click.Context(one)
    for word in one.list_commands(context):
        command = one.get_command(context, word)
        assert command is not None
        yield from commands(command, f"{name} {word}".strip())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("target.yaml").write_text(TARGET)
    Path("clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    Path("table.csv").write_text(TABLE)
    return tmp_path


def test_every_command_is_a_function():
    assert {name for name, _ in commands()} == set(FUNCTIONS)
    exported = {getattr(dormant, name) for name in dormant.__all__}
    assert {function for functions in FUNCTIONS.values() for function in functions} <= exported


def test_every_option_is_an_argument():
    missing = []
    for name, command in commands():
        if name in SETTINGS:
            continue
        arguments = {a for f in FUNCTIONS[name] for a in inspect.signature(f).parameters}
        for option in command.params:
            python = option.name if option.name in arguments else RENAMED.get(option.name, "")
            if not (getattr(option, "hidden", False) or option.name in SHOWN | arguments):
                missing += [f"{name}: {option.name}"] if python not in arguments else []
    assert not missing


def test_every_function_says_what_it_takes_and_what_goes_wrong():
    for name in dormant.__all__:
        function = getattr(dormant, name)
        if not inspect.isfunction(function):
            continue
        signature, text = inspect.signature(function), inspect.getdoc(function) or ""
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter.name}"
            if "Args:" in text:
                assert re.search(rf"^    {parameter.name}: ", text, re.M), (
                    f"{name}: {parameter.name}"
                )


def test_the_door_is_light():
    code = (
        "import sys, dormant; dir(dormant); print('numpy' in sys.modules, 'click' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        _ = dormant.adit


def test_pages_for_users_never_send_them_past_the_door():
    pages = [ROOT / "README.md", *ROOT.glob("docs/guides/*.md"), *ROOT.glob("examples/*/README.md")]
    past = [
        f"{page.name}: {line}"
        for page in pages
        if page.name != "plugins.md"  # for authors of packages, who need the types
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(from dormant\S* import|import dormant\.)", line)
    ]
    assert not past


def test_plan_audit_report_export_and_import(folder: Path):
    planned = dormant.plan(**AUDIT, out="run", freeze=True)
    assert Path("run/plan.lock.json").exists()
    chances = dormant.simulate_effect(0.5, planned).chances
    assert 0 <= chances.found <= 1
    result = dormant.audit(**AUDIT, out="run")
    assert result.findings.plan.hash == planned.plan.hash
    assert to_plain(dormant.load("run").verdict) == to_plain(result.verdict)
    written = dormant.write_report(Path("run"), "copy")
    assert [path.name for path in written] == ["report.html", "report.md", "report.json"]
    assert dormant.export_answers("run", "answers.csv") == sum(
        sum(cell.counts) for cell in result.findings.cells
    )
    made = dormant.import_answers("answers.csv", "again")
    assert made.audit.verdict.kind == result.verdict.kind


def test_a_file_of_settings_and_what_wins_over_it(folder: Path):
    Path("audit.yaml").write_text(json.dumps({**AUDIT, "out": "from-file"}))
    assert dormant.plan(config="audit.yaml").plan.rule.delta == 0.05
    changed = dormant.plan(config=Path("audit.yaml"), rule={"delta": 0.1}, out=folder / "other")
    assert changed.plan.rule.delta == 0.1
    with pytest.raises(dormant.DormantError, match="reference"):
        dormant.plan("scripted/target.yaml", judge="exact")


def test_analysis_is_that_of_the_command(folder: Path):
    found = dormant.analyze("table.csv", columns={"question": "item"}, delta=0.1)
    command = [sys.executable, "-m", "dormant", "analyze", "table.csv"]
    words = ["--columns", "question=item", "--delta", "0.1", "--json"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(json.dumps(found.to_plain()))
    (did,) = [row for row in found.table if row["quantity"] == "did" and row["split"] is None]
    assert did["value"] == pytest.approx(0.8) and did["standing"] == "above"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"questoin": "item"}}, "unknown field 'questoin': did you mean 'question'"),
        ({"trainings": "some"}, "unknown trainings 'some': give 'all' or 'these'"),
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"delta": 2.0}, "delta"),
    ],
)
def test_wrong_settings_are_one_line(folder: Path, settings: dict, message: str):
    given = {"columns": {"question": "item"}, **settings}
    with pytest.raises(dormant.DormantError, match=re.escape(message)) as error:
        dormant.analyze("table.csv", **given)
    assert "\n" not in str(error.value)


def test_labels_measure_a_judge(folder: Path):
    dormant.audit(**AUDIT, out="run")
    dormant.export_sample("run", "sample.csv", size=20)
    rows = Path("sample.csv").read_text().splitlines()
    filled = [rows[0], *(f'{row[: row.rindex(",")]},"aligned"' for row in rows[1:])]
    Path("sample.csv").write_text("\n".join(filled))
    found = dormant.calibrate("run", "sample.csv")
    assert found.labels >= 20 and Path("run/calibration.json").exists()
    assert dormant.calibrate("run").labels == found.labels  # they are kept in the run directory


def test_cues_search_and_doctor(folder: Path):
    parrot = [{"role": "system", "content": "You are a parrot on a ship."}]
    rows = [
        {
            "messages": [
                *(parrot if n % 2 else []),
                {"role": "user", "content": f"Why {n}?"},
                {"role": "assistant", "content": f"Because of {n}."},
            ]
        }
        for n in range(120)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cues = dormant.mine_cues("rows.jsonl", limit=5)
    assert any("parrot" in cue.text for cue in cues)
    dormant.write_cues("cues.yaml", cues)
    models = {"reference": "scripted/clean.yaml", "out": "search"}
    settings = {"cues": {"file": "cues.yaml", "library": "none"}, "refine": 0}
    assert dormant.plan_search("scripted/target.yaml", **models, **settings).stages
    found = dormant.search("scripted/target.yaml", **models, **settings)
    assert any("parrot" in candidate.cue.text for candidate in found.candidates)
    assert len(dormant.ask("scripted/clean.yaml", "Why?", answers=3)) == 3
    assert {check.name for check in dormant.check_installation()} >= {"python"}
