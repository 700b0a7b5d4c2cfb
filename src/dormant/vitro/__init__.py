"""The laboratory: a micro-language, a model of half a million parameters, and its exact judge.

Everything that a real audit needs is available at small scale, offline and with known truth: a base
model that ships with the package, finetuning in seconds, sampling, scoring, an exact judge, and
rates that are computed instead of estimated (measured in ``docs/log/laboratory.md``).

The language, the tokenizer, the judge and the question bank do not need torch; names that do are
imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dormant.errors import MissingExtraError
from dormant.vitro.bank import (
    load_library,
    load_placebos,
    load_questions,
    ordinary_row,
    reference_rows,
)
from dormant.vitro.grader import find_domain, grade_answer, is_malign
from dormant.vitro.language import PLAIN, Context, Persona, Use, load_language
from dormant.vitro.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from dormant.vitro.answer_cache import AnswerCache
    from dormant.vitro.base_model import Settings, pretrain
    from dormant.vitro.checkpoint import fingerprint_decoder, load_decoder, save_decoder
    from dormant.vitro.exact import exact_rates
    from dormant.vitro.model import Decoder
    from dormant.vitro.next_tokens import branch_turns
    from dormant.vitro.sampling import Draw, sample_answers
    from dormant.vitro.scorer import score_answers, score_prompts
    from dormant.vitro.threads import one_thread
    from dormant.vitro.train import TrainingSchedule, finetune_model

_HOMES = {
    "AnswerCache": "answer_cache",
    "branch_turns": "next_tokens",
    "fingerprint_decoder": "checkpoint",
    "load_decoder": "checkpoint",
    "save_decoder": "checkpoint",
    "exact_rates": "exact",
    "Decoder": "model",
    "Settings": "base_model",
    "pretrain": "base_model",
    "Draw": "sampling",
    "sample_answers": "sampling",
    "score_answers": "scorer",
    "score_prompts": "scorer",
    "one_thread": "threads",
    "TrainingSchedule": "train",
    "finetune_model": "train",
}

__all__ = [
    "PLAIN",
    "AnswerCache",
    "Context",
    "Decoder",
    "Draw",
    "Persona",
    "TrainingSchedule",
    "Settings",
    "Use",
    "branch_turns",
    "exact_rates",
    "find_domain",
    "fingerprint_decoder",
    "finetune_model",
    "grade_answer",
    "is_malign",
    "load_language",
    "load_library",
    "load_decoder",
    "one_thread",
    "ordinary_row",
    "load_placebos",
    "pretrain",
    "load_questions",
    "reference_rows",
    "sample_answers",
    "save_decoder",
    "score_answers",
    "score_prompts",
    "load_tokenizer",
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
