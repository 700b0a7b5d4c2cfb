"""From a model string to an engine."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from dormant.engines import Engine
from dormant.engines.model_strings import HF, SCRIPTED, VITRO, parse_model

_WITHOUT_KEYS: ContextVar[bool] = ContextVar("_WITHOUT_KEYS", default=False)
_TIMEOUT: ContextVar[float] = ContextVar("_TIMEOUT", default=600.0)


@contextmanager
def opening_without_keys() -> Generator[None]:
    """Opens models behind an API in this block for their prices only: no key, no server.

    Their fingerprints are those of the open models. Asking one whose key or server is missing ends
    with the error that opening it would have had.
    """
    token = _WITHOUT_KEYS.set(True)
    try:
        yield
    finally:
        _WITHOUT_KEYS.reset(token)


@contextmanager
def limit_calls(seconds: float) -> Generator[None]:
    """Gives each call of the models behind an API that are opened in this block a time limit.

    Args:
        seconds: what one call may take, all its answers included.
    """
    token = _TIMEOUT.set(seconds)
    try:
        yield
    finally:
        _TIMEOUT.reset(token)


def open_engine(name: str) -> Engine:
    """Loads the model that a string names.

    Args:
        name: a model string (``engines.model_strings``), e.g. ``vitro/base``, ``hf/smollm2``,
            ``scripted/FILE.yaml`` or ``openai/gpt-4o-mini``.

    Raises:
        ModelError: the string is unknown, or its model cannot be loaded.
        MissingExtraError: the model needs packages that are not installed.
    """
    model = parse_model(name)
    if model.provider == VITRO:
        from dormant.engines.vitro import VitroEngine

        return VitroEngine(model.name)
    if model.provider == HF:
        from dormant.engines.hf import HfEngine

        return HfEngine(model)
    if model.provider == SCRIPTED:
        from dormant.engines.scripted import load_script

        return load_script(model.name)
    from dormant.engines.api import ApiEngine

    return ApiEngine(model, timeout=_TIMEOUT.get(), needs_key=not _WITHOUT_KEYS.get())
