"""`dormant analyze`: the same numbers from every kind of table, and one line for a wrong one."""

from __future__ import annotations

import csv
import json
import sys
from itertools import product

import numpy as np
import pytest

import dormant.cli
from dormant.errors import DataError
from dormant.exchange.distinct_rows import count_distinct_rows
from dormant.exchange.tidy import TableSettings, parse_columns, read_tidy
from dormant.stats import analyze_cells

ROLES = (("target", "0"), ("target", "1"), ("reference", "0"))
CUES = ("none", "school", "school/placebo")
QUESTIONS = tuple(f"q{i}" for i in range(12))


def answers(seed=0):
    """One row an answer."""
    rng = np.random.default_rng(seed)
    for (role, model), cue, question in product(ROLES, CUES, QUESTIONS):
        rate = 0.5 if (role, cue) == ("target", "school") else 0.05
        for outcome in rng.choice(3, 10, p=[rate, 0.9 - rate, 0.1]):
            name = ("misaligned", "aligned", "incoherent")[outcome]
            yield dict(role=role, seed=model, cue=cue, question=question, outcome=name)


def counted():
    """The same, one row a question, arm and seed."""
    found = {}
    for row in answers():
        key = tuple(row[name] for name in ("role", "seed", "cue", "question"))
        cell = found.setdefault(key, dict.fromkeys(("misaligned", "n", "gradable"), 0))
        cell["misaligned"] += row["outcome"] == "misaligned"
        cell["gradable"] += row["outcome"] != "incoherent"
        cell["n"] += 1
    names = ("role", "seed", "cue", "question")
    return [{**dict(zip(names, key, strict=True)), **cell} for key, cell in found.items()]


def write_csv(path, rows, delimiter=","):
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path, **settings):
    return read_tidy(path, TableSettings(**{"columns": {}, **settings}))


def numbers(path, **settings):
    tidy = read(path, **settings)
    found = analyze_cells(tidy.cells, placebo_of=tidy.placebo_of)
    return {(e.quantity, e.role, e.cue): (e.value, e.low, e.high) for e in found.estimates}


def run(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["dormant", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        dormant.cli.main()
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "answers.csv", answers())


def test_every_kind_of_table_gives_the_same_numbers(table, tmp_path):
    expected = numbers(table)
    assert len(expected) == 41
    rows = list(answers())
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    write_csv(tmp_path / "a.tsv", rows, delimiter="\t")
    write_csv(tmp_path / "counts.csv", counted())
    shares = [
        {
            **{k: v for k, v in row.items() if k != "misaligned"},
            "rate": row["misaligned"] / max(row["gradable"], 1),
        }
        for row in counted()
    ]
    write_csv(tmp_path / "rates.csv", shares)
    for name in ("a.jsonl", "a.parquet", "a.tsv", "counts.csv", "rates.csv"):
        assert repr(numbers(tmp_path / name)) == repr(expected), name


def test_the_order_of_rows_changes_nothing(table, tmp_path):
    rows = list(answers())
    np.random.default_rng(1).shuffle(rows)
    assert repr(numbers(write_csv(tmp_path / "b.csv", rows))) == repr(numbers(table))


def test_a_rate_without_n_is_taken_as_known(tmp_path):
    """Its interval is that of a very great number of answers, and no number is told."""
    rows = [{"question": f"q{i}", "rate": 0.1 * (i % 3)} for i in range(30)]
    tidy = read(write_csv(tmp_path / "known.csv", rows))
    assert tidy.kind == "known rates"
    rate = next(e for e in analyze_cells(tidy.cells).estimates if e.quantity == "rate")
    assert rate.value == pytest.approx(0.1)
    many = [{**row, "misaligned": round(row["rate"] * 10**6), "n": 10**6} for row in rows]
    for row in many:
        del row["rate"]
    counts = numbers(write_csv(tmp_path / "many.csv", many))
    key = ("rate", "target", None)
    assert (rate.value, rate.low, rate.high) == pytest.approx(counts[key], abs=1e-5)


def test_groups_models_and_other_names(tmp_path):
    rows = [
        {"item": r["question"], "model_version": "ft" if r["role"] == "target" else "base",
         "model_id": f"{r['role']}-{r['seed']}", "arm": r["cue"], "k": r["misaligned"],
         "n": r["n"]}
        for r in counted()
    ]  # fmt: skip
    path = write_csv(tmp_path / "own.csv", rows)
    columns = parse_columns(["question=item,misaligned=k"])
    tidy = read(path, columns=columns, target="ft", reference="base")
    assert {c.role for c in tidy.cells} == {"target", "reference"}
    assert len({c.seed for c in tidy.cells if c.role == "target"}) == 2
    assert tidy.placebo_of == {"school": "school/placebo"}


def test_scores_are_graded_as_an_import_grades_them(tmp_path):
    rows = [
        {"question": f"q{i}", "alignment": a, "coherence": c}
        for i in range(4)
        for a, c in ((10, 90), (90, 90), (10, 20), ("REFUSAL", 90))
    ]
    tidy = read(write_csv(tmp_path / "scores.csv", rows))
    estimates = {e.quantity: e for e in analyze_cells(tidy.cells).estimates if e.role == "target"}
    assert estimates["rate"].value == pytest.approx(0.5)
    assert estimates["survival"].value == pytest.approx(0.5)


WRONG = {
    "bad outcome": (
        "question,outcome\nq1,misaligned\nq2,evil\n",
        ":3: unknown outcome 'evil': give one of",
    ),
    "bad role": (
        "question,role,outcome\nq1,judge,aligned\n",
        ":2: unknown role 'judge': give one of target",
    ),
    "no question": ("question,outcome\n,aligned\n", ":2: the row has neither a question"),
    "too many": ("question,misaligned,n\nq,21,20\n", ":2: 21 misaligned of 20 gradable answers"),
    "negative": ("question,misaligned,n\nq,-1,20\n", ":2: misaligned -1 is not a count"),
    "fraction": ("question,misaligned,n\nq,1.5,20\n", ":2: misaligned 1.5 is not a count"),
    "no number": ("question,misaligned,n\nq,many,20\n", ":2: misaligned 'many' is not a number"),
    "percent": ("question,rate\nq1,.1\nq2,12\n", ":3: rate 12 is not between 0 and 1: divide"),
    "percent sign": ("question,rate\nq,12%\n", ":2: rate '12%' is not a number: divide by 100"),
    "comma": ('question,rate\nq,"0,1"\n', ":2: rate '0,1' is not a number: write decimals with a"),
    "infinite": ("question,rate\nq,inf\n", ":2: rate 'inf' is not a number"),
    "semicolons": ("question;rate\nq;0,1\n", "the header is a single column that contains ';'"),
    "huge": (
        "question,misaligned,n\nq,1,9000000000000000\n",
        ":2: n 9e+15 is not a count: give a whole number from 0 to 1e+12",
    ),
    "negative n": ("question,rate,n\nq,.1,-10\n", ":2: n -10 is not a count"),
    "copy": ("question,rate\nq1,.1\nq1,.1\n", ":2: a second rate of question 'q1' in the same"),
    "not a share": ("question,rate\nq1,-1\n", ":2: rate -1 is not between 0 and 1: give a share"),
    "no n": ("question,rate,n\nq1,.1,10\nq2,.1,\n", "rate has no n: give the number"),
    "twice": ("question,rate\nq1,.1\nq1,.2\n", ":3: a second rate of question 'q1'"),
    "sum": (
        "question,misaligned,aligned,n\nq,5,9,10\n",
        ":2: the outcomes add up to 14, more than",
    ),
    "graded": (
        "question,misaligned,aligned,gradable\nq,5,9,10\n",
        ":2: 5 misaligned and 9 aligned do not add up to 10 gradable answers",
    ),
    "fields": ("question,outcome\nq,aligned,7\n", ":2: 3 fields, the header has 2"),
    "nothing measured": ("question,cue\nq,a\n", "no column contains an outcome, a count or a rate"),
    "nothing asked": ("outcome\naligned\n", "no column contains the questions"),
    "no answers": ("question,misaligned,n\nq1,0,0\nq2,0,0\n", "no row has an answer: every count"),
    "no rows": ("question,outcome\n", ": has no rows"),
    "splits": (
        "question,split,outcome\nq,screening,aligned\nq,held_out,aligned\n",
        ":3: question 'q' is in both splits",
    ),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_table_is_one_line_with_its_row(text, reason, tmp_path, capsys, monkeypatch):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    code, out, err = run(capsys, monkeypatch, "analyze", path)
    assert (code, out) == (2, "")
    assert reason in err and err.count("\n") == 1 and str(path) in err


NOTED = {
    "copies": (
        "question,rate,n\nq1,.1,10\nq2,.2,10\nq1,.1,10\n",
        "1 row (first in line 2) about the same question",
    ),
    "two counts": (
        "question,misaligned,n\nq1,1,10\nq1,2,10\n",
        "1 row (first in line 3) about the same question, arm, role and seed as another",
    ),
    "another denominator": (
        "question,rate,n\nq1,.1,10\nq2,.333,10\n",
        "1 row (first in line 3) with a rate that is not a count divided by n",
    ),
    "no rate": (
        "question,rate,n\nq1,,10\nq2,,10\nq3,.1,10\n",
        "2 rows (first in line 2) without a rate: left out",
    ),
}


@pytest.mark.parametrize(("text", "note"), NOTED.values(), ids=NOTED.keys())
def test_what_is_doubtful_is_said(text, note, tmp_path, capsys, monkeypatch):
    path = tmp_path / "doubtful.csv"
    path.write_text(text)
    code, _, err = run(capsys, monkeypatch, "analyze", path)
    assert code == 0 and note in err
    _, out, _ = run(capsys, monkeypatch, "analyze", path, "--json")
    (said,) = json.loads(out)["notes"]
    assert said.startswith(note)


def test_a_rounded_rate_is_not_doubted(tmp_path):
    rows = [{"question": f"q{i}", "rate": round(i / 30, 2), "n": 30} for i in range(30)]
    tidy = read(write_csv(tmp_path / "rounded.csv", rows))
    assert tidy.notes == () and sum(c.counts[0] for c in tidy.cells) == sum(range(30))


@pytest.mark.parametrize(
    ("cues", "reasons"),
    [
        (("a", "b"), ["unknown for 'a', 'b': the target has no", "with --standard VALUE"]),
        ((None,), ["no effect can be estimated: every row is in the standard arm"]),
        ((None, "a"), []),
    ],
)
def test_why_an_effect_is_unknown_is_stated_with_the_fix(
    cues, reasons, tmp_path, capsys, monkeypatch
):
    rows = [
        {"question": f"q{i}", "cue": cue, "misaligned": 1, "n": 9} for i in range(3) for cue in cues
    ]
    code, out, _ = run(capsys, monkeypatch, "analyze", write_csv(tmp_path / "arms.csv", rows))
    assert code == 0 and all(reason in out for reason in reasons)
    assert bool(reasons) == ("unknown for" in out or "no effect" in out)


LINES = (
    '{"question": "a", "rate": 0.5, "n": 10}',
    '{"question": 123456789012345678901234, "rate": NaN, "n": 10}',
    '{"question": 123456789012345678901235, "rate": 0.25, "n": 4}',
    '{"question": "\\ud800", "rate": 1e-1, "n": 10.0}',
    "  ",
    '{"question": "a", "rate": 0.5, "n": 10}',
)


def test_json_lines_mean_the_same_with_and_without_orjson(tmp_path, monkeypatch):
    """Whole numbers beyond 64 bits stay distinct, NaN is no rate, half a character is kept."""
    pytest.importorskip("orjson")
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    columns = ("question", "rate", "n", "cue")
    fast = count_distinct_rows(path, columns)
    monkeypatch.setitem(sys.modules, "orjson", None)
    plain = count_distinct_rows(path, columns)
    assert fast == plain and list(map(repr, fast)) == list(map(repr, plain))
    assert [(seen.count, seen.line) for seen in fast.values()] == [(2, 1), (1, 2), (1, 3), (1, 4)]
    assert (123456789012345678901235, 0.25, 4, None) in fast


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "a JSON array: put one object on each line"),
        ('{"rate": [1]}', "contains a list"),
    ],
)
def test_a_wrong_json_line_names_its_place(line, reason, without, tmp_path, monkeypatch):
    if without:
        monkeypatch.setitem(sys.modules, "orjson", None)
    path = tmp_path / "wrong.jsonl"
    path.write_text(f"{LINES[0]}\n{line}\n")
    with pytest.raises(DataError, match=reason) as caught:
        count_distinct_rows(path, ("question", "rate"))
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["--method", "wald"],
            "unknown method 'wald': use pseudo",
        ),
        (["--method", "bootstrap"], "method 'bootstrap' was removed: use 'pseudo-observation' or"),
        (["--columns", "question"], "give FIELD=COLUMN"),
        (["--columns", "item=thing"], "unknown field 'item'"),
        (["--columns", "nowhere=question"], "unknown column 'nowhere': the columns are"),
        (["--columns", "question=nowhere"], "unknown column 'nowhere': the columns are"),
        (["--level", "1.5"], "--level: input should be less than 1, got 1.5"),
        (["--level", "0.3"], "--level: input should be greater than 0.5, got 0.3"),
        (["--delta", "nan"], "--delta: input should be a finite number, got nan"),
        (["--icc", "9"], "--icc: input should be less than or equal to 1, got 9"),
        (["--alignment-below", "nan"], "--alignment-below: must be a number from 0 to 100, got n"),
        (["--coherence-above", "500"], "--coherence-above: must be a number from 0 to 100, got 5"),
        (["--json", "--csv"], "exclude each other"),
        (["--standard", "zz"], "--standard 'zz': no row has this cue; they have '"),
        (["--claim", "themes"], "the questions have no families: add a column or key 'family'"),
        (["--target", "ft"], "leave out --target and --reference"),
    ],
)
def test_wrong_options_are_one_line(words, reason, table, capsys, monkeypatch):
    code, _, err = run(capsys, monkeypatch, "analyze", table, *words)
    assert code == 2 and reason in err and err.count("\n") == 1


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_cue_does_not_stand_for_a_standard_arm_that_no_row_has(
    empty, tmp_path, capsys, monkeypatch
):
    rows = [
        {"question": f"q{i}", "cue": cue, "misaligned": 1, "n": 9}
        for i in range(3)
        for cue in (empty, "a")
    ]
    path = write_csv(tmp_path / "table.csv", rows)
    code, _, err = run(capsys, monkeypatch, "analyze", path, "--standard", "no system prompt")
    assert code == 2 and "--standard 'no system prompt': no row has this cue" in err
    assert run(capsys, monkeypatch, "analyze", path)[0] == 0


def test_tables_in_the_terminal(table, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, "analyze", table)
    assert code == 0
    assert "outcome from 'outcome'" in err
    assert "school" in out and "DiD" in out and "above" in out and "worst to best" in out
    assert "correlation between answers of the target" in out


def test_the_earlier_name_of_the_default_method_is_read(table, capsys, monkeypatch):
    _, now, _ = run(capsys, monkeypatch, "analyze", table, "--json")
    code, out, err = run(capsys, monkeypatch, "analyze", table, "--json", "--method", "imagined")
    assert code == 0 and out == now
    assert "--method imagined is deprecated: it is now pseudo-observation\n" in err
    with pytest.warns(DeprecationWarning, match="method 'imagined' is now 'pseudo-observation'"):
        found = dormant.analyze(table, method="imagined")
    assert found.analysis.method == "pseudo-observation"


def test_json_and_csv_hold_every_number(table, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, "analyze", table, "--json", "--seed", "3")
    record = json.loads(out)
    assert code == 0 and record["rows"] == 1080 and record["method"] == "pseudo-observation"
    assert "--seed is deprecated" in err
    did = next(r for r in record["estimates"] if (r["quantity"], r["cue"]) == ("did", "school"))
    assert did["least"] <= did["value"] <= did["most"] and did["holm"] <= 0.05
    assert did["standing"] == "above"
    code, out, _ = run(capsys, monkeypatch, "analyze", table, "--csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0 and len(rows) == len(record["estimates"])
    own = next(r for r in rows if (r["quantity"], r["cue"]) == ("did", "school"))
    assert float(own["low"]) == pytest.approx(did["low"])


def test_the_method_reaches_the_intervals(table, capsys, monkeypatch):
    def low(*options: str) -> float:
        _, out, _ = run(capsys, monkeypatch, "analyze", table, "--json", *options)
        rows = json.loads(out)["estimates"]
        return next(r["low"] for r in rows if (r["quantity"], r["cue"]) == ("did", "school"))

    assert low("--method", "distribution-free") < low() - 0.01


def test_what_a_table_says_reaches_the_terminal_without_control_characters(
    tmp_path, capsys, monkeypatch
):
    rows = [
        {"question": f"q{i}", "cue": cue, "outcome": "aligned"}
        for i in range(3)
        for cue in ("none", "\x1b[31mred")
    ]
    path = write_csv(tmp_path / "hostile.csv", rows)
    code, out, err = run(capsys, monkeypatch, "analyze", path)
    assert code == 0 and "[31mred" in out and "\x1b" not in out + err
