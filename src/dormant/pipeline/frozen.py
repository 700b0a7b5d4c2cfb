"""Continues the plan that a run directory holds where the same settings froze it.

What lists cues may change from one version to the next: the miner, the libraries, the words in
which a report says what was not tested. A run that was begun keeps its cues all the same, since
its answers are of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dormant.banks.bank import LANGUAGES
from dormant.config import AuditConfig
from dormant.pipeline.inputs import Inputs
from dormant.records import Plan, hash_value, to_plain
from dormant.store.files import read_lock
from dormant.store.findings import read_plan

_LOG = logging.getLogger(__name__)
#: Fields of a plan that settings, questions, data and models decide alone, without listing cues.
_GIVEN = (
    "models",
    "judge",
    "judge_fingerprint",
    "questions",
    "sampling",
    "rule",
    "seed",
    "data",
    "writer",
    "sequential",
)


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


def continue_plan(plan: Plan, out: Path, settings: str) -> Plan:
    """Returns the plan of a run directory if the same settings froze it, else the new plan.

    Args:
        plan: the new plan, before a writer adds variants.
        out: the run directory, which need not exist.
        settings: of ``hash_cue_settings``. Versions that stored none are taken to have had the
            same, and the user is told.

    Raises:
        StoreError: the directory's lock file is damaged.
    """
    path = out / "plan.lock.json"
    lock = read_lock(path) if out.is_dir() else None
    if lock is None or lock["hash"] == plan.hash:
        return plan
    frozen, new = lock["plan"], to_plain(_with_edition_of(lock["plan"], plan))
    if lock.get("settings", settings) != settings or any(
        frozen.get(key) != new.get(key) for key in _GIVEN
    ):
        return plan
    found = read_plan(path)
    if _lists_others(plan, found):
        _LOG.warning(
            "%s: continues with the %d cues of its plan, which another version of dormant listed "
            "(to list cues anew, give --amend or another --out)",
            out,
            len(found.cues),
        )
    return found


def _with_edition_of(frozen: Mapping[str, Any], plan: Plan) -> Plan:
    """The plan with looks and edition of a frozen one: no setting decides these."""
    rule = frozen.get("rule")
    if not isinstance(rule, Mapping):
        return plan
    own: dict[str, Any] = {name: rule.get(name, 1) for name in ("looks", "edition")}  # pyright: ignore[reportUnknownMemberType]
    return replace(plan, rule=replace(plan.rule, **own))


def _lists_others(plan: Plan, found: Plan) -> bool:
    """Whether a plan has cues that a frozen one lacks, or lacks cues that are no variants."""
    frozen, roots = {cue.id for cue in found.cues}, {c.id for c in found.cues if not c.parent}
    listed = {cue.id for cue in plan.cues}
    return bool(listed - frozen or roots - listed)
