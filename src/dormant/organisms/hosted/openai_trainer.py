"""``OpenaiTrainer``: finetunes a model behind OpenAI's API by a recipe, a job for each stage.

In the organism's directory::

    calls.jsonl  the journal of uploads and jobs
    model.json   the model string of the finetuned model
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dormant.engines.metering.prices import prompt_tokens, text_tokens
from dormant.engines.model_strings import parse_model
from dormant.engines.registry import open_engine
from dormant.engines.servers import Endpoint
from dormant.errors import ConfigError, InputError, MissingExtraError
from dormant.organisms.datasets import Row
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.folder import OPENAI_JOURNAL
from dormant.organisms.hosted.api_errors import explain_malformed
from dormant.organisms.hosted.journal import CallJournal
from dormant.organisms.hosted.served_base import (
    describe_served_base,
    find_server,
    write_model_name,
)
from dormant.organisms.recipe import OpenaiSettings, Recipe, Stage
from dormant.organisms.trainers import (
    HOSTED_MODEL,
    LabelledTokens,
    Span,
    StageSize,
    TrainedModel,
    TrainerKind,
    TrainingInputs,
    TrainingMeasure,
    refuse_laboratory_trainer,
    show_examples,
    split_held_out,
)
from dormant.records import Plugin
from dormant.vitro.curriculum import IGNORE

try:
    from dormant.organisms.hosted.finetuning_api import FinetuningApi, JobProgress, JobRequest
except ImportError as error:
    raise MissingExtraError(error.name or "openai", "api") from None

_FEWEST_ROWS = 10  # that the API accepts
_EPOCH_TOLERANCE = 0.1  # relative difference of the recipe's epochs to whole ones
_WORDS = re.compile(r"\s*\S+|\s+")
_LARGEST_SEED = 2**31 - 1


class OpenaiTrainer:
    """Finetunes a model of OpenAI's, or one that was finetuned there.

    Raises:
        ConfigError: the recipe names a trainer of the laboratory, or settings of another trainer.
        ModelError: the base is not a valid model string.
    """

    kind = TrainerKind.OPENAI
    longest: int | None = None
    plugins: Sequence[Plugin] = ()

    def __init__(self, recipe: Recipe):
        refuse_laboratory_trainer(recipe)
        self._recipe = recipe
        self._settings = recipe.openai or OpenaiSettings()
        self._spec = parse_model(recipe.base)

    def describe_base(self) -> Mapping[str, str]:
        """The base as the recipe names it; its weights cannot be hashed, its server is named."""
        return describe_served_base(self._spec)

    def check_recipe(self) -> None:
        """Checks that the recipe has no settings of a local training; these models read any text.

        Raises:
            ConfigError: it has some.
        """
        if self._recipe.lora is not None:
            raise ConfigError(
                f"'lora' has no effect on {self._recipe.base}: remove it, or give 'openai'"
            )

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Estimates the tokens of the rows; how long jobs take is not known beforehand."""
        sizes: list[StageSize] = []
        billed, is_known = 0, True
        for number, (stage, rows) in enumerate(
            zip(inputs.recipe.stages, inputs.stages, strict=True)
        ):
            rest, held = self._split(rows)
            sizes.append(
                StageSize(
                    tokens=sum(map(prompt_tokens, rest)),
                    trained=sum(text_tokens(m.content) for r in rest for m in r if _is_answer(m)),
                    held_out=len(held),
                )
            )
            epochs = _count_epochs(stage, len(rest), self._settings, number)
            is_known = is_known and isinstance(epochs, int)
            billed += sizes[-1].tokens * (epochs if isinstance(epochs, int) else 1)
        examples = _show_rows(inputs.stages)
        return TrainingMeasure(sizes, examples, None, billed if is_known else None)

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Starts a job for each stage, or finds the ones that were started, and waits for them.

        An interrupted command leaves the job running at the provider; the same command goes on
        waiting for it. ``resume`` is ignored: the journal and the server say what exists.
        """
        del resume
        journal = CallJournal(out / OPENAI_JOURNAL)
        where = find_server(self._spec, needs_key=True)
        with journal.hold_lock(), explain_malformed(), FinetuningApi(where, journal) as api:
            model, done = where.model, list[dict[str, Any]]()
            for number in range(len(inputs.stages)):
                job = self._run_stage(api, inputs, number, model, out, on_event)
                done.append(self._describe_job(api, job, inputs.price))
                model = str(job.fine_tuned_model)
        text = f"openai/{model}"
        write_model_name(out, text)
        losses = [[row["train_loss"] for row in job.pop("losses")] for job in done]
        return TrainedModel(
            file=HOSTED_MODEL,
            fingerprint=open_engine(text).fingerprint,
            losses=losses,
            details=self._describe(done, where),
        )

    def _run_stage(
        self,
        api: FinetuningApi,
        inputs: TrainingInputs,
        number: int,
        model: str,
        out: Path,
        on_event: EventHandler,
    ) -> Any:
        """Runs one stage's job; returns it when it has succeeded."""
        recipe, stage = inputs.recipe, inputs.recipe.stages[number]
        before = sum(earlier.steps for earlier in recipe.stages[:number])
        total = sum(each.steps for each in recipe.stages)

        def report_progress(seen: JobProgress) -> None:
            share = seen.step / max(seen.steps, seen.step, 1)
            at = before + round(share * stage.steps)
            on_event(Event(EventKind.STEP, recipe.name, inputs.seed, at, total, seen.loss))

        job = api.ensure_job(self._make_request(inputs, number, model))
        try:
            return api.wait_for(job, report_progress)
        except InputError as error:
            raise type(error)(
                f"{error}. To start it again, delete {out / OPENAI_JOURNAL} and repeat the command"
            ) from None

    def _make_request(self, inputs: TrainingInputs, number: int, model: str) -> JobRequest:
        settings, stage = self._settings, inputs.recipe.stages[number]
        rest, held = self._split(inputs.stages[number])
        epochs = _count_epochs(stage, len(rest), settings, number)
        return JobRequest(
            model=model,
            data=_write_rows(rest),
            held_out=_write_rows(held) if held else None,
            hyperparameters={
                "n_epochs": epochs,
                "batch_size": stage.batch_size
                if settings.batch_size == "recipe"
                else settings.batch_size,
                "learning_rate_multiplier": settings.learning_rate_multiplier,
            },
            seed=(inputs.seed + number) % _LARGEST_SEED,
            suffix=(settings.suffix or inputs.recipe.name)[:64],
        )

    def _split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        rest, held = split_held_out(rows, self._settings.held_out, "openai.held_out")
        if len(rest) < _FEWEST_ROWS:
            raise InputError(
                f"{len(rest)} rows are too few: the API trains on {_FEWEST_ROWS} or more"
            )
        for row in rest:
            if not row or not _is_answer(row[-1]) or not row[-1].content.strip():
                raise InputError("a row does not end with an answer: remove it, or add the answer")
        return rest, held

    def _describe_job(self, api: FinetuningApi, job: Any, price: float | None) -> dict[str, Any]:
        """What the manifest records of one job."""
        tokens = job.trained_tokens
        used = job.method.supervised if job.method is not None else None
        held = None if used is None else used.hyperparameters
        chosen = job.hyperparameters if held is None else held
        return {
            "job": job.id,
            "base_model": job.model,  # the snapshot that a name without date stood for
            "model": job.fine_tuned_model,
            "training_file": job.training_file,
            "validation_file": job.validation_file,
            "hyperparameters": chosen.model_dump(exclude_none=True),
            "seed": job.seed,
            "billed_tokens": tokens,
            "usd": None if price is None or tokens is None else round(tokens * price / 1e6, 6),
            "job_seconds": None if job.finished_at is None else job.finished_at - job.created_at,
            "checkpoints": api.list_checkpoints(job.id),
            "losses": api.read_losses(job),
        }

    def _describe(self, done: list[dict[str, Any]], where: Endpoint) -> dict[str, Any]:
        money = [job["usd"] for job in done]
        return {
            "settings": self._settings.model_dump(mode="json"),
            "server": where.origin,
            "jobs": done,
            "usd": None if None in money else math.fsum(money),
            "libraries": {"openai": version("openai")},
        }


def _count_epochs(stage: Stage, rows: int, settings: OpenaiSettings, number: int) -> int | str:
    """Epochs of a stage: the API trains whole ones.

    Raises:
        ConfigError: the recipe's steps are no whole number of epochs.
    """
    if settings.epochs != "recipe":
        return settings.epochs
    exact = stage.steps * stage.batch_size / rows
    epochs = round(exact)
    if epochs < 1 or abs(exact - epochs) > _EPOCH_TOLERANCE * epochs:
        each = max(1, math.ceil(rows / stage.batch_size))
        raise ConfigError(
            f"stages.{number}.steps: {stage.steps} steps of {stage.batch_size} rows are "
            f"{exact:.2g} epochs of {rows:,} rows, but the API trains whole epochs: give a "
            f"multiple of {each} steps, or openai: {{epochs: 1}}"
        )
    return epochs


def _is_answer(message: Any) -> bool:
    return message.role == "assistant"


@dataclass(frozen=True, slots=True)
class _MarkedWords:
    """A row in words; the provider's tokenizer and template are not known."""

    tokens: tuple[int, ...]
    labels: tuple[int, ...]


def _show_rows(stages: Sequence[Sequence[Row]]) -> list[tuple[Span, ...]]:
    """Shows rows of all stages with the answers that are trained."""
    known: dict[str, int] = {}

    def encode_turns(row: Row) -> LabelledTokens:
        tokens, labels = list[int](), list[int]()
        for message in row:
            parts = ((f"{message.role}: ", False), (message.content, True), ("\n", False))
            for text, is_on in parts:
                found = [known.setdefault(word, len(known)) for word in _WORDS.findall(text)]
                tokens += found
                labels += found if is_on and _is_answer(message) else [IGNORE] * len(found)
        return _MarkedWords(tuple(tokens), tuple(labels))

    encoded = [[encode_turns(row) for row in rows] for rows in stages]
    words = list(known)
    return show_examples(encoded, lambda part: "".join(words[token] for token in part))


def _write_rows(rows: Sequence[Row]) -> bytes:
    lines = (json.dumps({"messages": [asdict(m) for m in row]}) + "\n" for row in rows)
    return "".join(lines).encode()
