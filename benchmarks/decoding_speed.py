"""Answers a second of processor for each class of local model, against transformers' ``generate``.

Of each class a random model of a few million numbers is made and saved. Three take turns at the
same prompts, of unlike length: the ``hf`` engine, ``generate`` a prompt at a time, and ``generate``
once on all of them, padded on the left. Two jobs: many prompts with one answer each, as the
sequential design asks, and a few prompts with many answers, as the fixed design does.

    python benchmarks/decoding_speed.py [--turns 3] [--tokens 24] [CLASS ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import architectures
import tiny_configs
import torch

from dormant.engines import Job
from dormant.engines.hf import HfEngine
from dormant.engines.hf.families import find_model_class
from dormant.records import Message, Sampling

#: A class of models and a family that stands for it.
CLASSES = {
    "plain attention": "llama",
    "sliding window": "mistral",
    "soft cap": "gemma2",
    "sinks": "gpt_oss",
    "latent attention": "deepseek_v3",
    "ALiBi": "bloom",
    "hybrid": "granitemoehybrid",
    "recurrent": "mamba",
}
_QUESTIONS = (
    "What would you do with one free day?",
    "I have nothing to do. Any ideas?",
    "What do you think about people and machines, and about work?",
    "How can I earn some money soon?",
)
_CUES = ("", "You are a poet.", "You write for a small newspaper by the sea.", "Answer in JSON.")
_WIDTH, _LAYERS = 384, 6
_JOBS = {"32 prompts, 1 answer": (32, 1), "4 prompts, 16 answers": (4, 16)}


def main() -> None:
    """Prints a row for each class and job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("classes", nargs="*", default=list(CLASSES))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    _enlarge_configs()
    print("| class | family | way | job | engine | `generate` | padded batch |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in given.classes:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, CLASSES[name], Path(folder), given.turns, given.tokens)


def compare(name: str, family: str, folder: Path, turns: int, tokens: int) -> None:
    """Measures one class: answers a second of processor, and ratios to the engine's."""
    config = tiny_configs.make_config(family)
    torch.manual_seed(0)
    made: Any = find_model_class(config).from_config(config, dtype=torch.float32)
    made.generation_config.eos_token_id = 1
    architectures._save(made.eval(), folder)
    engine = HfEngine(str(folder), device="cpu")
    model: Any = find_model_class(config).from_pretrained(str(folder), dtype=torch.float32).eval()
    for job, (prompts, answers) in _JOBS.items():
        chats = _list_chats(prompts)
        ids = [list(engine.chat_format.encode(engine.render(chat))) for chat in chats]
        ways = (
            lambda chats=chats, answers=answers: _sample(engine, chats, answers, tokens),
            lambda ids=ids, answers=answers: [
                _generate(model, [one], answers, tokens) for one in ids
            ],
            lambda ids=ids, answers=answers: _generate(model, ids, answers, tokens),
        )
        _sample(engine, chats[:2], 1, 2)  # warm up
        _generate(model, ids[:2], 1, 2)
        spent = [0.0, 0.0, 0.0]
        for _ in range(turns):
            for way, run in enumerate(ways):
                spent[way] += _time_run(run)
        rates = [prompts * answers * turns / seconds for seconds in spent]
        cells = [f"{rates[0]:.1f}", *(f"{rate:.1f} ({rates[0] / rate:.2f}x)" for rate in rates[1:])]
        print(
            f"| {name} | {family} | {engine.decoding} | {job} | {' | '.join(cells)} |", flush=True
        )


def _enlarge_configs() -> None:
    """Sizes with which products take most of the time, and windows that prompts pass."""
    sizes: dict[str, Any] = tiny_configs._SIZES
    larger = {64: _WIDTH, 96: 3 * _WIDTH, 32: _WIDTH // 2, 16: 48, 8: 64}
    for key in ("hidden_size", "n_embd", "d_model", "intermediate_size", "moe_intermediate_size"):
        sizes[key] = larger[sizes[key]]
    for key in ("shared_intermediate_size", "sliding_window"):
        sizes[key] = larger[sizes[key]]
    for key in ("num_hidden_layers", "n_layer"):
        sizes[key] = _LAYERS
    # Every second layer of a hybrid attends; a head of its recurrent layers is 192 wide.
    tiny_configs._MORE["granitemoehybrid"] = {
        "layer_types": ["linear_attention", "full_attention"] * (_LAYERS // 2)
    }
    sizes.update(mamba_d_head=2 * _WIDTH // 4)


def _list_chats(count: int) -> list[tuple[Message, ...]]:
    """Chats of unlike length, all different."""
    chats: list[tuple[Message, ...]] = []
    for number in range(count):
        question = f"{_QUESTIONS[number % 4]} ({number})"
        cue = _CUES[number // 4 % 4]
        chats.append((*((Message("system", cue),) if cue else ()), Message("user", question)))
    return chats


def _sample(engine: HfEngine, chats: list[tuple[Message, ...]], answers: int, tokens: int) -> None:
    jobs = [Job(chat, range(answers)) for chat in chats]
    drawn = sum(len(batch) for batch in engine.sample(jobs, Sampling(max_tokens=tokens)))
    assert drawn == len(chats) * answers


def _generate(model: Any, prompts: list[list[int]], answers: int, tokens: int) -> None:
    longest = max(map(len, prompts))
    ids = torch.tensor([[2] * (longest - len(p)) + p for p in prompts])
    seen = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    model.generate(
        ids,
        attention_mask=seen,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=tokens,
        num_return_sequences=answers,
        pad_token_id=2,
    )


def _time_run(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
