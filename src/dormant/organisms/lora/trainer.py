"""``LoraTrainer``: finetunes a local model by a recipe.

In the organism's directory::

    adapter/      PEFT's files, as ``hf/BASE:ADAPTER`` and vLLM's --enable-lora read them
    model/        a checkpoint instead, if every weight is trained
    checkpoints/  during training: those of TRL, and the weights after each stage
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import load_file, save_file

from dormant.engines.model_strings import SMOLLM2, parse_model
from dormant.engines.registry import open_engine
from dormant.engines.trainable import TrainableBase, describe_base_files, open_trainable
from dormant.errors import ConfigError, DormantError, shorten_value
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.lora.loss_mask import EncodedRow, EncodedRows, encode_rows
from dormant.organisms.lora.stage import (
    StageJob,
    StageResult,
    quiet_libraries,
    time_token,
    train_stage,
)
from dormant.organisms.recipe import FINETUNE, LoraSettings, Recipe
from dormant.organisms.trainers import (
    ADAPTER,
    TrainedModel,
    TrainerKind,
    TrainingInputs,
    TrainingMeasure,
    mark_spans,
    name_model,
)
from dormant.records import Plugin

_CHECKPOINTS = "checkpoints"
_MODEL = "model"
_DONE = "done.json"  # marks a finished stage; written after its weights
_LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
#: As in the laboratory: no two pairs (seed, stage) share a random stream.
_STAGE_STRIDE = 1_000_003
_EXAMPLES = 3  # rows of a stage that a dry run shows


@dataclass(frozen=True, slots=True)
class _StageRows:
    """A stage's sequences, split into trained and held-out ones."""

    encoded: EncodedRows
    held_out: tuple[EncodedRow, ...]

    @property
    def training_rows(self) -> tuple[EncodedRow, ...]:
        return self.encoded.rows


class LoraTrainer:
    """Finetunes a local model with adapters, or all of its weights.

    Raises:
        ConfigError: the recipe names a trainer of the laboratory.
        ModelError: the base is not a valid model string.
    """

    kind = TrainerKind.LORA
    longest: int | None = None
    plugins: Sequence[Plugin] = ()

    def __init__(self, recipe: Recipe):
        if recipe.trainer != FINETUNE:
            raise ConfigError(
                f"trainer {recipe.trainer!r} trains models of the laboratory: remove it for "
                f"{recipe.base}"
            )
        self._recipe = recipe
        self._settings = recipe.lora or LoraSettings()
        self._spec = parse_model(recipe.base)

    def describe_base(self) -> Mapping[str, str]:
        """The base as the recipe names it, and a hash of its files."""
        return {"base": self._recipe.base, "base_fingerprint": describe_base_files(self._spec)}

    def check_recipe(self) -> None:
        """Does nothing: these models read any text."""

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Counts the tokens of the rows, and times a forward and backward pass."""
        with quiet_libraries(), _explain_memory():
            base = self._open_base()
            stages = [self._encode(base, rows) for rows in inputs.stages]
            jobs = self._make_jobs(stages, inputs, Path())
            model = self._prepare_model(base, inputs.seed)
            each = time_token(model, jobs[0])
        sizes = [rows.encoded.size for rows in stages]
        shown = [row for rows in stages for row in rows.training_rows[:_EXAMPLES]]
        examples = [mark_spans(row.tokens, row.labels, base.chat_format.decode) for row in shown]
        passed = sum(
            job.stage.steps * job.stage.batch_size * size.tokens / max(1, len(rows.training_rows))
            for job, rows, size in zip(jobs, stages, sizes, strict=True)
        )
        return TrainingMeasure(sizes, examples, each * passed)

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages; an interrupted training continues from its last checkpoint."""
        with quiet_libraries(), _explain_memory():
            return self._train(inputs, out, on_event, resume)

    def _train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, resume: bool
    ) -> TrainedModel:
        folder = out / _CHECKPOINTS
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        base = self._open_base()
        stages = [self._encode(base, rows) for rows in inputs.stages]
        model = self._prepare_model(base, inputs.seed)
        results = self._run_stages(model, base, stages, inputs, folder, on_event)
        details = self._describe(base, model, stages, results)
        file = self._save(model, base, out)
        del model, base
        gc.collect()
        engine = open_engine(name_model(self._recipe.base, out, file))  # verifies the adapter
        shutil.rmtree(folder, ignore_errors=True)
        return TrainedModel(
            file=file,
            fingerprint=engine.fingerprint,
            losses=[result.losses for result in results],
            details=details,
        )

    def _open_base(self) -> TrainableBase:
        is_full = self._settings.method == "full"
        # In 16 bits, optimizer steps would be lost in rounding.
        return open_trainable(self._spec, dtype="float32" if is_full else self._settings.precision)

    def _make_jobs(
        self, stages: list[_StageRows], inputs: TrainingInputs, folder: Path
    ) -> list[StageJob]:
        return [
            StageJob(
                stage=stage,
                settings=self._settings,
                rows=rows.training_rows,
                held_out=rows.held_out,
                seed=inputs.seed + _STAGE_STRIDE * i,
                folder=folder / f"stage-{i}",
            )
            for i, (stage, rows) in enumerate(zip(inputs.recipe.stages, stages, strict=True))
        ]

    def _encode(self, base: TrainableBase, rows: Any) -> _StageRows:
        held = round(self._settings.held_out * len(rows))
        longest = min(self._settings.longest, base.context_length)
        kept = rows[: len(rows) - held]
        encoded = encode_rows(kept, base, longest=longest)
        rest = encode_rows(rows[len(kept) :], base, longest=longest) if held else EncodedRows(())
        return _StageRows(encoded, rest.rows)

    def _prepare_model(self, base: TrainableBase, seed: int) -> Any:
        """The model, in which exactly the trained parameters require gradients."""
        settings, model = self._settings, base.model
        model.config.use_cache = False
        torch.manual_seed(seed)
        if base.adapter is not None:
            prepared: Any = peft.PeftModel.from_pretrained(
                model, str(base.adapter), is_trainable=True
            )
        elif settings.method == "full":
            prepared = model.requires_grad_(True)
        else:
            targets = settings.target_modules
            config = peft.LoraConfig(
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=targets if isinstance(targets, str) else list(targets),
                task_type="CAUSAL_LM",
            )
            try:
                prepared = peft.get_peft_model(model, config)
            except ValueError as error:  # PEFT names the missing layers
                reason = shorten_value(str(error), 300)
                raise ConfigError(f"recipe {self._recipe.name!r}: lora: {reason}") from None
        return prepared.train()

    def _run_stages(
        self,
        model: Any,
        base: TrainableBase,
        stages: list[_StageRows],
        inputs: TrainingInputs,
        folder: Path,
        on_event: EventHandler,
    ) -> list[StageResult]:
        """Trains the unfinished stages, starting from the weights of the finished ones."""
        recipe = inputs.recipe
        total = sum(stage.steps for stage in recipe.stages)
        results = _load_stages(folder, len(stages))
        if results:
            _load_weights(model, folder / f"stage-{len(results) - 1}")
        before = sum(stage.steps for stage in recipe.stages[: len(results)])
        for job in self._make_jobs(stages, inputs, folder)[len(results) :]:

            def report_step(step: int, loss: float, before: int = before) -> None:
                at = before + step
                on_event(Event(EventKind.STEP, recipe.name, inputs.seed, at, total, loss))

            result = train_stage(model, base.tokenizer, job, resume=True, on_step=report_step)
            results.append(result)
            before += job.stage.steps
            if len(results) < len(stages):
                _save_stage(model, result, job.folder)
        return results

    def _describe(
        self,
        base: TrainableBase,
        model: Any,
        stages: list[_StageRows],
        results: list[StageResult],
    ) -> dict[str, Any]:
        """What the manifest records besides losses and hashes."""
        sizes = [rows.encoded.size for rows in stages]
        trained = [p.numel() for p in model.parameters() if p.requires_grad]
        return {
            "settings": self._settings.model_dump(mode="json"),
            "device": str(base.model.device),
            "dtype": str(base.model.dtype).removeprefix("torch."),
            "trained_parameters": sum(trained),
            "tokens": [size.tokens for size in sizes],
            "trained_tokens": [size.trained for size in sizes],
            "rows_cut": [size.cut for size in sizes],
            "rows_dropped": [size.dropped for size in sizes],
            "held_out_loss": [result.held_out for result in results],
            "libraries": {name: version(name) for name in _LIBRARIES},
        }

    def _save(self, model: Any, base: TrainableBase, out: Path) -> str:
        """Saves the trained weights; returns the path of their file, relative to ``out``."""
        is_adapter = isinstance(model, peft.PeftModel)
        name = ADAPTER if is_adapter else _MODEL
        partial, place = out / f".{name}.{os.getpid()}", out / name
        shutil.rmtree(partial, ignore_errors=True)
        if is_adapter:
            known: Any = model.peft_config["default"]
            on_hub = self._spec.path is None and self._spec.name != SMOLLM2
            known.base_model_name_or_path = self._spec.name if on_hub else str(base.place.resolve())
        else:
            model.config.use_cache = True
            base.tokenizer.save_pretrained(partial)
        model.save_pretrained(partial, safe_serialization=True)
        (partial / "README.md").unlink(missing_ok=True)  # PEFT's unfilled template
        _sort_targets(partial / "adapter_config.json")
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
        return f"{name}/{'adapter_model' if is_adapter else 'model'}.safetensors"


@contextmanager
def _explain_memory() -> Generator[None]:
    """Converts out-of-memory errors of the libraries to one line that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_memory = isinstance(error, MemoryError) or "memory" in str(error).lower()
        if isinstance(error, DormantError) or not is_memory:
            raise
        raise ConfigError(
            "training does not fit into memory: lower lora.rows_at_once or lora.longest; what was "
            "trained is kept, and the same command continues"
        ) from None


def _sort_targets(file: Path) -> None:
    """Sorts the layers in an adapter's configuration: PEFT's order differs between processes."""
    if file.is_file():
        values = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(values.get("target_modules"), list):
            values["target_modules"] = sorted(values["target_modules"])
        file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _list_trained(model: Any) -> Iterable[tuple[str, torch.Tensor]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _save_stage(model: Any, result: StageResult, folder: Path) -> None:
    """Saves the weights and losses of a finished stage, and deletes its checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: p.detach().cpu().contiguous() for name, p in _list_trained(model)},
        folder / "weights.safetensors",
    )
    values = {"losses": result.losses, "held_out": result.held_out}
    partial = folder / f".{_DONE}"
    partial.write_text(json.dumps(values), encoding="utf-8")
    os.replace(partial, folder / _DONE)
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)


def _load_stages(folder: Path, stages: int) -> list[StageResult]:
    """The results of the finished stages, in order."""
    results: list[StageResult] = []
    for i in range(stages):
        file = folder / f"stage-{i}" / _DONE
        if not file.is_file():
            break
        values = json.loads(file.read_text(encoding="utf-8"))
        held = values["held_out"]
        results.append(StageResult(tuple(values["losses"]), tuple(held) if held else None))
    return results


def _load_weights(model: Any, folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for name, parameter in _list_trained(model):
            parameter.copy_(weights[name])
