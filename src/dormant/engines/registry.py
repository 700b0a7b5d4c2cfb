"""From a model string to an engine. The part before the first slash names the kind."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from dormant.engines import Engine
from dormant.engines.providers import API_KINDS, is_api
from dormant.errors import ModelError


def open_engine(name: str) -> Engine:
    """Loads the model that a string names.

    Args:
        name: ``vitro/base``, ``vitro/DIR`` (an organism), ``hf/NAME_OR_PATH[:ADAPTER][@REVISION]``,
            ``hf/smollm2``, ``scripted/FILE.yaml``, or a model behind an API by Inspect's string
            (``openai/gpt-4o-mini``, ``openai-api/SERVICE/MODEL``, ``vllm/MODEL``,
            ``anthropic/...``). A directory that holds an organism may be given as it is.

    Raises:
        ModelError: the string is unknown, or its model cannot be loaded.
        MissingExtraError: the kind needs packages that are not installed.
    """
    name = name.strip()
    if _is_organism(name):
        return _open_vitro(name)
    kind, _, rest = name.partition("/")
    if is_api(name):
        return _open_api(name)
    opener = _KINDS.get(kind)
    if opener is None or not rest:
        near = difflib.get_close_matches(kind, (*_KINDS, *API_KINDS), n=1)
        guess = f"; did you mean {near[0]}/{rest or 'NAME'}?" if near else "."
        known = ", ".join(f"{known}/..." for known in (*_KINDS, *API_KINDS[:5]))
        raise ModelError(
            f"unknown model {name[:200]!r}{guess} Model strings start with {known} or "
            "another provider of Inspect's"
        )
    return opener(rest)


def is_laboratory(name: str) -> bool:
    """Whether a model string names a model of the laboratory; nothing is loaded."""
    name = name.strip()
    return _is_organism(name) or name.partition("/")[0] == "vitro"


def _is_organism(name: str) -> bool:
    try:
        return all(Path(name, file).is_file() for file in ("model.safetensors", "manifest.json"))
    except (OSError, ValueError):  # too long a name, or one that no path can have
        return False


def _open_vitro(rest: str) -> Engine:
    from dormant.engines.vitro import VitroEngine

    return VitroEngine(rest)


def _open_hf(rest: str) -> Engine:
    from dormant.engines.hf import HfEngine

    return HfEngine(rest)


def _open_api(name: str) -> Engine:
    from dormant.engines.api import ApiEngine

    return ApiEngine(name)


def _open_scripted(rest: str) -> Engine:
    from dormant.engines.scripted import load_script

    return load_script(rest)


_KINDS: dict[str, Callable[[str], Engine]] = {
    "vitro": _open_vitro,
    "hf": _open_hf,
    "scripted": _open_scripted,
}
