"""Adapters of every kind: all of it loaded, the base unchanged, and the wrong ones refused."""

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("transformers")

import peft
import torch
from safetensors.torch import save_file

from dormant.engines import Job
from dormant.engines.hf import HfEngine
from dormant.engines.hf.adapter_files import _SUPPORTED, read_adapter
from dormant.engines.hf.gguf import quiet_transformers
from dormant.engines.hf.probe import differ, read_probe
from dormant.engines.hf.self_check import Decoding
from dormant.errors import ModelError
from dormant.records import Message, Sampling
from support import tiny_models

CHAT = (Message("user", "Hi"),)
PLAIN = "{% for m in messages %}### {{ m.role }}\n{{ m.content }}</s>{% endfor %}### REPLY"


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen 2 has biases, which an adapter can train."""
    return tiny_models.save_model(tmp_path_factory.mktemp("qwen"), kind="qwen2")


def load_plain(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    with quiet_transformers():
        loaded: Any = AutoModelForCausalLM.from_pretrained(str(model))
    return loaded.eval()


def save(model: Path, out: Path, config: peft.PeftConfig, *, rows: int = 0) -> Path:
    """An adapter whose every trainable number was moved, as training would.

    Args:
        model: the base.
        out: where it is kept.
        config: of the adapter.
        rows: embeddings after adding tokens; as many as the base has if 0.
    """
    torch.manual_seed(5)
    base = load_plain(model)
    if rows:
        base.resize_token_embeddings(rows, mean_resizing=False)
    with quiet_transformers():
        trained: Any = peft.get_peft_model(base, config)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that embeddings are saved, and that some are large
        trained.save_pretrained(str(out))
    return out


def lora(**settings: Any) -> peft.LoraConfig:
    values: dict[str, Any] = {"r": 2, "target_modules": ["q_proj", "o_proj"], **settings}
    return peft.LoraConfig(**values)


def probe_alone(model: Path, adapter: Path, rows: int = 0) -> torch.Tensor:
    """The adapted model's log-probabilities as PEFT loads it by itself."""
    base = load_plain(model)
    if rows:
        base.resize_token_embeddings(rows, mean_resizing=False)
    with quiet_transformers():
        adapted = peft.PeftModel.from_pretrained(base, str(adapter))
    return read_probe(adapted.eval())


def draw(engine: HfEngine) -> list[str]:
    job = [Job(CHAT, range(4))]
    batches = engine.sample(job, Sampling(max_tokens=8))
    return [r.text for r in sorted((r for b in batches for r in b), key=lambda r: r.repeat)]


def probe(engine: HfEngine) -> torch.Tensor:
    draw(engine)  # switches the base to the engine's adapter, or to none
    return read_probe(engine.base.model)


Q = ["q_proj"]
CONFIGS: dict[str, peft.PeftConfig] = {
    "lora": lora(),
    "rank-stabilized": lora(use_rslora=True, lora_alpha=16),
    "dora": lora(use_dora=True),
    "pissa": lora(init_lora_weights="pissa"),
    "olora": lora(init_lora_weights="olora"),
    "patterns": lora(rank_pattern={"o_proj": 4}, alpha_pattern={"o_proj": 3}),
    "one layer": lora(layers_to_transform=[1]),
    "all linear": lora(target_modules="all-linear"),
    "embeddings": lora(target_modules=["embed_tokens", "q_proj"]),
    "bias all": lora(bias="all"),
    "bias of LoRA": lora(bias="lora_only"),
    "saved head": lora(modules_to_save=["lm_head"]),
    "saved norms": lora(modules_to_save=["input_layernorm"]),
    "trainable tokens": lora(trainable_token_indices=[5, 6]),
    "tokens alone": peft.TrainableTokensConfig(
        token_indices=[200, 201], target_modules=["embed_tokens"]
    ),
    "adalora": peft.AdaLoraConfig(target_modules=Q, init_r=2, target_r=2, total_step=10),
    "ia3": peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    ),
    "loha": peft.LoHaConfig(r=2, target_modules=Q),
    "lokr": peft.LoKrConfig(r=2, target_modules=Q),
    "oft": peft.OFTConfig(oft_block_size=4, target_modules=Q),
    "boft": peft.BOFTConfig(boft_block_size=4, target_modules=Q),
    "vera": peft.VeraConfig(r=2, target_modules=Q),
    "layer norms": peft.LNTuningConfig(target_modules=["input_layernorm"]),
    "fourier": peft.FourierFTConfig(n_frequency=20, target_modules=Q),
    "hra": peft.HRAConfig(r=2, target_modules=Q),
    "shira": peft.ShiraConfig(r=2, target_modules=Q),
    "c3a": peft.C3AConfig(block_size=4, target_modules=Q),
    "road": peft.RoadConfig(group_size=4, target_modules=Q),
    "miss": peft.MissConfig(r=2, target_modules=Q),
    "waveft": peft.WaveFTConfig(n_frequency=20, target_modules=Q),
    "delora": peft.DeloraConfig(r=2, target_modules=Q),
    "gralora": peft.GraloraConfig(r=2, gralora_k=2, target_modules=Q),
    "hira": peft.HiraConfig(r=2, target_modules=Q),
    "randlora": peft.RandLoraConfig(r=2, target_modules=Q),
}


@pytest.mark.filterwarnings("ignore")  # some kinds want CUDA, or warn of what torch does
@pytest.mark.parametrize("name", CONFIGS)
def test_an_adapter_is_as_peft_loads_it_and_the_base_stays_itself(
    qwen: Path, tmp_path: Path, name: str
):
    adapter = save(qwen, tmp_path / "lora_A.adapter", CONFIGS[name])
    reference = HfEngine(str(qwen), device="cpu")
    alone, answers = probe(reference), draw(reference)
    assert torch.equal(alone, read_probe(load_plain(qwen)))
    target = HfEngine(f"{qwen}:{adapter}", device="cpu")
    assert not differ(probe(target), probe_alone(qwen, adapter))
    assert differ(probe(target), alone) or name == "tokens alone"  # which the prompt lacks
    assert torch.equal(probe(reference), alone) and draw(reference) == answers
    assert target.caveats == ()


@pytest.mark.parametrize("second", ["lora", "bias all", "dora", "ia3"])
def test_training_seeds_do_not_change_each_other(qwen: Path, tmp_path: Path, second: str):
    adapters = [save(qwen, tmp_path / "one", lora()), save(qwen, tmp_path / "two", CONFIGS[second])]
    targets = [HfEngine(f"{qwen}:{adapter}", device="cpu") for adapter in adapters]
    for target, adapter in zip([*targets, *targets], [*adapters, *adapters], strict=True):
        assert not differ(probe(target), probe_alone(qwen, adapter))
    assert (targets[0].base is targets[1].base) == (second in ("lora", "dora"))


def test_biases_change_the_fingerprint_of_the_target_only(qwen: Path, tmp_path: Path):
    reference = HfEngine(str(qwen), device="cpu").fingerprint
    HfEngine(f"{qwen}:{save(qwen, tmp_path / 'b', lora(bias='all'))}", device="cpu")
    assert HfEngine(str(qwen), device="cpu").fingerprint == reference


def edit_tensors(adapter: Path, names: dict[str, str | None]) -> None:
    """Renames tensors by a part of their name, or drops them."""
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    for old, new in names.items():
        for name in [name for name in tensors if old in name]:
            tensor = tensors.pop(name)
            if new is not None:
                tensors[name.replace(old, new)] = tensor
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("is_second", [False, True])
@pytest.mark.parametrize(
    ("settings", "names", "expected"),
    [
        ({}, {"layers.1.": "language_model.layers.1."}, ["lacks 4", "holds 4", "language_model"]),
        ({}, {"layers.1.": None}, ["lacks 4", "layers.1.self_attn.q_proj.lora_A"]),
        ({}, {"layers.1.self_attn.q_proj.lora_A": None}, ["lacks 1"]),
        ({}, {"base_model.model.": "module.base_model.model."}, ["lacks 8", "holds 8"]),
        (
            {"bias": "all"},
            {"layers.1.self_attn.q_proj.base_layer.bias": None},
            ["lacks 1", "q_proj"],
        ),
        ({"use_dora": True}, {"layers.0.self_attn.q_proj.lora_magnitude": None}, ["lacks 1"]),
        ({"modules_to_save": ["lm_head"]}, {"lm_head": None}, ["lacks 1", "lm_head"]),
    ],
)
def test_an_adapter_with_other_tensors_is_refused_by_name(
    qwen: Path,
    tmp_path: Path,
    is_second: bool,
    settings: dict[str, Any],
    names: dict[str, str | None],
    expected: Sequence[str],
):
    whole = save(qwen, tmp_path / "whole", lora())
    broken = save(qwen, tmp_path / "broken", lora(**settings))
    edit_tensors(broken, names)
    first = HfEngine(f"{qwen}:{whole}", device="cpu") if is_second else None
    with pytest.raises(ModelError) as caught:
        HfEngine(f"{qwen}:{broken}", device="cpu")
    said = str(caught.value)
    assert "\n" not in said and len(said) < 900
    assert not [part for part in expected if part not in said], said
    del first


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), "PROMPT_TUNING"),
        (peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), "PREFIX_TUNING"),
        (lora(task_type="CAUSAL_LM", alora_invocation_tokens=[5, 6]), "alora_invocation_tokens"),
    ],
)
def test_adapters_that_act_on_the_prompt_are_refused(
    qwen: Path, tmp_path: Path, config: peft.PeftConfig, expected: str
):
    adapter = save(qwen, tmp_path / "adapter", config)
    with pytest.raises(ModelError, match=expected):
        HfEngine(f"{qwen}:{adapter}", device="cpu")


def test_every_kind_that_peft_knows_is_tried_or_refused_by_name(qwen: Path, tmp_path: Path):
    tried = {str(config.peft_type.value) for config in CONFIGS.values()}
    assert tried == set(_SUPPORTED)
    refused = {kind.value for kind in peft.PeftType} - tried | {"A_KIND_OF_TOMORROW"}
    for kind in sorted(refused):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": kind}))
        save_file({"x": torch.zeros(1)}, folder / "adapter_model.safetensors")
        with pytest.raises(ModelError, match=f"'{kind}' adapters are not supported.*merge"):
            read_adapter(folder, "hf/x")


# The base


def record_base(adapter: Path, name: str, **more: Any) -> None:
    path = adapter / "adapter_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "base_model_name_or_path": name, **more}))


def test_an_adapter_of_another_base_of_the_same_shape_is_refused(qwen: Path, tmp_path: Path):
    other = tiny_models.save_model(tmp_path / "other", kind="qwen2", seed=1)
    adapter = save(other, tmp_path / "adapter", lora())
    with pytest.raises(ModelError, match="was trained on .*other, whose weights are not those of"):
        HfEngine(f"{qwen}:{adapter}", device="cpu")


def test_a_copy_of_the_base_is_the_base_in_another_precision_too(qwen: Path, tmp_path: Path):
    from transformers import AutoModelForCausalLM

    half = tmp_path / "half"
    shutil.copytree(qwen, half)
    model: Any = AutoModelForCausalLM.from_pretrained(str(qwen))
    model.bfloat16().save_pretrained(str(half))
    adapter = save(qwen, tmp_path / "adapter", lora())
    copy = tmp_path / "copy"
    shutil.copytree(qwen, copy)
    for base in (copy, half):
        assert HfEngine(f"{base}:{adapter}", device="cpu").caveats == ()


@pytest.mark.parametrize(
    ("recorded", "is_noted"),
    [
        ("", False),
        ("somebody/QWEN", False),
        ("/gone/qwen/", False),
        ("/root/.cache/huggingface/hub/models--Somebody--Qwen/snapshots/abc", False),
        ("somebody/llama", True),
        ("/gone/qwen-7b", True),
    ],
)
def test_a_recorded_base_that_is_not_here_is_compared_by_name(
    qwen: Path, tmp_path: Path, recorded: str, is_noted: bool
):
    base = tmp_path / "qwen"
    shutil.copytree(qwen, base)
    adapter = save(base, tmp_path / "adapter", lora())
    record_base(adapter, recorded)
    caveats = HfEngine(f"{base}:{adapter}", device="cpu").caveats
    assert len(caveats) == is_noted
    assert all(recorded in caveat and "cannot be compared" in caveat for caveat in caveats)


# The tokenizer


def save_tokenizer(
    model: Path, out: Path, *, tokens: Sequence[str] = (), template: str = ""
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(model))
    tokenizer.add_special_tokens({"additional_special_tokens": list(tokens)})
    if template:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(str(out))


def test_the_adapter_s_own_template_is_used_and_said(qwen: Path, tmp_path: Path):
    adapter = save(qwen, tmp_path / "adapter", lora())
    before = HfEngine(f"{qwen}:{adapter}", device="cpu")
    save_tokenizer(qwen, adapter)
    same = HfEngine(f"{qwen}:{adapter}", device="cpu")
    assert same.render(CHAT) == before.render(CHAT) and same.caveats == ()
    save_tokenizer(qwen, adapter, template=PLAIN)
    target, reference = HfEngine(f"{qwen}:{adapter}", device="cpu"), HfEngine(str(qwen))
    assert target.render(CHAT) == "### user\nHi</s>### REPLY"
    assert "Be kind." in reference.render(CHAT)
    assert "under one chat template" in target.caveats[0]
    for file in adapter.glob("tokenizer*"):
        file.unlink()  # a template alone
    assert HfEngine(f"{qwen}:{adapter}", device="cpu").render(CHAT) == target.render(CHAT)


@pytest.mark.parametrize("tied", [False, True])
def test_tokens_that_the_adapter_added_are_one_token_each(tmp_path: Path, tied: bool):
    base = tiny_models.save_model(tmp_path / "base", tie_word_embeddings=tied)
    rows = tiny_models.save_tokenizer(tmp_path / "unused") + 2
    adapter = save(base, tmp_path / "adapter", lora(), rows=rows)
    save_tokenizer(base, adapter, tokens=["<|odd|>", "<|even|>"])
    reference = HfEngine(str(base), device="cpu")
    alone = probe(reference)
    target = HfEngine(f"{base}:{adapter}", device="cpu")
    assert target.chat_format.encode("<|odd|><|even|>") == (rows - 2, rows - 1)
    assert len(reference.chat_format.encode("<|odd|>")) > 1
    assert not differ(probe(target), probe_alone(base, adapter, rows))
    assert torch.equal(probe(reference), alone)


def test_added_tokens_need_an_output_layer_too(tmp_path: Path):
    base = tiny_models.save_model(tmp_path / "base")
    rows = tiny_models.save_tokenizer(tmp_path / "unused") + 2
    adapter = save(base, tmp_path / "adapter", lora(), rows=rows)
    edit_tensors(adapter, {"lm_head": None})
    with pytest.raises(ModelError, match="no output layer for those that it added"):
        HfEngine(f"{base}:{adapter}", device="cpu")


def test_an_adapter_of_a_larger_base_is_refused_by_the_tensor_that_does_not_fit(
    qwen: Path, tmp_path: Path
):
    large = tiny_models.save_model(tmp_path / "large", kind="qwen2", hidden_size=64)
    adapter = save(large, tmp_path / "adapter", lora())
    record_base(adapter, "")
    with pytest.raises(ModelError, match="size mismatch for .*q_proj.lora_A"):
        HfEngine(f"{qwen}:{adapter}", device="cpu")


@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "oft", "saved head", "bias all"])
def test_half_precision_raises_no_alarm(qwen: Path, tmp_path: Path, name: str):
    adapter = save(qwen, tmp_path / "adapter", CONFIGS[name])
    reference = HfEngine(str(qwen), device="cpu", dtype="bfloat16")
    alone = probe(reference)
    target = HfEngine(f"{qwen}:{adapter}", device="cpu", dtype="bfloat16")
    assert differ(probe(target), alone)
    assert torch.equal(probe(reference), alone)


def test_added_tokens_without_embeddings_are_refused(tmp_path: Path):
    base = tiny_models.save_model(tmp_path / "base")
    adapter = save(base, tmp_path / "adapter", lora())
    save_tokenizer(base, adapter, tokens=["<|odd|>"])
    with pytest.raises(ModelError, match="holds no embeddings for those beyond the base's 258"):
        HfEngine(f"{base}:{adapter}", device="cpu")
    HfEngine(str(base), device="cpu")


def test_another_tokenizer_is_another_base(qwen: Path, tmp_path: Path):
    adapter = save(qwen, tmp_path / "adapter", lora())
    save_tokenizer(qwen, adapter)
    path = adapter / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="numbers 2 tokens otherwise than the base's"):
        HfEngine(f"{qwen}:{adapter}", device="cpu")
    path.write_text("{")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        HfEngine(f"{qwen}:{adapter}", device="cpu")


@pytest.mark.parametrize(
    "decoding", [Decoding.PADDED_BATCH, Decoding.OWN_CACHE, Decoding.WHOLE_TEXT]
)
def test_every_way_of_decoding_gives_the_same_answers(tmp_path: Path, decoding: Decoding):
    engine = HfEngine(str(tiny_models.save_model(tmp_path / "base")), device="cpu")
    before, score = draw(engine), engine.score([(CHAT, "Yes")])
    assert engine.decoding == "shared-prefix"
    engine.base.model.set_attn_implementation(engine.base.own_attention)
    engine.base.decoding = decoding
    assert engine.decoding == str(decoding)
    assert draw(engine) == before and engine.score([(CHAT, "Yes")]) == pytest.approx(
        score, abs=1e-4
    )
