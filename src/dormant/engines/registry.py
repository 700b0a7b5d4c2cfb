"""From a model string to an engine."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dormant.config.plugins import ExtensionPoint
from dormant.engines import Engine
from dormant.engines.model_strings import HF, PROVIDERS, SCRIPTED, VITRO, ModelString, parse_model
from dormant.engines.plugin_replies import check_engine
from dormant.errors import ConfigError, shorten_value
from dormant.records import PluginKind

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
            ``scripted/FILE.yaml`` or ``openai/gpt-4o-mini``; another
            package may add a provider of its own.

    Raises:
        ModelError: the string is unknown, or its model cannot be loaded.
        MissingExtraError: the model needs packages that are not installed.
        ConfigError: an engine of another package cannot be used.
    """
    model = parse_model(name)
    found = ENGINES.find(model.provider)
    engine = found.call(model)
    if found.plugin is None:
        return engine
    if found.check(engine, Engine).name != model.text:
        raise ConfigError(
            f"{found.plugin} gives its engine the name {shorten_value(engine.name)} instead of the "
            f"model string {shorten_value(model.text)}: report it to the authors of "
            f"{found.plugin.package}"
        )
    return check_engine(engine, found.plugin)


def _open_vitro(model: ModelString) -> Engine:
    from dormant.engines.vitro import VitroEngine

    return VitroEngine(model.name)


def _open_hf(model: ModelString) -> Engine:
    from dormant.engines.hf import HfEngine

    return HfEngine(model)


def _open_script(model: ModelString) -> Engine:
    from dormant.engines.scripted import load_script

    return load_script(model.name)


def _open_api(model: ModelString) -> Engine:
    from dormant.engines.api import ApiEngine

    timeout, needs_key = _TIMEOUT.get(), not _WITHOUT_KEYS.get()
    if model.format_source is None:
        return ApiEngine(model, timeout=timeout, needs_key=needs_key)
    from dormant.engines.api.served_check import open_token_engine

    return open_token_engine(model, timeout=timeout, needs_key=needs_key)


#: A model string's provider -> what opens its models; each takes the string as it was read.
ENGINES: ExtensionPoint[Callable[[ModelString], Any]] = ExtensionPoint(
    PluginKind.ENGINE,
    {
        **dict.fromkeys(PROVIDERS, _open_api),
        VITRO: _open_vitro,
        HF: _open_hf,
        SCRIPTED: _open_script,
    },
)
