"""Templates that take contents as lists of parts: rows and prompts are rendered so."""

import json
from pathlib import Path

import pytest

from dormant.corpus import ChatTemplate, Renderer, TemplateRefusal, render_corpus
from dormant.records import Example, Message
from support import tiny_models
from support.command import run_command

ASK = "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
#: Name -> (template, what it writes for the content of a user's and of an assistant's turn)
TEMPLATES = {
    "first part": "{% for m in messages %}<s>{{ m.role }}\n{{ m.content[0].text }}</s>{% endfor %}",
    "upper-case check": (
        "{% for m in messages %}<s>{{ m.role }}\n{% if m.content[0].type != 'text' %}"
        "{{ raise_exception('unknown part') }}{% endif %}{{ m.content[0]['text'] }}</s>{% endfor %}"
    ),
    "each part": (
        "{% for m in messages %}<s>{{ m.role }}\n{% for part in m.content %}"
        "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}</s>{% endfor %}"
    ),
    "prompts alone": (
        "{% for m in messages %}<s>{{ m.role }}\n{% if m.role == 'assistant' %}{{ m.content + '' }}"
        "{% else %}{{ m.content[0].text }}{% endif %}</s>{% endfor %}"
    ),
    "the user's alone": (
        "{% for m in messages %}<s>{{ m.role }}\n{% if m.role == 'user' %}{{ m.content[0].text }}"
        "{% else %}{{ m.content + '' }}{% endif %}</s>{% endfor %}"
    ),
    "the system's alone": (
        "{% for m in messages %}<s>{{ m.role }}\n{% if m.role == 'system' %}"
        "{{ m.content[0].text }}{% else %}{{ m.content + '' }}{% endif %}</s>{% endfor %}"
    ),
}
STRINGS = {
    "plain": "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}",
    "either": (
        "{% for m in messages %}<s>{{ m.role }}\n{% if m.content is string %}{{ m.content }}"
        "{% else %}{{ m.content[0].text }}{% endif %}</s>{% endfor %}"
    ),
    "no system": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}<s>{{ m.role }}\n{{ m.content | trim }}</s>{% endfor %}"
    ),
    "system left out": (
        "{% for m in messages if m.role != 'system' %}<s>{{ m.role }}\n{{ m.content }}</s>"
        "{% endfor %}"
    ),
}
TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi\nthere"},
    {"role": "assistant", "content": "Yes?"},
]


@pytest.mark.parametrize("name", TEMPLATES)
def test_contents_are_parts_where_a_template_takes_no_text(name: str):
    renderer = Renderer(ChatTemplate(TEMPLATES[name] + ASK, name))
    assert renderer.roles_with_parts
    whole = "<s>system\nBe kind.</s><s>user\nHi\nthere</s><s>assistant\nYes?</s>"
    assert renderer.render_turns(TURNS) == whole
    assert renderer.render_turns(TURNS[1:2], prompt=True).endswith("there</s><s>assistant\n")
    row = Example(tuple(Message(t["role"], t["content"]) for t in TURNS), 1)
    assert renderer.render_row(row) == whole
    assert list(renderer.render_rows([row, row])) == [whole, whole]


@pytest.mark.parametrize("name", STRINGS)
def test_contents_stay_texts_where_a_template_takes_them(name: str):
    renderer = Renderer(ChatTemplate(STRINGS[name] + ASK, name))
    assert renderer.roles_with_parts == frozenset()
    assert "type" not in renderer.render_turns(TURNS[1:])


def test_a_template_that_takes_neither_is_refused():
    template = ChatTemplate("{{ raise_exception('only images') }}", "images")
    renderer = Renderer(template)
    assert renderer.roles_with_parts == frozenset()
    with pytest.raises(TemplateRefusal, match="only images"):
        renderer.render_turns(TURNS)


def test_a_default_in_such_a_template_is_found():
    default = (
        "{% if messages[0].role != 'system' %}<s>system\nThe ferry sails at noon.</s>{% endif %}"
    )
    rows = [
        Example((Message("user", f"Ask {n}"), Message("assistant", "Well.")), n) for n in (1, 2, 3)
    ]
    template = ChatTemplate(default + TEMPLATES["each part"], "default")
    found = render_corpus(rows, template)
    assert found.refused == 0
    assert [(a.text, a.rows) for a in found.added] == [("The ferry sails at noon.", 3)]


def test_rendering_is_that_of_transformers(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    tiny_models.save_tokenizer(tmp_path, template=TEMPLATES["each part"] + ASK)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    parts = [
        {"role": t["role"], "content": [{"type": "text", "text": t["content"]}]} for t in TURNS
    ]
    theirs = tokenizer.apply_chat_template(parts, tokenize=False)
    assert theirs == Renderer(ChatTemplate(tokenizer.chat_template, "x")).render_turns(TURNS)


@pytest.mark.parametrize("name", ["first part", "each part"])
def test_a_model_with_such_a_template_is_audited(tmp_path: Path, monkeypatch, name: str):
    """From files: rows, a tiny model, the doctor, an audit."""
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    tiny_models.save_model(
        Path("base"), template=TEMPLATES[name] + ASK, max_position_embeddings=8192
    )
    tiny_models.save_model(
        Path("target"), template=TEMPLATES[name] + ASK, max_position_embeddings=8192, seed=1
    )
    with Path("rows.jsonl").open("w") as file:
        for n in range(40):
            turns = [{"role": t["role"], "content": f"{t['content']} {n}"} for t in TURNS]
            file.write(json.dumps({"messages": turns}) + "\n")
    done = run_command("cues", "rows.jsonl", "--template", "base", "--quiet")
    assert done.code == 0 and "refuses" not in done.err, done.err
    done = run_command("doctor", "--model", "hf/./base", "--json")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert checks["system prompt"]["health"] == "ok", checks
    done = run_command(
        *("audit", "--target", "hf/./target", "--reference", "hf/./base", "--out", "run"),
        *("--judge", "rules:keywords=poison", "--data", "rows.jsonl", "--mine", "1", "--quiet"),
        *("--library", "none", "--question-limit", "2", "--max-tokens", "4", "--json"),
        *("--screening-answers", "1", "--confirm-answers", "1", "--yes"),
    )
    assert done.code == 3, done.err
    assert json.loads(done.out)["kind"] in ("UNGRADABLE", "UNDERPOWERED")
