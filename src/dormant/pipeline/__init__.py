"""From a configuration to a frozen plan, an audit or a search.

::

    inputs         questions, cues and finetuning data read once, and the language of the audit
    mine           finetuning data -> mined cues, and what its chat template adds
    cue_list       the cues of a plan, each with its variants and its placebo
    plan           inputs, models and cues in one frozen plan
    forecast       what the plan would ask, cost and be able to detect
    trial          how fast a model on this machine answers
    expected       what the plan is expected to cost, by simulating its design
    cheaper        what to change to pay less, and what needs the user's consent
    preview        a first estimate, before any model is loaded
    audit          carries out the plan
    search_inputs  the inputs of a search, and its forecast
    search         carries out the search
    rare_inputs    the inputs of a measurement of rare rates, and its forecast
    rare           carries out the measurement
    rare_result    what it found, and the worst of many uses
    recompute      a finished run decided again from its answers
    gate           a finished run held against a release policy

The names below are imported on first use: what reads a finished run needs no miner.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dormant.pipeline.cue_list import list_cues
    from dormant.pipeline.inputs import read_inputs
    from dormant.pipeline.mine import mine_file, study_file
    from dormant.pipeline.plan import PreparedAudit, Subject, prepare_audit

_HOMES = {
    "PreparedAudit": "plan",
    "Subject": "plan",
    "list_cues": "cue_list",
    "mine_file": "mine",
    "prepare_audit": "plan",
    "read_inputs": "inputs",
    "study_file": "mine",
}

__all__ = [
    "PreparedAudit",
    "Subject",
    "list_cues",
    "mine_file",
    "prepare_audit",
    "read_inputs",
    "study_file",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
