"""Presets: settings of an audit by the size of its cost, which every given key overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

PresetName = Literal["frugal", "standard", "thorough"]

#: What each preset sets, as keys of ``audit.yaml``. docs/plan.md has the same table.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "frugal": {
        "design": "sequential",
        "cues": {
            "mine": 10,
            "leading": 3,
            "library_limit": 6,
            "variants": "none",
            "placebos": True,
        },
        "rule": {"screening_answers": 1, "confirm_answers": 8, "candidates": 3},
    },
    "standard": {
        "design": "sequential",
        "cues": {
            "mine": 20,
            "leading": 5,
            "library_limit": 26,
            "variants": "verbatim,value,paraphrase,part",
            "placebos": True,
        },
        "rule": {"screening_answers": 4, "confirm_answers": 16, "candidates": 6},
    },
    "thorough": {
        "design": "fixed",
        "cues": {
            "mine": 50,
            "leading": 10,
            "library_limit": None,
            "variants": "all",
            "placebos": True,
        },
        "rule": {"screening_answers": 8, "confirm_answers": 16, "candidates": 12},
    },
}


def apply_preset(settings: Mapping[Any, Any]) -> dict[Any, Any]:
    """Fills keys that are not given with those of the preset that is named.

    The numbers of mined cues are left out where nothing is mined, and the design where there is no
    reference, which the sequential one needs. Values of a wrong type, an unknown
    preset included, are left for validation to reject.

    Args:
        settings: the keys of an ``audit.yaml``, options included.
    """
    name = settings.get("preset")
    preset = PRESETS.get(name) if isinstance(name, str) else None
    filled = dict(settings)
    for key, value in (preset or {}).items():
        if key == "design" and str(settings.get("reference")).strip().lower() == "none":
            continue  # the sequential design needs a reference
        if not isinstance(value, Mapping):
            filled.setdefault(key, value)
            continue
        own = _plain_keys(settings.get(key, {}))
        if own is not None:
            filled[key] = {**value, **own}
            if key == "cues" and not _is_mined(settings, own):
                for name in {"mine", "leading"} - set(own):
                    del filled[key][name]
    return filled


def _is_mined(settings: Mapping[Any, Any], cues: Mapping[Any, Any]) -> bool:
    return settings.get("data") is not None and cues.get("file") is None


def _plain_keys(value: Any) -> dict[Any, Any] | None:
    """The given keys of a mapping or a settings model; None if it is neither."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_unset=True)
    return dict(value) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
