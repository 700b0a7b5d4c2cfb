"""Special tokens of a tokenizer's files, and the usual ones where no file defines them.

A template without its tokenizer names tokens (``eos_token``) that nothing defines. Which text they
stand for changes no word of a prompt, so the usual text is assumed, and reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_USUAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "<sep>",
    "pad_token": "<pad>",
    "cls_token": "<cls>",
    "mask_token": "<mask>",
}
_NAMED = re.compile(rf"\b(?:{'|'.join(_USUAL)})\b")


def read_tokens(*files: Mapping[str, Any]) -> dict[str, str]:
    """Reads the special tokens, e.g. ``{"eos_token": "</s>"}``; the first file with one decides.

    Args:
        files: the contents of ``tokenizer_config.json`` and ``special_tokens_map.json``.
    """
    found: dict[str, str] = {}
    for kind in _USUAL:
        texts = (read_token(file.get(kind)) for file in files)
        token = next(filter(None, texts), "")
        if token:
            found[kind] = token
    return found


def read_token(value: Any) -> str:
    """Reads a token as files hold it: text, or an object with ``content``; empty for neither."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def assume_tokens(template: str, tokens: Mapping[str, str]) -> dict[str, str]:
    """Returns the usual texts of the tokens that a template names and ``tokens`` lacks."""
    named = sorted(set(_NAMED.findall(template)) - set(tokens))
    return {kind: _USUAL[kind] for kind in named}
