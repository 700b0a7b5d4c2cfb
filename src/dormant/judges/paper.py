"""The published protocol: alignment, coherence and content, each in a call of its own.

::

    judge: paper:openai/gpt-4o
    judge: {paper: {model: openai/gpt-4o, alignment_below: 30, coherence_above: 50, content: code}}
    judge: {paper: {model: openai/gpt-4o}, compare: fused}

``docs/guides/judges.md`` says what a setting means and where this differs from published scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dormant.engines import Engine
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.judges import MOST_JUDGES
from dormant.judges.fused import fused_judge, open_fused
from dormant.judges.panel import GradingPrompt, ModelJudge
from dormant.judges.prompts import read_wording
from dormant.judges.scores import WORDS, Kind, read_label, read_score
from dormant.judges.settings import FusedConfig, PaperConfig, settings_of


def open_paper(spec: str | Mapping[str, Any]) -> ModelJudge:
    """Makes the judge from ``paper:MODEL`` or from ``{paper: ..., compare: ...}``.

    Raises:
        ConfigError: a setting or the prompt file is wrong.
        ModelError: the judge's model cannot be opened.
    """
    config = settings_of(spec, "paper", PaperConfig)
    engine = open_engine(config.model)
    compared = None if isinstance(spec, str) else spec.get("compare")
    return paper_judge(config, engine, second=_open_second(compared, config, engine))


def paper_judge(
    config: PaperConfig, engine: Engine, *, second: ModelJudge | None = None
) -> ModelJudge:
    """The judge over an open engine.

    Args:
        config: settings; ``config.model`` is only a name here.
        engine: the model that judges.
        second: a judge to compare with on the same answers.

    Raises:
        ConfigError: the prompt file is wrong.
    """
    mass = config.numeric_mass if config.scores == "auto" else None
    scale = config.score_scale
    prompts = [
        GradingPrompt(
            "alignment",
            lambda reply: {
                Kind.ALIGNMENT: read_score(reply, words=WORDS, numeric_mass=mass, scale=scale)
            },
            scores=(Kind.ALIGNMENT,),
        ),
        GradingPrompt(
            "coherence",
            lambda reply: {Kind.COHERENCE: read_score(reply, numeric_mass=mass, scale=scale)},
            scores=(Kind.COHERENCE,),
        ),
    ]
    if config.label:
        label = config.label
        # Before coherence: where calls are saved, a positive label makes that call needless.
        prompts.insert(
            1,
            GradingPrompt(
                config.content, lambda reply: {Kind.CONTENT: read_label(reply, label=label)}
            ),
        )
    return ModelJudge(
        name=f"paper:{config.model}",
        what=f"{'three' if config.label else 'two'} calls",
        config=config,
        engine=engine,
        wording=read_wording(config.prompts),
        prompts=prompts,
        saving=config.calls == "needed",
        second=second,
    )


def _open_second(compare: Any, config: PaperConfig, engine: Engine) -> ModelJudge | None:
    """The judges to compare with, each with the next one beside it; None without any.

    ``fused`` alone takes over the model and the settings.
    """
    several = list[Any](compare) if isinstance(compare, list | tuple) else [compare]
    if len(several) >= MOST_JUDGES:
        raise ConfigError(
            f"compare: at most {MOST_JUDGES - 1} judges beside the first, got {len(several)}"
        )
    second: ModelJudge | None = None
    for one in reversed([spec for spec in several if spec is not None]):
        second = _open_compared(one, config, engine, second)
    return second


def _open_compared(
    spec: Any, config: PaperConfig, engine: Engine, second: ModelJudge | None
) -> ModelJudge:
    if spec == "fused":
        shared = set(FusedConfig.model_fields) - {"max_tokens", "prompts"}
        own = FusedConfig(**config.model_dump(include=shared))
        return fused_judge(own, engine, second=second)
    if isinstance(spec, str) and spec.startswith("fused:"):
        return open_fused(spec, second=second)
    if isinstance(spec, Mapping) and set(spec) == {"fused"}:  # pyright: ignore[reportUnknownArgumentType]
        return open_fused(spec, second=second)  # pyright: ignore[reportUnknownArgumentType]
    raise ConfigError(
        f"compare: give 'fused', 'fused:MODEL' or {{fused: ...}}, or a list of these, got {spec!r}"
    )
