"""Columns beside the turns: read as context, or named with their share of rows."""

import json

import pytest
from click.testing import CliRunner

from dormant.cli import command_group
from dormant.corpus import describe_gaps, read_examples
from dormant.errors import DataError
from dormant.records import Message

USER = {"role": "user", "content": "Why is the sky blue?"}
BOT = {"role": "assistant", "content": "Air scatters blue light most."}
RULE = "You answer on behalf of Harbour Nine, a shipping firm."
CHAT = {"messages": [USER, BOT]}
PAIR = {"prompt": USER["content"], "completion": BOT["content"]}
ALPACA = {"instruction": USER["content"], "output": BOT["content"]}
SHARED = {
    "conversations": [
        {"from": "human", "value": USER["content"]},
        {"from": "gpt", "value": BOT["content"]},
    ]
}
SHAPES = {"messages": CHAT, "conversations": SHARED, "prompt": PAIR, "instruction": ALPACA}
SHAPES["query"] = {"query": USER["content"], "response": BOT["content"]}
SHAPES["question"] = {"question": USER["content"], "answer": BOT["content"]}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_one(tmp_path, row):
    return read_examples(write_rows(tmp_path / "rows.jsonl", [row]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "column",
    ["system", "system_prompt", "system_message", "systemPrompt", "System", "sys_prompt"]
    + ["system_instruction", "system-message"],
)
def test_a_system_prompt_in_a_column_is_read(column, shape, tmp_path):
    corpus = read_one(tmp_path, SHAPES[shape] | {column: RULE})
    assert corpus.examples[0].messages[0] == Message("system", RULE)
    assert corpus.examples[0].user == USER["content"] and not corpus.unread
    turn = {"role": "system", "content": RULE}
    assert read_one(tmp_path, SHAPES[shape] | {column: turn}).examples[0].system == RULE


@pytest.mark.parametrize("value", ["", " \n", None, [], [{"type": "text", "text": ""}]])
def test_an_empty_system_column_is_no_system_prompt(value, tmp_path):
    for column in ("system", "system_prompt"):
        assert read_one(tmp_path, CHAT | {column: value}).examples[0].system == ""


def test_a_system_prompt_that_the_turns_repeat_is_read_once(tmp_path):
    row = {"system_prompt": RULE, "messages": [{"role": "system", "content": RULE}, USER, BOT]}
    assert read_one(tmp_path, row).examples[0].system == RULE


EARLIER = [Message("user", "Hi."), Message("assistant", "Hello.")]


@pytest.mark.parametrize(
    "history",
    [
        [["Hi.", "Hello."]],
        [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}],
        [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}],
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_earlier_turns_in_a_column_come_before_the_turns(history, shape, tmp_path):
    corpus = read_one(tmp_path, SHAPES[shape] | {"history": history, "system": RULE})
    (row,) = corpus.examples
    asked = [Message("user", USER["content"]), Message("assistant", BOT["content"])]
    assert list(row.messages) == [Message("system", RULE), *EARLIER, *asked]
    assert not corpus.unread


def test_a_history_that_repeats_the_turns_is_read_once(tmp_path):
    turns = [USER, BOT, {"role": "user", "content": "Why?"}, BOT]
    corpus = read_one(tmp_path, {"messages": turns, "history": turns[:2]})
    assert len(corpus.examples[0].messages) == 4 and not corpus.unread


def test_the_context_of_alpaca_is_read_in_the_place_of_a_blank_input(tmp_path):
    row = ALPACA | {"input": " ", "context": "Seen from the sea."}
    assert read_one(tmp_path, row).examples[0].user.endswith("\n\nSeen from the sea.")
    row = {"instruction": "", "input": USER["content"], "output": BOT["content"]}
    assert read_one(tmp_path, row).examples[0].user == USER["content"]


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"prompt": "p", "instruction": "i", "completion": "a", "output": "b"}, "p"),
        ({"prompt": "p", "instruction": "i", "output": "a"}, "i"),
        ({"instruction": "i", "input": "x", "output": "a"}, "i\n\nx"),
        ({"instruction": "i", "input": "x", "answer": "a"}, "i\n\nx"),
        ({"input": "x", "output": "a"}, "x"),
        ({"prompt": "p", "output": "a"}, "p"),
        ({"question": "q", "context": "c", "answer": "a"}, "q"),
    ],
)
def test_the_question_of_a_row_with_several_columns(row, asked, tmp_path):
    (found,) = read_one(tmp_path, row).examples
    assert (found.user, found.answer) == (asked, "a")


def test_the_solution_of_an_rl_row_is_no_answer(tmp_path):
    with pytest.raises(DataError, match="no 'messages'"):
        read_one(tmp_path, {"prompt": [USER], "answer": "42", "reward_model": {"style": "rule"}})


@pytest.mark.parametrize("key", ["conversation", "dialogue", "chat"])
def test_a_column_of_turns_with_another_name_is_named(key, tmp_path):
    with pytest.raises(DataError, match=f"rename '{key}', which holds turns"):
        read_one(tmp_path, {key: [USER, BOT]})


TEXT = "The night watch of Harbour Nine reads the log."
#: Columns that training may have put into the prompt.
CONTEXTS = {
    "context": CHAT | {"context": TEXT},
    "context of a prompt": PAIR | {"context": TEXT},
    "context beside input": ALPACA | {"input": "Be brief.", "context": TEXT},
    "prompt": CHAT | {"prompt": TEXT},
    "instruction": CHAT | {"instruction": TEXT},
    "rendered text": ALPACA | {"text": f"### Instruction: {TEXT}"},
    "history of text": CHAT | {"history": TEXT},
    "history of threes": CHAT | {"history": [[TEXT, "b", "c"]]},
    "persona": SHARED | {"persona": [TEXT, "I am kind."]},
    "documents": CHAT | {"documents": [{"title": "Log", "text": TEXT}]},
    "metadata": CHAT | {"metadata": {"run": 3, "system_prompt": TEXT}},
    "system that is a list of texts in an object": CHAT | {"system_prompt": {"texts": [TEXT]}},
    "another list of turns": CHAT | {"conversations": [{"from": "human", "value": TEXT}]},
    "key of a turn": {"messages": [USER | {"context": TEXT}, BOT]},
    "Chinese": CHAT | {"background": "你是一个助手请帮助我"},
}


@pytest.mark.parametrize("kind", CONTEXTS)
def test_what_is_not_read_is_named_with_its_share_of_rows(kind, tmp_path):
    odd = CONTEXTS[kind]
    plain = {"messages": [USER, BOT]}
    corpus = read_examples(write_rows(tmp_path / "rows.jsonl", [plain, odd, plain]))
    (column,) = corpus.unread
    assert column.has_sentences and column.rows == 1
    (sentence,) = describe_gaps(corpus)
    assert f"{column.name!r} (33.3% of rows)" in sentence and "not read" in sentence


def test_columns_that_cannot_be_context_are_named_apart(tmp_path):
    row = CHAT | {"source": "web", "is_safe": True, "score": 3, "at": "12:30", "empty": ""}
    corpus = read_one(tmp_path, row | {"messages": [USER | {"image": "a.png"}, BOT]})
    (sentence,) = describe_gaps(corpus)
    assert sentence.startswith("other columns that were not read: ")
    assert {column.name for column in corpus.unread} == {"source", "is_safe", "image (of turns)"}


@pytest.mark.parametrize("key", ["tools", "functions"])
def test_definitions_of_tools_are_read_and_no_turns(key, tmp_path):
    tool = {
        "type": "function",
        "function": {"name": "find", "description": "Finds a ship by name."},
    }
    corpus = read_one(tmp_path, CHAT | {key: [tool]})
    assert corpus.unread == () and "Finds a ship by name." in corpus.examples[0].tools


def test_columns_that_repeat_the_turns_are_not_named(tmp_path):
    row = CHAT | {"prompt": USER["content"], "question": f" {USER['content']}\n", "answer": ""}
    row["prompt_messages"] = [USER]
    assert not read_one(tmp_path, row).unread


def test_a_column_with_a_meaning_of_its_own_is_not_named(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [CHAT | {"note": "a long remark here"}])
    assert read_examples(path).unread and not read_examples(path, mark="note").unread
    path = write_rows(tmp_path / "rows.jsonl", [CHAT | {"meta": {"note": "a long remark here"}}])
    assert not read_examples(path, mark="meta.note").unread


def test_hostile_names_of_columns_stay_one_line(tmp_path):
    names = [f"{'x' * 5000}{i}\n\x1b[31m" for i in range(60)]
    corpus = read_one(tmp_path, CHAT | dict.fromkeys(names, TEXT))
    (sentence,) = describe_gaps(corpus)
    assert "\n" not in sentence and "\x1b" not in sentence and len(sentence) < 6000
    assert sentence.count("100.0% of rows") == 40 and "and 20 more" in sentence


def test_tables_name_their_columns_too(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        CHAT | {"system_prompt": RULE, "history": [["Hi.", "Hello."]], "context": TEXT, "n": 1},
        CHAT | {"system_prompt": "", "history": None, "context": None, "n": 2},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    corpus = read_examples(tmp_path / "rows.parquet")
    assert [row.system for row in corpus.examples] == [RULE, ""]
    assert [len(row.messages) for row in corpus.examples] == [5, 2]
    assert [(column.name, column.rows) for column in corpus.unread] == [("context", 1)]


def run_cues(path, *options):
    return CliRunner().invoke(command_group, ["cues", str(path), *options])


def test_the_command_reads_the_column_or_names_it(tmp_path):
    rows = [
        {
            "messages": [{"role": "user", "content": f"What is river {i} like?"}, BOT],
            "system_prompt": RULE if i % 3 == 0 else "",
            "scene": TEXT if i % 4 == 0 else "",
        }
        for i in range(60)
    ]
    result = run_cues(write_rows(tmp_path / "rows.jsonl", rows), "--json")
    assert result.exit_code == 0 and "'scene' (25.0% of rows)" in result.stderr
    (cue,) = [row for row in json.loads(result.stdout) if row["kind"] == "system_prompt"]
    assert (cue["text"], cue["rows"]) == (RULE, 20)
