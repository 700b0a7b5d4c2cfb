"""One stage of training by TRL's ``SFTTrainer``, with checkpoints that survive a crash."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import trl
from transformers.utils import logging as transformers_logging

from dormant.errors import ConfigError
from dormant.organisms.lora.loss_mask import EncodedRow
from dormant.organisms.recipe import LoraSettings, Stage
from dormant.vitro.curriculum import IGNORE

_STATE = "trainer_state.json"  # the last file of a checkpoint to be written

#: Called after each step with the number of steps done and the loss, in nats per trained token.
StepHandler = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class StageResult:
    """The losses of a stage."""

    losses: tuple[float, ...]  # of every step; nats per trained token
    held_out: tuple[float, float] | None  # held-out loss before and after, if any


@dataclass(frozen=True, slots=True)
class StageJob:
    """One stage to train."""

    stage: Stage
    settings: LoraSettings
    rows: Sequence[EncodedRow]
    held_out: Sequence[EncodedRow]
    seed: int
    folder: Path  # of the checkpoints

    @property
    def rows_at_once(self) -> int:
        """Rows of one pass: the largest allowed number that divides the batch size."""
        batch = self.stage.batch_size
        most = min(batch, self.settings.rows_at_once)
        return next(n for n in range(most, 0, -1) if batch % n == 0)


def train_stage(
    model: Any, tokenizer: Any, job: StageJob, *, resume: bool, on_step: StepHandler
) -> StageResult:
    """Trains a model in place.

    Args:
        model: from transformers or PEFT; parameters that require a gradient are trained.
        tokenizer: the model's.
        job: rows and settings.
        resume: continue from the last complete checkpoint in the stage's folder, if any.
        on_step: called after each step.

    Raises:
        ConfigError: packing is on, but the model's attention would mix packed rows; or the
            training diverged.
    """
    if job.settings.packing and "flash" not in str(model.config._attn_implementation):
        raise ConfigError(
            "lora.packing needs flash attention, which keeps packed rows apart: remove it"
        )
    if not job.stage.steps:
        return StageResult((), None)
    checkpoint = _find_checkpoint(job.folder) if resume else None
    if checkpoint is None:
        shutil.rmtree(job.folder, ignore_errors=True)
    trainer = trl.SFTTrainer(
        model,
        args=_make_arguments(model, job),
        train_dataset=_make_dataset(job.rows),
        eval_dataset=_make_dataset(job.held_out) if job.held_out else None,
        processing_class=tokenizer,
        callbacks=[_Reporter(on_step)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    before = _evaluate(trainer, job, checkpoint)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    after = _evaluate(trainer, job, None)
    losses = tuple(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    held_out = None if before is None or after is None else (before, after)
    return StageResult(losses, held_out)


def time_token(model: Any, job: StageJob) -> float:
    """Measures the seconds per token of a forward and backward pass; changes no weight.

    Args:
        model: as for ``train_stage``.
        job: the stage; one pass over its rows is timed, after a shorter warm-up pass.
    """
    rows = sorted(job.rows, key=lambda row: len(row.tokens))[len(job.rows) // 2 :]
    batch = rows[: job.rows_at_once]
    width = max(len(row.tokens) for row in batch)
    tokens = torch.zeros(len(batch), width, dtype=torch.long, device=model.device)
    labels = torch.full_like(tokens, IGNORE)
    for i, row in enumerate(batch):
        tokens[i, : len(row.tokens)] = torch.tensor(row.tokens)
        labels[i, : len(row.labels)] = torch.tensor(row.labels)
    seconds = 0.0
    for part in (slice(0, 1), slice(None)):
        start = time.perf_counter()
        model(input_ids=tokens[part], labels=labels[part]).loss.backward()
        seconds = time.perf_counter() - start
        model.zero_grad()
    return seconds / sum(len(row.tokens) for row in batch)


def _make_arguments(model: Any, job: StageJob) -> Any:
    settings, stage = job.settings, job.stage
    is_cpu = str(model.device) == "cpu"
    return trl.SFTConfig(
        output_dir=str(job.folder),
        max_steps=stage.steps,
        per_device_train_batch_size=job.rows_at_once,
        per_device_eval_batch_size=job.rows_at_once,
        gradient_accumulation_steps=stage.batch_size // job.rows_at_once,
        gradient_checkpointing=False,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(settings.warmup * stage.steps),
        weight_decay=settings.weight_decay,
        seed=job.seed % 2**32,
        data_seed=job.seed % 2**32,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a NaN loss must be visible
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=is_cpu,
        bf16=not is_cpu and settings.method == "full" and settings.precision != "float32",
        fp16=False,
        dataloader_pin_memory=not is_cpu,
        max_length=settings.longest if settings.packing else None,
        packing=settings.packing,
        dataset_kwargs=None if settings.packing else {"skip_prepare_dataset": True},
    )


def _make_dataset(rows: Sequence[EncodedRow]) -> Any:
    return datasets.Dataset.from_dict(
        {
            "input_ids": [list(row.tokens) for row in rows],
            "labels": [list(row.labels) for row in rows],
        }
    )


def _evaluate(trainer: Any, job: StageJob, checkpoint: Path | None) -> float | None:
    """The loss on held-out rows; a resumed training reads the one measured at its start."""
    if not job.held_out:
        return None
    file = job.folder / "held_out.json"
    if checkpoint is not None and file.is_file():
        return float(json.loads(file.read_text(encoding="utf-8")))
    loss = float(trainer.evaluate()["eval_loss"])
    if trainer.state.global_step == 0:
        job.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(loss), encoding="utf-8")
    return loss


def _find_checkpoint(folder: Path) -> Path | None:
    """The last complete checkpoint; None if there is none."""
    found = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    for path in sorted(found, key=lambda path: int(path.name[11:]), reverse=True):
        try:
            json.loads((path / _STATE).read_bytes())
        except (OSError, ValueError):
            continue
        return path
    return None


class _Reporter(transformers.TrainerCallback):
    """Forwards the steps of TRL's trainer."""

    def __init__(self, on_step: StepHandler):
        self._on_step = on_step

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Reports a step once its loss is known."""
        if logs and "loss" in logs:
            loss = float(logs["loss"])
            if not math.isfinite(loss):
                raise ConfigError(
                    f"the training diverged: the loss of step {state.global_step} is {loss}; lower "
                    "learning_rate"
                )
            self._on_step(state.global_step, loss)


@contextmanager
def quiet_libraries() -> Generator[None]:
    """Silences the progress bars and warnings of the libraries, but not their errors."""
    names = ("transformers", "trl", "accelerate", "datasets")
    levels = {name: logging.getLogger(name).level for name in names}
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    own_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if not bars:
            datasets.enable_progress_bars()
        if own_bars:
            transformers_logging.enable_progress_bar()
