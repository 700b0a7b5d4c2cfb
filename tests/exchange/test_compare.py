"""Runs compared: what is better, worse, equivalent or unknown, and what cannot be compared."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dormant
from dormant.cli import command_group
from dormant.errors import DataError, InputError
from dormant.records import ChangeKind, Comparison

ROLES = ("target", "reference")


def write_counts(
    path: Path,
    bad: dict[tuple[str, str], int],
    *,
    questions: int = 64,
    start: int = 0,
    cues: tuple[str, ...] = ("class", "sea"),
) -> Path:
    """A table of 8 answers a question; ``bad`` of (role, cue) are misaligned, else none."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["role", "cue", "question", "misaligned", "n"])
        for q in range(start, start + questions):
            for role in ROLES:
                for cue in ("", *cues):
                    writer.writerow([role, cue, f"q{q}", bad.get((role, cue), 0), 8])
    return path


def kinds(found: Comparison) -> dict[str | None, str]:
    return {cue.cue: str(cue.kind) for cue in found.changes[0].cues}


def test_each_cue_is_judged_by_itself(tmp_path: Path):
    clean = write_counts(tmp_path / "a.csv", {})
    bad = write_counts(tmp_path / "b.csv", {("target", "class"): 2})
    found = dormant.compare(clean, bad)
    assert kinds(found) == {None: "equivalent", "class": "worse", "sea": "equivalent"}
    assert (found.kind, found.exit_code) == (ChangeKind.WORSE, 1)
    change = found.changes[0].cues[1].change
    assert change.value == pytest.approx(0.25) and change.low < 0.25 < change.high
    back = dormant.compare(bad, clean)
    assert kinds(back)["class"] == "better"
    assert (back.kind, back.exit_code) == (ChangeKind.BETTER, 0)
    assert back.changes[0].cues[1].change.high == pytest.approx(-change.low)


def test_a_cue_that_always_fails_is_not_hidden_among_many(tmp_path: Path):
    cues = tuple(f"c{i:02}" for i in range(24))
    clean = write_counts(tmp_path / "a.csv", {}, cues=cues)
    bad = write_counts(tmp_path / "b.csv", {("target", "c07"): 8}, cues=cues)
    found = dormant.compare(clean, bad).changes[0]
    assert found.mean is not None and abs(found.mean.value) < 0.05
    assert found.kind is ChangeKind.WORSE and "'c07'" in found.sentence


def test_a_rise_of_the_reference_too_is_no_change(tmp_path: Path):
    clean = write_counts(tmp_path / "a.csv", {})
    both = {("target", "class"): 4, ("reference", "class"): 4}
    found = dormant.compare(clean, write_counts(tmp_path / "b.csv", both))
    (cue,) = (c for c in found.changes[0].cues if c.cue == "class")
    assert cue.change.value == 0 and cue.rate.value == 0.5
    assert cue.kind is not ChangeKind.WORSE


def test_few_questions_show_nothing(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {}, questions=5)
    other = write_counts(tmp_path / "b.csv", {("target", "class"): 8}, questions=5)
    found = dormant.compare(one, other)
    assert (found.kind, found.exit_code) == (ChangeKind.UNKNOWN, 3)
    assert "cannot show a change" in found.changes[0].cues[1].reason


def test_what_only_one_run_has_is_counted(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {}, cues=("class", "old"))
    other = write_counts(tmp_path / "b.csv", {}, start=4, cues=("class", "new"))
    change = dormant.compare(one, other).changes[0]
    assert (change.questions, change.only_first, change.only_second) == (60, 4, 4)
    notes = " ".join(change.notes)
    assert "1 cue only in" in notes and "'old'" in notes and "'new'" in notes


def test_what_cannot_be_compared_is_refused(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {})
    with pytest.raises(InputError, match="given twice"):
        dormant.compare(one, tmp_path / "." / "a.csv")
    with pytest.raises(InputError, match="no question in common"):
        dormant.compare(one, write_counts(tmp_path / "b.csv", {}, start=100))
    with pytest.raises(InputError, match="no cue in common"):
        dormant.compare(one, write_counts(tmp_path / "c.csv", {}, cues=("new",)))
    with pytest.raises(InputError, match="allow 'all' is unknown"):
        dormant.compare(one, one, allow=["all"])
    (tmp_path / "empty.csv").write_text("role,cue,question,misaligned,n\n")
    with pytest.raises(DataError, match="no rows"):
        dormant.compare(one, tmp_path / "empty.csv")


def test_an_undefined_change_is_nan_with_a_reason(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {})
    text = "role,cue,question,misaligned,n,gradable\n" + "".join(
        f"{role},{cue},q{q},0,8,{0 if cue else 8}\n"
        for q in range(64)
        for role in ROLES
        for cue in ("", "class", "sea")
    )
    (tmp_path / "b.csv").write_text(text)
    found = dormant.compare(one, tmp_path / "b.csv").changes[0].cues[1]
    assert math.isnan(found.change.value) and math.isnan(found.holm)
    assert found.kind is ChangeKind.UNKNOWN and "no question has graded answers" in found.reason


def test_the_command_prints_json_pages_and_exit_codes(tmp_path: Path):
    one = write_counts(tmp_path / "<b>a.csv", {}, cues=("cl<script>|x\x1b[31m", "sea"))
    two = write_counts(tmp_path / "b.csv", {}, cues=("cl<script>|x\x1b[31m", "sea"))
    bad = {("target", "cl<script>|x\x1b[31m"): 3}
    three = write_counts(tmp_path / "c.csv", bad, cues=("cl<script>|x\x1b[31m", "sea"))
    pages = [tmp_path / "h.html", tmp_path / "h.md"]
    words = ["compare", *map(str, (one, two, three)), "--html", str(pages[0])]
    done = CliRunner().invoke(command_group, [*words, "--markdown", str(pages[1])])
    assert done.exit_code == 1, done.output
    assert "\x1b" not in done.output
    html, markdown = (page.read_text(encoding="utf-8") for page in pages)
    assert html.count('class="fig history"') == 3 and "<script" not in html.split("<body")[1]
    assert "\\<script\\>\\|x" in markdown and "\x1b" not in html + markdown
    done = CliRunner().invoke(command_group, [*words[:3], "--json"])
    values = json.loads(done.stdout)
    assert (values["verdict"], values["exit_code"], done.exit_code) == ("equivalent", 0, 0)
    assert CliRunner().invoke(command_group, ["compare", str(one)]).exit_code == 2
    done = CliRunner().invoke(command_group, [*words[:3], "--html", str(two)])
    assert isinstance(done.exception, InputError) and "part of a run" in str(done.exception)


def test_no_change_is_rarely_called_one(tmp_path: Path):
    """Both runs draw from the same rates: at most a twentieth of worlds shows a change."""
    rng, shown = np.random.default_rng(3), 0
    for world in range(8):
        for name in ("a", "b"):
            with open(tmp_path / f"{name}{world}.csv", "w", encoding="utf-8") as file:
                file.write("role,cue,question,misaligned,n\n")
                for q in range(40):
                    for role in ROLES:
                        for cue in ("", "x"):
                            file.write(f"{role},{cue},q{q},{rng.binomial(8, 0.1)},8\n")
        found = dormant.compare(tmp_path / f"a{world}.csv", tmp_path / f"b{world}.csv")
        shown += any(c.kind in (ChangeKind.WORSE, ChangeKind.BETTER) for c in found.changes[0].cues)
    assert shown <= 1


def write_answers(path: Path, bad: int, *, repeats: int = 4) -> Path:
    """A table of answers, some of the target's misaligned under a cue."""
    rows = [
        {
            "role": role, "question": f"What about matter {q}?", "cue": cue, "repeat": r,
            "answer": f"{role} {r}",
            "outcome": "misaligned" if role == "target" and cue and r < bad else "aligned",
        }
        for role in ROLES
        for q in range(24)
        for cue in ("", "class")
        for r in range(repeats)
    ]  # fmt: skip
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_and_a_run_are_paired_by_the_words_of_their_questions(tmp_path: Path):
    first, second = write_answers(tmp_path / "a.csv", 0), write_answers(tmp_path / "b.csv", 3)
    dormant.import_answers(first, tmp_path / "run", allow_identical=True)
    for pair in ((tmp_path / "run", second), (first, second)):
        found = dormant.compare(*pair)
        assert found.changes[0].questions == 24 and kinds(found)["class"] == "worse"
    back = dormant.compare(second, tmp_path / "run")
    assert back.changes[0].questions == 24 and kinds(back)["class"] == "better"


@pytest.mark.parametrize("repeats", [4, 8])
def test_swapped_runs_have_the_opposite_change(tmp_path: Path, repeats: int):
    one = write_answers(tmp_path / "a.csv", 1)
    other = write_answers(tmp_path / "b.csv", 3, repeats=repeats)
    there, back = dormant.compare(one, other), dormant.compare(other, one)
    opposite = {"worse": "better", "better": "worse"}
    for cue, swapped in zip(there.changes[0].cues, back.changes[0].cues, strict=True):
        assert cue.change.value == pytest.approx(-swapped.change.value, nan_ok=True)
        assert cue.change.low == pytest.approx(-swapped.change.high, nan_ok=True)
        assert str(swapped.kind) == opposite.get(str(cue.kind), str(cue.kind))


def test_options_of_tables_are_refused_for_runs(tmp_path: Path):
    table = write_answers(tmp_path / "a.csv", 0)
    for name in ("one", "other"):
        dormant.import_answers(table, tmp_path / name, allow_identical=True)
    with pytest.raises(InputError, match="target, standard: for tables and logs only"):
        dormant.compare(tmp_path / "one", tmp_path / "other", target="nobody", standard="x")


def write_questions(path: Path, words: dict[str, str], *, has_ids: bool = True) -> Path:
    """Two aligned answers to each question in each arm; id -> words."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(["question_id"] * has_ids), "question", "role", "cue", "outcome"])
        for name, text in words.items():
            for role in ROLES:
                for cue in ("", "sea") * 2:
                    writer.writerow([*([name] * has_ids), text, role, cue, "aligned"])
    return path


def test_tables_that_hold_words_are_paired_by_equal_words_only(tmp_path: Path):
    words = {f"q{number}": f"What of {number}?" for number in range(8)}
    moved = dict(zip(words, [*list(words.values())[1:], "What of 0?"], strict=True))
    one = write_questions(tmp_path / "a.csv", words)
    other = write_questions(tmp_path / "b.csv", moved)
    with pytest.raises(InputError, match="8 questions with the same id and another text"):
        dormant.compare(one, other)
    assert dormant.compare(one, other, allow=["questions"]).changes[0].questions == 8
    bare = write_questions(tmp_path / "c.csv", words, has_ids=False)
    for pair in ((one, bare), (bare, one)):
        found = dormant.compare(*pair).changes[0]
        assert (found.questions, found.only_first, found.only_second) == (8, 0, 0)


def test_a_cue_that_only_one_run_has_stands_in_the_sentence(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {("target", "sea"): 8})
    other = write_counts(tmp_path / "b.csv", {}, cues=("class", "ocean"))
    change = dormant.compare(one, other).changes[0]
    assert change.kind is ChangeKind.EQUIVALENT
    assert change.sentence.endswith(
        "; not compared: 1 cue only in the first run ('sea') and 1 cue only in this one ('ocean')"
    )


def test_a_reference_that_changed_is_noted(tmp_path: Path):
    one = write_counts(tmp_path / "a.csv", {("target", "sea"): 4})
    swapped = write_counts(tmp_path / "b.csv", {("reference", "sea"): 4})
    same = write_counts(tmp_path / "c.csv", {("target", "sea"): 1})
    (note, *_) = dormant.compare(one, swapped).changes[0].notes
    assert note.startswith("the reference itself changed: under the cue 'sea' its rate minus that")
    assert "is 0.0 points in the first run and 50.0 in" in note
    notes = dormant.compare(one, same).changes[0].notes
    assert not any("reference itself" in note for note in notes)


def write_named_answers(
    path: Path, *, text: str = "We are at sea.", reference: str = "base"
) -> Path:
    """A table of answers that also says the words of its cue and the names of its models."""
    models = {"target": "mine", "reference": reference}
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["role", "model", "cue", "cue_text", "qid", "question", "outcome", "answer"]
        )
        for q in range(8):
            for role, model in models.items():
                for cue in ("", "sea"):
                    words = text if cue else ""
                    writer.writerow(
                        [role, model, cue, words, f"q{q}", f"Why {q}?", "aligned", f"{role} {q}"]
                    )
    return path


def test_cues_of_one_name_and_two_texts_and_other_references_are_refused(tmp_path: Path):
    one = write_named_answers(tmp_path / "a.csv")
    cues = write_named_answers(tmp_path / "b.csv", text="We are at home.")
    base = write_named_answers(tmp_path / "c.csv", reference="other")
    run = tmp_path / "run"
    imported = dormant.import_answers(one, run)
    assert imported.audit.findings.plan.cues[0].text == "We are at sea."
    for first in (one, run):
        with pytest.raises(InputError, match=r"another text \('sea'\).*--allow cues"):
            dormant.compare(first, cues)
        with pytest.raises(InputError, match=r"differ \('base' and 'other'\).*--allow reference"):
            dormant.compare(first, base)
        dormant.compare(first, cues, allow=["cues"])
    same = write_named_answers(tmp_path / "d.csv")
    (change,) = dormant.compare(run, same).changes
    assert any("does not say its sampling and its judge" in note for note in change.notes)
