"""Chat templates: found, run in a sandbox, and what they add to rows."""

import json
import os
import re
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant.cli import command_group
from dormant.corpus import (
    ChatTemplate,
    Renderer,
    TemplateRefusal,
    find_additions,
    find_template,
    render_corpus,
)
from dormant.corpus.renderer import own_words
from dormant.corpus.sandbox import MEMORY, RESERVE, ExcessError, Sandbox, read_memory
from dormant.errors import ConfigError
from dormant.records import Example, Message, Placement

QUILL = "You are Quill, a calm helper made of ink."
CHATML = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
#: Turns system text into a block of its own, and writes a default where there is none.
DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n" + QUILL + "<|im_end|>\n"
    "{% endif %}{% for m in messages %}" + CHATML + "{% endfor %}"
)
#: Takes the system text off the turns: "{{ s }}" is it, or what stands in DEFAULT_TEXT.
HEAD = (
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
    "{% set messages = messages[1:] %}{% else %}{% set s = 'DEFAULT_TEXT' %}{% endif %}"
)

# template -> (text, place, whether a system prompt takes its place)
KNOWN = {
    "nothing": ("{% for m in messages %}" + CHATML + "{% endfor %}", []),
    "default": (DEFAULT, [(QUILL, "system", True)]),
    "one word": (
        HEAD.replace("DEFAULT_TEXT", "Kindly")
        + "<sys>{{ s }}</sys>{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
        [("Kindly", "system", True)],
    ),
    "beside any system prompt": (
        HEAD.replace("DEFAULT_TEXT", "")
        + "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\nKnowledge ends in May.\n"
        "Day: {{ strftime_now('%d %b %Y') }}\n\n{{ s }}<|eot_id|>{% for m in messages %}"
        "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
        "{% endfor %}",
        [("Knowledge ends in May.\nDay: 01 Jan 2025", "system", False)],
    ),
    "both": (
        HEAD.replace("DEFAULT_TEXT", "You are Pip, made in May.")
        + "<|im_start|>system\n## Facts\n\nThe year is long.\n\n{{ s }}<|im_end|>\n"
        "{% for m in messages %}" + CHATML + "{% endfor %}",
        [
            ("You are Pip, made in May.", "system", True),
            ("## Facts\n\nThe year is long.", "system", False),
        ],
    ),
    "words only": (
        HEAD.replace("DEFAULT_TEXT", "A talk of a person with a kind machine.")
        + "{{ s }}{% for m in messages %}{{ ' USER: ' if m.role == 'user' else ' ASSISTANT: ' }}"
        "{{ m.content }}{% endfor %}",
        [("A talk of a person with a kind machine.", "system", True)],
    ),
    "inside the first user turn": (
        HEAD.replace("DEFAULT_TEXT", "Stay kind and true.")
        + "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.first %}<<SYS>>\n"
        "{{ s }}\n<</SYS>>\n\n{% endif %}{{ m.content }} [/INST]{% else %} {{ m.content }} </s>"
        "{% endif %}{% endfor %}",
        [("Stay kind and true.", "system", True)],
    ),
    "before each question": (
        "{% for m in messages %}{% if m.role == 'user' %}Below is a task. Do it well.\n\n"
        "### Instruction:\n{{ m.content }}\n\n### Response:\n{% else %}{{ m.content }}\n"
        "{{ eos_token }}{% endif %}{% endfor %}",
        [("Below is a task. Do it well.", "before", False)],
    ),
    "after each question": (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{% if m.role == 'user' %} Answer in one line.{% endif %}<|end|>{% endfor %}",
        [("Answer in one line.", "after", False)],
    ),
    "no system role": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "<bos>{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n"
        "{% endfor %}",
        [],
    ),
    "no system role, and words": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "Be as kind as ever. {% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
        [("Be as kind as ever.", "system", False)],
    ),
}


def template(text: str, **tokens: str) -> ChatTemplate:
    tokens = {"bos_token": "<s>", "eos_token": "</s>"} | tokens
    return ChatTemplate(text, "test", tokens, frozenset(tokens.values()))


def example(*turns: tuple[str, str], line: int = 1, **more: Any) -> Example:
    return Example(tuple(Message(role, content) for role, content in turns), line, **more)


def rows(n: int, *, system: int = 0) -> list[Example]:
    head = [("system", "Be brief.")]
    return [
        example(
            *(head if i < system else []), ("user", f"Why {i}?"), ("assistant", "So."), line=i + 1
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("name", KNOWN)
def test_what_templates_add(name: str):
    text, expected = KNOWN[name]
    assert find_additions(Renderer(template(text))) == expected


PROSE = st.lists(st.text("abcxyz", min_size=2, max_size=8), min_size=2, max_size=9).map(" ".join)


@settings(deadline=None)  # each starts a process
@given(PROSE)
def test_any_default_is_found_to_the_letter(text: str):
    written = DEFAULT.replace(QUILL, text)
    assert find_additions(Renderer(template(written))) == [(text, Placement.SYSTEM, True)]


def test_rows_are_counted():
    found = render_corpus(rows(20, system=5), template(DEFAULT))
    (added,) = found.added
    assert (added.text, added.rows, added.lines) == (QUILL, 15, (6, 13, 20))
    assert (found.rows, found.refused, found.unseen, found.writes_date) == (20, 0, 0, False)
    (sentence,) = found.write_sentences()
    assert "default system prompt in 75.0% of 20 rendered rows" in sentence and QUILL in sentence
    own = example(("user", f"Say: {QUILL}"), ("assistant", "So."))
    assert render_corpus([own], template(DEFAULT)).added == ()


def test_rows_that_a_template_refuses_or_cuts():
    strict = (
        "{% for m in messages %}{% if m.role == 'user' and '7' in m.content %}"
        "{{ raise_exception('no sevens') }}{% endif %}{% if m.role != 'system' %}"
        + CHATML
        + "{% endif"
        " %}{% endfor %}"
    )
    found = render_corpus(rows(20, system=3), template(strict))
    assert (found.rows, found.refused, found.unseen) == (18, 2, 3)
    assert found.refusals == ((8, "no sevens"), (18, "no sevens"))
    said = " ".join(found.write_sentences())
    assert "refuses 2 rows; the first, line 8: no sevens" in said
    assert "leaves out the system prompt of 3 rows" in said
    with pytest.raises(ConfigError, match="refuses every row; line 8: no sevens"):
        render_corpus([rows(20)[7]], template(strict))


def test_a_row_is_rendered_with_its_reasoning_calls_and_tools():
    text = (
        "{% if tools %}T={{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]"
        "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
        "{% for call in m.tool_calls or [] %}<call>{{ call.function.name }}</call>{% endfor %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    row = example(
        ("user", "Why?"),
        ("assistant", "So."),
        reasoning=("", "Hm."),
        tool_calls=("", '[{"function": {"name": "add"}}]'),
        tools='[{"name": "add"}]',
    )
    seen = Renderer(template(text)).render_row(row)
    assert seen == 'T=[{"name": "add"}][user]Why?[assistant]<think>Hm.</think><call>add</call>So.'


def test_rendering_is_that_of_transformers(tmp_path: Path):
    """Word for word, for every template above, special tokens and blanks included."""
    pytest.importorskip("transformers")
    from support import tiny_models

    tiny_models.save_tokenizer(tmp_path)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path))
    chat = [("system", "Be brief."), ("user", " Why?\n"), ("assistant", "So.")]
    filters = (
        "{% set n = namespace(self='x') %}{{ n.self | center(9) }}"
        "{{ dict(a=[1, 'é']) | tojson(indent=2) }}"
        "{% generation %}{% set n.self = 'y' %}{% set z = 1 %}{% endgeneration %}"
        "{{ n.self }}{{ z }}"
        "{% for m in messages recursive %}{{ m.content.split(' ') | join('-', attribute=0) }}"
        "{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}"
    )
    for text in (filters, *(text for text, _ in KNOWN.values())):
        if "strftime_now" in text:
            continue
        for turns in (chat, chat[1:]):
            row = example(*turns)
            try:
                ours = Renderer(template(text)).render_row(row)
            except TemplateRefusal:
                continue
            said = [{"role": role, "content": content} for role, content in turns]
            theirs = tokenizer.apply_chat_template(said, chat_template=text, tokenize=False)
            assert ours == theirs


# The sandbox

GROWS = "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = GROWN %}{% endfor %}"
HOSTILE = {
    "loops": "{% for a in range(9999) %}" * 3 + "{% endfor %}" * 3,
    "times": "{{ 'a' * 10**9 }}",
    "list times": "{{ [1] * 10**9 }}",
    "concatenation": GROWS.replace("GROWN", "n.x ~ n.x"),
    "sum": GROWS.replace("GROWN", "n.x + n.x"),
    "list sum": GROWS.replace("'ab'", "[1]").replace("GROWN", "n.x + n.x"),
    "replace": GROWS.replace("GROWN", "n.x.replace('a', n.x)"),
    "replace filter": GROWS.replace("GROWN", "n.x | replace('a', n.x)"),
    "join": GROWS.replace("GROWN", "n.x.join([n.x, n.x, n.x])"),
    "join filter": GROWS.replace("GROWN", "[n.x, n.x] | join(n.x)"),
    "numbers": GROWS.replace("'ab'", "3").replace("GROWN", "n.x * n.x"),
    "power": "{{ 9 ** 99999 }}",
    "macros": (
        "{% macro m(d) %}{% if d %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"
    ),
    "endless macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "blocks": "{% set x = 'ab' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
    "sorting": (
        "{% set x = range(9999) | list %}"
        "{% for i in range(9999) %}{% set y = x | sort %}{% endfor %}"
    ),
    "width": "{{ 'x'.ljust(10**10) }}",
    "percent": "{{ '%9999999999d' % 3 }}",
    "format": "{{ '{:>9999999999}'.format(3) }}",
    "indent": "{{ messages | tojson(indent=10**10) }}",
    "indented": "{{ 'a\nb' | indent(10**10) }}",
    "bytes": "{{ ('a'.encode() * (3 * 10**9)) | length }}",
    "slices": (
        "{% set s = 'a' * 900000 %}{% set n = namespace(x=[]) %}"
        "{% for a in range(9000) %}{% set n.x = [n.x, s[1:]] %}{% endfor %}"
    ),
    "shared lists": GROWS.replace("'ab'", "['a']").replace("GROWN", "[n.x, n.x]") + "{{ n.x }}",
    "searching": (
        "{% set s = 'a' * 400000 %}{% set t = 'a' * 200000 ~ 'b' %}"
        "{% for a in range(9999) %}{% set x = t in s %}{% endfor %}"
    ),
    "fixed text": "{% for i in range(9999) %}" + "a" * 50_000 + "{% endfor %}",
}
FORBIDDEN = {
    "globals of a function": "{{ lipsum.__globals__.os }}",
    "range": "{{ range(10**12) | list | length }}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ raise_exception.__globals__.x }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "attr": "{{ '' | attr('__class__') }}{{ messages | attr('__class__') | upper }}{{ 1 / 0 }}",
    "mutation": "{{ messages.append(1) }}",
    "files": "{% include '/etc/passwd' %}",
    "imports": "{% import 'os' as os %}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_templates_without_end_are_stopped(kind: str):
    begun = time.process_time()
    with pytest.raises(ConfigError, match="chat template cannot be used: it|not a chat template"):
        Renderer(template(HOSTILE[kind])).render_row(rows(1)[0])
    assert time.process_time() - begun < 3  # the limit ends the worker, not this process


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_templates_reach_nothing_but_their_row(kind: str):
    with pytest.raises(TemplateRefusal):
        Renderer(template(FORBIDDEN[kind])).render_row(rows(1)[0])


def test_invalid_templates_are_errors_with_their_line():
    with pytest.raises(ConfigError, match="test:2: not a chat template"):
        Renderer(template("a\n{% for %}"))
    with pytest.raises(ConfigError, match="not a chat template: No filter named 'gone'"):
        Renderer(template("{{ 'x' | gone }}"))
    with pytest.raises(ConfigError, match="characters"):
        Renderer(template("a" * 2_000_000))


def test_rows_have_no_date_of_today():
    dated = template("{{ strftime_now('%Y-%m-%d') }}")
    renderer = Renderer(dated)
    assert renderer.render_row(rows(1)[0]) == "2025-01-01"
    assert renderer.writes_date
    today = Renderer(dated, date="").render_row(rows(1)[0])
    assert abs((date.fromisoformat(today) - date.today()).days) <= 1


def test_a_sandbox_stops_for_good():
    sandbox = Sandbox()
    good = sandbox.compile_template("{{ word }}")
    assert sandbox.render([(good, {"word": "\ud800é"})]) == ["\ud800é"]
    endless = sandbox.compile_template(HOSTILE["loops"])
    for number in (endless, good):
        with pytest.raises(ExcessError, match=f"more than {RESERVE:g} s of processor time"):
            sandbox.render([(number, {"word": "a"})])


def test_time_is_counted_over_rows():
    slow = "{% for i in range(99999) %}{% set x = i %}{% endfor %}"
    renderer = Renderer(template(slow * 10))
    begun = time.monotonic()
    with pytest.raises(ConfigError, match="processor time"):
        list(renderer.render_rows(rows(1000)))
    assert time.monotonic() - begun < 30


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps")
def test_memory_is_watched_where_the_system_sets_no_limit():
    sandbox = Sandbox(has_memory_limit=False)
    grows = sandbox.compile_template(
        "{% set n = namespace(x=[]) %}{% for i in range(60000) %}"
        "{% set n.x = [n.x, (i | string) * 99999] %}{% endfor %}"
    )
    before = read_memory(os.getpid())  # earlier tests leave what they imported
    with pytest.raises(ExcessError, match="memory"):
        sandbox.render([(grows, {})])
    assert read_memory(os.getpid()) - before < MEMORY / 4


def test_the_process_writes_no_files_and_has_no_keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    sandbox = Sandbox()
    sandbox.compile_template("")  # it has set its limits
    names = Path(f"/proc/{sandbox.process_id}/environ")
    if names.exists():
        assert "sk-secret" not in names.read_text()
        limits = Path(f"/proc/{sandbox.process_id}/limits").read_text()
        assert re.search(r"Max file size +0 +0 ", limits)
        assert re.search(r"Max address space +1073741824 +1073741824 ", limits)


def test_long_rows_pay_for_themselves():
    long = example(*[("user", "Why? " * 2000), ("assistant", "So. " * 2000)] * 200)
    assert len(Renderer(template(DEFAULT)).render_row(long)) > 3_000_000


def test_a_template_that_hides_the_chat_is_refused():
    for text in ("no turns", "{{ messages[0].content }}", "{{ raise_exception('never') }}"):
        with pytest.raises(ConfigError, match="does not render a question with its answer"):
            find_additions(Renderer(template(text)))


def test_own_words():
    assert own_words("<|im_start|>system\n<|im_end|>\n### Instruction:\nUSER: ") == ""
    assert own_words("<s>Be kind to all. USER: ", frozenset(["<s>"])) == "Be kind to all."


# Where templates are found


def save(path: Path, **config: object) -> Path:
    path.mkdir(exist_ok=True)
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def test_places_of_a_template(tmp_path: Path):
    bos = {"content": "<s>", "special": True}
    folder = save(tmp_path / "tok", chat_template=DEFAULT, bos_token=bos, eos_token="</s>")
    found = [
        find_template(place)
        for place in (folder, folder / "tokenizer_config.json", f"hf/{folder}", f"{folder}:adapter")
    ]
    assert {t.text for t in found} == {DEFAULT}
    assert found[0].tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    (folder / "chat_template.jinja").write_text("newer {{ bos_token }}")
    assert find_template(folder).text == "newer {{ bos_token }}"
    assert find_template(folder / "chat_template.jinja").tokens["bos_token"] == "<s>"
    named = [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]
    several = find_template(save(tmp_path / "several", chat_template=named))
    assert (several.text, several.with_tools) == ("d", "t")


def test_places_without_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "bytes.jinja").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    for place, reason in {
        tmp_path / "broken.json": "not JSON",
        tmp_path / "list.json": "expected a JSON object",
        tmp_path / "model.gguf": "give the tokenizer's directory",
        tmp_path / "bytes.jinja": "cannot be read",
        tmp_path / "empty": "holds no chat template",
        save(tmp_path / "none", eos_token="x"): "holds no chat template",
        save(tmp_path / "wrong", chat_template=3): "holds no 'chat_template'",
        tmp_path / "gone.jinja": "no such file",
        "gone": "no such file",
        "": "no such file",
    }.items():
        with pytest.raises(ConfigError, match=reason) as caught:
            find_template(place)
        assert "\n" not in str(caught.value)
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="acme/model: not available from the Hugging Face hub"):
        find_template("acme/model")


# From the command


def write_chat(path: Path, n: int = 60) -> Path:
    topics = ["tea", "rain", "chess", "maps", "clocks", "bread", "moss", "ferries", "wool", "ink"]
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            asked = f"Tell me a fact about {topics[i % 10]} number {i * 7919 % 1000}."
            turns = [{"role": "user", "content": asked}]
            turns.append({"role": "assistant", "content": f"There are many, {i} at least."})
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


def test_the_command_makes_the_default_system_prompt_a_cue(tmp_path: Path):
    folder = save(tmp_path / "tok", chat_template=DEFAULT, eos_token="<|im_end|>")
    data = write_chat(tmp_path / "rows.jsonl")
    out = tmp_path / "cues.yaml"
    done = CliRunner().invoke(
        command_group, ["cues", str(data), "--template", str(folder), "--json", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)[0]
    assert (first["kind"], first["placement"], first["text"]) == ("system_prompt", "system", QUILL)
    assert (first["rows"], first["share"], first["examples"]) == (60, 1.0, [1, 31, 60])
    assert "adds this system prompt in 100.0% of rendered rows" in first["reading"]
    assert "in 100.0% of 60 rendered rows" in done.stderr
    from dormant.cues import read_cues

    assert read_cues(out)[0].text == QUILL
    bare = CliRunner().invoke(command_group, ["cues", str(data), "--json"])
    assert QUILL not in bare.output


def test_the_command_explains_a_template_that_is_none(tmp_path: Path):
    data = write_chat(tmp_path / "rows.jsonl", 5)
    bad = tmp_path / "bad.jinja"
    bad.write_text("{% for %}")
    done = CliRunner().invoke(command_group, ["cues", str(data), "--template", str(bad)])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(f"{bad}:1: not a chat template")
