"""Which answers are drawn, what is exported blind, and what labels are taken back."""

import csv
import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.calibration import (
    Label,
    answer_key,
    draw_sample,
    export_sample,
    import_labels,
    read_labels,
)
from dormant.calibration.labels import write_labels
from dormant.calibration.sampling import allocate_sample, spread_evenly, stratum_of
from dormant.errors import DataError
from dormant.records import Outcome
from support.calibration_worlds import answer
from support.report_findings import Builder

FOUND = Builder().findings()
ROWS = FOUND.transcripts
KNOWN = {answer_key(t): t.answer for t in ROWS}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 200))
def test_shares_are_equal_as_far_as_strata_reach(sizes, size):
    strata = dict(enumerate(sizes))
    given_ = allocate_sample(strata, size)
    assert sum(given_.values()) == min(size, sum(sizes))
    assert all(0 <= given_[key] <= strata[key] for key in strata)
    level = max(given_.values())
    assert all(given_[key] >= level - 1 or given_[key] == strata[key] for key in strata)
    more = allocate_sample(strata, size + 1)
    assert all(more[key] >= given_[key] for key in strata)


@given(st.integers(1, 200), st.integers(0, 250), st.floats(0, 1, exclude_max=True))
def test_places_are_distinct_and_even(count, wanted, shift):
    places = spread_evenly(count, wanted, shift=shift)
    assert len(set(places)) == len(places) == min(wanted, count)
    assert all(0 <= place < count for place in places)
    assert spread_evenly(count, max(wanted - 1, 0), shift=shift) == places[: max(wanted - 1, 0)]


def test_every_place_is_equally_likely():
    rng = np.random.default_rng(5)
    hits = Counter(i for _ in range(6000) for i in spread_evenly(12, 3, shift=float(rng.random())))
    # Each of 12 places is among 3 with chance 1/4: 1500 of 6000, standard deviation 34; beyond 5
    # of them by luck: about 1 in 100,000 over all places.
    assert all(abs(hits[place] - 1500) < 5 * 34 for place in range(12))


def test_a_sample_is_drawn_again_and_a_larger_one_contains_it():
    small, large = (draw_sample(ROWS, size=size, seed=3) for size in (60, 150))
    assert small == draw_sample(ROWS, size=60, seed=3)
    assert set(small.rows) < set(large.rows) and len(large.rows) == 150
    assert set(small.rows) != set(draw_sample(ROWS, size=60, seed=4).rows)


def test_strata_are_arms_and_what_the_judge_said():
    found = draw_sample(ROWS, size=120, seed=0)
    drawn = Counter(stratum_of(ROWS[row]) for row in found.rows)
    assert set(drawn) == set(found.sizes)
    whole = Counter(stratum_of(t) for t in ROWS if t.outcome not in _unseen())
    assert dict(whole) == dict(found.sizes)
    level = max(drawn.values())
    assert all(n >= level - 1 or n == found.sizes[s] for s, n in drawn.items())
    assert not any(ROWS[row].outcome in _unseen() for row in found.rows)


def _unseen():
    return {Outcome.FILTERED, Outcome.ERROR, Outcome.CUT_OFF}


def test_scores_are_spread_within_a_stratum():
    rows = [answer(text=f"a{n}", alignment=30 + n * 0.7) for n in range(100)]
    scores = sorted(
        rows[row].scores["alignment"] for row in draw_sample(rows, size=10, seed=1).rows
    )
    assert scores[0] < 45 and scores[-1] > 85
    assert all(b - a < 20 for a, b in zip(scores, scores[1:], strict=False))


def test_the_order_tells_nothing():
    found = draw_sample(ROWS, size=100, seed=0)
    first = Counter(stratum_of(ROWS[row]) for row in found.rows[:50])
    assert len(first) > len(found.sizes) / 2


def exported(**changes) -> list[dict[str, str]]:
    sample = draw_sample(ROWS, size=40, seed=0)
    questions = {q.id: q.text for q in FOUND.plan.questions}
    text = export_sample(ROWS, sample.rows, {}, questions, **changes)
    return list(csv.DictReader(io.StringIO(text)))


def test_the_export_is_blind():
    rows = exported()
    assert set(rows[0]) == {"id", "question", "answer", "label"}
    texts = {q.text for q in FOUND.plan.questions}
    assert all(row["question"] in texts for row in rows)
    assert any("system:" in row["question"] for row in exported(prompts=True))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    exported_text = export_sample([answer(text=text)], [0], {}, {})
    [row] = csv.DictReader(io.StringIO(exported_text, newline=""))
    assert row["answer"] == f"'{text}"


def test_labels_come_back(tmp_path):
    rows = exported()
    for row in rows[:5]:
        row["label"] = "Off-Topic"
    path = tmp_path / "filled.csv"
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        out = csv.DictWriter(file, rows[0].keys())
        out.writeheader()
        out.writerows(rows)
    labels = import_labels(path, KNOWN)
    assert labels == {row["id"]: Label.OFF_TOPIC for row in rows[:5]}
    write_labels(tmp_path, labels)
    assert read_labels(tmp_path) == labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the column 'id' is missing; the columns are none: give a file of --export"),
        ("id,answer\n", "the column 'label' is missing; the columns are 'id', 'answer'"),
        ("id,label\nx,evil\n", ":2: unknown label 'evil'"),
        ("id,label\nk,aligned\nx,aligned\n", ":3: unknown id 'x': this run has no such answer$"),
        ("id,label\n1.23E+15,aligned\n", ":2: unknown id '1.23E.15'.* as a number: .* as text"),
        ("id,label\nk,aligned,too\n", ":2: more cells than the header has: .* in quotes"),
        ("id,label\nk,aligned\nk,misaligned\n", "the id 'k' has two labels: keep one"),
        ('id,label\n"k,aligned\n', "not CSV"),
        ("id;label\nk;aligned\n", "save the file with commas between the cells, not ';'"),
    ],
)
def test_labels_that_cannot_be_taken(text, message, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        import_labels(path, {"k": "an answer"})


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0].keys())
        out.writeheader()
        out.writerows(rows)
    return path


def test_answers_beside_other_ids_are_refused(tmp_path):
    rows = [{**row, "label": "aligned"} for row in exported()]
    texts = sorted(row["answer"] for row in rows)
    mixed = [{**row, "answer": text} for row, text in zip(rows, texts, strict=True)]
    with pytest.raises(DataError, match="is that of another id, so the rows were mixed, e.g. by"):
        import_labels(write_rows(tmp_path / "mixed.csv", mixed), KNOWN)
    # What spreadsheets and encodings change in a cell is no other answer.
    changed = [{**row, "answer": f"'{row['answer']}…\r\n".upper()} for row in rows]
    empty = [{**row, "answer": ""} for row in rows]
    for kept in (changed, empty):
        assert len(import_labels(write_rows(tmp_path / "kept.csv", kept), KNOWN)) == len(rows)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        import_labels(tmp_path / "none.csv", {})
    path = tmp_path / "latin.csv"
    path.write_bytes(b"id,label\n\xff,aligned\n")
    with pytest.raises(DataError, match=":2: not UTF-8"):
        import_labels(path, {})
    assert read_labels(tmp_path / "nowhere") == {}


def test_one_id_for_equal_answers_to_one_prompt():
    assert answer_key(answer(text="a")) == answer_key(answer(Outcome.REFUSAL, text="a"))
    assert answer_key(answer(text="a")) != answer_key(answer(text="b"))
