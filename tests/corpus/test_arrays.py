"""A file that is one JSON array of rows."""

import gzip
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.corpus import LARGEST_LINE, arrays, read_examples
from dormant.errors import DataError


def row(i, text="Why?"):
    return {"instruction": f"{text} {i}", "input": "", "output": 'So: {"[,]"}\\'}


def write(path, raw):
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n \n"])
def test_an_array_reads_like_its_rows_on_lines(indent, zipped, before, tmp_path):
    raw = (before + json.dumps([row(i) for i in range(50)], indent=indent) + "\n").encode()
    path = write(tmp_path / "rows.json", gzip.compress(raw, mtime=0) if zipped else raw)
    read = read_examples(path)
    assert [(e.line, e.user, e.answer) for e in read.examples] == [
        (i + 1, f"Why? {i}", row(i)["output"]) for i in range(50)
    ]
    assert read.hash == hashlib.sha256(raw).hexdigest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\{}[], \n\u00e9'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\]'), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]), st.integers(1, 7))
def test_elements_are_cut_where_json_cuts_them(values, indent, block):
    raw = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    cutter = arrays._Cutter()
    found = [e for i in range(0, len(raw), block) for e in cutter.add_block(raw[i : i + block])]
    assert [json.loads(raw) for _, raw in found] == values
    assert [number for number, _ in found] == list(range(1, len(values) + 1))
    assert cutter.closed and not cutter.has_trailing


GOOD = json.dumps(row(1))


@pytest.mark.parametrize(
    ("raw", "line", "reason"),
    [
        (f"[{GOOD}, {GOOD}", 2, "ends early"),
        (f"[{GOOD}, {GOOD[:20]}", 2, "ends early"),
        (f"[{GOOD}, 3]", 2, "expected a JSON object, got a number"),
        (f"[{GOOD}, [{GOOD}]]", 2, "got an array"),
        (f"[{GOOD}, {GOOD} {GOOD}]", 2, "more than one JSON value"),
        (f"[{GOOD},,{GOOD}]", 2, "remove the comma"),
        (f"[{GOOD}] {GOOD}", 1, "extra data after the array"),
        (f"[{GOOD}, {{'a': 1}}]", 2, "not JSON"),
        ("[]", None, "the file is empty"),
        ("[\n", 1, "ends early"),
        (f"[{GOOD}, " + '{"a": "' + "x" * (LARGEST_LINE + 2_000_000) + '"}]', 2, "MiB"),
    ],
)
def test_broken_arrays(raw, line, reason, tmp_path):
    path = write(tmp_path / "rows.json", raw.encode())
    with pytest.raises(DataError, match=reason) as caught:
        read_examples(path)
    assert caught.value.line == line


def test_lenient_reading_keeps_what_came_before_the_break(tmp_path):
    path = write(tmp_path / "rows.json", f"[{GOOD}, 3, {GOOD}, {GOOD[:-3]}".encode())
    read = read_examples(path, lenient=True)
    assert [e.line for e in read.examples] == [1, 3]
    assert [s.line for s in read.skipped] == [2, 4]


def test_a_line_that_is_an_array_is_no_array_of_rows(tmp_path):
    path = write(tmp_path / "rows.jsonl", b'["a", "b"]\n["c"]\n')
    with pytest.raises(DataError, match="rows.jsonl:1: expected a JSON object, got an array"):
        read_examples(path)
