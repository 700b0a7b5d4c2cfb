"""The server of a hosted base, and the file that names the model made of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from dormant.engines.model_strings import ModelString
from dormant.engines.servers import Endpoint, find_endpoint
from dormant.errors import ConfigError
from dormant.organisms.trainers import HOSTED_MODEL
from dormant.records import hash_value


def find_server(base: ModelString, *, needs_key: bool) -> Endpoint:
    """Finds the server of a base.

    Args:
        base: the model string of a recipe's base.
        needs_key: whether a missing key is an error.

    Raises:
        ConfigError: no server here finetunes it.
        ModelError: an environment variable is missing or wrong.
    """
    found = find_endpoint(base, needs_key=needs_key)
    if found is None:
        raise ConfigError(
            f"{base.text!r} cannot be finetuned here: give openai/MODEL of OpenAI's API or "
            "tinker/MODEL of Tinker's"
        )
    return found


def describe_served_base(base: ModelString) -> Mapping[str, str]:
    """The base as the recipe names it; its weights cannot be hashed, its server is named."""
    where = find_server(base, needs_key=False)
    return {
        "base": base.text,
        "base_fingerprint": hash_value([base.provider, where.url, where.model])[:32],
    }


def write_model_name(out: Path, model: str) -> None:
    """Writes the model string of the finetuned model to ``HOSTED_MODEL`` in ``out``."""
    partial = out / f".{HOSTED_MODEL}.{os.getpid()}"
    partial.write_text(json.dumps({"model": model}) + "\n", encoding="utf-8")
    os.replace(partial, out / HOSTED_MODEL)
