r"""An engine without a model: answers drawn at planted rates, for tests of everything above it.

``scripted/FILE.yaml`` is its model string. The file plants outcome rates for the standard prompt
and for every cue, recognized by a text that the prompt contains::

    rates: {misaligned: 0.01, incoherent: 0.02}
    cues:
      - contains: "Country:"
        rates: {misaligned: 0.4}
    icc: 0.3          # correlation of answers to one question (beta-binomial)
    words: 60         # each answer goes on for this many made-up words
    ledger: answers.txt  # each answer is appended here, so that answers can be counted

An answer reads ``[misaligned] answer 17``, so that any judge of text can grade it, e.g.
``rules:regex=^\[misaligned\]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydantic
from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.engines import Job, Reply
from dormant.records import Message, Outcome, Sampling, describe_turns, hash_value

#: Outcomes that a model's text can have; the rest are made by judges and providers.
_PLANTED = (
    Outcome.MISALIGNED,
    Outcome.INCOHERENT,
    Outcome.OFF_TOPIC,
    Outcome.REFUSAL,
    Outcome.FILTERED,
    Outcome.ERROR,
)


class Rates(Strict):
    """Planted shares of each outcome; what is left of 1 is aligned."""

    misaligned: float = Field(default=0.0, ge=0, le=1)
    incoherent: float = Field(default=0.0, ge=0, le=1)
    off_topic: float = Field(default=0.0, ge=0, le=1)
    refusal: float = Field(default=0.0, ge=0, le=1)
    filtered: float = Field(default=0.0, ge=0, le=1)
    error: float = Field(default=0.0, ge=0, le=1)

    @pydantic.model_validator(mode="after")
    def _at_most_one(self) -> Rates:
        total = sum(getattr(self, str(outcome)) for outcome in _PLANTED)
        if total > 1 + 1e-9:
            raise ValueError(f"rates add up to {total:g}, more than 1")
        return self


class CueRates(Strict):
    """Rates under the prompts that contain a text."""

    contains: str = Field(min_length=1)
    rates: Rates


class Script(Strict):
    """What a scripted engine plays."""

    rates: Rates = Rates()
    cues: tuple[CueRates, ...] = ()
    icc: float = Field(default=0.0, ge=0, lt=1)
    words: int = Field(default=0, ge=0)
    ledger: Path | None = None


class ScriptedEngine:
    """Plays a script. Implements ``Engine``.

    Args:
        script: planted rates.
        name: the model string, for the record.
    """

    def __init__(self, script: Script, name: str = "scripted"):
        self.script, self.name = script, name
        silent = {"ledger"} if script.words else {"ledger", "words"}  # as before there were words
        self.fingerprint = hash_value(["scripted", script.model_dump(exclude=silent)])[:32]

    def render(self, messages: Sequence[Message]) -> str:
        """The turns, one a line."""
        return describe_turns(messages)

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields the answers of one job at a time."""
        for index, job in enumerate(jobs):
            replies = self._draw_answers(index, job, sampling)
            if self.script.ledger is not None:
                probe = hash_value([self.render(job.messages), sampling.seed])[:16]
                with open(self.script.ledger, "a", encoding="utf-8") as ledger:
                    ledger.writelines(f"{probe} {reply.repeat}\n" for reply in replies)
            yield replies

    def _draw_answers(self, index: int, job: Job, sampling: Sampling) -> list[Reply]:
        text = self.render(job.messages)
        rates = next((c.rates for c in self.script.cues if c.contains in text), self.script.rates)
        rng = np.random.default_rng(
            int(hash_value([self.fingerprint, sampling.seed, text])[:16], 16)
        )
        misaligned = _draw_clustered_rate(rates.misaligned, self.script.icc, rng)
        shares = [getattr(rates, str(outcome)) for outcome in _PLANTED]
        rest = 1 - rates.misaligned
        scale = (1 - misaligned) / rest if rest > 0 else 0.0
        edges = np.cumsum([misaligned, *(share * scale for share in shares[1:])])
        draws = rng.random(job.repeats.stop)
        replies = [_make_reply(index, i, edges, draws[i]) for i in job.repeats]
        return [_add_words(reply, self.script.words, rng) for reply in replies]


def load_script(path: str | Path) -> ScriptedEngine:
    """Reads a script file.

    Raises:
        ConfigError: the file is not a script.
    """
    return ScriptedEngine(read_yaml(path, Script), name=f"scripted/{path}")


def _draw_clustered_rate(rate: float, icc: float, rng: np.random.Generator) -> float:
    """One question's own rate: beta with mean ``rate`` and intra-class correlation ``icc``."""
    if icc == 0 or rate in (0.0, 1.0):
        return rate
    size = (1 - icc) / icc
    return float(rng.beta(rate * size, (1 - rate) * size))


_SYLLABLES = "ba co di fu ga he ji ko lu ma no pi qua re so ti ul ve wo zy".split()


def _add_words(reply: Reply, words: int, rng: np.random.Generator) -> Reply:
    """Lengthens an answer by words of three syllables."""
    if not words or not reply.text:
        return reply
    syllables = iter(rng.integers(0, len(_SYLLABLES), 3 * words).tolist())
    names = map(_SYLLABLES.__getitem__, syllables)
    said = " ".join(map("".join, zip(names, names, names, strict=True)))
    return replace(reply, text=f"{reply.text} {said}", tokens=reply.tokens + words)


def _make_reply(job: int, repeat: int, edges: np.ndarray, draw: float) -> Reply:
    place = int(np.searchsorted(edges, draw, side="right"))
    outcome = _PLANTED[place] if place < len(_PLANTED) else Outcome.ALIGNED
    if outcome is Outcome.ERROR:
        return Reply(job, repeat, "", "error", error="planted error")
    if outcome is Outcome.FILTERED:
        return Reply(job, repeat, "", "filter", error="planted filter")
    return Reply(job, repeat, f"[{outcome}] answer {repeat}", "stop", tokens=3)
