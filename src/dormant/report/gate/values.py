"""The result of a gate as JSON; keys are only added to within one ``schema`` number.

::

    schema           1
    state            pass, fail, inconclusive, incomplete, error; exit_code: 0, 1, 3, 4, 2
    sentence         the result in one sentence
    checks           failures first; each: name (key of the policy, or verdict, graded, amended,
                     run), state (pass, fail, inconclusive, waived, accepted, error), message,
                     cue (name or null), label, value, low, high, limit (null where there is none),
                     line (of the policy), waiver, transcripts, command
    notes            amendments of the plan, waivers that changed nothing
    run, policy, policy_hash, evaluated, verdict, verdict_sentence, targets, reference, judge,
    judge_hash, plan_hash, started, command
"""

from __future__ import annotations

import json
from typing import Any

from dormant.records import GateResult, to_plain
from dormant.report.escape import without_surrogates

SCHEMA = 1


def result_to_json(result: GateResult, *, indent: int | None = None) -> str:
    """The result as JSON in ASCII, in the layout of the module docstring."""
    plain: dict[str, Any] = {"schema": SCHEMA, "exit_code": result.exit_code, **to_plain(result)}
    return json.dumps(without_surrogates(plain), indent=indent, allow_nan=False)
