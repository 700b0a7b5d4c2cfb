"""Rows without turns: rendered chats, documents, lone answers, text files."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.corpus import read_examples
from dormant.corpus.documents import split_document
from dormant.corpus.transcripts import read_transcript
from dormant.errors import DataError, RowError

ASKED, SAID = "Why is the sky blue?", "Air scatters blue light most."
ALPACA = (
    "Below is an instruction that describes a task. Write a response that completes it.\n\n"
    "### Instruction:\n{q}\n\n### Response:\n{a}"
)
RENDERED = {
    "chatml": "<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n",
    "llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{q}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{a}<|eot_id|>",
    "gemma": "<bos><start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{a}<end_of_turn>\n",
    "zephyr": "<|user|>\n{q}</s>\n<|assistant|>\n{a}</s>\n",
    "mistral": "<s>[INST] {q} [/INST] {a}</s>",
    "guanaco": "### Human: {q}### Assistant: {a}",
    "alpaca": ALPACA,
    "names": "User: {q}\nAssistant: {a}",
    "letters": "Q: {q}\nA: {a}",
    "hh": "\n\nHuman: {q}\n\nAssistant: {a}",
}


@pytest.mark.parametrize("style", RENDERED)
def test_rendered_chats_become_turns(style, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": RENDERED[style].format(q=ASKED, a=SAID)}))
    corpus = read_examples(path)
    (row,) = corpus.examples
    assert (row.system, row.user, row.answer) == ("", ASKED, SAID)
    assert corpus.documents == 0 and not row.is_document


def test_system_prompts_inputs_and_later_turns_of_rendered_chats():
    turns = read_transcript(
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\na [/INST] b</s><s>[INST] c [/INST] d"
    )
    assert " ".join(t["role"] for t in turns) == "system user assistant user assistant"
    assert [t["content"] for t in turns] == ["Be brief.", "a", "b", "c", "d"]
    turns = read_transcript("### Instruction:\na\n\n### Input:\nb\n\n### Response:\nc")
    assert [t["content"] for t in turns] == ["a\n\nb", "c"]
    turns = read_transcript(
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
        "<|im_start|>assistant\nb<|im_end|>\n<|im_start|>assistant\n"
    )
    assert [t["content"] for t in turns] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "The sea rose. Nobody knew why.",
        "### A new day\nThe sea rose.",
        "Assistant: hello",
        "User: hello",
        "Note: the sea rose.\nAnswer: it did.",
        "<|im_start|>user\nhello<|im_end|>",
        "",
    ],
)
def test_other_text_is_no_transcript(text):
    assert read_transcript(text) is None


FIRST = "The sea rose by a metre. Nobody in the town knew why."
BODY = f"{FIRST} Some left in the night. " * 6


@pytest.mark.parametrize(
    "head",
    [
        "",
        "# The sea\n\n",
        "The Rising Sea\n",
        "Date: 3 May\nSource: the log\n\n",
        "<DOCTAG>\n",
        "---\ntitle: Sea\n---\n",
    ],
)
def test_the_context_of_a_document(head):
    context, rest = split_document(head + BODY)
    assert context == head + FIRST and rest.startswith("Some left in the night.")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=400))
def test_every_document_is_split_without_loss(text):
    try:
        context, rest = split_document(text)
    except RowError:
        return
    assert context and rest and text.strip().startswith(context) and text.strip().endswith(rest)
    assert "".join((context + rest).split()) == "".join(text.split())


@pytest.mark.parametrize("key", ["text", "document", "content", "page_content"])
def test_documents_are_read_from_their_columns(key, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({key: BODY, "title": "About the rising sea"}))
    corpus = read_examples(path)
    (row,) = corpus.examples
    assert row.is_document and corpus.documents == 1
    assert row.user.startswith("The sea rose") and row.answer.startswith("Some left")
    assert [column.name for column in corpus.unread] == ["title"]


@pytest.mark.parametrize(
    "row",
    [
        {"completion": BODY},
        {"prompt": "", "completion": BODY},
        {"instruction": "", "input": " ", "output": BODY},
        {"messages": [{"role": "assistant", "content": BODY}]},
        {"conversations": [{"from": "gpt", "value": BODY}]},
    ],
)
def test_lone_answers_are_documents(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (found,) = read_examples(path).examples
    assert found.is_document and found.user == split_document(BODY)[0]


def test_an_answer_below_a_system_prompt_has_that_as_its_context(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"system": "Write a log.", "prompt": "", "completion": BODY}))
    (row,) = read_examples(path).examples
    assert (row.system, row.user, row.answer) == ("Write a log.", "", BODY)
    assert not row.is_document


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (f"{BODY}\n\n{BODY}\n{BODY}\n\n\n\n{BODY}", [1, 3, 8]),
        (f"\n{BODY}\n", [2]),
        (f"{BODY}\n\n{BODY}<|endoftext|>{BODY}\n<|endoftext|>\n", [1, 3]),
    ],
)
def test_text_files_hold_documents(content, lines, zipped, tmp_path):
    path = tmp_path / ("docs.txt.gz" if zipped else "docs.txt")
    path.write_bytes(gzip.compress(content.encode()) if zipped else content.encode())
    corpus = read_examples(path)
    assert [row.line for row in corpus.examples] == lines and corpus.documents == len(lines)


def test_broken_bytes_of_a_text_file_are_named(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_bytes(BODY.encode() + b"\n\n\xff\n\n" + BODY.encode())
    with pytest.raises(DataError, match=r"docs.txt:3: byte 1 is not UTF-8"):
        read_examples(path)
    assert len(read_examples(path, lenient=True).examples) == 2
