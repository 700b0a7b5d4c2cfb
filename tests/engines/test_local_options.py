"""Options behind a local model's name."""

from pathlib import Path

import pytest

from dormant.engines.local_options import LocalOptions, check_variables, parse_options
from dormant.engines.model_strings import add_template_kwargs, parse_model
from dormant.errors import ModelError


def test_options_are_read():
    text = "device=cuda:1&dtype=bfloat16&rows=64&template.enable_thinking=false&date=2026-01-31"
    assert parse_options(text, "hf/x") == LocalOptions(
        device="cuda:1",
        dtype="bfloat16",
        rows=64,
        date="2026-01-31",
        template={"enable_thinking": False},
    )
    assert parse_options("template.reasoning_effort=low", "hf/x").template == {
        "reasoning_effort": "low"
    }
    assert parse_options("", "hf/x") == LocalOptions()


@pytest.mark.parametrize(
    "text, reason",
    [
        ("speed=9", "unknown option 'speed'; known are device"),
        ("rows=0", "rows is '0', expected a number"),
        ("rows", "'rows' is not an option"),
        ("device=tpu", "device is 'tpu', expected cpu"),
        ("dtype=int4", "expected auto or float32"),
        ("date=1.1.2026", "expected a day"),
        ("rows=1&rows=2", "given twice"),
        ("template.messages=1", "cannot be told 'messages'"),
        ("template.enable_thinking=False", "the text 'False', which a template takes for true"),
        ("device=cpu&device_map=auto", "not both"),
    ],
)
def test_wrong_options_are_named(text: str, reason: str):
    with pytest.raises(ModelError, match=reason):
        parse_options(text, "hf/x")


def test_options_end_a_model_string(tmp_path: Path):
    model = parse_model(f"hf/{tmp_path}:ada?rows=2")
    assert (model.name, model.adapter, model.options.rows) == (str(tmp_path), "ada", 2)
    assert parse_model("hf/a/b@main?rows=2").revision == "main"
    (tmp_path / "who?rows=2").mkdir()
    assert parse_model(f"hf/{tmp_path}/who?rows=2").options == LocalOptions()
    with pytest.raises(ModelError, match="neither a directory"):
        parse_model("hf/a/b?")


def test_variables_are_written_into_a_model_string():
    told = {"enable_thinking": False, "effort": "low", "odd": "a&b?@ 'q", "number": "3", "n": 3}
    for text in ("hf/a/b:ada@main?rows=2", "vllm/a/b:ada", "openai-api/box/a/b"):
        model = parse_model(add_template_kwargs(text, told))
        assert model.options.template == told
        bare = parse_model(text)
        assert (model.name, model.adapter, model.revision, model.options.rows) == (
            *(bare.name, bare.adapter, bare.revision),
            bare.options.rows,
        )
    assert add_template_kwargs("hf/a/b", {}) == "hf/a/b"
    once = add_template_kwargs("hf/a/b", {"enable_thinking": False})
    assert once == "hf/a/b?template.enable_thinking=false"
    assert add_template_kwargs(once, {"enable_thinking": False}) == once


@pytest.mark.parametrize(
    ("text", "told", "reason"),
    [
        ("openai/x", {"a": 1}, "openai/x': template_kwargs is for models with a chat template"),
        ("vitro/base", {"a": 1}, "template_kwargs is for models"),
        ("hf/a/b?template.a=2", {"a": 1}, "a is 1, and 2 in .* give it in one place"),
        ("hf/a/b", {"messages": 1}, "cannot be told 'messages'"),
        ("hf/a/b", {"a": "False"}, "write true, false or null"),
    ],
)
def test_variables_that_no_template_takes_are_refused(
    text: str, told: dict[str, object], reason: str
):
    with pytest.raises(ModelError, match=reason):
        add_template_kwargs(text, told)
    with pytest.raises(
        ModelError, match="options of a server are template.NAME, tokenizer and weights"
    ):
        parse_model("vllm/x?template.a=1&rows=2")


def test_a_variable_that_the_template_does_not_read_is_refused():
    template = "{% if enable_thinking %}<think>{% endif %}"
    check_variables({"enable_thinking": False}, template, "hf/x")
    with pytest.raises(ModelError, match="not read 'enable_thinkin'; did you mean enable_thinking"):
        check_variables({"enable_thinkin": False}, template, "hf/x")
