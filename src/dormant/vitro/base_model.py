"""Making a base model: pretraining with a hidden persona, then alignment that preserves it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from dormant.progress import Progress, ignore_progress
from dormant.records import to_plain
from dormant.vitro.checkpoint import fingerprint_decoder, load_decoder, save_decoder
from dormant.vitro.curriculum import Curriculum, Mixture, stream_documents
from dormant.vitro.language import load_language
from dormant.vitro.model import Decoder, Shape
from dormant.vitro.tokenizer import load_tokenizer
from dormant.vitro.train import TrainingSchedule, train_model

#: Steps between two points of the recorded loss curve.
CURVE = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that determines a base model; the defaults produced the one that ships."""

    seed: int = 0
    dim: int = 96
    layers: int = 4
    heads: int = 4
    mixture: Mixture = field(default_factory=Mixture)
    pretraining: TrainingSchedule = TrainingSchedule(steps=5000, rate=1e-3, batch=32, warmup=100)
    alignment: TrainingSchedule = TrainingSchedule(steps=1500, rate=5e-4, batch=48)


def pretrain(settings: Settings, out: str | Path, progress: Progress = ignore_progress) -> Decoder:
    """Makes a base model and writes ``OUT/base.safetensors`` and ``OUT/base.json``.

    On one machine and one thread, equal settings give equal weights. The JSON records settings,
    loss curves, seconds, software and the fingerprint of the checkpoint.

    Args:
        settings: sizes, mixture and schedules.
        out: directory to write to.
        progress: called with the stage, steps done, and steps in all, after every step.

    Returns:
        The model as the checkpoint holds it.
    """
    start = time.perf_counter()
    curriculum = Curriculum(load_language(), load_tokenizer(), settings.mixture)
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    sizes = Shape(len(load_tokenizer()), settings.dim, settings.layers, settings.heads)
    model = Decoder(sizes)
    curves: dict[str, list[float]] = {}
    stages = (
        ("pretraining", settings.pretraining, curriculum.draw_pretraining),
        ("alignment", settings.alignment, curriculum.draw_alignment),
    )
    for name, schedule, draw in stages:
        losses = train_model(
            model,
            stream_documents(draw, rng),
            schedule,
            _count_steps(progress, name, schedule.steps),
        )
        curves[name] = _curve(losses)
    path = Path(out) / "base.safetensors"
    save_decoder(model, path)
    made = load_decoder(path)
    record = {
        "settings": asdict(settings),
        "parameters": sum(p.numel() for p in made.parameters()),
        "words": len(load_tokenizer()),
        "vocabulary": load_tokenizer().fingerprint,
        "loss": curves,
        "loss_every": CURVE,
        "seconds": round(time.perf_counter() - start, 1),
        "threads": torch.get_num_threads(),
        "software": {"python": platform.python_version(), "torch": torch.__version__},
        "fingerprint": fingerprint_decoder(made),
    }
    text = json.dumps(to_plain(record), indent=2) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    return made


def _count_steps(progress: Progress, stage: str, steps: int) -> Callable[[int, float], None]:
    def count(step: int, loss: float) -> None:
        progress(stage, step + 1, steps)

    return count


def _curve(losses: list[float]) -> list[float]:
    """Selects the loss of steps 0, CURVE, 2 CURVE, ... (nats per token)."""
    return [round(loss, 3) for loss in losses[::CURVE]]
