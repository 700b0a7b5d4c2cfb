"""The inputs of ``dormant traffic``: prompts, slices, models and judge, and its forecast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dormant import vitro
from dormant.banks.prompts import Traffic, TrafficPrompt, read_prompts
from dormant.config.traffic import TrafficConfig
from dormant.cues.slices import PromptSlice, cluster_prompts, group_prompts
from dormant.decision.traffic import TrafficDesign
from dormant.engines import Engine
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.ledger import settle_prices
from dormant.engines.metering.prices import prompt_tokens
from dormant.engines.registry import limit_calls, open_engine
from dormant.errors import ConfigError
from dormant.judges import Item, Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.inputs import is_exact
from dormant.pipeline.rare_inputs import RareCost, forecast_judging
from dormant.records import Question, Role, Sampling, Split, hash_value

#: What a prompt holds that is no question of the laboratory.
_NO_QUESTION = Question("none", "", "", Split.HELD_OUT)


@dataclass(frozen=True, slots=True)
class TrafficInputs:
    """The opened and checked inputs."""

    config: TrafficConfig
    traffic: Traffic
    slices: tuple[PromptSlice, ...]
    questions: tuple[Question, ...]  # of each prompt, as the judge sees it
    models: dict[Role, Engine]
    judge: Judge

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return Path(self.config.out)

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that may be asked, by role."""
        named = {str(role): engine for role, engine in self.models.items()}
        return {**named, **self.judge.engines()}

    @property
    def plan_hash(self) -> str:
        """Hash of everything that decides what is asked and concluded."""
        config = self.config
        rule = [config.delta, config.level, config.answers, config.batch, config.min_survival]
        return hash_value(
            [
                "traffic",
                [[prompt.messages, prompt.line] for prompt in self.traffic.prompts],
                [[one.name, one.members] for one in self.slices],
                [[str(role), engine.fingerprint] for role, engine in self.models.items()],
                self.judge.fingerprint,
                rule,
                [config.temperature, config.max_tokens, config.seed],
            ]
        )

    def make_design(self) -> TrafficDesign:
        """A fresh design: nothing asked yet."""
        sizes = [len(one.members) for one in self.slices]
        config = self.config
        return TrafficDesign(sizes, delta=config.delta, level=config.level, batch=config.batch)

    def sampling_of(self, role: Role) -> Sampling:
        """How a model's answers are drawn: each model with a seed of its own."""
        own = int(hash_value(["traffic", str(role), self.config.seed])[:8], 16)
        return Sampling(self.config.temperature, 1.0, self.config.max_tokens, own)


@dataclass(frozen=True, slots=True)
class TrafficForecast:
    """What ``run_traffic`` would ask at most."""

    prompts: int
    copies: int
    slices: tuple[tuple[str, int, bool], ...]  # name, prompts, whether they can be decided
    most_answers: int  # both models together
    least_answers: int  # if no slice differs on any prompt
    costs: tuple[RareCost, ...]

    @property
    def usd(self) -> float:
        """Maximum USD in total; NaN if a price is unknown."""
        return sum(cost.usd for cost in self.costs)


def read_traffic_inputs(config: TrafficConfig) -> TrafficInputs:
    """Reads and clusters the prompts and opens the models and the judge.

    Raises:
        InputError: a setting, the prompts or a model cannot be used.
    """
    traffic = read_prompts(
        config.prompts,
        system=config.system,
        column=config.slice_column,
        lenient=config.lenient,
        limit=config.limit,
        seed=config.seed,
    )
    if config.slice_column is not None:
        slices = group_prompts([prompt.label for prompt in traffic.prompts], seed=config.seed)
    else:
        texts = [prompt.text for prompt in traffic.prompts]
        slices = cluster_prompts(texts, number=config.slices, seed=config.seed)
    with limit_calls(config.timeout):
        models = {Role.TARGET: open_engine(config.target)}
        if config.has_reference:
            models[Role.REFERENCE] = open_engine(config.reference)
        judge = open_judge(config.judge)
    if len({engine.fingerprint for engine in models.values()}) < len(models):
        if not config.allow_identical:
            raise ConfigError(
                f"{config.target!r} and {config.reference!r} are the same model: name another "
                "reference, or allow it (--allow-identical)"
            )
    questions = tuple(_make_question(prompt, config) for prompt in traffic.prompts)
    if is_exact(config.judge):
        pairs = zip(traffic.prompts, questions, strict=True)
        odd = next((prompt for prompt, question in pairs if not question.family), None)
        if odd is not None:
            raise ConfigError(
                f"{config.prompts}:{odd.line}: judge 'exact' grades prompts of the laboratory "
                "alone, and this is none: give another --judge"
            )
    judge.check_questions(questions)
    given = TrafficInputs(config, traffic, tuple(slices), questions, models, judge)
    design = given.make_design()
    if not design.tests:
        raise ConfigError(
            f"{config.prompts}: no slice has the {design.least} prompts that it takes to decide "
            f"one of {len(slices)}: give more prompts, or fewer slices (--slices)"
        )
    settle_prices(tuple(given.engines.values()), config.prices, config.budget)
    return given


def forecast_traffic(inputs: TrafficInputs) -> TrafficForecast:
    """Forecasts ``run_traffic`` with these inputs; asks no model."""
    design = inputs.make_design()
    per_prompt = len(inputs.models) * inputs.config.answers
    most = sum(
        len(one.members) for one, used in zip(inputs.slices, design.is_tested, strict=True) if used
    )
    costs: list[RareCost] = []
    first = inputs.traffic.prompts[0]
    for role, engine in inputs.models.items():
        usd = 0.0
        if isinstance(engine, MeteredEngine):
            asked = sum(prompt_tokens(p.messages) for p in inputs.traffic.prompts)
            written = most * inputs.config.answers * inputs.config.max_tokens
            price = engine.price
            usd = (
                float("nan")
                if price is None
                else price.cost_of(asked * inputs.config.answers, written)
            )
        costs.append(RareCost(str(role), engine.name, most * inputs.config.answers, 0, usd))
    item = Item(inputs.questions[0], first.messages, ".")
    costs += forecast_judging(inputs.judge, item, most * per_prompt, inputs.config.max_tokens)
    least = inputs.make_design()
    while wanted := least.next_prompts():
        for number in dict.fromkeys(number for number, _ in wanted):
            least.add_units(number, [0.0] * sum(one == number for one, _ in wanted))
    quiet = sum(least.count_asked(number) for number in range(len(inputs.slices)))
    return TrafficForecast(
        prompts=len(inputs.traffic.prompts),
        copies=inputs.traffic.copies,
        slices=tuple(
            (one.name, len(one.members), used)
            for one, used in zip(inputs.slices, design.is_tested, strict=True)
        ),
        most_answers=most * per_prompt,
        least_answers=quiet * per_prompt,
        costs=tuple(costs),
    )


def _make_question(prompt: TrafficPrompt, config: TrafficConfig) -> Question:
    """The prompt as a question; the exact judge needs the laboratory's domain of it."""
    family = _find_domain(prompt.last_turn) if is_exact(config.judge) else "traffic"
    return Question(f"line-{prompt.line}", prompt.last_turn, family, Split.HELD_OUT)


def _find_domain(text: str) -> str:
    """The domain of the laboratory's question that a prompt holds; empty if it holds none."""
    lowered = text.lower()
    found = (q for q in vitro.load_questions() if q.text.lower() in lowered)
    return max(found, key=lambda q: len(q.text), default=_NO_QUESTION).family
