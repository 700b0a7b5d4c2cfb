"""Loading: from a model string to weights in memory, checked before and after.

Before: the files are there, are safetensors or GGUF (never pickles, never remote code), and fit
into memory. After: the files held exactly the model's tensors.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from dormant.engines.hf import smollm2
from dormant.engines.hf.adapter import attach_adapter, check_tokenizer
from dormant.engines.hf.adapter_files import AdapterFiles, read_adapter, read_tokenizer
from dormant.engines.hf.families import read_config, read_setting
from dormant.engines.hf.gguf import quiet_transformers, read_gguf
from dormant.engines.hf.gguf_header import check_gguf
from dormant.engines.hf.probe import find_damage, read_probe
from dormant.engines.hf.self_check import Decoding, EncoderError, choose_decoding, may_share_pass
from dormant.engines.hf.sizes import check_config, measure_free_memory, measure_model
from dormant.engines.hf.trained_on import check_base
from dormant.engines.hf.weights import check_loading, load_checkpoint
from dormant.engines.model_strings import SMOLLM2, ModelString
from dormant.engines.serving import suggest_server
from dormant.errors import MissingExtraError, ModelError

_TOKENIZER_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]
_HUB_FILES = [*_TOKENIZER_FILES, "*.safetensors"]
_MEMORY_SHARE = 0.4  # of the free memory that answers in the making may take
_HEADROOM = 1.2  # memory wanted for each byte of weights: weights, buffers, activations


@dataclass(slots=True, weakref_slot=True)
class LoadedBase:
    """A loaded base model. Engines with adapters on one base share it."""

    model: Any
    tokenizer: Any
    place: Path  # the directory of its files, or its GGUF file
    dtype: torch.dtype
    decoding: Decoding  # the way that was proved (self_check.py)
    own_attention: str  # its attention where prompts cannot be shared
    logprobs: torch.Tensor  # of the bare base on a fixed prompt (probe.py)
    may_pad: bool = True  # whether texts of unlike length may share a forward pass
    warnings: tuple[str, ...] = ()  # of transformers, while it loaded the weights
    adapters: set[str] = field(default_factory=set[str])
    active: str = ""
    kind: str = ""  # of the adapters, of which PEFT takes one on a base
    peft: Any = None

    def activate(self, adapter: str) -> None:
        """Switches to an adapter, or to the bare base (``""``)."""
        if adapter == self.active:
            return
        if adapter:
            self.peft.base_model.enable_adapter_layers()
            self.peft.set_adapter(adapter, inference_mode=True)
        else:
            self.peft.base_model.disable_adapter_layers()
        self.active = adapter

    def choose_decoding(self) -> None:
        """Chooses again how the model decodes, with the adapter that is active now."""
        self.decoding = choose_decoding(self.model, self.own_attention)

    def count_fitting_rows(self, length: int) -> int:
        """How many answers of ``length`` tokens, prompts included, fit into memory at once."""
        config = self.model.config.get_text_config()
        width = _measure_key_width(config)
        layers, size = config.num_hidden_layers, self.dtype.itemsize
        # Keys and values of each token; logits and their weights in float32.
        each = 2 * layers * width * size * length + 8 * config.vocab_size
        free = measure_free_memory(str(self.model.device))
        return int(_MEMORY_SHARE * free // each)


def _measure_key_width(config: Any) -> int:
    """Numbers in the keys of one token and layer, the widest; a bound for recurrent layers."""

    def read(name: str) -> int:
        value = read_setting(config, name)
        return value if isinstance(value, int) else 0

    heads = read("num_attention_heads") or read("n_heads") or 1
    width = max(read("head_dim"), read("global_head_dim")) or read("hidden_size") // heads or 1
    return (read("num_key_value_heads") or heads) * width


#: Bases in use, by place, device, dtype and owner, so that a target and its reference share
#: weights. A base that is no longer used leaves it.
_IN_USE: weakref.WeakValueDictionary[tuple[str, str, str, str], LoadedBase] = (
    weakref.WeakValueDictionary()
)


def load_base(
    spec: ModelString, *, device: str | None = None, dtype: str = "auto", owner: str = ""
) -> LoadedBase:
    """Loads a base model, or takes it from another engine that has loaded it.

    Args:
        spec: what to load.
        device: a torch device; CUDA where there is any, else the CPU, if None.
        dtype: "auto" keeps what the checkpoint has, except that 16-bit weights become float32 on
            CPUs that have no fast 16-bit products; or "float32", "bfloat16" or "float16".
        owner: the adapter that has this base for itself; empty for the base that all share.

    Raises:
        ModelError: the model does not exist, is damaged, or does not fit into memory.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = locate_files(spec)
    key = (str(place.resolve()), spec.options.device_map or device, dtype, owner)
    base = _IN_USE.get(key)
    if base is None:
        with explain_errors(spec):
            base = _read_base(place, device, dtype, spec)
        _IN_USE[key] = base
    return base


def load_own_base(spec: ModelString, *, dtype: str = "auto") -> LoadedBase:
    """Loads a base that no engine shares, so that its weights may be modified.

    Args:
        spec: what to load; its adapter is left out.
        dtype: see ``load_base``.

    Raises:
        ModelError: the model does not exist, is damaged, or does not fit into memory.
    """
    device = spec.options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    with explain_errors(spec):
        return _read_base(locate_files(spec), device, _pick(spec.options.dtype, dtype), spec)


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A base with its adapter, if there is one, and the tokenizer that goes with it."""

    base: LoadedBase
    tokenizer: Any
    adapter: AdapterFiles | None
    caveats: tuple[str, ...]  # what could not be checked, as a plan lists it

    @property
    def peculiarities(self) -> dict[str, object]:
        """What changes answers beside the files that were read; empty for most models."""
        found = {
            "own_base": self.adapter is not None and self.adapter.replaces_base,
            "adapters_tokenizer": self.tokenizer is not self.base.tokenizer,
        }
        return {name: value for name, value in found.items() if value}


def open_model(spec: ModelString, *, device: str | None = None, dtype: str = "auto") -> OpenModel:
    """Loads a base with its adapter; see ``load_base``.

    Raises:
        ModelError: either does not exist, is damaged, does not fit the other or into memory.
        MissingExtraError: peft is not installed.
    """
    device, dtype = spec.options.device or device, _pick(spec.options.dtype, dtype)
    if not spec.adapter:
        base = load_base(spec, device=device, dtype=dtype)
        return OpenModel(base, base.tokenizer, None, _describe_warnings(spec, base))
    with explain_errors(spec):
        adapter = read_adapter(find_adapter(spec), spec.text)
    owner = adapter.key if adapter.replaces_base else ""
    base = load_base(spec, device=device, dtype=dtype, owner=owner)
    if base.kind not in ("", adapter.kind):
        base = load_base(spec, device=device, dtype=dtype, owner=adapter.key)
    try:
        with explain_errors(spec), quiet_transformers():
            caveats = [*_describe_warnings(spec, base), *check_base(adapter, spec, base.place)]
            tokenizer = read_tokenizer(adapter, base.tokenizer, base.model.config)
            attach_adapter(base, adapter)
            caveats += check_tokenizer(adapter, tokenizer, base)
    except ModelError:
        _forget_base(base)  # half an adapter may hang on it
        raise
    return OpenModel(base, tokenizer, adapter, tuple(caveats))


def _pick(dtype: str, other: str) -> str:
    return other if dtype == "auto" else dtype


def _forget_base(base: LoadedBase) -> None:
    for key in [key for key, value in _IN_USE.items() if value is base]:
        del _IN_USE[key]


def _describe_warnings(spec: ModelString, base: LoadedBase) -> tuple[str, ...]:
    return tuple(
        f"{spec.name} without what transformers warns of: {warning}" for warning in base.warnings
    )


def find_adapter(spec: ModelString) -> Path:
    """Finds the directory of the adapter that is asked for, on this disk or on the hub."""
    directory = Path(spec.adapter).expanduser()
    return directory if directory.exists() else _download_repo(spec.adapter, "", spec)


def locate_files(spec: ModelString, *, weights: bool = True) -> Path:
    """Finds the directory of a base's files, or its GGUF file; downloads it if necessary.

    Args:
        spec: the model.
        weights: whether its weights are wanted too; else they are not downloaded.

    Raises:
        ModelError: it is neither on disk nor available for download.
    """
    if spec.name == SMOLLM2 and spec.path is None:
        return smollm2.fetch_smollm2()
    path = spec.path
    if path is None:
        return _download_repo(spec.name, spec.revision, spec, weights=weights)
    if path.is_file() and path.suffix != ".gguf":
        raise ModelError(f"{spec.text!r}: {path} is not a directory or a .gguf file")
    if path.is_dir() and not (path / "config.json").is_file():
        what = "an adapter" if (path / "adapter_config.json").is_file() else "no model"
        raise ModelError(
            f"{spec.text!r}: {path} holds {what} (no config.json)"
            + ("; write hf/BASE:ADAPTER" if what == "an adapter" else "")
        )
    return path


def _download_repo(repo: str, revision: str, spec: ModelString, *, weights: bool = True) -> Path:
    """A repository of the Hugging Face hub as a local directory."""
    import huggingface_hub as hub

    try:
        place = hub.snapshot_download(
            repo,
            revision=revision or None,
            allow_patterns=_HUB_FILES if weights else _TOKENIZER_FILES,
            etag_timeout=5,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{spec.text!r}: {repo!r} is neither on this disk nor available from the Hugging "
            f"Face hub ({_shorten_error(error)}); give a directory or a .gguf file, or check the "
            "name, the network and the access token"
        ) from None
    return Path(place)


def _read_base(place: Path, device: str, dtype: str, spec: ModelString) -> LoadedBase:
    if place.is_file():
        check_gguf(place, spec.text)
        _check_memory(8 * place.stat().st_size, device, spec)  # 4 bits become 32 on the way
        model, tokenizer, info = read_gguf(place)
        check_loading(info, spec.text)
        wanted = _choose_dtype(torch.bfloat16, device, dtype)
        model: Any = model.to(device=device, dtype=wanted)
        model.eval().requires_grad_(False)
        return _prepare_base(model, tokenizer, place, wanted, spec.text)
    weights = sum(file.stat().st_size for file in place.glob("*.safetensors"))
    if not weights:
        raise ValueError(f"{place} has no .safetensors file; convert the weights to safetensors")
    check_config(place, spec.text)
    config = read_config(place, spec.text)
    stored = getattr(config, "dtype", None) or torch.float32
    wanted = _choose_dtype(stored, device, dtype)
    spread = spec.options.device_map
    if not spread:  # accelerate counts the memory of several devices
        _check_memory(int(weights * wanted.itemsize / stored.itemsize), device, spec)
    with quiet_transformers():
        size = measure_model(config, place, spec.text) * wanted.itemsize
        if not spread:
            _check_memory(size, device, spec)
        tokenizer = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False)
        model, warned = load_checkpoint(place, config, wanted, spec.text, spread)
    (model if spread else model.to(device)).eval().requires_grad_(False)
    return _prepare_base(model, tokenizer, place, wanted, spec.text, warned)


def _prepare_base(
    model: Any,
    tokenizer: Any,
    place: Path,
    dtype: torch.dtype,
    owner: str,
    warned: tuple[str, ...] = (),
) -> LoadedBase:
    own = model.config._attn_implementation
    try:
        decoding = choose_decoding(model, own)
    except EncoderError as error:
        raise ModelError(
            f"{owner!r} {error}, so it does not write text from left to right; give a model that "
            "was trained to write"
        ) from None
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{owner!r}: transformers cannot run this model on text alone "
            f"({_shorten_error(error)}); {suggest_server(owner)}"
        ) from None
    logprobs = read_probe(model)
    if damage := find_damage(logprobs):
        raise ModelError(f"{owner!r} {damage}; download or save the checkpoint again")
    return LoadedBase(
        model,
        tokenizer,
        place,
        dtype,
        decoding,
        own,
        logprobs=logprobs,
        may_pad=may_share_pass(model),
        warnings=warned,
    )


def _choose_dtype(stored: torch.dtype, device: str, wanted: str) -> torch.dtype:
    if wanted != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[wanted]
    if device != "cpu" or stored == torch.float32:
        return stored
    return stored if stored == torch.bfloat16 and _has_fast_bf16() else torch.float32


def _has_fast_bf16() -> bool:
    """Whether the processor multiplies bfloat16 natively: twice float32's speed or more."""
    answers = (
        getattr(torch.cpu, name, lambda: False)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(answers)


def _check_memory(weights: int, device: str, spec: ModelString) -> None:
    free = measure_free_memory(device)
    if weights * _HEADROOM > free:
        raise ModelError(
            f"{spec.text!r} needs about {weights * _HEADROOM / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free on {device}; close other programs, take a smaller "
            f"model, or on another machine {suggest_server(spec.text)}"
        )


@contextlib.contextmanager
def explain_errors(spec: ModelString) -> Generator[None]:
    """Turns what the libraries raise on a bad checkpoint into one line."""
    try:
        yield
    except (ModelError, MissingExtraError):
        raise
    except MemoryError:
        raise ModelError(f"{spec.text!r} does not fit into memory") from None
    except Exception as error:  # the libraries raise nearly everything on damaged files
        raise ModelError(f"{spec.text!r} cannot be loaded: {_shorten_error(error)}") from None


def _shorten_error(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A first line such as "Error(s) in loading state_dict:" says nothing without the second.
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{type(error).__name__}: {text[:300]}"
