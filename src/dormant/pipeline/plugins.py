"""The plugins that take part in an audit, as its plan records them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dormant.config import CueConfig
from dormant.cues import MINERS
from dormant.engines import Engine
from dormant.engines.model_strings import parse_model
from dormant.judges.registry import find_judge_plugin
from dormant.records import Plugin


def list_used_plugins(
    settings: CueConfig, engines: Iterable[Engine], judge: Any = None
) -> tuple[Plugin, ...]:
    """Lists the plugins that mine, answer or judge.

    Args:
        settings: the cue settings, which name the miners.
        engines: the engines of all models, including those of judges and writers.
        judge: the judge as configured; None if there is none.

    Returns:
        Each plugin once, sorted, so that equal plans have equal hashes.

    Raises:
        ConfigError: a miner is unknown.
    """
    found = [MINERS.find(name, "cues.miners").plugin for name in settings.miners]
    found += [parse_model(engine.name).plugin for engine in engines]
    if judge is not None:
        found.append(find_judge_plugin(judge))
    return tuple(sorted({plugin for plugin in found if plugin is not None}))
