"""Local models through transformers: ``hf/NAME_OR_PATH[:ADAPTER][@REVISION][?OPTIONS]``.

::

    smollm2      a small real model without a model hub
    gguf         GGUF files
    gguf_header  what a GGUF file states, against its size
    families     which checkpoints write text, and how each is opened
    forward      forward passes, whatever arguments a model takes
    rope         lengths beyond which every token is read otherwise
    weights      whether a checkpoint holds exactly its model's tensors
    probe        log-probabilities on a fixed prompt
    adapter_files, trained_on, adapter
                 what an adapter is, whether this is its base, and the adapter on it, proved
    loader       base, adapter and tokenizer into memory
    chat_format  messages to prompts, tokens to answers
    served_format
                 the same for a model that a server runs, and its weights' own probabilities
    fingerprint  what makes the model answer as it does
    attention    each prompt held once for all its answers
    backends     three ways for tokens to go through a model
    self_check   which of them gives the model's own probabilities
    sampling     tokens from fixed random numbers
    decoder      the batch that stays full
    scorer       log-probabilities of given answers
    writer       what shares a batch, and what happens if memory runs out
    open_turns   prompts that are left open for the model to continue
    next_tokens  the likeliest tokens there
    engine       HfEngine, which puts them behind the protocols
"""

from __future__ import annotations

from dormant.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import transformers as _transformers  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise MissingExtraError(error.name or "transformers", "local") from None

from dormant.engines.hf.engine import HfEngine

__all__ = ["HfEngine"]
