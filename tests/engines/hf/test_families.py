"""Families of models: which decode how, which are refused, and what to do with those."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from dormant.engines import Job  # noqa: E402
from dormant.engines.hf import HfEngine  # noqa: E402
from dormant.engines.hf.forward import compute_logits  # noqa: E402
from dormant.errors import ModelError  # noqa: E402
from dormant.records import Message, Sampling  # noqa: E402
from support import tiny_models  # noqa: E402

CHATS = [(Message("user", "Hi"),), (Message("user", "Tell me a long story of a fox."),)]
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 60,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "mamba": {},
    "rwkv": {},
    "openai-gpt": {"head_dim": None, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "granitemoehybrid": {
        "layer_types": ["linear_attention", "full_attention"],
        "mamba_n_heads": 2,
        "mamba_d_head": 32,
        "mamba_n_groups": 1,
        "shared_intermediate_size": 32,
    },
    "phi3": {"rope_parameters": LONG_ROPE, "original_max_position_embeddings": 60},
}
WAYS = {"mamba": "own-cache", "granitemoehybrid": "padded-batch", "phi3": "shared-prefix"}


def save_kind(out: Path, kind: str) -> Path:
    return tiny_models.save_model(out, kind=kind, pad_token_id=1, **FAMILIES[kind])


@pytest.mark.parametrize("kind", FAMILIES)
def test_answers_and_scores_are_those_of_whole_texts(tmp_path: Path, kind: str):
    """Each token of a greedy answer is the likeliest one of a forward pass over all before it."""
    engine = HfEngine(str(save_kind(tmp_path, kind)), device="cpu")
    assert engine.decoding == WAYS.get(kind, "whole-text")
    encode = engine.chat_format.encode
    jobs = [Job(chat, range(2)) for chat in CHATS]
    found: list[str] = []
    engine.chat_format.decode_answer = lambda tokens, prompt: json.dumps(tokens)
    for batch in engine.sample(jobs, Sampling(temperature=0, max_tokens=10)):
        for reply in batch:
            prompt = encode(engine.render(CHATS[reply.job]))
            tokens = json.loads(reply.text)
            logits = compute_logits(engine.base.model, torch.tensor([[*prompt, *tokens]]))[0]
            best = logits[len(prompt) - 1 : -1].max(-1).values
            own = logits[torch.arange(len(prompt) - 1, len(logits) - 1), tokens]
            assert torch.allclose(best, own, atol=1e-4)
            found.append(reply.text)
    assert len(found) == 4
    pairs = [(chat, answer) for chat in CHATS for answer in ("Yes", "No, it was never so")]
    alone = [engine.score([pair])[0] for pair in pairs]
    assert engine.score(pairs) == pytest.approx(alone, abs=1e-3)


def test_an_encoder_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="reads later tokens too"):
        HfEngine(str(tiny_models.save_model(tmp_path, kind="bert", head_dim=None)), device="cpu")


@pytest.mark.parametrize(
    "settings, reason",
    [
        ({"architectures": ["LlamaModel"]}, "LlamaModel, which writes no text"),
        ({"is_encoder_decoder": True}, "is an encoder-decoder"),
        ({"model_type": "vit"}, "opens neither as a language model"),
        (
            {"layer_types": ["reference_sliding_attention"] * 2},
            "attends to its prompt in another way",
        ),
        ({"model_type": "llama99"}, "does not know this family .*vllm serve .* audit vllm/"),
    ],
)
def test_what_writes_no_text_is_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], reason: str
):
    config = tiny_models.save_model(tmp_path) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    with pytest.raises(ModelError, match=reason):
        HfEngine(str(tmp_path), device="cpu")


def test_an_embedding_model_is_refused(tmp_path: Path):
    (tiny_models.save_model(tmp_path) / "modules.json").write_text("[]")
    with pytest.raises(ModelError, match="is an embedding model .*modules.json"):
        HfEngine(str(tmp_path), device="cpu")


def test_memory_that_runs_out_halves_the_batch(tmp_path: Path):
    """The answers stay those of a whole batch, and a note says what happened."""
    engine = HfEngine(str(tiny_models.save_model(tmp_path)), device="cpu", rows=32)
    jobs = [Job(CHATS[0], range(40))]

    def draw() -> dict[int, str]:
        batches = engine.sample(jobs, Sampling(max_tokens=6))
        return {reply.repeat: reply.text for batch in batches for reply in batch}

    whole = draw()
    assert not engine.notes
    forward = engine.base.model.forward

    def fail_if_large(ids: Any, **options: Any) -> Any:
        if len(ids) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(ids, **options)

    engine.base.model.forward = fail_if_large
    assert draw() == whole
    assert engine.notes[-1].endswith("went on with 8 answers at once")


def test_options_reach_model_and_template(tmp_path: Path):
    template = (
        "{{ strftime_now('%Y') }}{% if enable_thinking %}THINK{% endif %}" + tiny_models.TEMPLATE
    )
    place = tiny_models.save_model(tmp_path, template=template)
    plain = HfEngine(str(place), device="cpu")
    assert plain.render(CHATS[0]).startswith("2025<s>")
    assert "2025-01-01" in plain.caveats[-1]
    told = HfEngine(f"{place}?device=cpu&date=2024-05-06&template.enable_thinking=true")
    assert told.render(CHATS[0]).startswith("2024THINK")
    assert told.fingerprint != plain.fingerprint and not told.notes
    same = HfEngine(f"{place}?device=cpu&template.enable_thinking=false")
    assert same.notes[0].startswith("template.enable_thinking leaves the prompts of hf/")
    with pytest.raises(ModelError, match="does not read 'thinking'"):
        HfEngine(f"{place}?device=cpu&template.thinking=true")
    half = HfEngine(f"{place}?device=cpu&dtype=bfloat16&rows=2")
    assert half.base.dtype == torch.bfloat16 and half.score([(CHATS[0], "Yes")])[0] < 0


def test_turns_that_end_in_plain_letters_are_cut_there(tmp_path: Path):
    template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    engine = HfEngine(str(tiny_models.save_model(tmp_path, template=template)), device="cpu")
    encode = engine.chat_format.encode
    assert engine.chat_format.find_closing_text(frozenset({1})) == "<|im_end|>"
    prompt, answer = engine.chat_format.encode_pair(CHATS[0], "Yes", 1, "<|im_end|>")
    assert prompt == encode("<|user|>Hi<|im_end|>\n<|assistant|>")
    assert answer == encode("Yes<|im_end|>")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "kind, settings",
    [
        ("gemma2", {"attn_logit_softcapping": 5.0}),
        ("gpt_oss", {"num_local_experts": 2, "num_experts_per_tok": 1}),
        ("llama", {}),
    ],
)
def test_prompts_under_a_cap_or_with_sinks_are_not_shared(
    tmp_path: Path, kind: str, settings: dict[str, Any], dtype: str
):
    """All layers see everything, so only the cap and the sinks forbid sharing, in 16 bits too."""
    if kind != "llama":
        settings = {**settings, "layer_types": ["full_attention"] * 2}
    place = tiny_models.save_model(tmp_path, kind=kind, pad_token_id=1, **settings)
    engine = HfEngine(str(place), device="cpu", dtype=dtype)
    assert engine.decoding == ("shared-prefix" if kind == "llama" else "padded-batch")
    encode = engine.chat_format.encode
    pairs = [(chat, answer) for chat in CHATS for answer in ("Yes", "No, it was never so")]
    for (chat, answer), score in zip(pairs, engine.score(pairs), strict=True):
        prompt = encode(engine.render(chat))
        whole = torch.tensor([[*prompt, *encode(answer), 1]])
        with torch.inference_mode():
            logits = engine.base.model(whole, use_cache=False).logits[0].float().log_softmax(-1)
        own = logits[len(prompt) - 1 : -1].gather(-1, whole[0, len(prompt) :, None]).sum()
        assert score == pytest.approx(float(own), abs=1e-3 if dtype == "float32" else 0.3)
