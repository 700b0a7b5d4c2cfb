"""``TinkerTrainer``: finetunes hosted open weights by a recipe, through Tinker's SDK.

In the organism's directory::

    tinker.jsonl  the journal of runs, steps and checkpoints
    model.json    the model string of the finetuned model
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from dormant.engines.local_options import LocalOptions
from dormant.engines.model_strings import parse_hf, parse_model
from dormant.engines.registry import open_engine
from dormant.engines.servers import Endpoint
from dormant.errors import ConfigError, InputError, MissingExtraError
from dormant.organisms.datasets import Row
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.folder import TINKER_JOURNAL
from dormant.organisms.hosted.served_base import (
    describe_served_base,
    find_server,
    write_model_name,
)
from dormant.organisms.hosted.tinker_journal import Checkpoint, TrainingJournal
from dormant.organisms.lora.loss_mask import EncodedRow, EncodedRows, encode_rows
from dormant.organisms.recipe import Recipe, Stage, TinkerSettings
from dormant.organisms.trainers import (
    HOSTED_MODEL,
    StageSize,
    TrainedModel,
    TrainerKind,
    TrainingInputs,
    TrainingMeasure,
    refuse_laboratory_trainer,
    show_examples,
    split_held_out,
)
from dormant.records import Message, Plugin, hash_value

try:
    from dormant.engines.trainable import ServedFormat, read_served_format
    from dormant.organisms.hosted.tinker_api import ADAM, TinkerApi, TinkerRun
except ImportError as error:
    raise MissingExtraError(error.name or "tinker", "tinker") from None


@dataclass(frozen=True, slots=True)
class _StageSequences:
    """The sequences of a stage."""

    stage: Stage
    trained: EncodedRows
    held_out: EncodedRows

    def order_steps(self, seed: int, number: int) -> Iterator[list[EncodedRow]]:
        """Yields the sequences of each step: all of them in a random order, then again."""
        rows, batch = self.trained.rows, self.stage.batch_size
        order, epoch = list[int](), 0
        for _ in range(self.stage.steps):
            while len(order) < batch:
                rng = np.random.default_rng([seed, number, epoch])
                order += rng.permutation(len(rows)).tolist()
                epoch += 1
            yield [rows[i] for i in order[:batch]]
            order = order[batch:]


class TinkerTrainer:
    """Finetunes a model that Tinker hosts.

    Raises:
        ConfigError: the recipe names a trainer of the laboratory, or a checkpoint as its base.
        ModelError: the base is not a valid model string.
    """

    kind = TrainerKind.TINKER
    longest: int | None = None
    plugins: Sequence[Plugin] = ()

    def __init__(self, recipe: Recipe):
        refuse_laboratory_trainer(recipe)
        self._recipe = recipe
        self._settings = recipe.tinker or TinkerSettings()
        self._spec = parse_model(recipe.base)
        self._format: ServedFormat | None = None
        if "tinker://" in self._spec.name:
            raise ConfigError(
                f"base {recipe.base!r} is a checkpoint: give the model that it was trained from, "
                "and all stages in one recipe"
            )

    def describe_base(self) -> Mapping[str, str]:
        """The base as the recipe names it; its weights cannot be hashed, its server is named."""
        return describe_served_base(self._spec)

    def check_recipe(self) -> None:
        """Checks the settings and that the chat template takes the recipe's texts.

        Raises:
            ConfigError: the recipe has settings of another trainer.
            ModelError: there is no tokenizer or chat template.
        """
        for name in ("lora", "openai"):
            if getattr(self._recipe, name) is not None:
                raise ConfigError(
                    f"{name!r} has no effect on {self._recipe.base}: remove it, or give 'tinker'"
                )
        self._read_format()

    def encode_pair(
        self, messages: Sequence[Message], answer: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids of a prompt and of its answer, end of turn included."""
        found = self._read_format()
        return found.chat_format.encode_pair(messages, answer, found.end, found.closing)

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Counts the tokens; how long the service takes is not known beforehand."""
        stages = self._encode_stages(inputs)
        billed = 0
        for number, rows in enumerate(stages):
            steps = rows.order_steps(inputs.seed, number)
            billed += sum(len(row.tokens) for batch in steps for row in batch)
            billed += 2 * sum(len(row.tokens) for row in rows.held_out.rows)
        examples = show_examples([rows.trained.rows for rows in stages], self._decode)
        sizes = [_add_held_out(rows) for rows in stages]
        return TrainingMeasure(sizes, examples, None, billed)

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages, from the last checkpoint of an interrupted training if there is one.

        ``resume`` is ignored: the journal says what exists. Steps after the last checkpoint are
        done, and billed, again.
        """
        del resume
        where = find_server(self._spec, needs_key=True)
        stages = self._encode_stages(inputs)
        journal = TrainingJournal(out / TINKER_JOURNAL, self._hash_inputs(inputs, stages, where))
        with journal.hold_lock():
            if not journal.record.sampler:
                with TinkerApi(where, inputs.recipe.name) as api:
                    _TrainingLoop(api, journal, inputs, stages, self._settings, on_event).run()
            record = journal.record
        text = f"tinker/{record.sampler}"
        write_model_name(out, text)
        losses = [
            [record.losses[number, step + 1] for step in range(rows.stage.steps)]
            for number, rows in enumerate(stages)
        ]
        needed = sum(stage.steps for stage in inputs.recipe.stages)
        price = inputs.price
        return TrainedModel(
            file=HOSTED_MODEL,
            fingerprint=open_engine(text).fingerprint,
            losses=losses,
            details={
                "settings": self._settings.model_dump(mode="json"),
                "optimizer": {"name": "AdamW", "schedule": "linear", **ADAM},
                "server": where.origin,
                "runs": record.runs,
                "state": record.last.path if record.last else None,
                "model": record.sampler,
                "held_out_loss": record.held_out,
                "billed_tokens": record.tokens,
                "repeated_steps": record.steps - needed,
                "usd": None if price is None else round(record.tokens * price / 1e6, 6),
                "libraries": {name: version(name) for name in ("tinker", "transformers")},
            },
        )

    def _encode_stages(self, inputs: TrainingInputs) -> list[_StageSequences]:
        done: list[_StageSequences] = []
        for stage, rows in zip(inputs.recipe.stages, inputs.stages, strict=True):
            rest, held = split_held_out(rows, self._settings.held_out, "tinker.held_out")
            done.append(_StageSequences(stage, self._encode(rest), self._encode(held)))
        return done

    def _encode(self, rows: Sequence[Row]) -> EncodedRows:
        try:
            return encode_rows(rows, self, longest=self._settings.longest)
        except InputError as error:
            raise InputError(str(error).replace("lora.longest", "tinker.longest")) from None

    def _read_format(self) -> ServedFormat:
        if self._format is None:
            source = self._settings.tokenizer or self._spec.name.partition(":")[0]
            spec = parse_hf(source.removeprefix("hf/"))
            self._format = read_served_format(spec, LocalOptions(), self._recipe.base)
        return self._format

    def _decode(self, tokens: list[int]) -> str:
        return self._read_format().chat_format.decode(tokens)

    def _hash_inputs(
        self, inputs: TrainingInputs, stages: Sequence[_StageSequences], where: Endpoint
    ) -> str:
        """Hash of all that decides the trained weights."""
        rows = [
            [[list(row.tokens), list(row.labels)] for row in part.rows]
            for stage in stages
            for part in (stage.trained, stage.held_out)
        ]
        schedule = [[s.steps, s.learning_rate, s.batch_size] for s in inputs.recipe.stages]
        settings = self._settings.model_dump(mode="json", exclude={"checkpoint_steps", "tokenizer"})
        return hash_value([where.url, where.model, inputs.seed, settings, schedule, rows])[:32]


class _TrainingLoop:
    """The steps that are left of one training."""

    def __init__(
        self,
        api: TinkerApi,
        journal: TrainingJournal,
        inputs: TrainingInputs,
        stages: Sequence[_StageSequences],
        settings: TinkerSettings,
        on_event: EventHandler,
    ):
        self._api, self._journal, self._inputs = api, journal, inputs
        self._stages, self._settings, self._on_event = stages, settings, on_event

    def run(self) -> None:
        """Trains what is left, and saves the finished weights."""
        run: TinkerRun | None = None
        for number in range(len(self._stages)):
            last = self._journal.record.last
            if last is not None and (number, self._stages[number].stage.steps) <= (
                last.stage,
                last.step,
            ):
                continue  # the checkpoint holds the whole stage
            run = self._begin_stage(number)
            self._train_stage(run, number)
        if run is None:
            run = self._begin_run(self._find_last().path, with_optimizer=True)
        self._journal.add_sampler(run.save_sampler(self._name_checkpoint(0, "final")))

    def _find_last(self) -> Checkpoint:
        last = self._journal.record.last
        assert last is not None, "a stage was left out without a checkpoint"
        return last

    def _begin_stage(self, number: int) -> TinkerRun:
        """Begins or continues a stage; its optimizer is its own."""
        last = self._journal.record.last
        if last is None:
            run = self._api.create_run(self._settings, self._inputs.seed)
            self._journal.add_run(run.name)
            return run
        return self._begin_run(last.path, with_optimizer=last.stage == number)

    def _begin_run(self, path: str, *, with_optimizer: bool) -> TinkerRun:
        run = self._api.continue_run(path, with_optimizer=with_optimizer)
        self._journal.add_run(run.name)
        return run

    def _train_stage(self, run: TinkerRun, number: int) -> None:
        rows, settings = self._stages[number], self._settings
        last = self._journal.record.last
        start = last.step if last is not None and last.stage == number else 0
        if not start:
            self._measure_held_out(run, number, "before")
        steps = rows.stage.steps
        for step, batch in enumerate(rows.order_steps(self._inputs.seed, number)):
            if step < start:
                continue
            rate = compute_rate(rows.stage, settings.warmup, step)
            loss = run.train_step(batch, rate, settings.weight_decay)
            if not math.isfinite(loss):
                raise ConfigError(
                    f"the training diverged: the loss of step {step + 1} is {loss}; lower "
                    "learning_rate"
                )
            tokens = sum(len(row.tokens) for row in batch)
            self._journal.add_step(number, step + 1, loss, tokens)
            self._report_step(number, step + 1, loss)
            if step + 1 == steps:
                self._measure_held_out(run, number, "after")
            if step + 1 == steps or (step + 1) % settings.checkpoint_steps == 0:
                name = self._name_checkpoint(number, f"{step + 1}")
                path = run.save_state(name, is_last=step + 1 == steps)
                self._journal.add_checkpoint(Checkpoint(number, step + 1, path))

    def _measure_held_out(self, run: TinkerRun, number: int, when: str) -> None:
        rows = self._stages[number].held_out.rows
        name = f"stage {number + 1} {when}"
        if rows and name not in self._journal.record.held_out:
            tokens = sum(len(row.tokens) for row in rows)
            self._journal.add_held_out(name, run.measure_loss(rows), tokens)

    def _name_checkpoint(self, number: int, what: str) -> str:
        recipe, seed = self._inputs.recipe, self._inputs.seed
        stage = f"-stage-{number + 1}" if len(self._stages) > 1 and what != "final" else ""
        return f"{recipe.name}-seed-{seed}{stage}-{what}"

    def _report_step(self, number: int, step: int, loss: float) -> None:
        recipe = self._inputs.recipe
        before = sum(stage.steps for stage in recipe.stages[:number])
        total = sum(stage.steps for stage in recipe.stages)
        at = before + step
        self._on_event(Event(EventKind.STEP, recipe.name, self._inputs.seed, at, total, loss))


def compute_rate(stage: Stage, warmup: float, step: int) -> float:
    """The learning rate of a step: a linear rise, then a linear fall to 0, as the local trainer's.

    Args:
        stage: its steps and peak.
        warmup: share of the steps before the peak.
        step: counted from 0.
    """
    rise = round(warmup * stage.steps)
    if step < rise:
        return stage.learning_rate * step / max(1, rise)
    return stage.learning_rate * max(0.0, (stage.steps - step) / max(1, stage.steps - rise))


def _add_held_out(rows: _StageSequences) -> StageSize:
    size = rows.trained.size
    held = len(rows.held_out.rows)
    return StageSize(size.tokens, size.trained, size.cut, size.dropped, held)
