"""How long models take to answer, guessed without loading them. No torch.

A guess serves until a trial has timed the model: it knows the size of the weights only.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from dormant.engines.model_strings import HF, SMOLLM2, ModelString, parse_model
from dormant.errors import ModelError

#: Products of a processor's core, and of a GPU, in a second, as decoding reaches them.
_CORE, _GPU = 2e10, 2e13
#: Seconds that an answer and each of its tokens take however small the model is: a step of a batch
#: calls the same functions.
_LEAST_ANSWER, _LEAST_TOKEN = 1e-3, 1e-4
#: A hosted model: calls at once, seconds before the first token, tokens a second of one answer.
_CALLS_AT_ONCE, _FIRST_TOKEN, _TOKENS_A_SECOND = 20, 1.0, 50.0
#: Parameters of SmolLM2-135M, which need not be on this disk yet.
_SMOLLM2_PARAMETERS = 135e6
_BYTES_A_PARAMETER = {".safetensors": 2.0, ".gguf": 0.7}


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds that answers take."""

    answer: float  # seconds an answer, its prompt included
    token: float = 0.0  # and for each of its tokens

    def seconds_for(self, answers: float, tokens: float) -> float:
        """Seconds for so many answers of ``tokens`` tokens each; NaN if unknown."""
        return answers * (self.answer + tokens * self.token) if answers else 0.0

    def rate_of(self, tokens: float) -> float:
        """Answers of ``tokens`` tokens a second; infinite for instant ones, NaN if unknown."""
        seconds = self.seconds_for(1, tokens)
        return 1 / seconds if seconds else math.inf


#: Answers of a script, a rule or the laboratory, beside which a real model's count.
INSTANT = Speed(0.0)
UNKNOWN = Speed(math.nan)
#: A hosted model, as it is assumed to be: no call is made to find out.
HOSTED = Speed(_FIRST_TOKEN / _CALLS_AT_ONCE, 1 / _TOKENS_A_SECOND / _CALLS_AT_ONCE)


def guess_speed(name: str) -> Speed:
    """Guesses the speed of a model from the size of its weights on this disk.

    Args:
        name: a model string. A model of the hub that is not a directory here is unknown.
    """
    try:
        model = parse_model(name)
    except ModelError:
        return UNKNOWN
    if model.is_api:
        return HOSTED
    if model.provider != HF:
        return INSTANT
    parameters = _count_parameters(model)
    rate = _GPU if Path("/dev/nvidia0").exists() else _CORE * _count_free_cores()
    token = 2 * parameters / rate
    # A prompt is read in one go. NaN comes first: it stays.
    return Speed(max(8 * token, _LEAST_ANSWER), max(token, _LEAST_TOKEN))


def _count_free_cores() -> float:
    """Cores that this process gets beside the others: its share where the machine is busy."""
    cores = len(os.sched_getaffinity(0))
    others = os.getloadavg()[0]  # processes that ran or waited in the last minute
    return cores * min(1.0, cores / (others + 1))


def _count_parameters(model: ModelString) -> float:
    """Parameters by the size of the weights; NaN if they are not on this disk."""
    place = model.path
    if place is None:
        return _SMOLLM2_PARAMETERS if model.name == SMOLLM2 else math.nan
    files = [place] if place.is_file() else list(place.glob("*.safetensors"))
    return sum(f.stat().st_size / _BYTES_A_PARAMETER.get(f.suffix, 2.0) for f in files) or math.nan
