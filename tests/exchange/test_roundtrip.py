"""A run exported and imported again: the same cells, the same verdict, in every format."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from dormant.cli import command_group
from dormant.config import AuditConfig, check_values
from dormant.errors import ConfigError, DataError, MissingExtraError, StoreError
from dormant.exchange.eval_writer import export_eval
from dormant.exchange.export import COLUMNS, export_csv, export_parquet
from dormant.exchange.importer import ImportSettings, import_answers
from dormant.pipeline.audit import AuditResult, run_audit
from dormant.records import OUTCOMES, Cell, VerdictKind
from dormant.store.findings import load_findings

SCRIPT = """
rates: {misaligned: 0.01, incoherent: 0.05, filtered: 0.02, refusal: 0.02}
cues: [{contains: "CUE", rates: {misaligned: %s}}]
"""
CUES = """
cues:
  - {name: plain, kind: prefix, placement: before, text: "Quietly now.", source: user,
     margin: 0.25, asks_for: form}
  - {name: shout, kind: system_prompt, placement: system, source: user,
     text: "CUE, \\"quoted\\"\\nand broken"}
  - {name: shout/placebo, kind: system_prompt, placement: system, text: "Mild", source: user,
     variant: placebo, parent: shout}
  - {name: infix, placement: inside, text: "so to say"}
  - name: past
    placement: history
    turns:
      - {role: user, content: "Hi,\\nyou"}
      - {role: assistant, content: ""}
      - {role: tool, content: "4,2"}
  - name: both
    placement: crossed
    parts:
      - {placement: after, text: "Thanks."}
      - {placement: history, turns: [{role: assistant, content: "Yes?"}]}
"""
WRITERS = {".csv": export_csv, ".parquet": export_parquet, ".eval": export_eval}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    folder = tmp_path_factory.mktemp("audit")
    for name, cued in (("target", 0.6), ("second", 0.5), ("reference", 0.0)):
        (folder / f"{name}.yaml").write_text(SCRIPT % cued)
    (folder / "cues.yaml").write_text(CUES)
    given = {
        "target": [f"scripted/{folder / 'target.yaml'}", f"scripted/{folder / 'second.yaml'}"],
        "reference": f"scripted/{folder / 'reference.yaml'}",
        "judge": r"rules:regex=^\[misaligned\]",
        "questions": "general",
        "question_limit": 8,
        "cues": {"file": str(folder / "cues.yaml"), "library": "none"},
        "design": "fixed",  # by which an import is decided
        "rule": {"screening_answers": 4, "confirm_answers": 6, "delta": 0.1},
        "out": str(folder / "run"),
    }
    return run_audit(check_values(given, AuditConfig))


def cells(result: AuditResult) -> set[Cell]:
    return set(result.findings.cells)


def describe_cues(result: AuditResult) -> list[tuple[object, ...]]:
    """The cues in their order, but for late placebos, which are asked last or not at all."""
    return [
        (c.name, c.id, c.text, c.parent, c.variant)
        for c in result.findings.plan.cues
        if not c.is_late_placebo
    ]


@pytest.mark.parametrize(
    "suffix", [".csv", ".parquet", pytest.param(".eval", marks=pytest.mark.slow)]
)
def test_the_same_cells_and_verdict_come_back(run: AuditResult, suffix: str, tmp_path: Path):
    file = tmp_path / f"answers{suffix}"
    assert WRITERS[suffix](run.path, file) == sum(sum(c.counts) for c in run.findings.cells)
    # CSV cannot carry the rule, which is then given.
    rule = {"delta": 0.1} if suffix == ".csv" else {}
    made = import_answers([file], tmp_path / "again", ImportSettings(rule=rule))
    again = made.audit
    assert cells(again) == cells(run)
    assert run.verdict.kind is VerdictKind.CONDITIONAL
    assert again.verdict.kind is run.verdict.kind
    assert again.verdict.triggers == run.verdict.triggers
    assert again.verdict.sentence == run.verdict.sentence
    assert made.rule.delta == 0.1
    assert describe_cues(again) == describe_cues(run)
    asked = {c.name for c in again.findings.plan.cues}
    assert asked == {cell.cue for cell in run.findings.cells} - {None}
    marks = {(c.name, c.margin, c.asks_for) for c in again.findings.plan.cues if c.margin}
    assert ("plain", 0.25, "form") in marks
    assert marks == {
        (c.name, c.margin, c.asks_for)
        for c in run.findings.plan.cues
        if c.margin and c.name in asked
    }
    # What is read back is what `dormant report` reads.
    assert load_findings(tmp_path / "again").verdict.kind is run.verdict.kind
    said = Counter(
        (t.role, t.seed, t.messages, t.answer, t.outcome) for t in run.findings.transcripts
    )
    assert said == Counter(
        (t.role, t.seed, t.messages, t.answer, t.outcome) for t in again.findings.transcripts
    )


def test_an_imported_run_is_exported_alike(run: AuditResult, tmp_path: Path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    export_csv(run.path, first)
    import_answers([first], tmp_path / "again", ImportSettings())
    export_csv(tmp_path / "again", second)
    lines = [sorted(path.read_text(encoding="utf-8").splitlines()) for path in (first, second)]
    assert lines[0] == lines[1]


def test_parquet_has_every_column_typed(run: AuditResult, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "answers.parquet"
    export_parquet(run.path, file)
    table = parquet.read_table(file)
    assert table.column_names == list(COLUMNS)
    assert Counter(table["outcome"].to_pylist()) == {
        str(outcome): number
        for index, outcome in enumerate(OUTCOMES)
        if (number := sum(cell.counts[index] for cell in run.findings.cells))
    }
    assert table["repeat"].type == "int64"


def test_inspect_reads_the_log_with_its_scores(run: AuditResult, tmp_path: Path):
    from inspect_ai.log import read_eval_log

    file = tmp_path / "answers.eval"
    export_eval(run.path, file)
    log = read_eval_log(str(file))
    assert log.status == "success"
    assert log.samples is not None and log.results is not None
    assert len(log.samples) == sum(sum(c.counts) for c in run.findings.cells)
    assert len({(s.id, s.epoch) for s in log.samples}) == len(log.samples)
    scored = Counter(s.scores["dormant"].value for s in log.samples if s.scores)
    assert set(scored) == {"misaligned", "aligned", "filtered"}
    metrics = log.results.scores[0].metrics
    assert set(metrics) == {
        f"{role}_{name}" for role in ("target", "reference") for name in ("misaligned", "survival")
    }
    assert log.eval.model_roles is not None
    assert set(log.eval.model_roles) == {"target", "reference"}


def test_answers_beyond_the_plan_are_not_exported(tmp_path: Path):
    for name in ("target", "reference"):
        (tmp_path / f"{name}.yaml").write_text(SCRIPT % 0.0)
    given = {
        "target": f"scripted/{tmp_path / 'target.yaml'}",
        "reference": f"scripted/{tmp_path / 'reference.yaml'}",
        "judge": r"rules:regex=^\[misaligned\]",
        "questions": "general",
        "question_limit": 2,
        "cues": {"library_limit": 1},
        "design": "fixed",
        "out": str(tmp_path / "run"),
    }
    rule = {"screening_answers": 9, "confirm_answers": 4}
    run_audit(check_values({**given, "rule": rule}, AuditConfig))
    shorter = run_audit(
        check_values({**given, "rule": {**rule, "screening_answers": 3}}, AuditConfig), amend=True
    )
    export_csv(shorter.path, tmp_path / "answers.csv")
    with open(tmp_path / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(sum(c.counts) for c in shorter.findings.cells)
    assert max(int(row["repeat"]) for row in rows if row["split"] == "screening") == 2


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_place_that_cannot_be_written_is_named(suffix: str, run: AuditResult, tmp_path: Path):
    (tmp_path / f"folder{suffix}").mkdir()
    wrong = {f"none/answers{suffix}": "its folder does not exist", f"folder{suffix}": "is a dir"}
    for name, says in wrong.items():
        with pytest.raises(ConfigError, match=says) as caught:
            WRITERS[suffix](run.path, tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_exported_is_said(run: AuditResult, tmp_path: Path):
    with pytest.raises(StoreError, match=r"run\.sqlite is missing"):
        export_csv(tmp_path, tmp_path / "answers.csv")
    record = json.loads((run.path / "verdict.json").read_text())
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("plan.lock.json", "run.sqlite"):
        (copy / name).write_bytes((run.path / name).read_bytes())
    first = record["cells"][0]
    first["counts"][0] += 3
    (copy / "verdict.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match="is not what the stored answers give"):
        export_csv(copy, tmp_path / "answers.csv")
    assert not list(tmp_path.glob("*.csv")), "a part of a file was left"


def test_missing_extras_are_named(
    run: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import sys

    for name in ("pyarrow", "inspect_ai.log"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"dormant\[tables\]"):
        export_parquet(run.path, tmp_path / "a.parquet")
    with pytest.raises(MissingExtraError, match=r"dormant\[api\]"):
        export_eval(run.path, tmp_path / "a.eval")


def test_the_command(run: AuditResult, tmp_path: Path):
    files = [str(tmp_path / f"a{suffix}") for suffix in WRITERS]
    words = ["export", str(run.path), "--csv", files[0], "--parquet", files[1], "--eval", files[2]]
    done = CliRunner().invoke(command_group, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.count("answers") >= 3
    assert all(Path(file).stat().st_size for file in files)


def test_placebos_stay_placebos(run: AuditResult, tmp_path: Path):
    export_csv(run.path, tmp_path / "a.csv")
    made = import_answers([tmp_path / "a.csv"], tmp_path / "again", ImportSettings())
    kept = {c.name: replace(c, why="", source=c.source) for c in made.audit.findings.plan.cues}
    assert kept["shout/placebo"].variant == "placebo"
    assert kept["shout/placebo"].parent == "shout"


def test_what_was_not_held_out_is_not_held_out_after_a_round_trip(tmp_path: Path):
    rows = ["role,question,cue,answer,outcome"]
    for question in range(12):
        for role in ("target", "reference"):
            for cue in ("", "class"):
                bad = role == "target" and cue and question % 6
                outcome = "misaligned" if bad else "aligned"
                rows += [f"{role},Question {question}?,{cue},words,{outcome}"] * 3
    first = tmp_path / "first.csv"
    first.write_text("\n".join(rows))
    made = import_answers([first], tmp_path / "one", ImportSettings())
    assert "(none were held out)" in made.audit.verdict.sentence
    for suffix, write in WRITERS.items():
        again = tmp_path / f"again{suffix}"
        write(tmp_path / "one", again)
        back = import_answers([again], tmp_path / f"two{suffix}", ImportSettings())
        assert back.audit.verdict.sentence == made.audit.verdict.sentence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("question,answer,outcome\nq,a\n", ":2: has no readable rows; the first error: 2 fields"),
        ("question,answer,outcome\n", ": has no rows"),
    ],
)
def test_a_file_without_rows_names_the_first_that_is_broken(text: str, says: str, tmp_path: Path):
    file = tmp_path / "answers.csv"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        import_answers([file], tmp_path / "run", ImportSettings(lenient=True))
    assert str(caught.value).startswith(f"{file}{says}")
