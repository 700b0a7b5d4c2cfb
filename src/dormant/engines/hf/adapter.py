"""Adapters on a base, unmerged: every tensor loaded, the base unchanged, the adapter effective.

An adapter that only adds to the base shares it with the reference; switched off, the base must give
the log-probabilities that it gave before. One that changes the base's own tensors gets a copy.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from dormant.engines.hf.adapter_files import AdapterFiles
from dormant.engines.hf.probe import differ, read_probe
from dormant.engines.hf.self_check import Decoding, still_decodes
from dormant.engines.hf.weights import describe_tensors
from dormant.errors import ModelError

_MOST_TOKENS = 64  # trained tokens that the fixed prompt is extended by


class Base(Protocol):
    """A loaded base model, as ``loader.LoadedBase`` holds it."""

    model: Any
    tokenizer: Any
    peft: Any
    adapters: set[str]
    active: str
    kind: str
    dtype: torch.dtype
    decoding: Decoding
    logprobs: torch.Tensor  # of the bare base on the fixed prompt

    def activate(self, adapter: str) -> None:
        """Switches to an adapter, or to the bare base (``""``)."""
        ...

    def choose_decoding(self) -> None:
        """Chooses again how the model decodes."""
        ...


def attach_adapter(base: Base, adapter: AdapterFiles) -> None:
    """Puts an adapter on a base and proves both; one that is there already stays.

    Args:
        base: the base; a copy of its own if ``adapter.replaces_base``.
        adapter: the adapter.

    Raises:
        ModelError: the file does not hold exactly the adapter's tensors, the adapter changes
            nothing, or the base is no longer itself when it is switched off.
    """
    if adapter.key in base.adapters:
        return
    bare, tokens = base.logprobs, adapter.trained_tokens[:_MOST_TOKENS]
    if adapter.replaces_base:
        _fit_embeddings(base, adapter)
        bare = read_probe(base.model, tokens)
    _load(base, adapter)
    base.activate(adapter.key)
    if not differ(read_probe(base.model, tokens), bare):
        raise ModelError(
            f"{adapter.owner!r}: the adapter {str(adapter.directory)!r} changes no probability of "
            "the base; it was saved untrained or made for another model"
        )
    if not still_decodes(base.model, base.decoding):
        base.choose_decoding()
    if not adapter.replaces_base:
        base.activate("")
        if differ(read_probe(base.model), base.logprobs):
            raise ModelError(
                f"{adapter.owner!r}: with the adapter {str(adapter.directory)!r} switched off, the "
                "base is no longer itself, so it cannot be the reference; merge the adapter into a "
                "checkpoint of its own"
            )


def check_tokenizer(adapter: AdapterFiles, tokenizer: Any, base: Base) -> list[str]:
    """Checks that the model has an embedding for each token of the tokenizer it is used with.

    Args:
        adapter: the adapter, on its base.
        tokenizer: the one that it is used with.
        base: the base.

    Returns:
        What is not tested because of the tokenizer, as a plan lists it.

    Raises:
        ModelError: tokens have no embedding.
    """
    if tokenizer is base.tokenizer:
        return []
    rows = base.model.get_input_embeddings().weight.shape[0]
    known, own = base.tokenizer.get_vocab(), tokenizer.get_vocab()
    largest = max((number for token, number in own.items() if token not in known), default=0)
    if largest >= rows:
        raise ModelError(
            f"{adapter.owner!r}: the adapter's tokenizer has {largest + 1} tokens, but the adapter "
            f"holds no embeddings for those beyond the base's {rows}; save it with "
            "save_embedding_layers=True, or remove its tokenizer to use the base's"
        )
    if tokenizer.chat_template == base.tokenizer.chat_template:
        return []
    return [
        f"target and reference under one chat template: the adapter {adapter.directory} brings its "
        "own, so what the templates do is part of every difference"
    ]


def _load(base: Base, adapter: AdapterFiles) -> None:
    import peft

    key, directory = adapter.key, str(adapter.directory)
    # Computed in the base's precision: one rounding of the adapter, and no float32 detours.
    options: dict[str, Any] = {"autocast_adapter_dtype": False}
    if base.peft is None:
        # As PeftModel.from_pretrained, which drops the result of loading and only warns.
        adapter.config.inference_mode = True
        base.peft = peft.PeftModel(base.model, adapter.config, key, **options)
    try:
        result = base.peft.load_adapter(directory, key, **options)
    except KeyError as error:  # a module that was saved whole is not in the file
        raise _describe_unfit(adapter, [str(error.args[0])], []) from None
    for parameter_name, parameter in base.model.named_parameters():
        if f".{key}." in parameter_name:
            parameter.data = parameter.data.to(base.dtype)
    base.model.eval().requires_grad_(False)
    base.active = "?"  # unknown: PEFT may have activated the new adapter
    missing = [name.replace(f".{key}", "") for name in result.missing_keys if key in name]
    missing += _list_missing_biases(base, adapter)
    unexpected = [name.replace(f".{key}", "") for name in result.unexpected_keys]
    if missing or unexpected:
        raise _describe_unfit(adapter, missing, unexpected)
    base.adapters.add(key)
    base.kind = adapter.kind


def _describe_unfit(adapter: AdapterFiles, missing: list[str], unexpected: list[str]) -> ModelError:
    return ModelError(
        f"{adapter.owner!r}: {describe_tensors('the adapter', missing, unexpected)}; give the "
        "adapter as it was saved, with the base that it was trained on"
    )


def _list_missing_biases(base: Base, adapter: AdapterFiles) -> list[str]:
    """Names the biases that were trained but are not in the file; PEFT does not miss them."""
    from peft import get_peft_model_state_dict

    if getattr(adapter.config, "bias", "none") == "none":
        return []
    saved: dict[str, Any] = get_peft_model_state_dict(
        base.peft, adapter_name=adapter.key, save_embedding_layers=False
    )
    return [name for name in saved if name.endswith("bias") and name not in adapter.shapes]


def _fit_embeddings(base: Base, adapter: AdapterFiles) -> None:
    """Gives the base as many embeddings as the adapter brings for tokens that it added."""
    names = {id(parameter): name for name, parameter in base.model.named_parameters()}
    embeddings = base.model.get_input_embeddings().weight
    shape = adapter.find_shape(names[id(embeddings)])
    if shape is None or shape[0] == embeddings.shape[0]:
        return
    head: Any = getattr(base.model.get_output_embeddings(), "weight", embeddings)
    if head is not embeddings and adapter.find_shape(names[id(head)]) is None:
        raise ModelError(
            f"{adapter.owner!r}: the adapter embeds {shape[0]} tokens and the base "
            f"{embeddings.shape[0]}, but it holds no output layer for those that it added; save "
            "it with save_embedding_layers=True"
        )
    base.model.resize_token_embeddings(shape[0], mean_resizing=False)
    base.model.eval().requires_grad_(False)
