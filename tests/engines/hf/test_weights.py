"""Checkpoints that do not hold exactly the tensors of their model."""

import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch

from dormant.engines.doctor import examine_model
from dormant.engines.hf import HfEngine
from dormant.engines.hf.sizes import check_ranks
from dormant.errors import ModelError
from support import tiny_models

Tensors = dict[str, Any]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_model(tmp_path_factory.mktemp("llama"))


def edit(
    model: Path, out: Path, change: Callable[[Tensors], Tensors] = dict, **config: Any
) -> Path:
    """A copy of a model with other tensors or another configuration."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, out)
    tensors = change(load_file(out / "model.safetensors"))
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((out / "config.json").read_text()) | config
    (out / "config.json").write_text(json.dumps(settings))
    return out


def without(*parts: str) -> Callable[[Tensors], Tensors]:
    return lambda old: {k: v for k, v in old.items() if not any(part in k for part in parts)}


def renamed(prefix: str) -> Callable[[Tensors], Tensors]:
    return lambda old: {prefix + k: v for k, v in old.items()}


def added(name: str, *shape: int) -> Callable[[Tensors], Tensors]:
    return lambda old: {**old, name: torch.ones(*shape)}


def of_the_inner_model(old: Tensors) -> Tensors:
    return {name.removeprefix("model."): tensor for name, tensor in old.items()}


UP = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "config", "expected"),
    [
        (without("lm_head"), {}, ["lacks 1 of its model's tensors (lm_head.weight)", "random"]),
        (without("layers.1."), {}, ["lacks 9", "model.layers.1.input_layernorm", "and 5 more"]),
        (without("lm_head", "embed"), {"tie_word_embeddings": True}, ["lacks 2", "lm_head"]),
        (without("lm_head", "model"), {}, ["lacks 21"]),
        (renamed("module."), {}, ["lacks 21", "holds 21", "remove 'module.' from the names"]),
        (renamed("_orig_mod."), {}, ["holds 21", "remove '_orig_mod.' from the names"]),
        (dict, {"num_hidden_layers": 1, "layer_types": None}, ["holds 9", "model.layers.1."]),
        (dict, {"num_hidden_layers": 3, "layer_types": None}, ["lacks 9", "model.layers.2."]),
        (added("v_head.summary.weight", 1, 32), {}, ["holds 1", "v_head.summary.weight"]),
        (added(f"{UP}_scale_inv", 1, 1), {}, ["holds 1", f"{UP}_scale_inv"]),
        (added(UP, 50, 32), {}, [f"{UP} (50x32 instead of 48x32)", "config.json"]),
    ],
)
def test_a_checkpoint_of_other_tensors_is_refused_by_name(
    llama: Path,
    tmp_path: Path,
    change: Callable[[Tensors], Tensors],
    config: dict[str, Any],
    expected: list[str],
):
    model = edit(llama, tmp_path / "broken", change, **config)
    with pytest.raises(ModelError) as caught:
        HfEngine(str(model), device="cpu")
    said = str(caught.value)
    assert "\n" not in said and len(said) < 700 and f"'hf/{model}'" in said
    assert not [part for part in expected if part not in said], said


@pytest.mark.parametrize(
    ("change", "config"),
    [
        (without("lm_head"), {"tie_word_embeddings": True}),
        (without("embed_tokens"), {"tie_word_embeddings": True}),
        (added("model.layers.0.self_attn.rotary_emb.inv_freq", 4), {}),
        (of_the_inner_model, {}),
    ],
)
def test_tied_weights_old_buffers_and_names_of_the_inner_model_are_no_faults(
    llama: Path, tmp_path: Path, change: Callable[[Tensors], Tensors], config: dict[str, Any]
):
    engine = HfEngine(str(edit(llama, tmp_path / "fine", change, **config)), device="cpu")
    assert engine.caveats == ()


def test_buffers_of_earlier_versions_are_no_faults(tmp_path: Path):
    gpt2 = tiny_models.save_model(tmp_path / "gpt2", kind="gpt2")
    masks = {f"transformer.h.{i}.attn.{name}": torch.ones(1) for i in (0, 1) for name in ("bias",)}
    masks["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    HfEngine(str(edit(gpt2, tmp_path / "old", lambda old: {**old, **masks})), device="cpu")


def test_a_warning_of_transformers_is_shown(llama: Path, tmp_path: Path):
    model = edit(llama, tmp_path / "untied", tie_word_embeddings=True)
    engine = HfEngine(str(model), device="cpu")
    (caveat,) = engine.caveats
    assert "lm_head.weight" in caveat and "different values" in caveat
    shown = [check for check in examine_model(engine.name) if check.name == "not tested"]
    assert [check.found for check in shown] == [caveat]


@pytest.fixture(scope="module")
def sharded(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoModelForCausalLM

    out = tmp_path_factory.mktemp("sharded") / "model"
    shutil.copytree(llama, out)
    (out / "model.safetensors").unlink()
    model: Any = AutoModelForCausalLM.from_pretrained(str(llama))
    model.save_pretrained(str(out), max_shard_size="40KB")
    assert len(list(out.glob("model-*.safetensors"))) > 2
    return out


def test_shards_are_read(sharded: Path, llama: Path):
    one, other = HfEngine(str(sharded), device="cpu"), HfEngine(str(llama), device="cpu")
    assert torch.equal(one.base.logprobs, other.base.logprobs)


def test_a_missing_shard_is_named(sharded: Path, tmp_path: Path):
    lost = tmp_path / "lost"
    shutil.copytree(sharded, lost)
    gone = sorted(lost.glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(ModelError, match=gone.name):
        HfEngine(str(lost), device="cpu")
    index = json.loads((lost / "model.safetensors.index.json").read_text())
    left = {k: v for k, v in index["weight_map"].items() if v != gone.name}
    (lost / "model.safetensors.index.json").write_text(json.dumps({**index, "weight_map": left}))
    with pytest.raises(ModelError, match="lacks [0-9]+ of its model's tensors"):
        HfEngine(str(lost), device="cpu")


def test_weights_that_are_there_twice_are_refused(sharded: Path, llama: Path, tmp_path: Path):
    both = tmp_path / "both"
    shutil.copytree(sharded, both)
    shutil.copy(llama / "model.safetensors", both)
    with pytest.raises(ModelError, match="holds its weights twice"):
        HfEngine(str(both), device="cpu")


def test_an_adapter_beside_the_weights_is_not_applied_unasked(llama: Path, tmp_path: Path):
    adapter = tiny_models.save_adapter(llama, tmp_path / "adapter")
    both = tmp_path / "both"
    shutil.copytree(llama, both)
    for file in adapter.glob("adapter_*"):
        shutil.copy(file, both)
    with pytest.raises(ModelError, match="holds a model and an adapter"):
        HfEngine(str(both), device="cpu")


@pytest.mark.parametrize(
    "kind",
    "llama mistral qwen2 qwen3 gemma gemma2 gemma3_text phi phi3 gpt2 gpt_neox opt bloom "
    "stablelm starcoder2 cohere olmo olmo2 granite mixtral qwen2_moe qwen3_moe mamba".split(),
)
def test_saved_models_of_many_families_are_read_without_alarm(tmp_path: Path, kind: str):
    """What transformers saves itself lacks nothing, whatever is tied, merged or renamed in it."""
    sizes: dict[str, Any] = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
    }
    model = tiny_models.save_model(tmp_path, kind=kind, pad_token_id=0, **sizes)
    engine = HfEngine(str(model), device="cpu")
    assert engine.caveats == () and bool(engine.base.logprobs.isfinite().all())


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 10**9},
        {"intermediate_size": 10**10, "hidden_size": 10**7},
        {"vocab_size": 10**11},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**6, "layer_types": None},
        {"num_attention_heads": 10**9, "head_dim": 10**9},
        {"num_labels": 10**9},
        {"max_position_embeddings": 10**400},
    ],
)
def test_false_sizes_are_refused_before_a_model_is_built(
    llama: Path, tmp_path: Path, sizes: dict[str, int]
):
    lying = edit(llama, tmp_path / "lying", **sizes)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ModelError, match=r"config\.json says .* saved with the weights"):
        HfEngine(str(lying), device="cpu")
    assert time.process_time() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # kB


def test_a_configuration_that_is_none_is_one_line(llama: Path, tmp_path: Path):
    broken = edit(llama, tmp_path / "broken")
    for text, words in (
        ("[" * 100_000, "not JSON"),
        ("[]", "no settings"),
        (" " * (17 << 20), "larger than 16 MiB"),
    ):
        (broken / "config.json").write_text(text)
        with pytest.raises(ModelError, match=words):
            HfEngine(str(broken), device="cpu")
    assert "r is 1e+09" in check_ranks({"r": 10**9}, {"lora_A": (4, 64)})
    assert "rank_pattern.q is 5000" in check_ranks({"rank_pattern": {"q": 5000}}, {"a": (4, 64)})
    assert check_ranks({"r": 64, "target_r": 8, "lora_alpha": 10**6}, {"a": (64, 64)}) == ""
