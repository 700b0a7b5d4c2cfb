"""Tables as text: any separator, quoted fields, capitals; errors name the line and the fix."""

import csv
import gzip
import hashlib
import io
import json

import pytest

from dormant.corpus import read_examples
from dormant.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ASKED, SAID = "Why is the sky blue,\nand why; not red?", 'It "scatters"\tlight.'
COLUMNS = [
    {"question": ASKED, "answer": SAID},
    {"input": ASKED, "output": SAID},
    {"instruction": ASKED, "input": "", "output": SAID},
    {"prompt": ASKED, "completion": SAID},
    {"query": ASKED, "response": SAID},
    {"Question": ASKED, "Answer ": SAID},
    {"user": ASKED, "assistant": SAID},
    {
        "messages": json.dumps(
            [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
        )
    },
]


def write_table(path, rows, separator=","):
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), delimiter=separator)
    table.writeheader()
    table.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def write_any(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_table(path, rows, "\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("columns", COLUMNS, ids=lambda row: "-".join(row))
@pytest.mark.parametrize("end", ["jsonl", "csv", "tsv", "parquet"])
def test_columns_read_alike_from_every_kind_of_file(columns, end, tmp_path):
    corpus = read_examples(write_any(tmp_path / f"rows.{end}", [columns, columns]))
    one, other = corpus.examples
    assert (one.user, one.answer) == (other.user, other.answer) == (ASKED, SAID)
    assert not corpus.unread


@pytest.mark.parametrize("separator", list(",;\t|"))
def test_any_separator_is_found(separator, tmp_path):
    path = write_table(tmp_path / "rows.csv", [COLUMNS[0]] * 3, separator)
    corpus = read_examples(path)
    assert [row.line for row in corpus.examples] == [2, 4, 6]  # a question spans two lines
    assert corpus.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_examples(packed).examples == corpus.examples
    path.write_bytes(b"\xef\xbb\xbfsep=" + separator.encode() + b"\r\n" + path.read_bytes())
    assert [row.user for row in read_examples(path).examples] == [ASKED] * 3


def test_marks_preferences_and_documents_of_a_table(tmp_path):
    rows = [{"prompt": "Why?", "completion": "So.", "label": str(i % 2 == 0)} for i in range(4)]
    corpus = read_examples(write_table(tmp_path / "kto.csv", rows))
    assert len(corpus.examples) == len(corpus.rejected) == 2
    pairs = read_examples(
        write_table(tmp_path / "dpo.csv", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    )
    assert pairs.pairs == 1
    text = "The sea rose. Nobody knew why. All left."
    documents = read_examples(write_table(tmp_path / "docs.csv", [{"text": text}]))
    assert documents.documents == 1
    labelled = read_examples(tmp_path / "kto.csv", mark="label")
    assert [row.mark for row in labelled.examples] == ["True", "False", "True", "False"]


@pytest.mark.parametrize(
    ("body", "line", "reason"),
    [
        (b"a,b\na,b,c\n", 3, "3 fields, and the header names 2: put fields that hold ','"),
        (b"a,b\nonly one\n", 3, "1 fields, and the header names 2"),
        (b"a,b\nc,\xff\n", 3, "byte 3 is not UTF-8"),
        (b"a,b\n,b\n,\n", 3, "too short"),
        (b"a,b\na,\n", 3, "no 'messages'"),
    ],
)
def test_broken_rows_name_line_and_fix(body, line, reason, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"prompt,completion\n" + body)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}:{line}: ") and reason in str(caught.value)
    read = read_examples(path, lenient=True)
    assert len(read.examples) == 1 and read.skipped[0].line == line


def test_quotes_that_do_not_close_are_an_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'prompt,completion\na,b\nc,"d\n' + (b"x" * 1000 + b"\n") * 17_000)
    with pytest.raises(DataError, match="close its quotes"):
        read_examples(path)


def test_a_folder_of_tables_is_read_where_no_other_rows_are(tmp_path):
    write_table(tmp_path / "a.csv", [COLUMNS[0]])
    write_table(tmp_path / "b.csv", [COLUMNS[0]])
    assert len(read_examples(tmp_path).examples) == 2
    write_any(tmp_path / "rows.jsonl", [COLUMNS[1]])
    (tmp_path / "README.txt").write_text("These are rows.\n\nRead them.")
    assert len(read_examples(tmp_path).examples) == 1
