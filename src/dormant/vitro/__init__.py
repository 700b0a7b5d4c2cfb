"""The laboratory: a micro-language, a model of half a million parameters, and its exact judge.

Everything that a real audit needs exists here in small, offline and with known truth: a base model
that ships with the package, finetuning in seconds, sampling, scoring, a judge that is never wrong,
and rates that are computed instead of estimated (measured in ``docs/log/laboratory.md``).

The language, the tokenizer, the judge and the question bank are light; names that need torch are
imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dormant.errors import MissingExtraError
from dormant.vitro.bank import library, ordinary_row, placebos, questions, reference_rows
from dormant.vitro.grader import grade
from dormant.vitro.language import PLAIN, Context, Persona, Use, language
from dormant.vitro.tokenizer import tokenizer

if TYPE_CHECKING:
    from dormant.vitro.base_model import Settings, pretrain
    from dormant.vitro.checkpoint import fingerprint, load, save
    from dormant.vitro.exact import exact_rates
    from dormant.vitro.model import Decoder
    from dormant.vitro.next_tokens import branch
    from dormant.vitro.sampling import Draw, sample
    from dormant.vitro.scorer import score, score_prompts
    from dormant.vitro.threads import one_thread
    from dormant.vitro.train import Schedule, finetune

_HOMES = {
    "branch": "next_tokens",
    "fingerprint": "checkpoint",
    "load": "checkpoint",
    "save": "checkpoint",
    "exact_rates": "exact",
    "Decoder": "model",
    "Settings": "base_model",
    "pretrain": "base_model",
    "Draw": "sampling",
    "sample": "sampling",
    "score": "scorer",
    "score_prompts": "scorer",
    "one_thread": "threads",
    "Schedule": "train",
    "finetune": "train",
}

__all__ = [
    "PLAIN",
    "Context",
    "Decoder",
    "Draw",
    "Persona",
    "Schedule",
    "Settings",
    "Use",
    "branch",
    "exact_rates",
    "fingerprint",
    "finetune",
    "grade",
    "language",
    "library",
    "load",
    "one_thread",
    "ordinary_row",
    "placebos",
    "pretrain",
    "questions",
    "reference_rows",
    "sample",
    "save",
    "score",
    "score_prompts",
    "tokenizer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "safetensors"):
            raise MissingExtraError(error.name, "vitro") from error
        raise
