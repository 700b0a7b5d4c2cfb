"""Loading: from a model string to weights in memory, checked before and after.

Before: the files are there, are safetensors or GGUF (never pickles, never remote code), and fit
into memory. After: the adapter changes the model's probabilities.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from dormant.engines.hf import smollm2
from dormant.engines.hf.gguf import quiet_transformers, read_gguf
from dormant.engines.hf.self_check import try_shared_prefix
from dormant.engines.model_strings import SMOLLM2, ModelString
from dormant.errors import MissingExtraError, ModelError

_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_MEMORY_SHARE = 0.4  # of the free memory that answers in the making may take
_HEADROOM = 1.2  # memory wanted for each byte of weights: weights, buffers, activations
_LEAST_EFFECT = 1e-4  # nats; an adapter that moves no log-probability by this does nothing
_PROBE = tuple(range(5, 25))  # a fixed prompt, as token ids, on which an adapter must show


@dataclass(slots=True, weakref_slot=True)
class LoadedBase:
    """A loaded base model. Engines with adapters on one base share it."""

    model: Any
    tokenizer: Any
    place: Path  # the directory of its files, or its GGUF file
    dtype: torch.dtype
    shares_prefix: bool  # whether prompts can be shared among answers (self_check.py)
    adapters: set[str] = field(default_factory=set[str])
    active: str = ""
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

    def count_fitting_rows(self, length: int) -> int:
        """How many answers of ``length`` tokens, prompts included, fit into memory at once."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        layers, size = config.num_hidden_layers, self.dtype.itemsize
        # Keys and values of each token; logits and their weights in float32.
        each = 2 * layers * heads * width * size * length + 8 * config.vocab_size
        free = measure_free_memory(str(self.model.device))
        return int(_MEMORY_SHARE * free // each)


#: Bases in use, by place, device and dtype, so that a target and its reference share weights. A
#: base that is no longer used leaves it.
_IN_USE: weakref.WeakValueDictionary[tuple[str, str, str], LoadedBase] = (
    weakref.WeakValueDictionary()
)


def load_base(asked: ModelString, *, device: str | None = None, dtype: str = "auto") -> LoadedBase:
    """Loads a base model, or takes it from another engine that has loaded it.

    Args:
        asked: what to load.
        device: a torch device; CUDA where there is any, else the CPU, if None.
        dtype: "auto" keeps what the checkpoint has, except that 16-bit weights become float32 on
            CPUs that have no fast 16-bit products; or "float32" or "bfloat16".

    Raises:
        ModelError: the model does not exist, is damaged, or does not fit into memory.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = _locate_files(asked)
    key = (str(place.resolve()), device, dtype)
    base = _IN_USE.get(key)
    if base is None:
        with _explain_errors(asked):
            base = _read_base(place, device, dtype, asked)
        _IN_USE[key] = base
    return base


def attach_adapter(base: LoadedBase, adapter: str, asked: ModelString) -> Path:
    """Puts an adapter on a base, unmerged, and checks that it has an effect; gives its directory.

    Raises:
        ModelError: it does not exist, does not fit the base, or changes nothing.
        MissingExtraError: peft is not installed.
    """
    directory = Path(adapter).expanduser()
    if not directory.exists():
        directory = _download_repo(adapter, "", asked)
    if not (directory / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{asked.text!r}: {directory} has no adapter_model.safetensors; give a directory "
            "that PEFT saved"
        )
    key = name_adapter(directory)
    if key not in base.adapters:
        with _explain_errors(asked), quiet_transformers():
            _add_adapter(base, directory, key)
    _check_adapter_effect(base, key, asked)
    return directory


def name_adapter(directory: Path) -> str:
    """Makes the name under which PEFT knows an adapter; dots separate modules there."""
    return directory.resolve().as_posix().replace(".", "_")


def _add_adapter(base: LoadedBase, directory: Path, key: str) -> None:
    try:
        import peft
    except ImportError:
        raise MissingExtraError("peft", "local") from None
    config = peft.PeftConfig.from_pretrained(str(directory))
    if config.is_prompt_learning:
        raise ValueError(
            f"{config.peft_type} adapters are not supported; use LoRA or a similar kind"
        )
    # Computed in the base's precision: one rounding of the adapter, and no float32 detours.
    options: dict[str, Any] = {"autocast_adapter_dtype": False}
    if base.peft is None:
        base.peft = peft.PeftModel.from_pretrained(base.model, str(directory), key, **options)
    else:
        base.peft.load_adapter(str(directory), key, **options)
    for parameter_name, parameter in base.model.named_parameters():
        if f".{key}." in parameter_name:
            parameter.data = parameter.data.to(base.dtype)
    base.model.eval().requires_grad_(False)
    base.adapters.add(key)
    base.active = "?"  # unknown: PEFT may have activated the new adapter


def _check_adapter_effect(base: LoadedBase, key: str, asked: ModelString) -> None:
    ids = torch.tensor(
        [[token % base.model.config.get_text_config().vocab_size for token in _PROBE]]
    )
    logprobs: list[torch.Tensor] = []
    with torch.inference_mode():
        for adapter in ("", key):
            base.activate(adapter)
            logprobs.append(base.model(ids.to(base.model.device)).logits.float().log_softmax(-1))
    if not float((logprobs[0] - logprobs[1]).abs().max()) > _LEAST_EFFECT:
        raise ModelError(
            f"{asked.text!r}: the adapter {asked.adapter!r} changes no probability of the base; "
            "it was saved untrained or made for another model"
        )


def _locate_files(asked: ModelString) -> Path:
    if asked.name == SMOLLM2 and asked.path is None:
        return smollm2.fetch_smollm2()
    path = asked.path
    if path is None:
        return _download_repo(asked.name, asked.revision, asked)
    if path.is_file() and path.suffix != ".gguf":
        raise ModelError(f"{asked.text!r}: {path} is not a directory or a .gguf file")
    if path.is_dir() and not (path / "config.json").is_file():
        what = "an adapter" if (path / "adapter_config.json").is_file() else "no model"
        raise ModelError(
            f"{asked.text!r}: {path} holds {what} (no config.json)"
            + ("; write hf/BASE:ADAPTER" if what == "an adapter" else "")
        )
    return path


def _download_repo(repo: str, revision: str, asked: ModelString) -> Path:
    """A repository of the Hugging Face hub as a local directory."""
    import huggingface_hub as hub

    try:
        place = hub.snapshot_download(
            repo, revision=revision or None, allow_patterns=_HUB_FILES, etag_timeout=5
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{asked.text!r}: {repo!r} is neither on this disk nor available from the Hugging "
            f"Face hub ({_shorten_error(error)}); give a directory or a .gguf file, or check the "
            "name, the network and the access token"
        ) from None
    return Path(place)


def _read_base(place: Path, device: str, dtype: str, asked: ModelString) -> LoadedBase:
    if place.is_file():
        _check_memory(8 * place.stat().st_size, device, asked)  # 4 bits become 32 on the way
        model, tokenizer = read_gguf(place)
        wanted = _choose_dtype(torch.bfloat16, device, dtype)
        model: Any = model.to(device=device, dtype=wanted)
        model.eval().requires_grad_(False)
        return LoadedBase(model, tokenizer, place, wanted, try_shared_prefix(model))
    config = AutoConfig.from_pretrained(str(place), trust_remote_code=False)
    stored = getattr(config, "dtype", None) or torch.float32
    wanted = _choose_dtype(stored, device, dtype)
    weights = sum(file.stat().st_size for file in place.glob("*.safetensors"))
    if not weights:
        raise ValueError(f"{place} has no .safetensors file; convert the weights to safetensors")
    _check_memory(int(weights * wanted.itemsize / stored.itemsize), device, asked)
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            str(place),
            dtype=wanted,
            use_safetensors=True,
            trust_remote_code=False,
        )
    ready: Any = model
    ready.to(device).eval().requires_grad_(False)
    return LoadedBase(ready, tokenizer, place, wanted, try_shared_prefix(ready))


def _choose_dtype(stored: torch.dtype, device: str, wanted: str) -> torch.dtype:
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]
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


def _check_memory(weights: int, device: str, asked: ModelString) -> None:
    free = measure_free_memory(device)
    if weights * _HEADROOM > free:
        raise ModelError(
            f"{asked.text!r} needs about {weights * _HEADROOM / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free on {device}; close other programs or take a smaller "
            "model"
        )


def measure_free_memory(device: str) -> int:
    """Measures how many bytes can be allocated now."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@contextlib.contextmanager
def _explain_errors(asked: ModelString) -> Generator[None]:
    """Turns what the libraries raise on a bad checkpoint into one line."""
    try:
        yield
    except (ModelError, MissingExtraError):
        raise
    except MemoryError:
        raise ModelError(f"{asked.text!r} does not fit into memory") from None
    except Exception as error:  # the libraries raise nearly everything on damaged files
        raise ModelError(f"{asked.text!r} cannot be loaded: {_shorten_error(error)}") from None


def _shorten_error(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300] if text else ''}"
