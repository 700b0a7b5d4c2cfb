"""JSON schemas of the files that people write, for editors.

``python -m dormant.organisms.schemas FOLDER`` writes them anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pydantic

from dormant.config import AuditConfig
from dormant.config.card import CardConfig
from dormant.config.gate import GatePolicy
from dormant.errors import ConfigError
from dormant.organisms.recipe import Recipe

#: Name of a file without its suffix -> what it is checked against.
MODELS: dict[str, type[pydantic.BaseModel]] = {
    "audit": AuditConfig,
    "card": CardConfig,
    "gate": GatePolicy,
    "recipe": Recipe,
}


def make_schema(name: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``NAME.yaml``.

    Args:
        name: ``"audit"``, ``"card"``, ``"gate"`` or ``"recipe"``.

    Raises:
        ConfigError: there is no such file.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown file {name[:60]!r}: give {', '.join(MODELS)}")
    schema = MODELS[name].model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **schema, "title": f"{name}.yaml of dormant"}


def format_schema(name: str) -> str:
    """The same as text, as a file holds it."""
    return json.dumps(make_schema(name), indent=1) + "\n"


if __name__ == "__main__":
    for _name in MODELS:
        path = Path(sys.argv[1]) / f"{_name}.schema.json"
        path.write_text(format_schema(_name), encoding="utf-8", newline="\n")
