"""A run and a policy read, and held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dormant.calibration import measure_judge
from dormant.calibration.correction import ArmQuality
from dormant.calibration.labelled_run import open_labelled_run
from dormant.config import read_yaml_with_lines
from dormant.config.gate import GatePolicy
from dormant.config.reader import Where
from dormant.errors import ConfigError, DormantError, UnfinishedError
from dormant.pipeline.gate.checks import (
    is_clock_wrong,
    list_checks,
    parse_started,
    sort_checks,
)
from dormant.pipeline.gate.evidence import add_evidence, quote_for_shell
from dormant.pipeline.gate.inputs import GateInputs
from dormant.pipeline.gate.waivers import apply_waivers, describe_waivers
from dormant.pipeline.recompute import load_run
from dormant.records import (
    CheckState,
    Findings,
    GateCheck,
    GateResult,
    GateState,
    Origin,
    Role,
    combine_states,
    hash_value,
)
from dormant.report.view import View
from dormant.version import __version__


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, and where its keys stand."""

    policy: GatePolicy
    path: str  # empty for a policy given as values
    find_line: Callable[[Where], int | None]

    @property
    def hash(self) -> str:
        """SHA-256 of the policy's values: a file that was loosened has another one."""
        return hash_value(self.policy.model_dump(mode="json"))


def read_policy(path: str | Path, *, target: str | None = None) -> PolicyFile:
    """Reads ``gate.yaml``.

    Args:
        path: the file.
        target: the model that the run must have audited, in place of the file's.

    Raises:
        ConfigError: names file, line, value and fix.
    """
    policy, find_line = read_yaml_with_lines(path, GatePolicy)
    return set_target(PolicyFile(policy, str(path), find_line), target)


def set_target(file: PolicyFile, target: str | None) -> PolicyFile:
    """The policy with another target.

    Raises:
        ConfigError: the target is blank.
    """
    if target is None:
        return file
    if not target.strip():
        raise ConfigError("target: must not be blank: give the model string of the candidate")
    policy = file.policy.model_copy(update={"target": target.strip()})
    return replace(file, policy=policy)


def evaluate_run(run: str | Path, file: PolicyFile, *, at: datetime | None = None) -> GateResult:
    """Checks a run against a policy.

    Args:
        run: the run directory.
        file: the policy.
        at: the present, for ages and expiries, with a time zone; now if None.

    Returns:
        The result; INCOMPLETE if the run has no verdict yet.

    Raises:
        StoreError: the directory holds no run, or its files do not agree with its answers.
        InputError: its labels cannot be read.
    """
    path = Path(run)
    now = _check_time(at)
    try:
        findings = load_run(path)
    except UnfinishedError as error:
        return explain_error(run, file, error, at=now)
    labels, quality = _measure_quality(path, findings, file.policy)
    return evaluate_findings(findings, file, run=str(run), now=now, labels=labels, quality=quality)


def evaluate_findings(
    findings: Findings,
    file: PolicyFile,
    *,
    run: str,
    now: datetime,
    labels: int = 0,
    quality: ArmQuality | None = None,
) -> GateResult:
    """Holds findings against a policy; pure.

    Args:
        findings: of a finished run.
        file: the policy.
        run: the run directory, for the result.
        now: the present, with a time zone.
        labels: answers of the run that people labelled.
        quality: of the judge by these labels.
    """
    view, plan = View(findings), findings.plan
    is_clock_right = not is_clock_wrong(parse_started(findings.started), now)
    found = list_checks(GateInputs(view, file.policy, now, labels, quality))
    checks = [replace(check, line=_find_line(file, check.name)) for check in found]
    checks = apply_waivers(checks, file.policy, now, is_clock_right=is_clock_right)
    repeat = _repeat_command(run, file)
    checks = add_evidence(sort_checks(checks), view, repeat)
    state = combine_states(checks)
    unused = describe_waivers(
        file.policy,
        checks,
        plan,
        now,
        is_clock_right=is_clock_right,
        line_of=lambda place: file.find_line(("waivers", place)),
    )
    return GateResult(
        state=state,
        sentence=_write_sentence(state, checks),
        run=run,
        policy=file.path,
        policy_hash=file.hash,
        evaluated=now.astimezone(UTC).isoformat(timespec="seconds"),
        checks=tuple(checks),
        notes=(*findings.amended, *_describe_import(findings), *unused),
        command=repeat,
        version=__version__,
        verdict=findings.verdict.kind.value,
        verdict_sentence=findings.verdict.sentence,
        targets=tuple(card.name for card in plan.models if card.role is Role.TARGET),
        reference=next((c.name for c in plan.models if c.role is Role.REFERENCE), ""),
        judge=plan.judge,
        judge_hash=plan.judge_fingerprint,
        plan_hash=plan.hash,
        started=findings.started,
    )


def _describe_import(findings: Findings) -> Iterator[str]:
    """Says that a run was made of existing answers, whose age and plan nobody recorded."""
    if findings.plan.origin is Origin.IMPORT:
        yield (
            "the run was imported: its plan was not fixed before its answers, and its age is that "
            "of the import"
        )


def explain_error(
    run: str | Path, file: PolicyFile | None, error: DormantError, *, at: datetime | None = None
) -> GateResult:
    """The result of a gate without a finished run: INCOMPLETE or ERROR, and never a pass."""
    is_open = isinstance(error, UnfinishedError)
    state = GateState.INCOMPLETE if is_open else GateState.ERROR
    repeat = _repeat_command(str(run), file)
    check = GateCheck("run", CheckState.ERROR, str(error), command=repeat)
    return GateResult(
        state=state,
        sentence=f"{'The run is not finished' if is_open else 'Nothing was checked'}: {error}",
        run=str(run),
        policy=file.path if file else "",
        policy_hash=file.hash if file else "",
        evaluated=_check_time(at).astimezone(UTC).isoformat(timespec="seconds"),
        checks=(check,),
        command=repeat,
        version=__version__,
    )


def _measure_quality(
    run: Path, findings: Findings, policy: GatePolicy
) -> tuple[int, ArmQuality | None]:
    if policy.calibration is None or not findings.transcripts:
        return 0, None
    opened = open_labelled_run(run, findings)
    level = policy.calibration.level
    return measure_judge(findings, opened.sample, opened.labels, level=level)


def _check_time(at: datetime | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _find_line(file: PolicyFile, name: str) -> int | None:
    """The line of a check's key; None for a check that every policy has."""
    return file.find_line((name,)) if name in file.policy.model_fields_set else None


def _repeat_command(run: str, file: PolicyFile | None) -> str:
    words = ["dormant", "gate", run]
    words += ["--policy", file.path] if file and file.path else []
    return " ".join(map(quote_for_shell, words))


def _write_sentence(state: GateState, checks: Sequence[GateCheck]) -> str:
    blocking = [check for check in checks if check.state.is_blocking]
    waived = sum(check.state is CheckState.WAIVED for check in checks)
    accepted = sum(check.state is CheckState.ACCEPTED for check in checks)
    parts = [f"{waived:,} waived"] * bool(waived)
    parts += [f"{accepted:,} inconclusive but accepted by the policy"] * bool(accepted)
    aside = f" ({', '.join(parts)})" if parts else ""
    if state is GateState.PASS:
        passed = sum(check.state is CheckState.PASS for check in checks)
        if not aside:
            return "Every check of the policy passes."
        verb = "passes" if passed == 1 else "pass"
        return f"No check blocks: {passed:,} {verb}{aside}."
    words = "fails" if state is GateState.FAIL else "is inconclusive"
    first = blocking[0]
    cue = f", cue {first.label!r}" if first.cue is not None else ""
    rest = len(blocking) - 1
    more = f"; {rest:,} more {'does' if rest == 1 else 'do'} not pass" if rest else ""
    return f"{first.name}{cue} {words}: {first.message}{more}{aside}."
