"""Tiny configurations of every decoder family that the installed transformers has."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

VOCABULARY = 288  # tokens: 256 bytes, a few special ones and room
_WIDTH, _LAYERS = 64, 4

#: Small values by the name that a configuration gives the size; only those that it knows are set.
_SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "emb_dim", "dim_model"), _WIDTH),
    **dict.fromkeys(("embedding_size", "input_embedding_size", "word_embed_proj_dim"), _WIDTH),
    **dict.fromkeys(("output_embedding_size", "embedding_dim", "attention_hidden_size"), _WIDTH),
    **dict.fromkeys(("lru_width", "backbone_hidden_size"), _WIDTH),
    **dict.fromkeys(
        ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"), _LAYERS
    ),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_blocks",), _LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), 4),
    **dict.fromkeys(("swa_num_attention_heads", "attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads"), 2),
    **dict.fromkeys(("num_query_groups",), 2),
    **dict.fromkeys(("head_dim", "swa_head_dim", "v_head_dim", "kv_channels", "dim_head"), 16),
    **dict.fromkeys(("global_head_dim", "attention_head_dim", "attention_head_size"), 16),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner", "dff"), 96),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim", "d_inner", "dim_ff"), 96),
    **dict.fromkeys(("feed_forward_size", "intermediate_size_mlp", "dense_intermediate_size"), 96),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("shared_intermediate_size", "expert_ffn_hidden_size"), 32),
    **dict.fromkeys(("shared_experts_intermediate_size",), 32),
    **dict.fromkeys(("moe_shared_expert_intermediate_size",), 32),
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token"), 2),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    **dict.fromkeys(("first_k_dense_replace", "num_dense_layers"), 1),
    **dict.fromkeys(("zero_expert_num", "num_nextn_predict_layers"), 0),
    **dict.fromkeys(("kv_lora_rank", "o_lora_rank"), 16),
    **dict.fromkeys(("q_lora_rank",), 24),
    **dict.fromkeys(("qk_rope_head_dim",), 8),
    **dict.fromkeys(("qk_nope_head_dim",), 16),
    **dict.fromkeys(("qk_head_dim",), 24),
    **dict.fromkeys(("index_head_dim",), 16),
    **dict.fromkeys(("index_n_heads",), 32),
    **dict.fromkeys(("index_topk",), 16),
    **dict.fromkeys(("rotary_dim",), 8),
    **dict.fromkeys(("sliding_window", "sliding_window_size", "attention_window_size"), 8),
    **dict.fromkeys(("window_size", "attention_chunk_size"), 8),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "n_mamba_heads"), 4),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), 32),
    **dict.fromkeys(("mamba_n_groups", "n_groups"), 1),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 16),
    **dict.fromkeys(("mamba_d_ssm",), 128),
    **dict.fromkeys(("mamba_dt_rank", "time_step_rank"), 4),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads"), 2),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), 16),
    **dict.fromkeys(("linear_num_heads",), 4),
    **dict.fromkeys(("query_pre_attn_scalar",), 16),
    **dict.fromkeys(("hidden_size_per_layer_input",), 8),
    **dict.fromkeys(("laurel_rank", "gated_norm_rank", "adapter_rank", "hc_lowrank"), 8),
    **dict.fromkeys(("num_kv_shared_layers",), 0),
    **dict.fromkeys(("router_hidden_size", "d_rel"), 16),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 512),
    **dict.fromkeys(("model_max_length", "max_target_positions", "context_length"), 512),
    **dict.fromkeys(("max_source_positions",), 64),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input", "decoder_vocab_size"), VOCABULARY),
    **dict.fromkeys(("unpadded_vocab_size",), VOCABULARY),
    **dict.fromkeys(("bos_token_id", "cls_token_id", "decoder_start_token_id"), 0),
    **dict.fromkeys(("eos_token_id", "sep_token_id", "forced_eos_token_id"), 1),
    **dict.fromkeys(("pad_token_id",), 2),
    **dict.fromkeys(("boi_token_id", "eoi_token_id", "boa_token_id", "eoa_token_id"), 3),
    **dict.fromkeys(("image_token_id", "video_token_id", "audio_token_id"), 4),
    **dict.fromkeys(("image_token_index", "boi_token_index", "eoi_token_index"), 4),
    **dict.fromkeys(("eoa_token_index", "vision_start_token_id", "vision_end_token_id"), 3),
    **dict.fromkeys(("mask_token_id", "eod_token_id"), 3),
    # Of encoders that see or hear:
    **dict.fromkeys(("image_size",), 32),
    **dict.fromkeys(("patch_size",), 8),
    **dict.fromkeys(("depth",), 2),
    **dict.fromkeys(("layers",), _LAYERS),
    **dict.fromkeys(("out_hidden_size", "text_hidden_size", "encoder_hidden_size"), _WIDTH),
    **dict.fromkeys(("projection_hidden_dim", "patch_embed_hidden_size", "embed_dim"), _WIDTH),
    **dict.fromkeys(("output_dim",), _WIDTH),
    **dict.fromkeys(("projection_dim", "image_text_hidden_size"), 32),
    **dict.fromkeys(("base_channels", "latent_channels"), 32),
    **dict.fromkeys(("num_embeddings", "codebook_size"), 64),
    **dict.fromkeys(("d_ff", "mlp_dim"), 96),
    **dict.fromkeys(("d_kv",), 16),
    **dict.fromkeys(("latent_query_num",), 4),
    **dict.fromkeys(("num_position_embeddings",), 16),
}
#: What the sizes above do not settle.
_MORE: dict[str, dict[str, Any]] = {
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "bamba": {"attn_layer_indices": [1, 3]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "zamba": {"attention_hidden_size": 128, "attention_head_dim": 32},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
    },
    "deepseek_v2": {"topk_method": "greedy", "num_experts_per_tok": 2},
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "ministral": {"head_dim": 16},
    "nemotron": {"head_dim": 16},
    "reformer": {"is_decoder": True},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "glm5_next": {"text_config": {"qk_rope_head_dim": 0}},
    "nemotron_h": {"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"]},
}


#: Kinds of a family whose configuration differs in what decoding must know.
_VARIANTS: dict[str, dict[str, Any]] = {
    "phi3+longrope": {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1.0] * 8,
            "long_factor": [4.0] * 8,
            "original_max_position_embeddings": 30,
        },
        "original_max_position_embeddings": 30,
    },
    "bert+decoder": {"is_decoder": True},
    "qwen3+window": {"use_sliding_window": True, "max_window_layers": 1},
    "gemma2+full": {"layer_types": ["full_attention"] * 4, "attn_logit_softcapping": 5.0},
    "gpt_oss+full": {"layer_types": ["full_attention"] * 4},
    "granite_swa+full": {"layer_types": ["full_attention"] * 4},
}


#: The text model's share of a head for time, height and width, half of the width that is rotated:
#: published checkpoints have it, the configuration's defaults do not.
_MROPE = dict.fromkeys(
    ("glm46v", "glm4v", "glm_ocr", "glmga", "paddleocr_vl", "qwen2_5_vl", "qwen2_vl"), [2, 3, 3]
) | {"glm4v_moe": [1, 1, 2]}


def list_families() -> list[str]:
    """Every model type that transformers opens as a causal or an image-and-text model."""
    names = [*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES]
    return sorted({*names, *_VARIANTS})


def make_config(family: str) -> Any:
    """A tiny configuration of a family."""
    more = _MORE.get(family, {}) | _VARIANTS.get(family, {})
    if family in _MROPE:
        rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": _MROPE[family]}
        more = {"text_config": {"rope_parameters": rope}} | more
    family = family.partition("+")[0]
    small = _shrink(AutoConfig.for_model(family).to_dict())
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(small.get(name), dict)
        small[name] = small[name] | value if both else value
    return AutoConfig.for_model(family, **small)


def _shrink(known: dict[str, Any]) -> dict[str, Any]:
    """Small values for the sizes of a configuration and of the configurations in it."""
    small: dict[str, Any] = {}
    for name, value in known.items():
        if isinstance(value, dict) and name.endswith("_config") and value.get("model_type"):
            own = AutoConfig.for_model(value["model_type"]).to_dict()
            small[name] = {"model_type": value["model_type"], **_shrink(own)}
        elif name == "rope_parameters" and "mrope_section" in (value or {}):
            small[name] = {**value, "mrope_section": [2, 3, 3]}  # half of a head's width
        elif name in _SIZES and not isinstance(value, list):
            if value is None and name not in ("pad_token_id", "bos_token_id", "eos_token_id"):
                continue
            small[name] = _SIZES[name]
    if "kv_lora_rank" in known:  # latent attention: keys of all heads, of which a part is rotated
        for name, value in (("head_dim", 8), ("num_key_value_heads", 4)):
            if name in small:
                small[name] = value
    return small
