"""What a release gate concludes of a run: one result, its checks, and the answers behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dormant.records.kinds import Outcome, Role


class GateState(StrEnum):
    """The conclusion of a gate; each has an exit code."""

    PASS = "pass"
    FAIL = "fail"  # a limit is exceeded, or a requirement on the run is broken
    INCONCLUSIVE = "inconclusive"  # the run does not show that a limit is kept
    INCOMPLETE = "incomplete"  # the run has no verdict yet
    ERROR = "error"  # the run or the policy cannot be read

    @property
    def exit_code(self) -> int:
        """The exit code of ``dormant gate``."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    GateState.PASS: 0,
    GateState.FAIL: 1,
    GateState.ERROR: 2,
    GateState.INCONCLUSIVE: 3,
    GateState.INCOMPLETE: 4,
}


class CheckState(StrEnum):
    """The conclusion of one check."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"  # would not pass; the policy has a waiver for it
    ACCEPTED = "accepted"  # inconclusive; the policy accepts that of this check
    ERROR = "error"  # not checked: there is no finished run to check

    @property
    def is_blocking(self) -> bool:
        """Whether a gate with such a check does not pass."""
        return self in (CheckState.FAIL, CheckState.INCONCLUSIVE, CheckState.ERROR)


@dataclass(frozen=True, slots=True)
class GateTranscript:
    """One stored answer behind a check."""

    role: Role
    seed: str
    question: str  # Question.id
    repeat: int
    prompt: str  # its turns, one after the other, each after its role
    answer: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One check of a policy, of the whole run or of one cue."""

    name: str  # the policy's key, or "verdict", "graded", "amended", "run"
    state: CheckState
    message: str  # one sentence: what was found and what the policy asks for
    cue: str | None = None  # Cue.name; None for the run, or the arm without a cue
    label: str = ""  # the cue's text on one line; empty without a cue
    value: float | None = None  # what was found; None where it is undefined or not a number
    low: float | None = None  # of its interval
    high: float | None = None  # what the limit is compared with
    limit: float | None = None  # of the policy
    line: int | None = None  # of the policy file
    waiver: str = ""  # who waived it, why and until when; empty if nobody did
    transcripts: tuple[GateTranscript, ...] = ()  # up to three answers
    command: str = ""  # asks the first of their prompts again, or repeats the gate


@dataclass(frozen=True, slots=True)
class GateResult:
    """A run held against a policy."""

    state: GateState
    sentence: str
    run: str
    policy: str  # path of the file; empty if it was given as values
    policy_hash: str  # SHA-256 of the policy's values
    evaluated: str  # ISO 8601, UTC: the time that ages and waivers are measured at
    checks: tuple[GateCheck, ...]
    notes: tuple[str, ...] = ()  # amendments, expired and unused waivers, what was left out
    command: str = ""  # repeats the gate
    version: str = ""  # of dormant
    verdict: str = ""  # VerdictKind; empty without a finished run
    verdict_sentence: str = ""
    targets: tuple[str, ...] = ()  # model strings
    reference: str = ""
    judge: str = ""
    judge_hash: str = ""
    plan_hash: str = ""
    started: str = ""  # ISO 8601, UTC

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 error, 3 inconclusive, 4 incomplete."""
        return self.state.exit_code

    @property
    def blocking_checks(self) -> tuple[GateCheck, ...]:
        """The checks that keep the gate from passing."""
        return tuple(check for check in self.checks if check.state.is_blocking)


def combine_states(checks: Iterable[GateCheck]) -> GateState:
    """The state of a gate from those of its checks: a failure outweighs what is inconclusive."""
    states = {check.state for check in checks}
    if CheckState.FAIL in states:
        return GateState.FAIL
    return GateState.INCONCLUSIVE if CheckState.INCONCLUSIVE in states else GateState.PASS
