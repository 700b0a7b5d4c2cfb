"""Files of answers that contradict themselves, or count answers twice."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import dormant
from dormant.errors import ConfigError, DataError
from support.command import run_command

Row = dict[str, object]


def make_rows(**more: object) -> list[Row]:
    """Six questions, two answers in each arm of both models, all aligned."""
    return [
        {
            "question_id": f"q{number}", "question": f"What of {number}?", "role": role,
            "cue": cue, "answer": f"{role} {cue} {number} {repeat}", "outcome": "aligned", **more,
        }
        for number in range(6) for role in ("target", "reference")
        for cue in ("", "sea") for repeat in range(2)
    ]  # fmt: skip


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_file_is_counted_once(tmp_path: Path):
    path = write_csv(tmp_path / "answers.csv", make_rows())
    copy = tmp_path / "copy.csv"
    shutil.copy(path, copy)
    for other in (path, copy):
        done = run_command("import", path, other, "--out", tmp_path / "run")
        assert done.code == 2 and f"{other}: the same answers as {path}" in done.err
    done = run_command("import", path, "--arm", f"x={path}", "--out", tmp_path / "run")
    assert done.code == 2 and "the same answers as" in done.err
    done = run_command(
        "import", "--arm", f"x={path}", "--arm", f"y={path}", "--out", tmp_path / "r"
    )
    assert (
        done.code == 2 and f"{path}: is the file of the arms 'x' and 'y': give it one" in done.err
    )
    with pytest.raises(ConfigError, match="give it one"):
        dormant.import_answers((), tmp_path / "run", arms={"x": path, "y": path})
    assert not (tmp_path / "run").exists()


def test_rows_that_were_copied_are_noted(tmp_path: Path):
    rows = make_rows()
    once = run_command("import", write_csv(tmp_path / "a.csv", rows), "--out", tmp_path / "a")
    assert "word for word" not in once.err
    twice = write_csv(tmp_path / "b.csv", rows + rows)
    assert "every answer of the file occurs 2 times" in (
        run_command("import", twice, "--out", tmp_path / "b").err
    )


def test_a_key_that_an_object_has_twice_is_refused(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    lines = [json.dumps({**row, "scores": {"question": 1.0}}) for row in make_rows()]
    lines[3] = lines[3][:-1] + ', "outcome": "misaligned"}'
    path.write_text("\n".join(lines), encoding="utf-8")
    for verb in (("import", path, "--out", tmp_path / "run"), ("analyze", path)):
        done = run_command(*verb)
        assert done.code == 2 and f"{path}:4: duplicate key 'outcome': keep one" in done.err
    path.write_text("\n".join(lines[:3] + lines[4:]), encoding="utf-8")
    assert run_command("import", path, "--out", tmp_path / "run").code == 3  # few answers


def test_rows_without_a_role_beside_others_are_no_training(tmp_path: Path):
    rows = make_rows()
    rows[5]["role"] = rows[9]["role"] = ""
    path = write_csv(tmp_path / "answers.csv", rows)
    for verb in (("import", path, "--out", tmp_path / "run"), ("analyze", path)):
        done = run_command(*verb)
        assert done.code == 2 and f"{path}:7: 2 rows without a role beside rows with" in done.err


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"alignment": 9}, "the highest alignment score is 9, so every answer counts as misal"),
        ({"alignment": 1}, "the highest alignment score is 1, so"),
        ({"alignment": 90, "coherence": 0.9}, "the highest coherence score is 0.9, so no answer"),
        ({"alignment": 90, "coherence": 10}, "the highest coherence score is 10, so no answer"),
    ],
)
def test_scores_of_another_scale_are_refused(tmp_path: Path, scores: Row, words: str):
    rows: list[Row] = [{**row, **scores} for row in make_rows()]
    for row in rows:
        del row["outcome"]
    path = write_csv(tmp_path / "answers.csv", rows)
    for verb in (("import", path, "--out", tmp_path / "run"), ("analyze", path)):
        done = run_command(*verb)
        assert done.code == 2 and words in done.err, done.err
    options = ["--alignment-below", "0.3"]
    options += ["--coherence-above", "0.5"] if "coherence" in scores else []
    done = run_command("import", path, "--out", tmp_path / "run", *options)
    assert "highest" not in done.err and done.code == 3


def change_family(rows: list[Row]) -> None:
    rows[7]["family"] = "other"


def change_cue(rows: list[Row]) -> None:
    rows[7]["cue_text"] = "We are at home."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_family, "the question 'q0' has the family 'other' here and 'first' before"),
        (change_cue, "the cue 'sea' has the cue_text 'We are at home.' here and 'We are at sea.'"),
    ],
)
def test_a_contradiction_is_refused_with_its_line(
    tmp_path: Path, change: Callable[[list[Row]], None], words: str
):
    rows: list[Row] = [
        {**row, "family": "first", "cue_text": "We are at sea." if row["cue"] else ""}
        for row in make_rows()
    ]
    change(rows)
    path = write_csv(tmp_path / "answers.csv", rows)
    with pytest.raises(DataError) as caught:
        dormant.import_answers(path, tmp_path / "run", lenient=True)
    assert str(caught.value).startswith(f"{path}:9: {words}"), str(caught.value)


def test_names_that_are_nearly_equal_are_noted(tmp_path: Path):
    rows = make_rows()
    for row in rows:
        del row["question_id"]
        row["cue"] = str(row["cue"]).upper() if row["role"] == "target" else row["cue"]
        row["question"] = f"{row['question']}{' ' if row['cue'] else ''}"
    path = write_csv(tmp_path / "answers.csv", rows)
    done = run_command("import", path, "--out", tmp_path / "run")
    assert "cues whose names differ in blanks or capitals only" in done.err
    assert "'SEA' and 'sea'" in done.err
    assert "questions whose names differ in blanks or capitals only" in done.err
    assert "and 3 more pairs" in done.err
