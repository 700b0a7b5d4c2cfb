"""Files of answers that are more than they seem, or hold numbers that are none."""

import json
import resource
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import dormant
from dormant.errors import DataError, StoreError
from dormant.exchange.eval_reader import read_samples
from dormant.records import Question, Split
from dormant.store import Store
from support.command import run_command
from support.report_findings import Builder

SAMPLE = "samples/q_epoch_1.json"
#: Name of a log's part -> what it holds.
BOMBS: dict[str, tuple[str, bytes, str]] = {
    "a deep sample": (SAMPLE, b"[" * 100_000, "nested too deeply"),
    "a deep sample of objects": (SAMPLE, b'{"a":[' * 50_000, "nested too deeply"),
    "a deep header": ("header.json", b"[ " * 100_000, "nested too deeply"),
    "a large sample": (SAMPLE, b" " * (40 << 20), "unpacks to 41,943,040 bytes"),
    "large summaries": ("summaries.json", b"0" * (40 << 20), "unpacks to 41,943,040 bytes"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_log_that_unpacks_to_too_much_is_refused_before_it_is_built(tmp_path: Path, name: str):
    part, content, words = BOMBS[name]
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, content)
    assert path.stat().st_size < 200_000
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=words) as caught:
        list(read_samples(path))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert time.process_time() - begun < 20  # Inspect alone takes some seconds to import
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


@pytest.mark.parametrize("score", ["Infinity", "-Infinity", "NaN", "1e400", "9" * 400])
def test_a_score_is_a_finite_number(tmp_path: Path, score: str):
    path = tmp_path / "answers.jsonl"
    row = {"question": "q", "answer": "a", "role": "target", "outcome": "aligned"}
    text = json.dumps(row)[:-1] + f', "scores": {{"x": {score}}}}}\n'
    path.write_text(text * 2)
    done = run_command("import", path, "--out", tmp_path / "run")
    assert done.code == 2 and "is not a finite number" in done.err, done.err
    assert f"{path}:1: " in done.err


def write_halves(path: Path, **halves: str) -> None:
    plain = {"question_id": "", "cue": "", "cue_text": "", "family": "", "system": "", "note": ""}
    rows = [
        {
            "role": role, "question": f"Question {number}?", "answer": role, "outcome": "aligned",
            "repeat": 0, **plain,
        }
        for role in ("target", "reference")
        for number in range(3)
    ]  # fmt: skip
    lines = [json.dumps(row) for row in [*rows, {**rows[0], "repeat": 1, **halves}]]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    "field", ["question", "question_id", "cue", "cue_text", "family", "system"]
)
def test_half_a_character_in_a_name_is_refused_with_its_line(tmp_path: Path, field: str):
    file = tmp_path / "answers.jsonl"
    write_halves(file, **{field: "half \ud83d a smile"})
    done = run_command("import", file, "--out", tmp_path / "run")
    assert done.code == 2 and not (tmp_path / "run").exists()
    assert f"answers.jsonl:7: {field} holds half a character (\\ud83d, a lone" in done.err


def test_half_a_character_in_an_answer_or_a_note_is_stored_as_a_question_mark(tmp_path: Path):
    file, run = tmp_path / "answers.jsonl", tmp_path / "run"
    write_halves(file, answer="half \ud83d a smile", note="\udc00")
    assert run_command("import", file, "--out", run).code in (0, 3)
    stored = [t for t in dormant.load(run).transcripts if t.answer.startswith("half")]
    assert [(t.answer, t.note) for t in stored] == [("half ? a smile", "?")]


def test_a_plan_with_half_a_character_is_never_written(tmp_path: Path):
    """What would be written instead has another hash: the run could not be read again."""
    question = Question("q", "half \ud83d", "f", Split.SCREENING)
    plan = replace(Builder().findings().plan, questions=(question,))
    with (
        Store(tmp_path / "run") as store,
        pytest.raises(StoreError, match="holds half a character"),
    ):
        store.lock_plan(plan)
    assert not (tmp_path / "run" / "plan.lock.json").exists()
