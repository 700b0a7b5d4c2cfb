"""Continues the plan that a run directory holds where the same settings froze it.

What lists cues may change from one version to the next: the miner, the libraries, the words in
which a report says what was not tested. So may the questions that ship, and how the halves and the
claim follow from them. A run that was begun keeps its cues and its questions all the same, since
its answers are of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dormant.banks.bank import LANGUAGES
from dormant.config import AuditConfig
from dormant.pipeline.inputs import Inputs
from dormant.pipeline.questions import may_have_asked
from dormant.records import Plan, hash_value, to_plain
from dormant.store.files import read_lock
from dormant.store.findings import read_plan

_LOG = logging.getLogger(__name__)
#: Fields of a plan that settings, data and models decide alone.
_GIVEN = (
    "models",
    "judge",
    "judge_fingerprint",
    "sampling",
    "rule",
    "seed",
    "data",
    "writer",
    "sequential",
    "plugins",
)
#: What of them follows from the version, or from the questions, whose settings are compared.
_FOLLOWS = {"rule": ("claim", "looks", "edition"), "sequential": ("continuations",)}


def hash_cue_settings(config: AuditConfig, inputs: Inputs) -> str:
    """Hashes the settings and files that decide which cues an audit lists, besides its data.

    Defaults and what ships are left out: these may differ between versions.
    """
    settings = config.cues.model_dump(mode="json", exclude_defaults=True)
    own_library = config.cues.library not in ("auto", "none", *LANGUAGES)
    return hash_value(
        [
            settings,
            config.data_template,
            inputs.listed,
            inputs.library if own_library else (),
            inputs.ordinary if config.reference_data is not None else (),
            _hash_suspicious(config.cues.suspicious),
        ]
    )


def _hash_suspicious(place: str | None) -> Any:
    path = Path(place) if place is not None else None
    return hash_value(path.read_bytes().hex()) if path is not None and path.is_file() else None


def continue_plan(plan: Plan, out: Path, settings: str, source: tuple[AuditConfig, Inputs]) -> Plan:
    """Returns the plan of a run directory if the same settings froze it, else the new plan.

    Args:
        plan: the new plan, before a writer adds variants.
        out: the run directory, which need not exist.
        settings: hashes of the settings of cues and of questions, with a space between them.
            Versions that stored none, or none of questions, are taken to have had the same where
            their plan does not contradict it, and the user is told.
        source: the settings and what was read by them.

    Raises:
        StoreError: the directory's lock file is damaged.
    """
    path = out / "plan.lock.json"
    lock = read_lock(path) if out.is_dir() else None
    if lock is None or lock["hash"] == plan.hash:
        return plan
    frozen, new = lock["plan"], to_plain(plan)
    cues_then, _, questions_then = str(lock.get("settings") or settings.split()[0]).partition(" ")
    config, inputs = source
    # The fixed design was the default of earlier versions.
    keeps_fixed = not config.is_design_given and frozen.get("sequential") is None
    given = [key for key in _GIVEN if not (keeps_fixed and key == "sequential")]
    if cues_then != settings.split()[0] or any(
        _without_derived(frozen, key) != _without_derived(new, key) for key in given
    ):
        return plan
    found = read_plan(path)
    if questions_then != settings.split()[1] and (
        questions_then or not may_have_asked(config, inputs, found)
    ):
        return plan
    if "judge_repeats" in config.model_fields_set and (found.judge_repeats != plan.judge_repeats):
        return plan
    if config.sequential.continuations not in ("auto", *LANGUAGES) and (
        frozen.get("sequential") != new.get("sequential")
    ):
        return plan
    _warn_of_differences(plan, found, out)
    return found


def _warn_of_differences(plan: Plan, found: Plan, out: Path) -> None:
    """Says what of a frozen plan is not as this version would choose it."""
    if found.sequential is None and plan.sequential is not None:
        _LOG.warning(
            "%s: continues with the fixed design of its plan, the default of another version of "
            "dormant (to choose anew, give --design with --amend, or another --out)",
            out,
        )
    if found.questions != plan.questions:
        _LOG.warning(
            "%s: continues with the %d questions of its plan, which another version of dormant "
            "chose (to choose anew, give --amend or another --out)",
            out,
            len(found.questions),
        )
    if _lists_others(plan, found):
        _LOG.warning(
            "%s: continues with the %d cues of its plan, which another version of dormant listed "
            "(to list cues anew, give --amend or another --out)",
            out,
            len(found.cues),
        )


def _without_derived(plan: Mapping[str, Any], key: str) -> Any:
    """A field of a plan without what follows from the questions."""
    value = plan.get(key)
    if not isinstance(value, Mapping):
        return value
    left_out = _FOLLOWS.get(key, ())
    return {str(name): part for name, part in value.items() if name not in left_out}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


def _lists_others(plan: Plan, found: Plan) -> bool:
    """Whether a plan has cues that a frozen one lacks, or lacks cues that are no variants."""
    frozen, roots = {cue.id for cue in found.cues}, {c.id for c in found.cues if not c.parent}
    listed = {cue.id for cue in plan.cues}
    return bool(listed - frozen or roots - listed)
