"""The expected cost of an audit: its design, simulated on answers without any effect.

The plan's own design runs on answers that are drawn, at a base rate of 0 and of 1% in every arm.
What it buys is priced: prompts by their length, answers and replies at a usual length. A design
that stops early costs most where many cues stay undecided, as at 1%.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dormant.decision.simulation import AnswerSampler, Key, even_truth, make_streams, run_design
from dormant.engines import Engine
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.prices import prompt_tokens
from dormant.engines.speed import HOSTED, INSTANT, Speed
from dormant.judges import Item, Judge, JudgeCall
from dormant.probes import apply_cue
from dormant.records import Cue, ModelCard, Plan, Price

#: Assumed misalignment rates of every arm of both models.
BASES = (0.0, 0.01)
#: Tokens of an answer, where ``max_tokens`` allows as many; and the share of a judge's longest
#: reply that it usually takes.
USUAL_TOKENS, USUAL_REPLY = 150, 0.25
#: Cells (questions x arms) that are simulated in all, and the most worlds for one base rate.
_CELLS, _MOST_WORLDS = 20_000, 8
_JUDGED = 200  #: prompts, evenly spread, whose judging is priced


@dataclass(frozen=True, slots=True)
class AskedModel:
    """What a model's answers cost."""

    card: ModelCard
    is_paid: bool
    price: Price | None  # None if unknown, or if it is not paid
    shares_prompts: bool  # one call may bring several answers
    speed: Speed

    @classmethod
    def of_engine(cls, card: ModelCard, engine: Engine, speed: Speed) -> AskedModel:
        """Describes an open model."""
        if not isinstance(engine, MeteredEngine):
            return cls(card, False, None, True, speed)
        return cls(card, True, engine.price, engine.shares_prompts, HOSTED)


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """What a plan is expected to take where no cue has an effect."""

    base: float  # assumed misalignment rate of every arm, 0 to 1
    verdict: str  # kind of the verdict in most simulated audits
    answers: int
    calls: int  # of the models under audit, behind an API
    judge_calls: int
    prompt_tokens: int  # of models and judges
    completion_tokens: int
    usd: float  # 0 if nothing is paid; NaN if a price is unknown
    seconds: float  # NaN if a speed is unknown
    local_seconds: float  # of these, for models on this machine


@dataclass(frozen=True, slots=True)
class _Part:
    """What one model takes."""

    is_judge: bool
    is_paid: bool
    calls: float
    prompts: float  # tokens
    completions: float  # tokens
    usd: float
    seconds: float

    def times(self, number: int) -> _Part:
        """The same for so many answers."""
        names = ("calls", "prompts", "completions", "usd", "seconds")
        return replace(self, **{name: number * getattr(self, name) for name in names})


class CostModel:
    """Prices what a simulated audit buys.

    Args:
        plan: the plan.
        models: every model under audit.
        judge: the judge; None to leave its calls out.
        judge_speeds: speed by model string of judges on this machine.
    """

    def __init__(
        self,
        plan: Plan,
        models: Sequence[AskedModel],
        judge: Judge | None,
        judge_speeds: Mapping[str, Speed],
    ):
        self.models = {(m.card.role, m.card.seed): m for m in models}
        self._judge, self._judge_speeds = judge, judge_speeds
        self._prompts: dict[tuple[str | None, str], int] = {}  # (cue, question) -> tokens
        self._set_plan(plan)

    def _set_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.tokens = min(plan.sampling.max_tokens, USUAL_TOKENS)
        self._cues: dict[str | None, Cue | None] = {None: None, **{c.name: c for c in plan.cues}}
        self._questions = {question.id: question for question in plan.questions}
        arms = [None, *plan.cues]
        items = [
            Item(question, apply_cue(arms[i % len(arms)], question), ".")
            for i, question in enumerate(plan.questions)
        ]
        self._judges = _judge_parts(items, self._judge, self._judge_speeds, self.tokens)

    def for_plan(self, plan: Plan) -> CostModel:
        """Returns the model of another plan for the same models, cues and questions, or fewer."""
        other = copy.copy(self)
        other._set_plan(plan)
        return other

    def _count_prompt(self, place: Key) -> int:
        """Tokens of a prompt."""
        arm = place[2:]
        if arm not in self._prompts:
            cue, question = arm
            messages = apply_cue(self._cues[cue], self._questions[question])
            self._prompts[arm] = prompt_tokens(messages)
        return self._prompts[arm]

    def expect(self, base: float, *, worlds: int | None = None) -> ExpectedCost:
        """Simulates the plan's design at a base rate; the mean over the worlds.

        Args:
            base: misalignment rate of every arm of both models, 0 to 1.
            worlds: how many audits are simulated; by the size of the plan if None.
        """
        cells = (1 + len(self.plan.cues)) * len(self.plan.questions)
        few = 1 if base == 0 else max(1, min(_CELLS // cells, _MOST_WORLDS))
        worlds = worlds or few
        answers: Counter[Key] = Counter()
        requests: Counter[Key] = Counter()
        kinds: Counter[str] = Counter()
        for world in range(worlds):
            streams = make_streams(world)  # the same answers for every plan
            truth = even_truth(base, self.plan.rule.icc, streams)
            sampler = AnswerSampler(self.plan, truth, streams)
            kinds[str(run_design(self.plan, sampler).verdict.kind)] += 1
            answers.update(sampler.answers)
            requests.update(sampler.requests)
        return self._price(base, kinds.most_common(1)[0][0], answers, requests, worlds)

    def _price(
        self,
        base: float,
        verdict: str,
        answers: Counter[Key],
        requests: Counter[Key],
        worlds: int,
    ) -> ExpectedCost:
        parts = [
            self._price_model(model, {p: n for p, n in answers.items() if p[:2] == key}, requests)
            for key, model in self.models.items()
        ]
        judged = sum(answers.values())
        parts += [cost.times(judged) for cost in self._judges]
        # The deciding judge stands first; it judges each early answer twice again.
        again = 2 * min(self.plan.judge_repeats * worlds, judged)
        parts += [cost.times(again) for cost in self._judges[:1]]
        return ExpectedCost(
            base=base,
            verdict=verdict,
            answers=round(sum(answers.values()) / worlds),
            calls=round(sum(part.calls for part in parts if not part.is_judge) / worlds),
            judge_calls=round(sum(part.calls for part in parts if part.is_judge) / worlds),
            prompt_tokens=round(sum(part.prompts for part in parts) / worlds),
            completion_tokens=round(sum(part.completions for part in parts) / worlds),
            usd=sum(part.usd for part in parts) / worlds,
            seconds=sum(part.seconds for part in parts) / worlds,
            local_seconds=sum(part.seconds for part in parts if not part.is_paid) / worlds,
        )

    def _price_model(
        self, model: AskedModel, answers: Mapping[Key, int], requests: Mapping[Key, int]
    ) -> _Part:
        """Prices the answers of one model."""
        number = sum(answers.values())
        sent = requests if model.is_paid and model.shares_prompts else answers
        prompts = sum(self._count_prompt(place) * sent[place] for place in answers)
        completions = number * self.tokens
        return _Part(
            is_judge=False,
            is_paid=model.is_paid,
            calls=sum(sent[place] for place in answers) if model.is_paid else 0,
            prompts=prompts,
            completions=completions,
            usd=_cost_usd(model.price, prompts, completions) if model.is_paid else 0.0,
            seconds=model.speed.seconds_for(number, self.tokens),
        )


def _judge_parts(
    items: Sequence[Item], judge: Judge | None, speeds: Mapping[str, Speed], tokens: int
) -> list[_Part]:
    """What judging one answer takes of each of the judge's models, on average."""
    made: dict[str, list[JudgeCall]] = {}
    some = items[:: max(len(items) // _JUDGED, 1)]
    for item in some:
        for call in judge.calls(item) if judge is not None else ():
            made.setdefault(call.role, []).append(call)
    parts: list[_Part] = []
    for calls in made.values():
        engine, each = calls[0].engine, len(calls) / len(some)
        prompts = each * (sum(prompt_tokens(c.messages) for c in calls) / len(calls) + tokens)
        replies = each * calls[0].max_tokens * USUAL_REPLY
        paid = isinstance(engine, MeteredEngine)
        speed = HOSTED if paid else speeds.get(engine.name, INSTANT)
        parts.append(
            _Part(
                is_judge=True,
                is_paid=paid,
                calls=each,
                prompts=prompts,
                completions=replies,
                usd=_cost_usd(engine.price, prompts, replies) if paid else 0.0,
                seconds=speed.seconds_for(each, replies / each),
            )
        )
    return parts


def _cost_usd(price: Price | None, prompts: float, completions: float) -> float:
    if price is None:
        return math.nan
    return (prompts * price.input + completions * price.output) / 1e6
