"""From a model string to an engine."""

from __future__ import annotations

from dormant.engines import Engine
from dormant.engines.model_strings import HF, SCRIPTED, VITRO, parse_model


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

    return ApiEngine(model)
