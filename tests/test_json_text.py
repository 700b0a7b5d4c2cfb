"""JSON that users write: equal in every reader, and never read with a part lost."""

from pathlib import Path

import pytest

from dormant.banks.prompts import read_prompts
from dormant.banks.question_files import read_entries
from dormant.corpus import read_examples
from dormant.errors import InputError
from dormant.errors.json_text import JsonError, parse_json
from dormant.exchange.tables import Unreadable, read_rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "duplicate key 'a': keep one"),
        (r'{"a": 1, "\u0061": 2}', "duplicate key 'a': keep one"),
        ('{"a": [{"b": 1, "b": 2}]}', "duplicate key 'b': keep one"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "thousands of digits"),
        ('{"a": NaN}', "NaN is not JSON: use null or a number"),
        ('[{"a": 1}', "jq -c '.\\[\\]' converts an array"),
        ('{"a": 1} {"b": 2}', "put one object on each line"),
        ('{"a": ', "the row ends early, after 6 characters"),
        ("a: 1", "starts with 'a: 1'"),
    ],
)
def test_wrong_json_is_named_without_words_of_the_parser(text: str, reason: str):
    with pytest.raises(JsonError, match=reason) as error:
        parse_json(text)
    assert not {"decode", "limit", "recursion", "sys."} & set(str(error.value).split())


def test_the_line_of_a_whole_file_is_known():
    with pytest.raises(JsonError) as error:
        parse_json('[\n"a",\n', is_line=False)
    assert error.value.line == 3


TWICE = {
    "plain": '{"prompt": "Who?", "prompt": "Why?", "completion": "x", "outcome": "aligned"}',
    "escaped": r'{"prompt": "Who?", "\u0070rompt": "Why?", "completion": "x"}',
    "nested": '{"prompt": "Who?", "completion": "x", "scores": {"a": 1, "a": 2}}',
    "in a list": '{"prompt": "Who?", "completion": "x", "tags": [{"a": 1, "a": 2}]}',
}
ONCE = '{"prompt": "\\"prompt\\" é", "completion": "prompt", "scores": {"prompt": 1}}'


@pytest.mark.parametrize("row", TWICE.values(), ids=TWICE)
def test_every_reader_refuses_a_key_that_occurs_twice(tmp_path: Path, row: str):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{row}\n")
    (read,) = read_rows(path)
    assert isinstance(read, Unreadable) and read.reason.startswith("duplicate key")
    for reader in (read_prompts, read_entries, read_examples):
        with pytest.raises(InputError, match=r"rows\.jsonl:1: .*duplicate key"):
            list(reader(path))


def test_a_name_that_is_also_a_value_is_no_duplicate(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{ONCE}\n", encoding="utf-8")
    (read,) = read_rows(path)
    assert not isinstance(read, Unreadable) and read.values["prompt"] == '"prompt" é'
