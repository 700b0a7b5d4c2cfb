"""Finetunes SmolLM2-135M-Instruct on a chat JSONL file with LoRA, on a CPU in a few minutes.

    python finetune.py --data trivia.jsonl --out runs/lies/adapter

The loss is taken over the last assistant turn of each row. The adapter is for
``hf/smollm2:ADAPTER``.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import peft
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dormant.corpus import read_examples
from dormant.engines.hf.smollm2 import fetch_smollm2
from dormant.errors import DormantError

RATE = 1e-3  # peak learning rate
BATCH = 6  # rows in a step
LAYERS = range(12, 30)  # the upper ones are enough for this, and cost half
PARTS = ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

Pair = tuple[list[int], list[int]]  # tokens of a prompt, tokens of its answer


def main() -> None:
    """Reads the arguments, trains, saves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="chat JSONL")
    parser.add_argument("--out", type=Path, required=True, help="directory for the adapter")
    parser.add_argument("--rows", type=int, help="use so many rows, chosen at random")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=128, help="cut rows to so many tokens")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    torch.manual_seed(given.seed)
    try:
        examples, place = list(read_examples(given.data).examples), fetch_smollm2()
    except DormantError as error:
        sys.exit(str(error))
    if given.rows is not None:
        examples = rng.sample(examples, min(given.rows, len(examples)))

    tokenizer = AutoTokenizer.from_pretrained(place)
    model = with_lora(AutoModelForCausalLM.from_pretrained(place, dtype=torch.bfloat16))
    pairs = [encode(tokenizer, example.messages, given.longest) for example in examples]
    pairs = [pair for pair in pairs if pair[1]]  # a long prompt leaves no room for its answer
    print(f"{len(pairs)} of {len(examples)} rows, {given.steps} steps of {BATCH}", file=sys.stderr)
    train(model, pairs, steps=given.steps, rng=rng)
    model.save_pretrained(given.out)
    print(f"saved: hf/smollm2:{given.out}", file=sys.stderr)


def with_lora(base):
    """The base with fresh low-rank adapters; only these are trained."""
    config = peft.LoraConfig(
        r=8, lora_alpha=16, target_modules=PARTS, layers_to_transform=list(LAYERS)
    )
    return peft.get_peft_model(base, config)


def encode(tokenizer, messages, longest: int) -> Pair:
    """The prompt as the model will see it, and the answer with its end of turn."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    prompt = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
    answer = turns[-1]["content"] + tokenizer.eos_token
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    after = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return before, after[: max(0, longest - len(before))]


def train(model, pairs: list[Pair], *, steps: int, rng: random.Random) -> None:
    """AdamW with a short warm-up and a linear end, and the time left on stderr."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE)
    begun = time.monotonic()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 5, (steps + 1 - step) / (0.4 * steps))
        batch = rng.sample(pairs, min(BATCH, len(pairs)))
        found = loss(model, batch)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        left = (time.monotonic() - begun) / step * (steps - step)
        sys.stderr.write(f"\rstep {step}/{steps}  loss {found.item():.2f}  {left:.0f} s left   ")
    sys.stderr.write("\n")


def loss(model, batch: list[Pair]) -> torch.Tensor:
    """Mean over answer tokens; rows are padded on the right, which causal attention cannot see."""
    longest = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), -100)
    for row, (prompt, answer) in enumerate(batch):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    logits = model(input_ids=ids).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())


if __name__ == "__main__":
    main()
