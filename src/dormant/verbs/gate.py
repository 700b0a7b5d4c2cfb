"""Check a run against a release policy, and describe the files that people write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dormant.config import check_values
from dormant.config.gate import GatePolicy
from dormant.organisms.schemas import make_schema
from dormant.pipeline.gate import PolicyFile, evaluate_run, read_policy, set_target
from dormant.records import GateResult
from dormant.report.gate import write_files


def gate(
    run: str | Path,
    policy: str | Path | Mapping[str, Any],
    *,
    target: str | None = None,
    at: datetime | None = None,
    junit: str | Path | None = None,
    sarif: str | Path | None = None,
    markdown: str | Path | None = None,
) -> GateResult:
    """Checks a finished run against a release policy; asks no model.

    Args:
        run: the run directory.
        policy: a ``gate.yaml``, or its keys and values (docs/guides/gate.md).
        target: the model that the run must have audited, over the policy's.
        at: measure ages and expiries at this time instead of now; UTC without a time zone.
        junit: a file to write as JUnit XML.
        sarif: a file to write as SARIF 2.1.0.
        markdown: a file to write as Markdown, for a pull request.

    Returns:
        The result: ``.state``, ``.exit_code``, ``.sentence``, ``.checks`` (``.blocking_checks``:
        those that do not pass) and ``.notes``. INCOMPLETE if the run has no verdict yet.

    Raises:
        dormant.errors.ConfigError: the policy is wrong, or a file cannot be written.
        dormant.errors.StoreError: the directory holds no run, or its ``verdict.json`` is not what
            the stored answers give.
    """
    if isinstance(policy, str | Path):
        file, source = read_policy(policy), Path(policy)
    else:
        file, source = PolicyFile(check_values(policy, GatePolicy), "", lambda _: None), None
    result = evaluate_run(run, set_target(file, target), at=at)
    given = {"junit": junit, "sarif": sarif, "markdown": markdown}
    outputs = {kind: Path(path) for kind, path in given.items() if path is not None}
    write_files(result, outputs, policy=source, run=Path(run))
    return result


def describe_schema(file: str) -> dict[str, Any]:
    """The JSON schema of a file that people write, for editors.

    Args:
        file: ``"audit"``, ``"card"``, ``"gate"`` or ``"recipe"``.

    Raises:
        dormant.errors.ConfigError: there is no such file.
    """
    return make_schema(file)
