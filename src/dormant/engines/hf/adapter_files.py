"""What an adapter's directory says before it is loaded: its kind, its tensors, its tokenizer."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import AutoTokenizer

from dormant.engines.hf.sizes import check_ranks
from dormant.errors import MissingExtraError, ModelError, shorten_value
from dormant.errors.files import read_limited

_WEIGHTS = "adapter_model.safetensors"
_TEMPLATE = "chat_template.jinja"
_SETTINGS, _LARGEST = "adapter_config.json", 1 << 20  # and its size at most, in bytes
#: Ways of starting a LoRA that leave the base's weights as they are.
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
#: Kinds that act on each token by itself, inside the base's layers. Others add tokens to the prompt
#: or look at all of it, which decoding with shared prompts and scoring do not provide for.
_SUPPORTED = frozenset(
    """
    LORA ADALORA LOHA LOKR IA3 OFT BOFT VERA LN_TUNING FOURIERFT HRA MISS RANDLORA SHIRA C3A ROAD
    WAVEFT DELORA GRALORA HIRA TRAINABLE_TOKENS
    """.split()
)


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """An adapter on this disk."""

    directory: Path
    owner: str  # the model string, for messages
    config: Any  # peft.PeftConfig
    shapes: Mapping[str, tuple[int, ...]]  # of the tensors in the file, by name
    prefix: str  # that PEFT gives to this kind's own tensors, e.g. "lora_"

    @property
    def kind(self) -> str:
        """PEFT's name of its kind, e.g. "LORA"."""
        return _name_kind(self.config)

    @property
    def key(self) -> str:
        """The name under which PEFT knows it: dots would separate modules there."""
        return f"a{hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:16]}"

    @property
    def replaces_base(self) -> bool:
        """Whether it changes tensors of the base itself, so that switching it off is not enough.

        Trained biases, saved modules and embeddings do, and so do starts of a LoRA that move a
        part of the base's weights into the adapter.
        """
        start = getattr(self.config, "init_lora_weights", True)
        return start not in _PLAIN_STARTS or any(self.prefix not in name for name in self.shapes)

    @property
    def trained_tokens(self) -> tuple[int, ...]:
        """Tokens whose embeddings were trained by themselves: it may show on these alone."""
        found: Any = getattr(self.config, "trainable_token_indices", None)
        found = found or getattr(self.config, "token_indices", None) or ()
        lists = found.values() if isinstance(found, dict) else (found,)
        return tuple(token for tokens in lists for token in tokens)

    def find_shape(self, parameter: str) -> tuple[int, ...] | None:
        """The shape of the tensor that replaces a parameter of the base; None if none does."""
        module, _, name = f"base_model.model.{parameter}".rpartition(".")
        for place in (module, f"{module}.base_layer", f"{module}.modules_to_save"):
            if f"{place}.{name}" in self.shapes:
                return self.shapes[f"{place}.{name}"]
        return None


def read_adapter(directory: Path, owner: str) -> AdapterFiles:
    """Reads what an adapter is; its weights stay on the disk.

    Raises:
        ModelError: there is none, or its kind is not supported.
        MissingExtraError: peft is not installed.
    """
    try:
        import peft
        from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
    except ImportError:
        raise MissingExtraError("peft", "local") from None
    if not (directory / _WEIGHTS).is_file():
        raise ModelError(
            f"{owner!r}: {directory} has no {_WEIGHTS}; give a directory that PEFT saved"
        )
    kind = _read_kind(directory)
    if kind not in _SUPPORTED:  # before PEFT reads it, which need not know the kind
        raise ModelError(
            f"{owner!r}: {shorten_value(kind)} adapters are not supported; use LoRA or a similar "
            "kind, or merge the adapter into its base and give the merged model"
        )
    config: Any = peft.PeftConfig.from_pretrained(str(directory))
    for setting in ("alora_invocation_tokens", "arrow_config"):
        if getattr(config, setting, None):
            raise ModelError(
                f"{owner!r}: the adapter acts on a part of the prompt only ({setting}), which is "
                "not supported"
            )
    with safe_open(str(directory / _WEIGHTS), framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    problem = check_ranks(config.to_dict(), shapes)
    if problem:
        raise ModelError(
            f"{owner!r}: adapter_config.json says that {problem}; use the one that was saved with "
            "the weights"
        )
    prefix = PEFT_TYPE_TO_PREFIX_MAPPING.get(config.peft_type, "") or "\0"
    return AdapterFiles(directory, owner, config, shapes, prefix)


def _read_kind(directory: Path) -> str:
    """The kind that an adapter's configuration names; empty if it names none."""
    settings = json.loads(read_limited(directory / _SETTINGS, _LARGEST))
    return str(settings.get("peft_type", "")) if isinstance(settings, dict) else ""


def _name_kind(config: Any) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def read_tokenizer(adapter: AdapterFiles, base: Any, config: Any) -> Any:
    """Reads the tokenizer with which an adapter was trained.

    Args:
        adapter: the adapter.
        base: the base's tokenizer.
        config: the base's configuration, which decides the tokenizer's class.

    Returns:
        The base's own if the adapter brings none, or the same. A template without a tokenizer
        beside it is used with the base's tokenizer; a tokenizer without a template takes the
        base's.

    Raises:
        ModelError: the adapter's cannot be read, or numbers the base's tokens otherwise.
    """
    directory = adapter.directory
    if any((directory / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        try:
            own: Any = AutoTokenizer.from_pretrained(
                str(directory), config=config, trust_remote_code=False
            )
        except Exception as error:  # the libraries raise nearly everything on damaged files
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"{adapter.owner!r}: the adapter's tokenizer cannot be read ({lines[0][:200]}); "
                "remove its files to use the base's"
            ) from None
        _compare_tokens(adapter, own.get_vocab(), base.get_vocab())
        if not own.chat_template:
            own.chat_template = base.chat_template
    elif (directory / _TEMPLATE).is_file():
        own = copy.deepcopy(base)
        own.chat_template = (directory / _TEMPLATE).read_text(encoding="utf-8")
    else:
        return base
    same = own.chat_template == base.chat_template and own.get_vocab() == base.get_vocab()
    return base if same else own


def _compare_tokens(adapter: AdapterFiles, own: Mapping[str, int], base: Mapping[str, int]) -> None:
    moved = [token for token, number in base.items() if own.get(token, number) != number]
    if not moved:
        return
    token = moved[0]
    raise ModelError(
        f"{adapter.owner!r}: the adapter's tokenizer numbers {len(moved)} tokens otherwise than "
        f"the base's ({token!r} is {own[token]} and not {base[token]}), so it was made for "
        "another base; give that base"
    )
