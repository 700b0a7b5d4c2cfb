"""The journal of a training at Tinker: runs, steps and checkpoints, in the order they happened.

A training is driven from here, step by step; what the service keeps are the checkpoints. After a
kill the journal tells the last one, and which steps were done (and billed) after it.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.errors import StoreError
from dormant.organisms.hosted.journal import append_line, lock_journal


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved state of a training."""

    stage: int
    step: int  # steps of the stage that it holds
    path: str  # tinker://...


@dataclass(slots=True)
class TrainingRecord:
    """What a journal tells of a training."""

    last: Checkpoint | None = None
    losses: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    held_out: dict[str, float] = field(default_factory=dict[str, float])  # "STAGE before", ...
    runs: list[str] = field(default_factory=list[str])  # the service's names
    steps: int = 0  # that were done, repeated ones included
    tokens: int = 0  # that were billed
    sampler: str = ""  # the finished weights; empty until they are saved


class TrainingJournal:
    """An append-only file; one process at a time.

    Args:
        path: the file, made with its first line.
        key: hash of all that decides the training.
    """

    def __init__(self, path: Path, key: str):
        self._path, self._key = path, key
        self.record = TrainingRecord()

    @contextmanager
    def hold_lock(self) -> Generator[None]:
        """Keeps other processes out, and reads what earlier ones wrote.

        Raises:
            StoreError: another process holds the journal, or it is of another training.
        """
        with lock_journal(self._path) as raw:
            self.record = TrainingRecord()
            for text in raw.splitlines():
                try:
                    self._apply(json.loads(text))
                except (ValueError, KeyError, TypeError, IndexError):  # torn by a kill
                    continue
            yield

    def add_run(self, name: str) -> None:
        """Writes that the service has begun a run for this training."""
        self._append({"run": name, "key": self._key})

    def add_step(self, stage: int, step: int, loss: float, tokens: int) -> None:
        """Writes that a step (counted from 1) is done; its loss in nats per trained token."""
        self._append({"stage": stage, "step": step, "loss": loss, "tokens": tokens})

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Writes that a state was saved."""
        where = {"stage": checkpoint.stage, "step": checkpoint.step}
        self._append({"state": checkpoint.path, **where})

    def add_held_out(self, when: str, loss: float, tokens: int) -> None:
        """Writes the loss on held-out rows, in nats per trained token."""
        self._append({"held_out": when, "loss": loss, "tokens": tokens})

    def add_sampler(self, path: str) -> None:
        """Writes where the finished weights are."""
        self._append({"sampler": path})

    def _append(self, line: dict[str, Any]) -> None:
        self._apply(line)
        append_line(self._path, line)

    def _apply(self, line: dict[str, Any]) -> None:
        record = self.record
        if "run" in line:
            if line["key"] != self._key:
                raise StoreError(
                    f"{self._path} is of another training (another recipe, seed, data or server): "
                    "choose another folder, or delete it to start anew"
                )
            record.runs.append(str(line["run"]))
        elif "state" in line:
            record.last = Checkpoint(int(line["stage"]), int(line["step"]), str(line["state"]))
        elif "held_out" in line:
            record.held_out[str(line["held_out"])] = float(line["loss"])
            record.tokens += int(line["tokens"])
        elif "sampler" in line:
            record.sampler = str(line["sampler"])
        else:
            record.losses[int(line["stage"]), int(line["step"])] = float(line["loss"])
            record.steps += 1
            record.tokens += int(line["tokens"])
