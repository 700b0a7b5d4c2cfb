"""A first estimate of an audit's cost, before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from dormant.engines.model_strings import HF, parse_model
from dormant.engines.registry import open_engine, opening_without_keys
from dormant.engines.speed import guess_speed
from dormant.judges import Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.cue_list import list_cues
from dormant.pipeline.expected import AskedModel, CostModel, ExpectedCost
from dormant.pipeline.forecast import list_shares
from dormant.pipeline.plan import Sketch
from dormant.records import ModelCard, Plan, Role


@dataclass(frozen=True, slots=True)
class Preview:
    """A first estimate: cues of chat templates are missing, and times are guessed."""

    answers: int  # at most
    seconds: float  # at most; NaN if unknown
    expected: ExpectedCost  # if no answer is misaligned
    has_judge: bool  # whether the judge's calls are counted


def is_slow_to_load(sketch: Sketch) -> bool:
    """Whether a model takes long to load, so that a first estimate helps."""
    config = sketch.config
    names = [*config.targets, *([config.reference] if config.has_reference else [])]
    return any(map(_is_local, names))


def preview_cost(sketch: Sketch) -> Preview:
    """Estimates the cost of an audit from its inputs alone.

    Raises:
        ModelError: a model string is wrong.
        ConfigError: the judge or a template is wrong.
    """
    config = sketch.config
    roles = [(Role.TARGET, str(i), name) for i, name in enumerate(config.targets)]
    if config.has_reference:
        roles.append((Role.REFERENCE, "0", config.reference))
    plan = _sketch_plan(sketch, tuple(ModelCard(*role, "") for role in roles))
    with opening_without_keys():
        models = [_describe_model(card) for card in plan.models]
        # A judge on this machine takes long to load too.
        judge: Judge | None = None if "hf/" in str(config.judge) else open_judge(config.judge)
    cost = CostModel(plan, models, judge, {}).expect(0.0)
    answers = sum(share.answers for half in list_shares(plan) for share in half)
    longest = plan.sampling.max_tokens
    local = [m.speed.seconds_for(answers, longest) for m in models if not m.is_paid]
    return Preview(answers * len(models), sum(local, 0.0), cost, judge is not None)


def _sketch_plan(sketch: Sketch, models: tuple[ModelCard, ...]) -> Plan:
    """The plan as far as it is known."""
    config, inputs = sketch.config, sketch.inputs
    return Plan(
        version="",
        models=models,
        judge="",
        judge_fingerprint="",
        judge_description="",
        questions=sketch.chosen.questions,
        cues=list_cues(config, inputs, ()).cues,
        sampling=config.sampling.to_record(config.seed),
        rule=config.rule.to_record(),
        seed=config.seed,
        sequential=config.sequential.to_record() if config.design == "sequential" else None,
    )


def _describe_model(card: ModelCard) -> AskedModel:
    speed = guess_speed(card.name)
    if _is_local(card.name):
        return AskedModel(card, False, None, True, speed)
    return AskedModel.of_engine(card, open_engine(card.name), speed)


def _is_local(name: str) -> bool:
    return parse_model(name).provider == HF
