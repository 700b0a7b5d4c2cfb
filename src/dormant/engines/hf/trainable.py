"""A base model to finetune, with the chat format in which its answers are scored."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dormant.engines.hf.adapter_files import read_adapter, read_tokenizer
from dormant.engines.hf.chat_format import ChatFormat
from dormant.engines.hf.families import read_setting
from dormant.engines.hf.fingerprint import hash_contents
from dormant.engines.hf.loader import find_adapter, load_own_base, locate_files
from dormant.engines.model_strings import ModelString
from dormant.errors import ModelError
from dormant.records import Message, hash_value


@dataclass(frozen=True, slots=True)
class TrainableBase:
    """A model that is not shared, so that training may change it in place."""

    model: Any
    tokenizer: Any
    place: Path  # the directory of the base's files
    adapter: Path | None  # the adapter that training continues; None for a fresh one
    chat_format: ChatFormat
    end: int | None  # id of the token that ends an answer, if there is one
    closing: str  # the text that ends an answer, if no token does

    @property
    def context_length(self) -> int:
        """The model's context length in tokens; 2 ** 30 if its configuration states none."""
        config = self.model.config.get_text_config()
        return int(read_setting(config, "max_position_embeddings") or 1 << 30)

    @property
    def vocabulary(self) -> int:
        """Number of tokens that have an embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def padding_tokenizer(self) -> Any:
        """The tokenizer with a padding token that has an embedding; no loss is taken over it."""
        tokenizer = copy.copy(self.tokenizer)
        if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= self.vocabulary:
            known = (self.end, tokenizer.eos_token_id, 0)
            tokenizer.pad_token_id = next(n for n in known if n is not None and n < self.vocabulary)
        return tokenizer

    def encode_pair(
        self, messages: Sequence[Message], answer: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Encodes a prompt and its answer, end of turn included, exactly as an audit scores them.

        Returns:
            The token ids of the prompt, and those of the answer.

        Raises:
            ModelError: the template rejects the messages.
        """
        return self.chat_format.encode_pair(messages, answer, self.end, self.closing)


def open_trainable(spec: ModelString, *, dtype: str = "auto") -> TrainableBase:
    """Loads a base for training, checked like a model that is audited, but not shared.

    Args:
        spec: the base, perhaps with the adapter that training continues.
        dtype: "auto", "float32" or "bfloat16"; see ``loader.load_base``.

    Raises:
        ModelError: it does not exist, is damaged, has no chat template or does not fit into memory.
    """
    if spec.path is not None and spec.path.is_file():
        raise ModelError(f"{spec.text!r} is a GGUF file: give the checkpoint that it was made from")
    base = load_own_base(spec, dtype=dtype)
    tokenizer, adapter = base.tokenizer, None
    if spec.adapter:
        files = read_adapter(find_adapter(spec), spec.text)
        tokenizer = read_tokenizer(files, base.tokenizer, base.model.config)
        adapter = files.directory
    chat = ChatFormat(tokenizer, spec.text, variables=spec.options.template, date=spec.options.date)
    end, stop = chat.find_end_tokens([base.model.generation_config.eos_token_id])
    return TrainableBase(
        base.model, tokenizer, base.place, adapter, chat, end, chat.find_closing_text(stop)
    )


def describe_base_files(spec: ModelString) -> str:
    """A hash of all files that determine a base's answers: weights, tokenizer, template, adapter.

    Raises:
        ModelError: it does not exist.
    """
    parts: dict[str, Any] = {"base": hash_contents(locate_files(spec)), "revision": spec.revision}
    if spec.adapter:
        parts["adapter"] = hash_contents(find_adapter(spec))
    return hash_value(parts)[:32]
