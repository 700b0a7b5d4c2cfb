"""Which checkpoints are models that write text, by their configuration, and how each is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from dormant.engines.serving import suggest_server
from dormant.errors import ModelError

#: Files that only sentence-transformers writes: the model was trained to embed.
_EMBEDDING_FILES = ("modules.json", "config_sentence_transformers.json")
#: Kinds of layers that treat the tokens of the prompt as a reference, and others by a window.
_BY_PROMPT = "reference_"
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "WithLMHead")


def read_config(place: Path, owner: str) -> Any:
    """Reads the configuration of a checkpoint that holds a model that writes text.

    Args:
        place: its directory.
        owner: the model string, for messages.

    Raises:
        ModelError: it holds an encoder, an embedding model, a translator or the like, or a family
            that the installed transformers does not know.
    """
    try:
        config = AutoConfig.from_pretrained(str(place), trust_remote_code=False)
    except (ValueError, KeyError) as error:
        if "model_type" in str(error) or "does not recognize" in str(error):
            raise ModelError(
                f"{owner!r}: transformers {transformers.__version__} does not know this family of "
                f"models; upgrade it, or {suggest_server(owner)}"
            ) from None
        raise
    if reason := _find_misfit(config, place, owner):
        raise ModelError(f"{owner!r} {reason}")
    return config


def find_model_class(config: Any) -> Any:
    """The class of transformers that opens a configuration: text alone if there is a choice."""
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return AutoModelForCausalLM
    return AutoModelForImageTextToText


def read_setting(config: Any, name: str) -> Any:
    """A setting of a configuration; None if it has none, or another one in each layer."""
    try:
        return getattr(config, name)
    except (AttributeError, RuntimeError, ValueError):
        return None


def _find_misfit(config: Any, place: Path, owner: str) -> str:
    """Why a checkpoint is no model that writes text; empty if it is one."""
    kind = config.model_type
    for name in _EMBEDDING_FILES:
        if (place / name).is_file():
            return (
                f"is an embedding model ({name} lies beside its weights), which writes no text; "
                "give the chat model that it was made from"
            )
    known = {
        *MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values(),
        *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values(),
    }
    classes = [str(name) for name in getattr(config, "architectures", None) or ()]
    if classes and not any(name in known or name.endswith(_WRITERS) for name in classes):
        return (
            f"holds {classes[0]}, which writes no text (an encoder, a classifier, or a model saved "
            "without its output layer); give a checkpoint that was saved as a language model"
        )
    if getattr(config, "is_encoder_decoder", False):
        return (
            f"is an encoder-decoder ({kind}), which reads a prompt and writes an answer with two "
            f"different parts; {suggest_server(owner)} if a server can run it"
        )
    if (
        kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    ):
        return (
            f"is of a family ({kind}) that transformers {transformers.__version__} opens neither "
            f"as a language model nor as one for images and text; {suggest_server(owner)} if "
            "a server can run it"
        )
    layers = read_setting(config.get_text_config(), "layer_types") or ()
    if any(str(name).startswith(_BY_PROMPT) for name in layers):
        return (
            f"attends to its prompt in another way than to its answer ({kind}), so that a text "
            f"alone has no score; {suggest_server(owner)}"
        )
    return ""
