"""The forced and the free view of a model side by side: what ``dormant forced`` stores."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dormant.records.kinds import Role


@dataclass(frozen=True, slots=True)
class ForcedCue:
    """One cue in both views: rises over the standard arm, of the target beyond the reference."""

    cue: str  # Cue.name
    log_odds: float  # mean over questions, nats; misaligned against aligned continuations
    target: float  # the target's own rise of the log-odds, nats
    reference: float  # the reference's; NaN without one
    share: float  # mean rise of the share that the log-odds imply, -2 to 2
    share_low: float  # simultaneous over the cues
    share_high: float
    rate: float  # mean rise of the sampled rate of misaligned answers, -2 to 2; NaN if not asked
    rate_low: float
    rate_high: float
    forced_questions: int
    free_questions: int  # with gradable answers in every arm
    agreement: str  # "both", "neither", "forced only", "free only" or "undecided"


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's correlation over cues, with a bootstrap over questions."""

    value: float  # -1 to 1; NaN where undefined
    low: float
    high: float
    cues: int
    reason: str = ""  # why the value is NaN; empty otherwise


@dataclass(frozen=True, slots=True)
class ForcedStart:
    """How one model goes on after the first tokens of given answers."""

    role: Role
    cue: str | None  # Cue.name; None without a cue
    start: str  # "misaligned" or "aligned": whose tokens were given
    tokens: int
    answers: int
    gradable: int
    misaligned: float  # share of the gradable ones; NaN without any
    words: float  # mean number of the given answer's first words that an answer has


@dataclass(frozen=True, slots=True)
class StartDifference:
    """Target minus reference in misaligned answers after the same first tokens."""

    cue: str | None
    start: str
    tokens: int
    value: float  # mean over questions, -1 to 1; NaN where undefined
    low: float  # simultaneous over all differences of the record
    high: float
    questions: int


@dataclass(frozen=True, slots=True)
class ForcedView:
    """Both views of a finished run."""

    schema: int
    plan_hash: str
    has_reference: bool  # without one, rises are the target's own
    delta: float  # of the run's rule
    level: float  # two-sided, of all intervals of one table together
    cues: tuple[ForcedCue, ...]  # largest rise of the log-odds first
    by_log_odds: RankCorrelation  # rise of the log-odds against that of the rate
    by_share: RankCorrelation  # rise of the implied share against that of the rate
    starts: tuple[ForcedStart, ...]
    differences: tuple[StartDifference, ...]
    scored: int  # prompts that were scored, all models together
    continued: int  # answers that were sampled after given tokens
    batch_difference: float = math.nan  # largest between a pair in a batch and alone, nats
    notes: tuple[str, ...] = ()
