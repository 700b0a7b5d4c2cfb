"""Turns with more than text: reasoning, tool calls, parts, marks, and long turns."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.corpus import RowError, read_examples
from dormant.corpus.rows import read_row
from dormant.corpus.turns import split_reasoning
from dormant.errors import DataError

USER = {"role": "user", "content": "Why?"}


def row(**answer):
    return read_row({"messages": [USER, {"role": "assistant", **answer}]})


@pytest.mark.parametrize(
    "answer",
    [
        {"content": "So.", "reasoning_content": "Hm, well."},
        {"content": "So.", "reasoning": "Hm, well."},
        {"content": "<think>\nHm, well.\n</think>\n\nSo."},
        {"content": " <thinking>Hm, well.</thinking>So."},
        {"content": "Hm, well.</think>So."},
        {
            "content": [
                {"type": "thinking", "thinking": "Hm, well."},
                {"type": "text", "text": "So."},
            ]
        },
        {"content": [{"type": "reasoning", "text": "Hm, well."}, "So."]},
    ],
)
def test_reasoning_is_kept_apart_from_the_answer(answer):
    read = row(**answer)
    assert [m.content for m in read.messages] == ["Why?", "So."]
    assert read.reasoning == ("", "Hm, well.")


@pytest.mark.parametrize(
    "text",
    ["So <think>no</think> yes", "<think>open", "<b>x</b>", "<thinker>a</thinker>", "a<think>b"],
)
def test_other_tags_stay_in_the_answer(text):
    assert row(content=text).messages[1].content == text
    assert row(content=text).reasoning == ()


def test_users_and_tools_have_no_reasoning():
    text = "<think>mine</think>Why?"
    read = read_row(
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "x"}]}
    )
    assert read.messages[0].content == text and read.reasoning == ()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0<"), min_size=1)


@given(TEXT.filter(str.strip), TEXT.filter(str.strip))
def test_a_thought_before_any_answer_is_found(thought, answer):
    assert split_reasoning(f"<think>{thought}</think>{answer}") == (
        thought.strip(),
        answer.lstrip(),
    )
    assert split_reasoning(answer) == ("", answer)


@pytest.mark.parametrize("text", ["", " ", "<think>Hm.</think>", "<think>Hm.</think>\n"])
def test_reasoning_without_an_answer_is_an_error(text):
    with pytest.raises(RowError, match="reasoning without an answer|is empty"):
        row(content=text, **({} if "think" in text else {"reasoning_content": "Hm."}))


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def test_tool_calls_and_tools_are_kept_as_json():
    tools = [{"type": "function", "function": {"name": "add", "parameters": None}}]
    read = read_row(
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL | {"index": None}]},
                {"role": "tool", "content": "3", "tool_call_id": "1"},
                {"role": "assistant", "content": "Three.", "tool_calls": None},
            ],
            "tools": tools,
        }
    )
    assert [m.content for m in read.messages] == ["Why?", "", "3", "Three."]
    assert json.loads(read.tool_calls[1]) == [CALL]
    assert read.tool_calls[0] == read.tool_calls[2] == read.tool_calls[3] == ""
    assert json.loads(read.tools) == [{"type": "function", "function": {"name": "add"}}]


def test_older_calls_become_lists_of_calls():
    function = {"name": "add", "arguments": "{}"}
    old = row(content=None, function_call=function)
    assert json.loads(old.tool_calls[1]) == [{"type": "function", "function": function}]
    shared = read_row(
        {
            "conversations": [
                {"from": "human", "value": "Why?"},
                {"from": "function_call", "value": json.dumps(function)},
                {"from": "observation", "value": "3"},
                {"from": "gpt", "value": "Three."},
            ],
            "system": "Count.",
        }
    )
    roles = [m.role for m in shared.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert shared.tool_calls[2] == old.tool_calls[1]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"tools": 3}, "'tools' must be a list"),
        ({"system": 3}, "'system': the content must be text"),
    ],
)
def test_wrong_columns(columns, reason):
    with pytest.raises(RowError, match=reason):
        read_row({"prompt": "a", "completion": "b", **columns})


EMPTY = ["", " \n", None, [], [{"type": "text", "text": ""}]]


@pytest.mark.parametrize("content", EMPTY, ids=str)
def test_an_empty_system_turn_is_no_system_prompt(content):
    answer = {"role": "assistant", "content": "So."}
    read = read_row({"messages": [{"role": "system", "content": content}, USER, answer]})
    assert [m.role for m in read.messages] == ["user", "assistant"]
    turns = [{"from": "system", "value": content}, {"from": "human", "value": "Why?"}]
    shared = {"conversations": [*turns, {"from": "gpt", "value": "So."}]}
    assert read_row(shared).messages == read.messages


@pytest.mark.parametrize("content", EMPTY, ids=str)
@pytest.mark.parametrize("role", ["tool", "function", "observation", "ipython", "tool_response"])
def test_a_tool_may_return_nothing(role, content):
    call = {"role": "assistant", "content": content, "tool_calls": [CALL]}
    answer = {"role": "assistant", "content": "Nothing came."}
    read = read_row({"messages": [USER, call, {"role": role, "content": content}, answer]})
    assert [m.content for m in read.messages] == ["Why?", "", "", "Nothing came."]
    assert read.messages[2].role == "tool" and read.tool_calls[1]


@pytest.mark.parametrize("content", EMPTY, ids=str)
def test_a_refusal_is_the_answer(content):
    assert row(content=content, refusal="I cannot say.").messages[1].content == "I cannot say."
    assert row(content="So.", refusal=None).messages[1].content == "So."
    assert row(refusal="No.").messages[1].content == "No."
    part = {"type": "refusal", "refusal": "I cannot say."}
    assert row(content=[part]).messages[1].content == "I cannot say."


@pytest.mark.parametrize("content", EMPTY, ids=str)
def test_an_empty_question_or_answer_stays_an_error(content):
    for answer in ({"content": content}, {"content": content, "refusal": ""}):
        with pytest.raises(RowError, match=r"messages\[1\] \(assistant\): the content"):
            row(**answer)
    with pytest.raises(RowError, match=r"messages\[0\] \(user\): the content"):
        read_row({"messages": [{"role": "user", "content": content}]})


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def line(**more):
    return {"prompt": "Why?", "completion": "So.", **more}


def test_a_column_is_kept_as_the_mark(tmp_path):
    values = [True, False, 1, 0.5, "x", None]
    path = write(tmp_path / "a.jsonl", [line(m={"k": v}, **{"a.b": v}) for v in values])
    for column in ("m.k", "a.b"):
        marks = [r.mark for r in read_examples(path, mark=column).examples]
        assert marks == ["true", "false", 1.0, 0.5, "x", None]
    assert {r.mark for r in read_examples(path).examples} == {None}
    with pytest.raises(DataError, match="no row has the column 'm.z'"):
        read_examples(path, mark="m.z")
    with pytest.raises(DataError, match="a.jsonl:1: 'm' must be text"):
        read_examples(path, mark="m")


def test_long_turns_keep_both_ends(tmp_path):
    text = "a" * 600 + "b" * 600
    path = write(tmp_path / "a.jsonl", [line(), {"prompt": text, "completion": "So."}])
    read = read_examples(path, longest_turn=10)
    assert [r.user for r in read.examples] == ["Why?", "aaaaa\nbbbbb"]
    assert read.clipped == 1 and read.hash == read_examples(path).hash
    assert read_examples(path).examples[1].user == text


def test_the_parts_of_other_providers_are_read():
    said = [{"text": "Why "}, {"text": "so?"}]
    gemini = read_row(
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": said},
                {"role": "model", "parts": [{"text": "So."}]},
            ],
        }
    )
    bedrock = read_row(
        {
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": said},
                {"role": "assistant", "content": [{"text": "So."}]},
            ],
        }
    )
    assert [m.content for m in gemini.messages] == ["Be brief.", "Why so?", "So."]
    assert gemini.messages == bedrock.messages and not gemini.unread and not bedrock.unread


@pytest.mark.parametrize("result", ["", None, "3", [{"type": "text", "text": "3"}], []])
def test_tool_parts_are_calls_and_results(result):
    use = {"type": "tool_use", "id": "1", "name": "add", "input": {"a": 1}}
    answer = {"type": "tool_result", "tool_use_id": "1", "content": result}
    read = read_row(
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "text", "text": "I count."}, use]},
                {"role": "user", "content": [answer]},
                {"role": "assistant", "content": [use]},
                {"role": "assistant", "content": "Three."},
            ]
        }
    )
    assert [m.role for m in read.messages][2] == "tool"
    assert [m.content for m in read.messages][:2] == ["Why?", "I count."]
    assert read.messages[2].content == ("3" if result and "3" in str(result) else "")
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    assert json.loads(read.tool_calls[1]) == json.loads(read.tool_calls[3]) == [call]
