"""The release gate: a stored run held against a policy. Asks no model and changes no run.

::

    gate.yaml, RUN -> hold       reads both; the verdict is decided again from the stored answers
                      checks     every check of the policy: verdict, plan, hashes, age
                      estimates  limits of effects and rates
                      counts     shares and amounts of answers, labels of the judge
                      waivers    what the policy lets pass all the same
                      evidence   answers behind the rest, and commands that ask for them again
                   -> a GateResult, which report/gate writes
"""

from dormant.pipeline.gate.evaluate import (
    PolicyFile,
    evaluate_findings,
    evaluate_run,
    explain_error,
    read_policy,
    set_target,
)

__all__ = [
    "PolicyFile",
    "explain_error",
    "evaluate_run",
    "evaluate_findings",
    "read_policy",
    "set_target",
]
