"""From what a user wrote to a judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dormant.errors import ConfigError
from dormant.judges import Judge


def open_judge(spec: str | Mapping[str, Any]) -> Judge:
    """Makes the judge that a configuration names.

    Args:
        spec: ``exact``, ``rules:...`` (see ``judges.rules``), or the keys of a rules judge.

    Raises:
        ConfigError: no such judge, or its settings are wrong.
    """
    if isinstance(spec, str) and spec.strip() == "exact":
        from dormant.judges.exact import ExactJudge

        return ExactJudge()
    if isinstance(spec, Mapping) or spec.strip().startswith("rules:"):
        from dormant.judges.rules import open_rules

        return open_rules(spec)
    raise ConfigError(
        f"{spec!r} names no judge: give 'exact' (the laboratory) or 'rules:...', "
        "e.g. 'rules:regex=^HA' or 'rules:judge.yaml'"
    )
