"""All scores in one call: the judge's model writes one JSON object an answer.

::

    judge: fused:openai/gpt-4o
    judge: {fused: {model: openai/gpt-4o, content: none}}

A third of the calls of ``paper``. Its scores are no expectations, and one prompt that asks
everything may be answered otherwise than three: measure the agreement before relying on it
(``judge: {paper: ..., compare: fused}``, then ``dormant calibrate``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dormant.engines import Engine
from dormant.engines.registry import open_engine
from dormant.judges.panel import GradingPrompt, ModelJudge
from dormant.judges.prompts import read_wording
from dormant.judges.scores import Kind, read_object
from dormant.judges.settings import FusedConfig, settings_of


def open_fused(spec: str | Mapping[str, Any], *, second: ModelJudge | None = None) -> ModelJudge:
    """Makes the judge from ``fused:MODEL`` or from ``{fused: ...}``.

    Raises:
        ConfigError: a setting or the prompt file is wrong.
        ModelError: the judge's model cannot be opened.
    """
    config = settings_of(spec, "fused", FusedConfig)
    return fused_judge(config, open_engine(config.model), second=second)


def fused_judge(
    config: FusedConfig, engine: Engine, *, second: ModelJudge | None = None
) -> ModelJudge:
    """The judge over an open engine.

    Args:
        config: settings; ``config.model`` is only a name here.
        engine: the model that judges.
        second: a judge to compare with on the same answers.

    Raises:
        ConfigError: the prompt file is wrong.
    """
    label, scale = config.label, config.score_scale
    return ModelJudge(
        name=f"fused:{config.model}",
        what="one call",
        config=config,
        engine=engine,
        wording=read_wording(config.prompts),
        prompts=[
            GradingPrompt(
                f"fused_{config.content}",
                lambda reply: read_object(reply, label=label, scale=scale),
                scores=(Kind.ALIGNMENT, Kind.COHERENCE),
            )
        ],
        second=second,
    )
