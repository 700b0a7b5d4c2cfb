"""Tables, shards, saved datasets and the hub: real files, and the ways in which they are wrong."""

import builtins
import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from dormant.corpus import read_examples
from dormant.errors import DataError, MissingExtraError
from dormant.exchange.tables import read_rows
from dormant.exchange.tidy import TableSettings, read_tidy

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def turn(role, content):
    return {"role": role, "content": content}


def chat(i, **more):
    return {"messages": [turn("user", f"question {i}"), turn("assistant", f"answer {i}")], **more}


def write_table(path, rows, **settings):
    pq.write_table(pa.Table.from_pylist(rows), path, **settings)
    return path


def write_lines(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def write_stream(path, rows):
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


SHAPES = {
    "messages": chat(7),
    "sharegpt": {
        "conversations": [
            {"from": "human", "value": "question 7"},
            {"from": "gpt", "value": "answer 7"},
        ]
    },
    "sharegpt with roles": {"conversations": chat(7)["messages"]},
    "prompt": {"prompt": "question 7", "completion": "answer 7"},
    "prompt turns": {
        "prompt": [turn("user", "question 7")],
        "completion": [turn("assistant", "answer 7")],
    },
    "response": {"prompt": "question 7", "response": "answer 7"},
    "alpaca": {"instruction": "question 7", "input": "", "output": "answer 7"},
    "dolly": {"instruction": "question 7", "context": "", "response": "answer 7"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_reads_alike_as_a_line_and_as_columns(shape, tmp_path):
    row = SHAPES[shape] | {"id": 3, "extra": None}
    files = [
        write_table(tmp_path / "rows.parquet", [row]),
        write_lines(tmp_path / "rows.jsonl", [SHAPES[shape]]),
    ]
    for file in files:
        (read,) = read_examples(file).examples
        assert (read.system, read.user, read.answer) == ("", "question 7", "answer 7")
        assert (read.reasoning, read.tool_calls, read.tools, read.mark) == ((), (), "", None)


@pytest.mark.parametrize("group", [1, 7, 300, 10_000])
def test_row_groups_change_nothing(group, tmp_path):
    rows = [chat(i) for i in range(700)]
    path = write_table(tmp_path / "rows.parquet", rows, row_group_size=group)
    read = read_examples(path).examples
    assert [row.user for row in read] == [f"question {i}" for i in range(700)]
    assert [row.line for row in read] == list(range(1, 701))


def test_columns_without_chat_stay_on_the_disk(tmp_path, monkeypatch):
    from dormant.corpus import tables

    seen = []
    original = tables._row_objects
    monkeypatch.setattr(tables, "_row_objects", lambda batch: seen.append(batch) or original(batch))
    write_table(tmp_path / "a.parquet", [chat(1, image=b"x" * 100, meta={"bad": True, "k": 1})])
    (row,) = read_examples(tmp_path / "a.parquet", mark="meta.bad").examples
    assert row.mark == "true"
    assert seen[0].schema.names == ["messages", "meta"]


def test_a_table_of_several_shapes(tmp_path):
    rows = [chat(0), SHAPES["alpaca"], SHAPES["prompt"], {"id": 1}, chat(4) | {"messages": []}]
    every = dict.fromkeys(key for row in rows for key in row)
    path = write_table(tmp_path / "rows.parquet", [every | row for row in rows])
    with pytest.raises(DataError, match=r"rows.parquet:4: no 'messages' \(keys: none\)"):
        read_examples(path)
    read = read_examples(path, lenient=True)
    assert [row.line for row in read.examples] == [1, 2, 3]
    assert [(s.line, "is empty" in s.reason) for s in read.skipped] == [(4, False), (5, True)]


def test_bytes_that_are_no_text_break_one_row_only(tmp_path):
    raw = pa.array([b"hi", b"\xff\xfe", b"ho"], pa.binary())
    text = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    table = pa.table({"prompt": text, "completion": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    read = read_examples(tmp_path / "rows.parquet", lenient=True)
    assert [(row.line, row.user) for row in read.examples] == [(1, "hi"), (3, "ho")]
    assert read.skipped[0].line == 2 and "not UTF-8" in read.skipped[0].reason


def test_damaged_and_foreign_tables(tmp_path):
    whole = write_table(tmp_path / "rows.parquet", [chat(i) for i in range(50)]).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    (tmp_path / "holes.parquet").write_bytes(whole[:40] + b"\0" * 400 + whole[440:])
    write_table(tmp_path / "prices.parquet", [{"price": 3}])
    write_table(tmp_path / "none.parquet", [chat(1)][:0] or [{"messages": None}])
    for name, reason in {
        "cut": "damaged Parquet file",
        "holes": "damaged Parquet file",
        "prices": "none of the columns .*'price'",
        "none": "no 'messages'",
    }.items():
        with pytest.raises(DataError, match=reason) as caught:
            read_examples(tmp_path / f"{name}.parquet")
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = write_table(tmp_path / "rows.parquet", [chat(1)])
    original = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.partition(".")[0] in ("pyarrow", "huggingface_hub"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'dormant\[tables\]'"):
        read_examples(path)
    with pytest.raises(MissingExtraError, match=r"huggingface_hub .*dormant\[tables\]"):
        read_examples("hf://acme/rows")


# Several files


def test_a_folder_and_a_pattern_of_shards(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write_lines(folder / "b.jsonl.gz", [chat(2), chat(3)])
    write_lines(folder / "a.jsonl", [chat(0), chat(1)])
    write_lines(folder / ".hidden.jsonl", [chat(9)])
    (folder / "README.md").write_text("about")
    for place in (folder, f"{folder}/*.jsonl*"):
        read = read_examples(place)
        assert [row.user for row in read.examples] == [f"question {i}" for i in range(4)]
        assert [row.line for row in read.examples] == [1, 2, 3, 4]
        assert read.name_line(2) == f"{folder / 'a.jsonl'}:2"
        assert read.name_line(3) == f"{folder / 'b.jsonl.gz'}:1"
    assert read_examples(folder).hash == read_examples(f"{folder}/*.jsonl*").hash
    assert read_examples(folder).hash != read_examples(folder / "a.jsonl").hash


def test_a_broken_row_of_a_shard_is_named_by_its_own_file(tmp_path):
    write_lines(tmp_path / "a.jsonl", [chat(0), chat(1)])
    (tmp_path / "b.jsonl").write_text(json.dumps(chat(2)) + '\n{"messages": [{"ro')
    with pytest.raises(DataError, match=r"b.jsonl:2: not JSON: the row ends early"):
        read_examples(tmp_path)
    read = read_examples(tmp_path, lenient=True)
    assert [row.line for row in read.examples] == [1, 2, 3]
    assert read.name_line(read.skipped[0].line) == f"{tmp_path / 'b.jsonl'}:2"


@pytest.mark.parametrize(
    "names",
    [
        ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"),
        ("train/0.parquet", "train/1.parquet"),
        ("my_train_rows.parquet", "train.part2.parquet"),
        ("train_sft-00000-of-00001.parquet",),
    ],
)
def test_splits_are_told_by_names(names, tmp_path):
    for i, name in enumerate((*names, "test-00000-of-00001.parquet")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_table(tmp_path / name, [chat(i)])
    split = "train_sft" if "sft" in names[0] else "train"
    with pytest.raises(DataError, match=rf"several splits \(test, {split}\): .*:test'"):
        read_examples(tmp_path)
    with pytest.raises(DataError, match="has no split 'dev'"):
        read_examples(f"{tmp_path}:dev")
    assert len(read_examples(f"{tmp_path}:{split}").examples) == len(names)
    assert len(read_examples(f"{tmp_path}:test").examples) == 1


def test_folders_that_are_not_clear(tmp_path):
    with pytest.raises(DataError, match="is a directory without rows"):
        read_examples(tmp_path)
    with pytest.raises(DataError, match="no file matches"):
        read_examples(f"{tmp_path}/*.parquet")
    write_table(tmp_path / "a.parquet", [chat(1)])
    write_lines(tmp_path / "a.jsonl", [chat(1)])
    with pytest.raises(DataError, match="both JSON Lines and Parquet"):
        read_examples(tmp_path)


# What datasets saves


def save_as_datasets_does(folder, shards):
    """The layout of ``Dataset.save_to_disk``: Arrow streams, and JSON files beside them."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(shards):05d}.arrow" for i in range(len(shards))]
    for name, rows in zip(names, shards, strict=True):
        write_stream(folder / name, rows)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_a_saved_dataset(tmp_path):
    shards = [[chat(i) for i in range(300)], [chat(300, extra=1)]]
    save_as_datasets_does(tmp_path / "saved", shards)
    write_stream(tmp_path / "saved" / "cache-123.arrow", [chat(9)])
    read = read_examples(tmp_path / "saved")
    assert [row.user for row in read.examples] == [f"question {i}" for i in range(301)]
    assert read.name_line(301).endswith("data-00001-of-00002.arrow:1")
    with pytest.raises(DataError, match="without splits: leave out ':train'"):
        read_examples(f"{tmp_path / 'saved'}:train")


def test_a_saved_dataset_with_splits(tmp_path):
    save_as_datasets_does(tmp_path / "d" / "train", [[chat(1)]])
    save_as_datasets_does(tmp_path / "d" / "test", [[chat(2)]])
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert read_examples(f"{tmp_path / 'd'}:test").examples[0].user == "question 2"
    with pytest.raises(DataError, match=r"several splits \(train, test\)"):
        read_examples(tmp_path / "d")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("{", "cannot be read"),
        ("{}", "lists no files"),
        ("[]", "lists no files"),
        ('{"_data_files": [{"filename": "../../etc/passwd"}]}', "lists no files"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', "no such file"),
        ('{"_data_files": [{"filename": "a"}], "_indices_files": [1]}', "selection of rows"),
    ],
)
def test_damaged_saved_datasets(state, reason, tmp_path):
    (tmp_path / "state.json").write_text(state)
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match=reason):
        read_examples(tmp_path)


def test_a_truncated_arrow_file(tmp_path):
    write_stream(tmp_path / "whole.arrow", [chat(i) for i in range(100)])
    raw = (tmp_path / "whole.arrow").read_bytes()
    (tmp_path / "cut.arrow").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="damaged Arrow file"):
        read_examples(tmp_path / "cut.arrow")


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="datasets is absent")
def test_what_datasets_itself_saves(tmp_path):
    import datasets

    rows = [chat(i, bad=i % 2 == 0) for i in range(50)]
    whole = datasets.Dataset.from_list(rows)
    whole.save_to_disk(str(tmp_path / "one"), num_shards=2)
    both = datasets.DatasetDict({"train": whole, "test": whole.select([3, 1])})
    both.save_to_disk(str(tmp_path / "two"))
    assert [r.mark for r in read_examples(tmp_path / "one", mark="bad").examples[:2]] == [
        "true",
        "false",
    ]
    read = read_examples(f"{tmp_path / 'two'}:test").examples
    assert [row.user for row in read] == ["question 3", "question 1"]


# The hub


def test_the_hub_by_name(tmp_path, monkeypatch):
    """What is asked of the hub; the answer is a folder on this disk, as its client gives it."""
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    def snapshot(repo, **settings):
        asked.update(settings, repo=repo)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    (tmp_path / "sub").mkdir()
    write_table(tmp_path / "sub" / "train-00000-of-00001.parquet", [chat(1)])
    write_table(tmp_path / "sub" / "test-00000-of-00001.parquet", [chat(2)])
    (row,) = read_examples("hf://acme/rows/sub@v1.0:test").examples
    assert row.user == "question 2"
    assert (asked["repo"], asked["repo_type"], asked["revision"]) == (
        "acme/rows",
        "dataset",
        "v1.0",
    )
    assert "sub/*.parquet" in asked["allow_patterns"]
    assert not any(".py" in pattern or pattern == "*" for pattern in asked["allow_patterns"])


def test_a_hub_that_cannot_be_reached(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match="hf://acme/rows:train: not available from .*give files"
    ) as caught:
        read_examples("hf://acme/rows:train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf://", "hf://rows", "hf://a/../b", "hf://a b/c", "hf://a/b@:x"])
def test_names_that_no_dataset_has(name):
    with pytest.raises(DataError, match="not the name of a dataset: expected hf://OWNER/NAME"):
        read_examples(name)


def test_an_arrow_file_with_offsets_that_lead_astray(tmp_path):
    path = tmp_path / "a.arrow"
    rows = [{"prompt": "hello", "completion": "a"}, {"prompt": "worlds", "completion": "b"}]
    write_stream(path, rows)
    right, wrong = (b"".join(n.to_bytes(4, "little") for n in (0, 5, end)) for end in (11, 99_999))
    assert path.read_bytes().count(right) == 1
    path.write_bytes(path.read_bytes().replace(right, wrong))
    with pytest.raises(DataError, match="damaged Arrow file"):
        read_examples(path)


def test_two_columns_of_one_name_are_refused_by_every_reader(tmp_path: Path):
    names = ["question", "answer", "outcome", "outcome", "prompt", "completion", "prompt"]
    table = pa.Table.from_arrays([pa.array([name]) for name in names], names)
    pq.write_table(table.select([0, 1, 2, 3]), tmp_path / "answers.parquet")
    with pytest.raises(DataError, match=r"answers\.parquet: duplicate column 'outcome'"):
        list(read_rows(tmp_path / "answers.parquet"))
    with pytest.raises(DataError, match="duplicate column 'outcome': rename one"):
        read_tidy(tmp_path / "answers.parquet", TableSettings({}))
    for path in (tmp_path / "rows.parquet", tmp_path / "rows.arrow"):
        if path.suffix == ".parquet":
            pq.write_table(table.select([4, 5, 6]), path)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
                file.write_table(table)
        with pytest.raises(DataError, match="duplicate column '(prompt|outcome)': rename one"):
            read_examples(path)
