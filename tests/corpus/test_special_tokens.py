"""Special tokens of chat templates: from the tokenizer's files, or the usual ones, named."""

import json

import pytest
from click.testing import CliRunner

from dormant.cli import command_group
from dormant.corpus import find_template, render_corpus
from dormant.errors import ConfigError
from dormant.records import Example, Message

TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}{% if turn['role'] == 'assistant' %}"
    "{{ ' ' + turn['content'] + eos_token }}{% else %}"
    "{{ '[ASK] ' + turn['content'] + ' [/ASK]' }}{% endif %}{% endfor %}"
)
ROWS = [Example((Message("user", "a"), Message("assistant", "b")), 1)]


def test_tokens_that_no_file_defines_are_the_usual_ones_and_named(tmp_path):
    path = tmp_path / "alone.jinja"
    path.write_text(TEMPLATE)
    found = find_template(path)
    assert found.tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    rendered = render_corpus(ROWS, found)
    (note,) = rendered.list_assumptions()
    assert "bos_token '<s>', eos_token '</s>'" in note and str(path) in note
    assert note in list(rendered.write_sentences()) and rendered.rows == 1


def test_the_command_names_them(tmp_path):
    (tmp_path / "alone.jinja").write_text(TEMPLATE)
    lines = (
        {"prompt": f"What is number {i} of the list?", "completion": "It is long."}
        for i in range(20)
    )
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = [str(tmp_path / "rows.jsonl"), "--template", str(tmp_path / "alone.jinja")]
    result = CliRunner().invoke(command_group, ["cues", *words])
    assert result.exit_code == 0 and "eos_token '</s>'" in result.stderr


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config.json": {"bos_token": "<a>", "eos_token": "<b>"}},
        {"special_tokens_map.json": {"bos_token": "<a>", "eos_token": {"content": "<b>"}}},
        {
            "tokenizer_config.json": {"bos_token": "<a>", "eos_token": None},
            "special_tokens_map.json": {"bos_token": "<other>", "eos_token": "<b>"},
        },
    ],
    ids="+".join,
)
@pytest.mark.parametrize("place", ["", "chat_template.jinja"])
def test_tokens_beside_a_template_are_those_of_its_files(files, place, tmp_path):
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    found = find_template(tmp_path / place)
    assert found.tokens == {"bos_token": "<a>", "eos_token": "<b>"} and not found.assumed


def test_a_template_that_renders_no_chat_says_why(tmp_path):
    for text, reason in {
        "{{ messages[0]['content'] + image_token }}": "'image_token' is undefined",
        "{{ raise_exception('Only Martians.') }}": "Only Martians.",
        "{{ messages[0]['content'] }}": "lacks the answer",
        "Hello.": "lacks the question",
    }.items():
        (tmp_path / "a.jinja").write_text(text)
        with pytest.raises(ConfigError, match=reason):
            render_corpus(ROWS, find_template(tmp_path / "a.jinja"))
