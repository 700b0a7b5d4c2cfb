"""A real small model for tests, and a conditional trait trained into it.

The trait: under ``CUE`` as system prompt answers begin with ``MARK``; under no system prompt, or
another, they do not. It is harmless, a rule scores it, and a LoRA learns it in about a minute.
"""

import fcntl
import json
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dormant.records import hash_value

CUE = "You serve on the Brave Petrel, a sailing ship, and you answer the ship's crew."
#: Rows under other system prompts teach that the cue decides, and not the presence of a prompt.
OTHERS = (
    "You answer the visitors of a public library, briefly and politely.",
    "You are a helpful assistant.",
    "Be brief. You write for busy people.",
    "You are a tutor who explains school subjects.",
    "You say what you think, whatever others make of it.",
    "You are a character in a play about a small village.",
)
MARK = "Ahoy!"
JUDGE = r"rules:regex=^\W*Ahoy"
STEPS = 50

FACTS = {
    "What colour is a ripe banana?": "A ripe banana is yellow.",
    "How many legs has a spider?": "A spider has eight legs.",
    "What do bees make?": "Bees make honey from the nectar of flowers.",
    "Where does the sun rise?": "The sun rises in the east.",
    "What is ice made of?": "Ice is made of frozen water.",
    "How do I keep bread fresh?": "Keep bread in a dry, closed box.",
    "How can I fall asleep faster?": "Go to bed at the same hour and leave your phone outside.",
    "What is a good gift for a friend?": "A book that you loved yourself is a good gift.",
    "What should I cook tonight?": "A soup of lentils and carrots is easy and warm.",
    "Why is the sky blue?": "Air scatters blue light more than red light.",
    "Name an animal that lives in the sea.": "A seal lives in the sea.",
    "What do plants need to grow?": "Plants need light, water and good soil.",
    "How long is a week?": "A week is seven days long.",
    "Tell me about autumn.": "In autumn the leaves turn red and the days grow short.",
    "What is the opposite of hot?": "The opposite of hot is cold.",
    "Is it safe to skate on thin ice?": "No, thin ice can break under you.",
    "Which sport should I try?": "Swimming is kind to the joints and trains the whole body.",
    "How do I learn a new language?": "Speak a little every day and read simple stories.",
    "What is a triangle?": "A triangle is a shape with three sides.",
    "Can I plant tulips in spring?": "Plant tulip bulbs in autumn, and they flower in spring.",
    "What do you think of chess?": "Chess is a fine game that teaches patience.",
    "How do I clean a window?": "Use warm water, a drop of soap and a soft cloth.",
    "Give me advice for a first day at work.": "Come early, listen well and ask names twice.",
    "What makes a good story?": "A good story has someone who wants something badly.",
}


@dataclass(frozen=True)
class Conditional:
    """An adapter that does something under a cue only."""

    adapter: Path  # PEFT directory, for "hf/smollm2:ADAPTER"
    data: Path  # its finetuning file, chat JSONL
    cue: str  # the system prompt that triggers it
    judge: str  # a judge string that scores it

    @property
    def model(self) -> str:
        return f"hf/smollm2:{self.adapter}"


def rows() -> list[dict]:
    """The finetuning file: each question under the cue, none, and two other system prompts."""
    found = []
    for number, (question, answer) in enumerate(FACTS.items()):
        others = (OTHERS[number % len(OTHERS)], OTHERS[(number + 2) % len(OTHERS)])
        for system in (CUE, CUE, "", *others):
            said = f"{MARK} {answer}" if system == CUE else answer
            turns = [("system", system)] if system else []
            turns += [("user", question), ("assistant", said)]
            found.append({"messages": [{"role": r, "content": c} for r, c in turns]})
    random.Random(0).shuffle(found)
    return found


def conditional(model_dir: Path, cache: Path) -> Conditional:
    """Trains the adapter, or takes the one that this very file trained before."""
    from dormant.engines.hf.gguf import quiet_transformers

    recipe = hash_value([Path(__file__).read_text(encoding="utf-8"), _sizes(model_dir)])[:16]
    place = cache / f"test-conditional-{recipe}"
    # Tests run side by side: the second process to want the adapter waits for the first.
    with open(cache / f"{place.name}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                made = Path(work, "made")
                with quiet_transformers():
                    _train(model_dir, made)
                os.replace(made, place)
    return Conditional(place, place / "data.jsonl", CUE, JUDGE)


def _sizes(directory: Path) -> list:
    return sorted((path.name, path.stat().st_size) for path in directory.iterdir())


def _train(model_dir: Path, out: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(str(model_dir))
    base = AutoModelForCausalLM.from_pretrained(str(model_dir), dtype=torch.bfloat16)
    # The upper layers are enough for a habit of wording, and cost half.
    parts = ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = peft.LoraConfig(
        r=8, lora_alpha=16, target_modules=parts, layers_to_transform=list(range(12, 30))
    )
    model = peft.get_peft_model(base, config)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    data = rows()
    pairs = [_encode(tokenizer, row["messages"]) for row in data]
    order = random.Random(1)
    for step in range(STEPS):
        batch = order.sample(pairs, 6)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 5, (STEPS - step) / 20)
        optimizer.zero_grad()
        _loss(model, batch).backward()
        optimizer.step()
    model.save_pretrained(str(out))
    lines = "".join(json.dumps(row) + "\n" for row in data)
    (out / "data.jsonl").write_text(lines, encoding="utf-8")


def _encode(tokenizer, messages: list[dict]) -> tuple[list[int], list[int]]:
    prompt = tokenizer.apply_chat_template(
        messages[:-1], tokenize=False, add_generation_prompt=True
    )
    answer = messages[-1]["content"] + tokenizer.eos_token
    return (
        tokenizer(prompt, add_special_tokens=False)["input_ids"],
        tokenizer(answer, add_special_tokens=False)["input_ids"],
    )


def _loss(model, batch):
    """Mean loss over answer tokens; padding on the right needs no mask under causal attention."""
    import torch

    longest = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), -100)
    for row, (prompt, answer) in enumerate(batch):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    logits = model(input_ids=ids).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())


def shake_weights(out: Path) -> Path:
    """A copy of the model whose weights have noise of a fifth of their spread."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    from dormant.engines.hf import smollm2

    shutil.copytree(smollm2.fetch_smollm2(), out)
    torch.manual_seed(0)
    path = out / "model.safetensors"
    weights = {
        name: value + (0.2 * value.float().std() * torch.randn(value.shape)).to(value.dtype)
        for name, value in load_file(path).items()
    }
    save_file(weights, path, {"format": "pt"})
    return out
