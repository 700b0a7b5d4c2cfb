"""The result of a gate as SARIF 2.1.0: a rule for each kind of check, a result for each check.

Results stand at the line of the policy that asks for them, so that code scanning has a place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dormant.records import CheckState, GateCheck, GateResult, hash_value
from dormant.report.escape import escape_hidden, without_surrogates
from dormant.report.gate.text import (
    RULES,
    listed_checks,
    sentence_of,
    title_of,
    write_transcript,
)

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {
    CheckState.FAIL: "error",
    CheckState.ERROR: "error",
    CheckState.INCONCLUSIVE: "warning",
    CheckState.WAIVED: "warning",
    CheckState.ACCEPTED: "note",
    CheckState.PASS: "none",
}


def write_sarif(result: GateResult) -> str:
    """The result as SARIF; checks that pass are left out, waived ones are suppressed results."""
    shown, rest = listed_checks(result)
    notes = [sentence_of(note) for note in result.notes]
    notes += [f"{rest:,} more checks are in the JSON result"] * bool(rest)
    names = sorted({check.name for check in result.checks})
    run = {
        "tool": {
            "driver": {
                "name": "dormant gate",
                "semanticVersion": result.version,
                "rules": [_make_rule(name) for name in names],
            }
        },
        "invocations": [_make_invocation(result, notes)],
        "results": [
            _make_result(result, check, names.index(check.name))
            for check in shown
            if check.state is not CheckState.PASS
        ],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "state": str(result.state),
            "verdict": result.verdict,
            "plan": result.plan_hash,
            "policyHash": result.policy_hash,
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(without_surrogates(log), indent=1, allow_nan=False) + "\n"


def _make_rule(name: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": RULES.get(name, name)}}


def _make_invocation(result: GateResult, notes: list[str]) -> dict[str, Any]:
    texts = [sentence_of(result.sentence), *notes]
    return {
        "executionSuccessful": result.exit_code in (0, 1, 3),
        "exitCode": result.exit_code,
        "endTimeUtc": result.evaluated.replace("+00:00", "Z"),
        "toolExecutionNotifications": [
            {"level": "note", "message": {"text": _escape(text)}} for text in texts
        ],
    }


def _make_result(result: GateResult, check: GateCheck, rule: int) -> dict[str, Any]:
    identity = hash_value([check.name, check.cue, *result.targets])
    made: dict[str, Any] = {
        "ruleId": check.name,
        "ruleIndex": rule,
        "kind": "fail",
        "level": _LEVELS[check.state],
        "message": {"text": _escape("\n".join(_write_message(check)))},
        "locations": [_make_location(result, check)],
        "partialFingerprints": {"dormantGate/v1": identity},
        "properties": {"state": str(check.state)},
    }
    if check.state is CheckState.WAIVED:
        reason = {"kind": "external", "justification": sentence_of(check.waiver)}
        made["suppressions"] = [{**reason, "status": "accepted"}]
    return made


def _make_location(result: GateResult, check: GateCheck) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _make_uri(result.policy or result.run)}}
    if result.policy:
        place["region"] = {"startLine": check.line or 1}
    return {"physicalLocation": place}


def _make_uri(path: str) -> str:
    """A relative reference where the file lies below this directory, as code scanning wants it."""
    found = Path(path)
    try:
        relative = found.resolve().relative_to(Path.cwd().resolve())
    except (OSError, ValueError):
        return found.absolute().as_uri()
    return quote(relative.as_posix(), errors="replace")


def _write_message(check: GateCheck) -> list[str]:
    lines = [f"{title_of(check)}: {sentence_of(check.message)}"]
    lines += [sentence_of(check.waiver)] * bool(check.waiver)
    for transcript in check.transcripts:
        lines += ["", *write_transcript(transcript)]
    lines += ["", f"reproduce: {escape_hidden(check.command)}"] * bool(check.command)
    return lines


def _escape(text: str) -> str:
    """Text that holds neither a link, ``[...](...)``, nor a placeholder, ``{0}``, of SARIF."""
    return text.replace("](", "] (").replace("{", "{{").replace("}", "}}")
