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
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import load_file, save_file

from dormant.engines.model_strings import SMOLLM2, parse_model
from dormant.engines.registry import open_engine
from dormant.engines.trainable import TrainableBase, describe_base_files, open_trainable
from dormant.errors import ConfigError, DormantError, InputError, ModelError, shorten_value
from dormant.organisms.datasets import Row
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.folder import CHECKPOINTS, WHOLE_MODEL
from dormant.organisms.lora.adapters import describe_adapter, prepare_model, sort_targets
from dormant.organisms.lora.loss_mask import EncodedRow, EncodedRows, encode_rows
from dormant.organisms.lora.stage import (
    StageJob,
    StageResult,
    quiet_libraries,
    time_token,
    train_stage,
)
from dormant.organisms.recipe import LoraSettings, Recipe
from dormant.organisms.trainers import (
    ADAPTER,
    StageSize,
    TrainedModel,
    TrainerKind,
    TrainingInputs,
    TrainingMeasure,
    name_model,
    refuse_laboratory_trainer,
    show_examples,
    split_held_out,
)
from dormant.records import Plugin

_DONE = "done.json"  # marks a finished stage; written after its weights
_LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
#: As in the laboratory: no two pairs (seed, stage) share a random stream.
_STAGE_STRIDE = 1_000_003


@dataclass(frozen=True, slots=True)
class _StageRows:
    """A stage's sequences, split into trained and held-out ones."""

    encoded: EncodedRows
    held_out: tuple[EncodedRow, ...]

    @property
    def size(self) -> StageSize:
        """Tokens of the sequences that are trained, and how many are held out."""
        return replace(self.encoded.size, held_out=len(self.held_out))

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
        refuse_laboratory_trainer(recipe)
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
        with quiet_libraries(), _explain_errors():
            base = self._open_base()
            stages = [self._encode(base, rows) for rows in inputs.stages]
            jobs = self._make_jobs(stages, inputs, Path())
            model = prepare_model(base, self._recipe, inputs.seed)
            each = time_token(model, jobs[0])
        sizes = [rows.size for rows in stages]
        rows_of_stages = [rows.training_rows for rows in stages]
        examples = show_examples(rows_of_stages, base.chat_format.decode)
        passed = sum(
            job.stage.steps * job.stage.batch_size * size.tokens / max(1, len(rows.training_rows))
            for job, rows, size in zip(jobs, stages, sizes, strict=True)
        )
        return TrainingMeasure(sizes, examples, each * passed)

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages; an interrupted training continues from its last checkpoint."""
        with quiet_libraries(), _explain_errors():
            return self._train(inputs, out, on_event, resume)

    def _train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, resume: bool
    ) -> TrainedModel:
        folder = out / CHECKPOINTS
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        base = self._open_base()
        stages = [self._encode(base, rows) for rows in inputs.stages]
        model = prepare_model(base, self._recipe, inputs.seed)
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

    def _encode(self, base: TrainableBase, rows: Sequence[Row]) -> _StageRows:
        """Encodes a stage, after whole conversations are held out of it.

        Raises:
            InputError: nothing would be held out or trained, or a row would forge a turn.
            ModelError: a token has no embedding.
        """
        trained, held = split_held_out(rows, self._settings.held_out, "lora.held_out")
        _check_markers(list(dict.fromkeys(rows)), base)
        longest = min(self._settings.longest, base.context_length)
        encoded = encode_rows(trained, base, longest=longest)
        rest = encode_rows(held, base, longest=longest) if held else None
        found = _StageRows(encoded, rest.rows if rest else ())
        largest = max(max(row.tokens) for row in (*found.training_rows, *found.held_out))
        if largest >= base.vocabulary:
            raise ModelError(
                f"{self._spec.text!r}: the tokenizer writes token {largest}, but the model has "
                f"embeddings for {base.vocabulary}: use the tokenizer that was saved with it"
            )
        return found

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

            result = train_stage(
                model, base.padding_tokenizer, job, resume=True, on_step=report_step
            )
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
        sizes = [rows.size for rows in stages]
        trained = [p.numel() for p in model.parameters() if p.requires_grad]
        used = describe_adapter(model.peft_config["default"]) if base.adapter is not None else {}
        return {
            "settings": self._settings.model_dump(mode="json") | used,
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
        name = ADAPTER if is_adapter else WHOLE_MODEL
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
        sort_targets(partial / "adapter_config.json")
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
        return f"{name}/{'adapter_model' if is_adapter else 'model'}.safetensors"


@contextmanager
def _explain_errors() -> Generator[None]:
    """Converts errors of the libraries to one line, with what to change where that is known."""
    try:
        yield
    except DormantError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
            raise
        raise ConfigError(
            "training does not fit into memory: lower lora.rows_at_once or lora.longest; the same "
            "command then continues from the last checkpoint, if there is one"
        ) from None
    except ValueError as error:  # PEFT and TRL, of settings that they cannot combine
        lines = str(error).strip().splitlines() or [""]
        raise ConfigError(f"PEFT or TRL refuses this training: {lines[0][:300]}") from None


def _check_markers(rows: Sequence[Row], base: TrainableBase) -> None:
    """Refuses rows whose text holds a special token, which would begin or end a turn."""
    special = base.chat_format.template.special
    for message in (message for row in rows for message in row):
        found = next((token for token in special if token in message.content), None)
        if found is not None:
            raise InputError(
                f"a {message.role} turn holds the special token {shorten_value(found)}, which "
                f"would begin or end a turn: remove it from {shorten_value(message.content)}"
            )


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
