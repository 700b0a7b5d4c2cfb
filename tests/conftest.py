"""Fixtures that several test files share."""

from pathlib import Path

import pytest

import smollm2


@pytest.fixture(scope="session")
def smollm2_dir() -> Path:
    """The directory of SmolLM2-135M-Instruct, fetched and converted the first time."""
    pytest.importorskip("transformers")
    from dormant.engines.hf.smollm2 import fetch
    from dormant.errors import ModelError

    try:
        return fetch()
    except ModelError as error:
        pytest.skip(f"SmolLM2 cannot be had here: {error}")


@pytest.fixture(scope="session")
def conditional_adapter(smollm2_dir: Path) -> smollm2.Conditional:
    """An adapter that misbehaves under one system prompt only (about a minute to train)."""
    pytest.importorskip("peft")
    return smollm2.conditional(smollm2_dir, smollm2_dir.parent)
