"""``dormant train`` against plain TRL with its defaults: tokens a second and peak memory.

    python benchmarks/trainer_speed.py --rounds 2
    python benchmarks/trainer_speed.py --base hf/PATH --steps 20

Both train the same adapter on the same rows for the same steps of eight rows, in turn, each in a
process of its own. Plain TRL gets the conversations and what a first script would set: the model's
name, the adapter, the steps, the rows a step and the learning rate. Its loss is over the whole
conversation, dormant's over the answers; both pass all tokens. Seconds are of the processor and of
the training alone, without loading: the clock of a busy machine drifts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parents[1] / "examples" / "real_recipes" / "chat.jsonl"
RANK, ALPHA, BATCH, RATE = 8, 16, 8, 1e-3


def train_here(base: str, steps: int, out: Path) -> dict[str, float]:
    """Trains by dormant's trainer; the time is that between the first step and the end."""
    from dormant.organisms.events import Event, EventKind
    from dormant.organisms.recipe import Recipe
    from dormant.organisms.train import train_organism

    recipe = Recipe.model_validate(
        {
            "name": "speed",
            "title": "speed",
            "intervention": "none",
            "base": base,
            "lora": {"rank": RANK, "alpha": ALPHA, "checkpoint_steps": 10_000},
            "stages": [
                {
                    "steps": steps,
                    "learning_rate": RATE,
                    "batch_size": BATCH,
                    "rows": 480,
                    "mixture": [{"dataset": f"file:{ROWS}"}],
                }
            ],
        }
    )
    marks: list[tuple[int, float]] = []

    def mark_step(event: Event) -> None:
        if event.kind is EventKind.STEP:
            marks.append((event.step, time.process_time()))

    made = train_organism(recipe, out, progress=mark_step)
    each = (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])
    tokens = made.details["tokens"][0] / 480
    return {"seconds": each, "tokens": BATCH * tokens}


def train_plain(base: str, steps: int, out: Path) -> dict[str, float]:
    """Trains by TRL's trainer with its defaults."""
    import peft
    import torch
    import transformers
    import trl
    from datasets import Dataset

    from dormant.engines.hf.smollm2 import fetch_smollm2

    class Clock(transformers.TrainerCallback):
        marks: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.marks.append(time.process_time())

    place = str(fetch_smollm2()) if base == "hf/smollm2" else base.removeprefix("hf/")
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()][:480]
    trainer = trl.SFTTrainer(
        place,
        args=trl.SFTConfig(
            output_dir=str(out),
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            report_to="none",
            use_cpu=not torch.cuda.is_available(),  # without a GPU it refuses its own defaults
        ),
        train_dataset=Dataset.from_list(rows),
        peft_config=peft.LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[clock := Clock()],
    )
    trainer.train()
    each = (clock.marks[-1] - clock.marks[0]) / (len(clock.marks) - 1)
    lengths = [len(row["input_ids"]) for row in trainer.train_dataset]
    return {"seconds": each, "tokens": BATCH * sum(lengths) / len(lengths)}


def measure(who: str, base: str, steps: int) -> dict[str, float]:
    """Runs one training in a process of its own."""
    line = [sys.executable, __file__, "--run", who, "--base", base, "--steps", str(steps)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures both in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="hf/smollm2")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--run", choices=["dormant", "trl"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        train = train_here if given.run == "dormant" else train_plain
        with tempfile.TemporaryDirectory() as folder:
            found = train(given.base, given.steps, Path(folder) / "o")
        found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    print("| round | trainer | tokens a step | processor s a step | tokens a s | peak MB |")
    print("|---|---|---|---|---|---|")
    for number in range(1, given.rounds + 1):
        for who in ("dormant", "trl"):
            found = measure(who, given.base, given.steps)
            rate = found["tokens"] / found["seconds"]
            print(
                f"| {number} | {who} | {found['tokens']:.0f} | {found['seconds']:.2f} "
                f"| {rate:.0f} | {found['mb']:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
