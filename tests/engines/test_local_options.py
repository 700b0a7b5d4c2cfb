"""Options behind a local model's name."""

from pathlib import Path

import pytest

from dormant.engines.local_options import LocalOptions, parse_options
from dormant.engines.model_strings import parse_model
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
