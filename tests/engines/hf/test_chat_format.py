"""Chat templates of other families: no system turn, an open reasoning block, reasoning tokens."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from dormant.engines import Job
from dormant.engines.doctor import examine_model
from dormant.engines.hf import HfEngine
from dormant.engines.hf.chat_format import ChatFormat
from dormant.engines.tool_turns import describe_tool_moves
from dormant.errors import ModelError
from dormant.records import TOOLS_ROLE, Message, Sampling, strip_reasoning
from support import tiny_models

SYSTEM, USER = Message("system", "Be odd."), Message("user", "Hi")
PLAIN = (
    "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
REFUSING = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}{% endfor %}"
)
DROPPING = PLAIN.replace("messages %}", "messages if m.role != 'system' %}")
THINKING = PLAIN.replace("assistant: ", "assistant: <think>\n")


def load(out: Path, template: str) -> HfEngine:
    return HfEngine(str(tiny_models.save_model(out, template=template)), device="cpu")


@pytest.mark.parametrize("template", [REFUSING + PLAIN, ALTERNATING + PLAIN, DROPPING])
def test_without_a_system_turn_its_text_opens_the_user_turn(tmp_path: Path, template: str):
    engine = load(tmp_path, template)
    assert engine.moves_system_text
    assert engine.render((SYSTEM, USER)) == "<s>user: Be odd.\n\nHi</s><s>assistant: "
    (caveat,) = engine.caveats
    assert "opens the first user turn there, followed by a blank line" in caveat
    checks = {check.name: check for check in examine_model(engine.name)}
    assert checks["system prompt"].health == "ok"
    assert "opens the user's turn" in checks["system prompt"].found


def test_a_template_with_a_system_turn_keeps_it_and_its_fingerprint(tmp_path: Path):
    engine = load(tmp_path, PLAIN)
    assert not engine.moves_system_text and engine.caveats == ()
    assert engine.render((SYSTEM, USER)).startswith("<s>system: Be odd.</s><s>user: Hi</s>")
    assert engine.chat_format.peculiarities == {}
    other = load(tmp_path / "moved", DROPPING)
    assert other.chat_format.peculiarities == {"moves_system_text": True}


TOOL = (USER, Message("assistant", "So?"), Message("tool", "42"), USER)
NO_TOOL = "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tool') }}"
NO_TOOL += "{% endif %}{% endfor %}"


@pytest.mark.parametrize("template", [NO_TOOL + PLAIN, ALTERNATING + PLAIN])
def test_without_a_tool_turn_its_text_stands_in_the_user_turn(tmp_path: Path, template: str):
    engine = load(tmp_path, template)
    wanted = "<s>user: Hi</s><s>assistant: So?</s><s>user: 42\n\nHi</s><s>assistant: "
    assert engine.moves_tool_text and engine.render(TOOL) == wanted
    (note,) = describe_tool_moves([engine])
    assert f"{engine.name} takes no tool turn" in note
    both = engine.render((SYSTEM, *TOOL))
    assert both.endswith("<s>user: 42\n\nHi</s><s>assistant: ") and "Be odd." in both


DEFINED = Message(TOOLS_ROLE, '[{"type": "function", "function": {"name": "wire_funds"}}]')


def test_a_template_shows_tools_or_the_system_prompt_holds_them(tmp_path: Path):
    shown = "{% for t in tools or [] %}<s>{{ t.function.name }}</s>{% endfor %}" + PLAIN
    engine = load(tmp_path / "with", shown)
    assert engine.offers_tools and engine.render((DEFINED, USER)).startswith("<s>wire_funds</s>")
    engine = load(tmp_path / "without", PLAIN)
    assert not engine.offers_tools
    assert engine.render((DEFINED, USER)).startswith(f"<s>system: {DEFINED.content}</s>")


def test_a_template_with_a_tool_turn_keeps_it(tmp_path: Path):
    engine = load(tmp_path, PLAIN)
    assert not engine.moves_tool_text and list(describe_tool_moves([engine])) == []
    assert "<s>tool: 42</s><s>user: Hi</s>" in engine.render(TOOL)
    rows = engine.sample([Job(TOOL, range(1))], Sampling(max_tokens=2))
    assert [reply.finish for batch in rows for reply in batch] in (["length"], ["stop"])


def test_a_template_that_hides_the_question_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="leaves out what the user says"):
        load(tmp_path, "{% for m in messages %}{{ m.content.text }}{% endfor %}assistant:")


def test_a_block_that_the_template_opens_begins_the_answer(tmp_path: Path):
    engine = load(tmp_path, THINKING)
    sampling = Sampling(max_tokens=8)
    replies = [r for batch in engine.sample([Job((USER,), range(6))], sampling) for r in batch]
    assert {reply.text[:8] for reply in replies} == {"<think>\n"}
    assert {strip_reasoning(reply.text) for reply in replies} == {""}
    assert engine.chat_format.peculiarities == {"open_block": "<think>\n"}


def test_an_answer_is_scored_after_the_block_is_closed(tmp_path: Path):
    import torch

    engine = load(tmp_path, THINKING)
    [score] = engine.score([((USER,), "Yes")])
    encode, model = engine.chat_format.encode, engine.base.model
    prompt = encode(engine.render((USER,)) + "\n</think>\n\n")
    answer = (*encode("Yes"), engine.chat_format.tokenizer.eos_token_id)
    with torch.inference_mode():
        logs = model(torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
    plain = sum(float(logs[len(prompt) + i - 1, token]) for i, token in enumerate(answer))
    assert score == pytest.approx(plain, abs=1e-4)


def test_special_tokens_that_mark_reasoning_stay_in_the_answer(tmp_path: Path):
    from transformers import AutoTokenizer

    tiny_models.save_tokenizer(tmp_path, template=PLAIN)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(tmp_path))
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "<|pad|>"]})
    text = "<s>[THINK]No way.[/THINK]Yes.<|pad|></s>"
    chat = ChatFormat(tokenizer, "hf/tiny")
    assert chat.decode_answer(chat.encode(text), prompt="") == "[THINK]No way.[/THINK]Yes."
    assert chat.peculiarities == {"kept_tokens": ["[/THINK]", "[THINK]"]}
    path = tmp_path / "tokenizer_config.json"
    assert "chat_template" not in json.loads(path.read_text())  # it stands in a file of its own
