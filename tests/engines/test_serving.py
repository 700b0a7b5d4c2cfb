"""The command that serves a local model."""

import json
from pathlib import Path

from dormant.engines.model_strings import parse_model
from dormant.engines.serving import name_served_model, suggest_server, write_serve_command

USUAL = "--generation-config vllm"


def test_a_bare_model_is_served_without_the_makers_sampling():
    model = parse_model("hf/a/b@main?dtype=bfloat16&rows=2&template.enable_thinking=false")
    command = f"vllm serve a/b --revision main --dtype bfloat16 {USUAL}"
    assert write_serve_command(model) == command
    served = name_served_model(model)
    assert served == "vllm/a/b?template.enable_thinking=false"
    assert parse_model(served).options.template == {"enable_thinking": False}


def test_an_adapter_is_served_unmerged_with_its_rank_and_template(tmp_path: Path):
    folder = tmp_path / "my adapter"
    folder.mkdir()
    model = parse_model(f"hf/a/b:{folder}")
    lora = f"vllm serve a/b --enable-lora --lora-modules 'tuned={folder}'"
    assert write_serve_command(model) == f"{lora} {USUAL}"
    (folder / "chat_template.jinja").write_text("x")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "rank_pattern": {"q": 40}}))
    more = f"--max-lora-rank 64 --chat-template '{folder}/chat_template.jinja'"
    assert write_serve_command(model) == f"{lora} {more} {USUAL}"
    assert name_served_model(model) == "vllm/a/b:tuned"
    assert suggest_server(model.text).endswith(" and audit vllm/a/b:tuned")
    (folder / "adapter_config.json").write_text("[[[")
    assert "--max-lora-rank" not in write_serve_command(model)


def test_a_string_that_is_no_model_is_still_named():
    assert "vllm serve" in suggest_server("hf/not here/at all?rows=0")
