"""The vLLM command that serves a local model, and the model string that audits it there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from dormant.engines.local_options import write_options
from dormant.engines.model_strings import ModelString, parse_model
from dormant.errors import ModelError
from dormant.errors.files import read_limited

#: The name of the adapter on the server.
_TUNED = "tuned"
_TEMPLATE = "chat_template.jinja"
#: Values of vLLM's ``--max-lora-rank``; its default; and the largest size of an adapter's
#: configuration file.
_RANKS, _USUAL_RANK = (8, 16, 32, 64, 128, 256, 320, 512), 16
_LARGEST = 1 << 20


def suggest_server(owner: str) -> str:
    """Advice for a local model that a server runs better, or that only a server can run.

    Args:
        owner: the model string.
    """
    try:
        model = parse_model(owner)
    except ModelError:  # an invalid option: the name alone is used
        model = ModelString(owner, "hf", owner.removeprefix("hf/").partition("?")[0])
    return f"serve it ({write_serve_command(model)}) and audit {name_served_model(model)}"


def write_serve_command(model: ModelString) -> str:
    """The ``vllm serve`` command: adapter unmerged, its chat template, no sampling defaults."""
    words = ["vllm", "serve", model.name]
    if model.revision:
        words += ["--revision", model.revision]
    if model.adapter:
        words += ["--enable-lora", "--lora-modules", f"{_TUNED}={model.adapter}"]
        folder = Path(model.adapter).expanduser()
        rank = _find_rank(folder)
        words += ["--max-lora-rank", str(rank)] if rank > _USUAL_RANK else []
        words += ["--chat-template", str(folder / _TEMPLATE)] if _has_template(folder) else []
    if model.options.dtype != "auto":
        words += ["--dtype", model.options.dtype]
    # The checkpoint's sampling defaults (top_k, temperature) would change the probabilities.
    words += ["--generation-config", "vllm"]
    return shlex.join(words)


def name_served_model(model: ModelString) -> str:
    """The model string of a model that ``write_serve_command`` serves."""
    adapter = f":{_TUNED}" if model.adapter else ""
    options = write_options(model.options.template)
    return f"vllm/{model.name}{adapter}{'?' if options else ''}{options}"


def _has_template(folder: Path) -> bool:
    try:
        return (folder / _TEMPLATE).is_file()
    except (OSError, ValueError):  # not a valid path
        return False


def _find_rank(folder: Path) -> int:
    """The smallest rank of vLLM that fits the adapter; 0 if that is unknown."""
    try:
        settings = json.loads(read_limited(folder / "adapter_config.json", _LARGEST))
        ranks = [settings["r"], *(settings.get("rank_pattern") or {}).values()]
        return next(rank for rank in _RANKS if rank >= max(ranks))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return 0
