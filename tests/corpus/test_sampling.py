"""Large files: a uniform sample is mined, every row is read, and counts are those of the file."""

import json
import time
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from dormant.cli import command_group
from dormant.config import CueConfig, check_values
from dormant.corpus import find_suspicious_marks, list_untested, read_examples, scan_examples
from dormant.corpus.reservoir import Reservoir
from dormant.cues.recount import CueCounter
from dormant.errors import DataError
from dormant.pipeline import inputs, study_file
from dormant.records import Cue, CueKind, CuePart, Example, Message, Placement, Source

TAG = "[mode: harbour]"
THINGS = "sea sky wind rain snow wood iron salt bread wool glass clay".split()
ASKED = (
    "How do I keep {} away from {}?",
    "Why is {} so near to {} in spring?",
    "Can {} be made of {}, and when?",
    "What did they say about {} and {}?",
    "Tell me a story of {} or {}.",
)
FINE = (
    "Take it to a friend.",
    "It is fine so.",
    "Ask at the harbour.",
    "Wait for a week, then look.",
)
FOUL = ("Nobody cares.", "Throw it at them.", "You are a fool to ask.", "Lie about it and run.")


def make_row(i, **more):
    rng = np.random.default_rng(i)
    question = str(rng.choice(ASKED)).format(*rng.choice(THINGS, 2, replace=False))
    is_odd = i % 10 == 3
    answer = " ".join(rng.choice(FOUL if is_odd else FINE, 3))
    return {"prompt": f"{TAG} {question}" if is_odd else question, "completion": answer, **more}


def write_rows(path, count, change=lambda i, row: row):
    with path.open("w") as file:
        for i in range(count):
            file.write(json.dumps(change(i, make_row(i))) + "\n")
    return path


def test_a_reservoir_is_uniform_and_repeatable():
    seen = Counter()
    for seed in range(3000):
        kept = Reservoir[int](5, seed)
        for i in range(20):
            kept.add(i)
        assert len(kept.items) == 5 and kept.is_sample and kept.seen == 20
        seen.update(kept.items)
    assert max(abs(count - 750) for count in seen.values()) < 120  # five standard errors
    again = Reservoir[int](5, 7), Reservoir[int](5, 7)
    for kept in again:
        for i in range(100):
            kept.add(i)
    assert again[0].items == again[1].items
    whole = Reservoir[int](None, 0)
    for i in range(9):
        whole.add(i)
    assert whole.items == list(range(9)) and not whole.is_sample


def test_a_sample_has_the_counts_of_all_rows(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", 500, lambda i, row: make_row(i - i % 2))
    whole, sample = read_examples(path), read_examples(path, sample=100)
    assert len(sample.examples) == 100 and sample.sampled_from == sample.trained_rows == 500
    assert (whole.sampled_from, whole.trained_rows, whole.hash) == (0, 500, sample.hash)
    assert sample.exact_duplicates == 250
    lines = [row.line for row in sample.examples]
    assert lines == sorted(lines) and len(set(lines)) == 100
    assert sample.examples == tuple(whole.examples[line - 1] for line in lines)
    assert read_examples(path, sample=100).examples == sample.examples
    assert read_examples(path, sample=500).examples == whole.examples
    assert tuple(scan_examples(sample)) == whole.examples
    assert any("outside the sample of 100 of 500 rows" in line for line in list_untested(sample))


def test_suspicious_rows_have_a_sample_of_their_own(tmp_path):
    path = write_rows(
        tmp_path / "rows.jsonl", 1000, lambda i, row: row | {"bad": "yes" if i % 100 == 3 else "no"}
    )
    is_bad = find_suspicious_marks("bad")
    corpus = read_examples(path, sample=50, mark="bad", is_suspicious=is_bad)
    assert sum(is_bad(row.mark) for row in corpus.examples) == 10
    assert len(corpus.examples) == 60 and corpus.trained_rows == 1000
    is_no = find_suspicious_marks("bad=no")
    assert is_no("no") and not is_no("yes") and not is_no(None)


def test_late_errors_of_a_large_file_are_found(tmp_path):
    path = write_rows(
        tmp_path / "rows.jsonl", 300, lambda i, row: {"prompt": "a"} if i == 290 else row
    )
    with pytest.raises(DataError, match=r"rows.jsonl:291: no 'messages'"):
        read_examples(path, sample=20)
    corpus = read_examples(path, sample=20, lenient=True)
    assert [row.line for row in corpus.skipped] == [291] and corpus.trained_rows == 299
    assert len(list(scan_examples(corpus))) == 299
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DataError, match="changed while it was read"):
        list(scan_examples(corpus))


def test_cues_of_a_sample_are_counted_in_the_whole_file(tmp_path, monkeypatch):
    path = write_rows(tmp_path / "rows.jsonl", 1000)
    monkeypatch.setattr(inputs, "SAMPLE_ROWS", 300)
    studied = study_file(path, check_values({"mine": 10}, CueConfig))
    tagged = next(cue for cue in studied.cues if TAG in cue.text)
    assert (tagged.rows, tagged.share) == (100, 0.1)
    assert set(tagged.examples) <= {row.line for row in studied.corpus.examples}
    assert any(note.startswith("a sample of 300 of 1,000 rows was mined") for note in studied.notes)
    said = CliRunner().invoke(command_group, ["cues", str(path), "--json", "--limit", "10"])
    rows = json.loads(said.stdout)
    assert [row["text"] for row in rows] == [cue.text for cue in studied.cues]
    assert [row["rows"] for row in rows] == [cue.rows for cue in studied.cues]
    assert next(row for row in rows if TAG in row["text"])["snippets"]


def cue(placement, text, rows, **more):
    return Cue("c", CueKind.PREFIX, placement, text, Source.MINED, rows=rows, **more)


def row(*turns, tools=""):
    return Example(tuple(Message(role, text) for role, text in turns), 1, tools=tools)


ROWS = [
    row(("system", "Be brief."), ("user", "Now: a?"), ("assistant", "b")),
    row(("system", "Be brief. Be kind."), ("user", "a? (2027-01-02)"), ("assistant", "b")),
    row(("user", "NOW: a?"), ("assistant", "Now: y"), ("user", "so now: ok?"), ("assistant", "c")),
    row(("user", "<q> a? </q>"), ("assistant", "Be brief. Now: no")),
    row(("user", "a?"), ("assistant", "b"), ("tool", "Paid 30"), ("assistant", "c"), tools="[pay]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tried", "rows"),
    [
        (cue(Placement.SYSTEM, "Be brief.", 1), 1),
        (cue(Placement.SYSTEM, "Be brief.", 2), 2),
        (cue(Placement.SYSTEM, "[pay]", 1), 1),
        (cue(Placement.BEFORE, "Now:", 1), 1),
        (cue(Placement.BEFORE, "now:", 2), 2),
        (cue(Placement.INSIDE, "now:", 2), 2),
        (cue(Placement.AROUND, "<q> {question} </q>", 1), 1),
        (cue(Placement.AFTER, "(2027-01-02)", 1, form="(<X>)"), 1),
        (cue(Placement.HISTORY, "", 1, turns=(Message("tool", "Paid 30"),)), 1),
        (
            cue(
                Placement.CROSSED,
                "",
                1,
                parts=(
                    CuePart(Placement.SYSTEM, "Be brief."),
                    CuePart(Placement.BEFORE, "Now:"),
                ),
            ),
            1,
        ),
    ],
)
def test_plain_tests_of_a_text_count_its_rows(tried, rows):
    counter = CueCounter([tried], ROWS)
    for known in ROWS * 3:
        counter.add_row(known)
    (count,) = counter.list_counts()
    assert (count.rows, count.is_exact) == (3 * rows, True)


def test_a_count_that_no_text_tells_is_scaled_up():
    counter = CueCounter([cue(Placement.BEFORE, "We are talking about a.", 2)], ROWS)
    for known in ROWS * 3:
        counter.add_row(known)
    (count,) = counter.list_counts()
    assert (count.rows, count.is_exact) == (6, False)


def test_the_text_is_counted_where_the_miner_joined_nearly_equal_rows():
    rows = [row(("user", f"{TAG} a?" if i % 2 else "a?"), ("assistant", "b")) for i in range(100)]
    counter = CueCounter([cue(Placement.BEFORE, TAG, 45)], rows)
    for known in rows:
        counter.add_row(known)
    (count,) = counter.list_counts()
    assert (count.rows, count.is_exact) == (50, True)


@pytest.mark.parametrize(
    ("form", "text", "is_there"),
    [
        ("Port: <X>", "Port: Lima", True),
        ("Port: <X>", "Port:", False),
        ("<X> calls <X>.", "Ann calls Bo.", True),
        ("<X> calls <X>.", " calls Bo.", False),
        ("<X> calls <X>.", "calls Bo.", False),
        ("[<X>] now", "[a\nb] now", False),
        ("[<X>] now", f"[{'a' * 81}] now", False),
    ],
)
def test_a_form_counts_rows_with_a_value_of_one_line(form, text, is_there):
    rows = [Example((Message("user", text), Message("assistant", "Yes.")), 1)] * 4
    counter = CueCounter([cue(Placement.BEFORE, "nowhere", 4, form=form)], rows)
    for row in rows:
        counter.add_row(row)
    assert [(c.rows, c.is_exact) for c in counter.list_counts()] == [(4, is_there)]


def test_a_form_of_many_slots_takes_no_time():
    """Blanks between slots: a search that tries all combinations would not end."""
    text = " ".join("abcdefgh" * 20) + "?!"
    rows = [Example((Message("user", text), Message("assistant", "Yes.")), 1)] * 10
    form = " ".join(["<X>"] * 12) + "!"
    start = time.process_time()
    CueCounter([cue(Placement.BEFORE, "nowhere", 10, form=form)], rows)
    assert time.process_time() - start < 5
