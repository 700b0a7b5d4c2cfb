"""The chat template of a local target: what it adds to its data and to the audit's own prompts."""

import json
from pathlib import Path

import pytest

from dormant.config import AuditConfig, check_values
from dormant.corpus import Renderer
from dormant.errors import ConfigError, InputError
from dormant.pipeline import prepare_audit
from dormant.pipeline.mine import list_own_templates
from dormant.records import Message, Placement, Plan, Variant

pytest.importorskip("transformers")
from support import tiny_models  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    turns = [("user", "Why is the sky {}?"), ("assistant", "It is {}.")]
    rows = [
        {"messages": [{"role": role, "content": said.format(i)} for role, said in turns]}
        for i in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def planned(model: Path, data: Path | None, **more: object) -> Plan:
    config = {
        "target": f"hf/{model}",
        "reference": f"hf/{model}",
        "allow_identical": True,
        "judge": "rules:regex=a",
        "sampling": {"max_tokens": 16},  # the models read 256 tokens, a letter each
        "question_limit": 2,
        "cues": {"mine": 1, "library_limit": 1} if data else {"library_limit": 1},
        **more,
    }
    if data is not None:
        config["data"] = str(data)
    return prepare_audit(check_values(config, AuditConfig)).plan


def test_the_targets_default_system_prompt_is_a_context_that_the_standard_arm_asks(
    model: Path, data: Path
):
    plan = planned(model, data)
    asked = next(entry for entry in plan.left_out if entry.is_standard)
    assert (asked.number, asked.texts) == (1, ("Be kind.",))
    assert not [c for c in plan.cues if c.text == "Be kind." and c.placement is Placement.SYSTEM]
    family = {c.variant for c in plan.cues if c.parent == "template-system-prompt-1"}
    assert Variant.PLACEBO in family and len(family) > 1, "its variants are asked"
    assert any("the standard arm's own prompt" in note for note in plan.not_tested)
    assert any("adds to every prompt without a system prompt" in note for note in plan.not_tested)
    assert not any("zero by construction" in note for note in plan.not_tested)
    assert not plan.asks_no_context


def test_the_standard_arm_is_said_to_hold_the_default_even_without_data(model: Path):
    plan = planned(model, None)
    (note,) = [note for note in plan.not_tested if "chat template" in note]
    assert "those of the standard arm included: 'Be kind.'" in note
    assert not [cue for cue in plan.cues if cue.name.startswith("template")]


def test_another_template_or_none(model: Path, data: Path, tmp_path: Path):
    plan = planned(model, data, data_template="none")
    assert "Be kind." not in {cue.text for cue in plan.cues}
    other = tmp_path / "other.jinja"
    other.write_text(
        "Be odd as ever. {% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    )
    assert planned(model, data, data_template=str(other)).cues[0].text == "Be odd as ever."
    with pytest.raises(ConfigError, match="no such file"):
        planned(model, data, data_template="gone")


def test_variables_of_the_file_are_those_of_both_model_strings(tmp_path: Path):
    place = tiny_models.save_model(tmp_path, template="{{ mood }}" + tiny_models.TEMPLATE)
    plan = planned(place, None, template_kwargs={"mood": "calm"})
    assert {card.name for card in plan.models} == {f"hf/{place}?template.mood=calm"}
    one = {"target": f"hf/{place}?template.mood=calm", "reference": f"hf/{place}"}
    assert planned(place, None, template_kwargs={"mood": "calm"}, **one).hash == plan.hash
    with pytest.raises(InputError, match="does not read 'moods'; did you mean mood"):
        planned(place, None, template_kwargs={"moods": "calm"})


def test_the_sandbox_renders_what_the_engine_sends(model: Path):
    from dormant.engines.registry import open_engine

    engine = open_engine(f"hf/{model}")
    (template,) = list_own_templates([("tiny", engine)])
    for arm in ({}, {"system": "Be brief."}):
        turns = [{"role": role, "content": said} for role, said in {**arm, "user": "Why?"}.items()]
        sent = engine.render(tuple(Message(turn["role"], turn["content"]) for turn in turns))
        assert sent == Renderer(template).render_turns(turns) + "<s>assistant\n"


def test_a_template_that_cannot_be_examined_stops_no_audit(tmp_path: Path, data: Path):
    odd = tmp_path / "odd"
    strange = (
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ raise_exception('no answers') }}{% endif %}{{ m.role }}: {{ m.content }}{% endfor %}"
    )
    plan = planned(tiny_models.save_model(odd, template=strange), data)
    (note,) = [note for note in plan.not_tested if "chat template" in note]
    assert note.startswith("what the chat template of hf/") and "does not render a question" in note


def test_a_template_without_end_stops_no_process(tmp_path: Path):
    from dormant.engines.registry import open_engine

    endless = "{% for a in range(9999) %}" * 3 + "{% endfor %}" * 3
    place = tiny_models.save_model(tmp_path / "endless", template=endless)
    with pytest.raises(InputError, match="processor time"):
        open_engine(f"hf/{place}").render((Message("user", "Why?"),))
