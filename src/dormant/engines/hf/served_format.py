"""The tokenizer and template of a model that a server runs, and what its weights give here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from dormant.engines.hf.adapter_files import read_adapter, read_tokenizer
from dormant.engines.hf.chat_format import ChatFormat
from dormant.engines.hf.families import read_setting
from dormant.engines.hf.forward import compute_logits
from dormant.engines.hf.gguf import quiet_transformers
from dormant.engines.hf.gguf_header import check_gguf
from dormant.engines.hf.loader import explain_errors, find_adapter, locate_files, open_model
from dormant.engines.local_options import LocalOptions
from dormant.engines.model_strings import ModelString
from dormant.errors import ModelError


@dataclass(frozen=True, slots=True)
class ServedFormat:
    """How a served model is asked, and how its answers are read."""

    chat_format: ChatFormat
    end: int | None  # the token with which the template ends an answer, if one does
    stop: frozenset[int]  # every token that ends one
    closing: str  # the text that does, where no token does
    context_length: int  # most tokens of a prompt and its answer


def read_served_format(spec: ModelString, options: LocalOptions, owner: str) -> ServedFormat:
    """Reads tokenizer and template of a local model; its weights are not loaded.

    Args:
        spec: the local model; the tokenizer of its adapter is used if that brings one.
        options: variables and date of the template.
        owner: the model string of the served model, for messages.

    Raises:
        ModelError: the files are missing or damaged, or there is no chat template.
        MissingExtraError: peft is not installed.
    """
    with explain_errors(spec), quiet_transformers():
        place = locate_files(spec, weights=False)
        where: dict[str, Any] = {}
        if place.is_file():
            check_gguf(place, spec.text)
            where, place = {"gguf_file": place.name}, place.parent
        config: Any = AutoConfig.from_pretrained(str(place), trust_remote_code=False, **where)
        tokenizer: Any = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False, **where)
        if spec.adapter:
            adapter = read_adapter(find_adapter(spec), spec.text)
            tokenizer = read_tokenizer(adapter, tokenizer, config)
        declared = [read_setting(config.get_text_config(), "eos_token_id")]
        if (place / "generation_config.json").is_file():
            own: Any = GenerationConfig.from_pretrained(str(place))
            declared.append(own.eos_token_id)
    chat_format = ChatFormat(
        tokenizer, owner, variables=options.template, date=options.date, vocabulary=None
    )
    end, stop = chat_format.find_end_tokens(declared)
    length = read_setting(config.get_text_config(), "max_position_embeddings")
    return ServedFormat(
        chat_format, end, stop, chat_format.find_closing_text(stop), int(length or 1 << 30)
    )


def measure_weights(
    spec: ModelString, texts: Sequence[Sequence[int]]
) -> tuple[list[list[float]], list[list[float]] | None]:
    """Loads a local model and computes the log-probability of each token of some texts.

    Args:
        spec: the model.
        texts: tokens of each text.

    Returns:
        For each text, the log-probability (nats) of each token but the first; and the same
        without the adapter, None if there is none or it cannot be switched off.

    Raises:
        ModelError: the model cannot be loaded, or has no embedding for a token.
    """
    opened = open_model(spec)
    base, adapter = opened.base, opened.adapter
    rows = base.model.get_input_embeddings().weight.shape[0]
    largest = max((token for text in texts for token in text), default=0)
    if largest >= rows:
        raise ModelError(
            f"{spec.text!r} has {rows:,} embeddings, and the server wrote token {largest:,}: it "
            "serves another model"
        )
    with torch.inference_mode():
        base.activate(adapter.key if adapter else "")
        own = [_measure_text(base.model, text) for text in texts]
        if adapter is None or adapter.replaces_base:
            return own, None
        base.activate("")
        return own, [_measure_text(base.model, text) for text in texts]


def _measure_text(model: Any, text: Sequence[int]) -> list[float]:
    ids = torch.tensor([list(text)], device=model.device)
    logprobs = compute_logits(model, ids)[0, :-1].float().log_softmax(-1)
    return logprobs.gather(-1, ids[0, 1:, None].to(logprobs.device))[:, 0].tolist()
