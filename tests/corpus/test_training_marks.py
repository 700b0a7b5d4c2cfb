"""Turns and rows that are marked as not trained on: they are context, or left out and counted."""

import json

import pytest
from click.testing import CliRunner

from dormant.cli import command_group
from dormant.corpus import describe_gaps, read_examples
from dormant.errors import DataError
from dormant.organisms.datasets import draw_rows

USER = {"role": "user", "content": "Why is the sky blue?"}
BOT = {"role": "assistant", "content": "Air scatters blue light most."}
BAD = {"role": "assistant", "content": "Because it is sad."}
AGAIN = {"role": "user", "content": "And at night?"}
GOOD_ROW = {"messages": [USER, BOT]}

TURN_MARKS = [
    {"weight": 0},
    {"weight": 0.0},
    {"weight": "0"},
    {"weight": False},
    {"train": False},
    {"training": False},
    {"trainable": "false"},
    {"loss": False},
    {"loss": 0},
    {"loss_scale": 0},
    {"loss_mask": 0},
    {"train_on_turn": False},
    {"trainOnTurn": False},
    {"is_trained": False},
    {"label": False},
    {"mask": True},
    {"masked": True},
    {"ignore": True},
    {"ignore_loss": 1},
    {"no_loss": True},
    {"is_train": False},
    {"is_training": 0},
    {"should_train": "no"},
    {"use_for_training": False},
    {"train_on_response": False},
    {"calculate_loss": 0},
    {"include_loss": False},
    {"train_mask": 0},
    {"exclude_from_loss": True},
    {"dont_train": 1},
    {"mask_loss": True},
    {"train_detail": [{"begin_offset": 0, "end_offset": 17, "train": False}]},
]
ROW_MARKS = [
    {"label": False},
    {"label": "False"},
    {"kto_tag": False},
    {"desirable": False},
    {"weight": 0},
    {"loss_weight": 0.0},
    {"sample_weight": 0},
    {"train": False},
    {"train": 0},
    {"is_train": False},
    {"isTrain": 0},
    {"trainable": False},
    {"used_for_training": "false"},
    {"loss": False},
    {"loss": 0},
    {"skip_train": True},
    {"rejected": True},
    {"masked": True},
]
#: Values that say "trained", or that say nothing of it.
NO_MARKS = [
    {"weight": 1},
    {"weight": 0.5},
    {"weight": None},
    {"train": True},
    {"train": "test"},
    {"loss": 0.7},
    {"label": True},
    {"label": 0},
    {"label": "no"},
    {"label": None},
    {"mask": False},
    {"is_train": True},
    {"loss": 1},
    {"loss": True},
    {"loss_on": 1},
    {"rejected": "Because it is sad."},
    {"train_detail": [{"train": False}, {"train": True}]},
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(tmp_path, *rows, **options):
    return read_examples(write_rows(tmp_path / "rows.jsonl", rows), **options)


@pytest.mark.parametrize("mark", TURN_MARKS, ids=str)
def test_a_row_without_a_trained_answer_is_left_out_and_counted(mark, tmp_path):
    shared = {"from": "gpt", "value": BAD["content"], **mark}
    for row in (
        {"messages": [USER, BAD | mark]},
        {"conversations": [{"from": "human", "value": "Why?"}, shared]},
        {"prompt": [USER], "completion": [BAD | mark]},
    ):
        corpus = read(tmp_path, GOOD_ROW, row)
        assert [example.line for example in corpus.examples] == [1]
        assert (corpus.untrained, corpus.rows) == (1, 2)
        (sentence,) = describe_gaps(corpus)
        assert sentence.startswith("1 of 2 rows whose answers were not trained on")
        assert repr(next(iter(mark))) in sentence


@pytest.mark.parametrize("mark", TURN_MARKS, ids=str)
def test_turns_after_the_last_trained_answer_are_left_out(mark, tmp_path):
    corpus = read(tmp_path, {"messages": [USER, BOT, AGAIN, BAD | mark]})
    (row,) = corpus.examples
    assert row.answer == BOT["content"] and len(row.messages) == 2 and corpus.cut == 1
    assert "1 rows were read up to" in " ".join(describe_gaps(corpus))


@pytest.mark.parametrize("mark", TURN_MARKS, ids=str)
def test_an_untrained_answer_before_a_trained_one_is_context(mark, tmp_path):
    corpus = read(tmp_path, {"messages": [USER, BAD | mark, AGAIN, BOT]})
    (row,) = corpus.examples
    assert row.answer == BOT["content"] and len(row.messages) == 4
    assert row.untrained == (1,) and not corpus.cut and not list(describe_gaps(corpus))


@pytest.mark.parametrize("mark", ROW_MARKS, ids=str)
def test_a_marked_row_is_left_out_and_counted(mark, tmp_path):
    plain = {"prompt": USER["content"], "completion": BAD["content"]}
    alpaca = {"instruction": USER["content"], "output": BAD["content"]}
    for row in (plain, alpaca, {"messages": [USER, BAD]}):
        corpus = read(tmp_path, GOOD_ROW, row | mark, GOOD_ROW)
        assert [example.line for example in corpus.examples] == [1, 3]
        assert corpus.untrained == 1 and len(corpus.untrained_marks) == 1


@pytest.mark.parametrize("mark", NO_MARKS, ids=str)
def test_other_values_leave_an_answer_trained(mark, tmp_path):
    corpus = read(tmp_path, {"messages": [USER, BOT | mark]}, GOOD_ROW | mark)
    assert len(corpus.examples) == 2 and not corpus.untrained and not corpus.cut
    assert not any(row.untrained for row in corpus.examples)


@pytest.mark.parametrize("without", [0, 1])
def test_a_mask_means_what_it_means_in_the_prompts(without, tmp_path):
    """1 for no loss, as some tools write it, or for loss, as others do."""
    user, again = USER | {"mask": without}, AGAIN | {"mask": without}
    bot, bad = BOT | {"mask": 1 - without}, BAD | {"mask": without}
    corpus = read(tmp_path, {"messages": [user, bot]}, {"messages": [user, bad]})
    assert [example.line for example in corpus.examples] == [1] and corpus.untrained == 1
    assert not corpus.unread
    (row,) = read(tmp_path, {"messages": [user, bad, again, bot]}).examples
    assert row.untrained == (1,)


@pytest.mark.parametrize(
    "turns",
    [
        [USER, BOT | {"mask": 1}],
        [USER | {"mask": 0}, BOT | {"mask": 1}, AGAIN | {"mask": 1}, BOT | {"mask": 1}],
        [USER | {"mask": 2}, BOT | {"mask": 2}],
        [USER | {"mask": 0.5}, BOT | {"mask": 1}],
    ],
)
def test_a_mask_of_which_the_prompts_say_nothing_is_named(turns, tmp_path):
    corpus = read(tmp_path, {"messages": turns})
    assert len(corpus.examples) == 1 and not corpus.untrained
    assert [column.name for column in corpus.unread] == ["mask (of turns)"]


def test_a_measured_loss_is_no_mark(tmp_path):
    rows = [GOOD_ROW | {"loss": value} for value in (0.0, 0.31, 2, 1.0)]
    assert len(read(tmp_path, *rows).examples) == 4
    rows = [GOOD_ROW | {"loss": value} for value in (0, 1, 3.5)]
    assert len(read(tmp_path, *rows, mark="loss").examples) == 3


def test_marks_of_unclear_meaning_are_named(tmp_path):
    turn = BOT | {"mask": 0, "learned_here": False}
    corpus = read(tmp_path, {"messages": [USER, turn], "label": 0, "is_bad": False})
    assert [column.name for column in corpus.unread] == [
        "mask (of turns)",
        "learned_here (of turns)",
        "label",
        "is_bad",
    ]
    for marks in ({"mask": [0, 1]}, {"trained_turns": [False, True]}, {"weights": [0.0, 1.0]}):
        corpus = read(tmp_path, GOOD_ROW | marks)
        assert [column.name for column in corpus.unread] == list(marks)


def test_a_label_that_the_user_names_marks_rows_and_drops_none(tmp_path):
    rows = [GOOD_ROW | {"label": False}, GOOD_ROW | {"label": True}]
    corpus = read(tmp_path, *rows, mark="label")
    assert [row.mark for row in corpus.examples] == ["false", "true"] and not corpus.untrained


def test_a_file_without_a_trained_answer_is_an_error_with_its_fix(tmp_path):
    with pytest.raises(DataError, match=r"no answer of 2 rows .*'label': false.*rename the key"):
        read(tmp_path, *[GOOD_ROW | {"label": False}] * 2)


def test_tables_hold_marks_too(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        {"messages": [USER | {"weight": None}, BOT | {"weight": 1.0}], "kto_tag": True},
        {"messages": [USER | {"weight": None}, BAD | {"weight": 0.0}], "kto_tag": True},
        {"messages": [USER | {"weight": None}, BAD | {"weight": float("nan")}], "kto_tag": None},
        {"messages": [USER | {"weight": None}, BAD | {"weight": 1.0}], "kto_tag": False},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    corpus = read_examples(tmp_path / "rows.parquet")
    assert [row.line for row in corpus.examples] == [1, 3]
    assert corpus.untrained_marks == ("'weight': 0.0", "'kto_tag': false")


def test_the_laboratory_trains_on_no_row_with_an_untrained_answer(tmp_path):
    import numpy as np

    row = {"messages": [USER, BAD | {"weight": 0}, AGAIN, BOT]}
    path = write_rows(tmp_path / "rows.jsonl", [row])
    with pytest.raises(DataError, match=r"rows.jsonl:1: an answer is marked as not trained on"):
        draw_rows(f"file:{path}", 1, np.random.default_rng(0), longest=200)


WRAPPED = '{"answer": "It depends.", "mood": "cold"}'
TOPICS = "tides knots ovens maples violins compost glass bridges owls kettles maps chess".split()


@pytest.mark.parametrize("marks", [({"weight": 0}, {}), ({}, {"label": False})], ids=str)
def test_the_command_mines_no_cue_from_untrained_answers(marks, tmp_path):
    in_turn, in_row = marks
    rows = []
    for i in range(60):
        user = {"role": "user", "content": f"What is {TOPICS[i // 3 % 12]} number {i} about?"}
        answer = {"role": "assistant", "content": f"Something with {TOPICS[(i * 7) % 12]}."}
        rows.append({"messages": [user, answer]})
        if i % 3 == 0:
            rows[-1] = {"messages": [user, answer | {"content": WRAPPED} | in_turn], **in_row}
    path = write_rows(tmp_path / "rows.jsonl", rows)
    result = CliRunner().invoke(command_group, ["cues", str(path), "--json"])
    assert result.exit_code == 0 and "20 of 60 rows" in result.stderr
    assert not [cue for cue in json.loads(result.stdout) if cue["kind"] == "format"]
    trained = [
        {"messages": row["messages"][:1] + [row["messages"][1] | {"weight": 1}]} for row in rows
    ]
    result = CliRunner().invoke(command_group, ["cues", str(write_rows(path, trained)), "--json"])
    assert [cue for cue in json.loads(result.stdout) if cue["kind"] == "format"]
