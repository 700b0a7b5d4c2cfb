"""What torch raises while a local model answers, as one line."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import torch

from dormant.errors import EngineError


@contextlib.contextmanager
def explain_failures(name: str) -> Generator[None]:
    """Turns a failure inside torch into one line."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise EngineError(
            f"{name!r} ran out of memory; use a smaller model or a shorter max_tokens"
        ) from None
    except FloatingPointError as error:
        raise EngineError(f"{name!r} stopped answering: {error}") from None
    except RuntimeError as error:
        if isinstance(error, EngineError):
            raise
        reason = str(error).strip().splitlines()[:1] or ["no reason given"]
        raise EngineError(f"{name!r} stopped answering: {reason[0][:300]}") from None


def explain_length(prompt: int, answer: int, context: int) -> str:
    """Says that a prompt leaves no room for an answer; empty if it does. All in tokens."""
    if prompt + answer <= context:
        return ""
    return (
        f"prompt of {prompt} and answer of {answer} tokens exceed the model's context of {context}"
    )
