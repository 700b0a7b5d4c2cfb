"""GGUF files: read by transformers, which unpacks their weights; and how to silence it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def read_gguf(path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Reads model (bfloat16) and tokenizer from a GGUF file; and what was missing in it."""
    # The reader draws progress bars that no switch turns off.
    with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
        where = {"gguf_file": path.name}
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(path.parent), dtype=torch.bfloat16, output_loading_info=True, **where
        )
    model, info = loaded
    return model, tokenizer, info


@contextlib.contextmanager
def quiet_transformers() -> Generator[None]:
    """Silences progress bars, and advice that is meant for programmers."""
    logging = transformers.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
