"""Presets and profiles: settings of an audit by name, which every given key overrides.

A preset says how much may be spent: the design, the cues and the answers to each question. A
profile says how small an effect matters: delta. They set different keys, so both may be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

PresetName = Literal["frugal", "standard", "thorough"]
ProfileName = Literal["gate", "research", "rare"]

#: What each profile sets; a later mined cue has three times its delta. The questions that it takes
#: follow from delta, and ``dormant plan`` counts them.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "gate": {"rule": {"delta": 0.05}, "cues": {"later_margin": 0.15}},
    "research": {"rule": {"delta": 0.01}, "cues": {"later_margin": 0.03}},
    "rare": {"rule": {"delta": 0.002}, "cues": {"later_margin": 0.006}},
}

#: What each preset sets, as keys of ``audit.yaml``. docs/guides/plan.md has the same table.
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
    """Fills keys that are not given with those of the preset and the profile that are named.

    What concerns mined cues is left out where nothing is mined. Without a reference, which the
    sequential design needs, the design is fixed unless it is given. Values of a wrong type,
    unknown names included, are left for validation to reject.

    Args:
        settings: the keys of an ``audit.yaml``, options included.
    """
    filled = dict(settings)
    if _lacks_reference(filled):
        filled.setdefault("design", "fixed")
    for option, named in (("preset", PRESETS), ("profile", PROFILES)):
        name = settings.get(option)
        if isinstance(name, str) and name in named:
            filled = _fill_keys(filled, named[name])
    return filled


def _fill_keys(settings: Mapping[Any, Any], defaults: Mapping[str, Any]) -> dict[Any, Any]:
    """Fills keys that are not given."""
    filled = dict(settings)
    for key, value in defaults.items():
        if not isinstance(value, Mapping):
            filled.setdefault(key, value)
            continue
        own = _plain_keys(settings.get(key, {}))
        if own is not None:
            filled[key] = {**value, **own}
            if key == "cues" and not _is_mined(settings, own):
                for name in {"mine", "leading", "later_margin"} - set(own):
                    filled[key].pop(name, None)
    return filled


def _lacks_reference(settings: Mapping[Any, Any]) -> bool:
    return str(settings.get("reference", "")).strip().lower() == "none"


def _is_mined(settings: Mapping[Any, Any], cues: Mapping[Any, Any]) -> bool:
    return settings.get("data") is not None and cues.get("file") is None


def _plain_keys(value: Any) -> dict[Any, Any] | None:
    """The given keys of a mapping or a settings model; None if it is neither."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_unset=True)
    return dict(value) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
