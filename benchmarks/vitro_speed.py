"""Words per processor second of the laboratory's sampler against two plainer ones, in one run.

``python benchmarks/vitro_speed.py [--answers 64] [--questions 24]`` prints one line a version:

- recompute: the whole model again for every word of every answer;
- rows: keys and values cached, copied once per answer, all answers stepped side by side;
- tree: what ships; every distinct beginning of answers once, prompt caches never copied.

All draw from the same model with the same uniform numbers and must give the same answers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from dormant.records import Message
from dormant.vitro import load_decoder, load_questions, load_tokenizer, sample_answers
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import choose_words, draw_uniforms, pad_right
from dormant.vitro.tokenizer import END

LONGEST = 24
Answers = dict[tuple[int, int], tuple[int, ...]]


def luck_of(model: Decoder, prompts: list[list[int]], n: int) -> np.ndarray:
    return np.concatenate([draw_uniforms(0, p, range(n), model.shape.positions) for p in prompts])


def strip(rows: np.ndarray, n: int) -> Answers:
    out: Answers = {}
    for i, row in enumerate(rows.tolist()):
        out[divmod(i, n)] = tuple(row[: row.index(END)] if END in row else row)
    return out


@torch.inference_mode()
def recompute(model: Decoder, prompts: list[list[int]], n: int) -> Answers:
    luck = luck_of(model, prompts, n)
    rows = [list(p) for p in prompts for _ in range(n)]
    words = np.full((len(rows), LONGEST), END)
    for step in range(LONGEST):
        for start in range(0, len(rows), 256):
            part = rows[start : start + 256]
            tokens, lengths = pad_right(part)
            chosen = torch.zeros(tokens.shape, dtype=torch.bool)
            chosen[torch.arange(len(part)), lengths - 1] = True
            logits = model(tokens, chosen)
            at = luck[start : start + 256, step]
            words[start : start + 256, step] = choose_words(
                logits, np.arange(len(part)), at, 1.0, 1.0
            )
        for row, word in zip(rows, words[:, step].tolist(), strict=True):
            row.append(word)
        if (words[:, : step + 1] == END).any(1).all():
            break
    return strip(words, n)


@torch.inference_mode()
def rows(model: Decoder, prompts: list[list[int]], n: int) -> Answers:
    luck = luck_of(model, prompts, n)
    out = np.full((len(prompts) * n, LONGEST), END)
    for first in range(0, len(prompts), max(1, 2048 // n)):
        group = prompts[first : first + max(1, 2048 // n)]
        span = slice(first * n, (first + len(group)) * n)
        out[span] = _row_batch(model, group, n, luck[span])
    return strip(out, n)


def _row_batch(model: Decoder, prompts: list[list[int]], n: int, luck: np.ndarray) -> np.ndarray:
    tokens, lengths = pad_right(prompts)
    x, cache = model.prefill_prompts(tokens)
    owner = torch.arange(len(prompts)).repeat_interleave(n)
    logits = model.compute_logits(x[torch.arange(len(prompts)), lengths - 1])[owner]
    room = (0, 0, 0, LONGEST)
    caches = [(F.pad(k, room)[owner], F.pad(v, room)[owner]) for k, v in cache]
    place, live = lengths[owner], torch.arange(len(owner))
    seen = torch.arange(tokens.shape[1] + LONGEST)
    out = np.full((len(owner), LONGEST), END)
    for step in range(LONGEST):
        words = choose_words(logits, np.arange(len(live)), luck[live.numpy(), step], 1.0, 1.0)
        out[live.numpy(), step] = words
        keep = torch.from_numpy(words != END)
        if not keep.any():
            break
        live, place, words = live[keep], place[keep], words[keep.numpy()]
        if not keep.all():
            caches = [(k[keep], v[keep]) for k, v in caches]
        x = model.embed_tokens(torch.from_numpy(words), place)[:, None]
        mask = (seen[None] <= place[:, None])[:, None, None]
        for block, (keys, values) in zip(model.typed_blocks(), caches, strict=True):
            q, k, v = block.project_heads(x)
            keys[torch.arange(len(live)), :, place] = k[:, :, 0]
            values[torch.arange(len(live)), :, place] = v[:, :, 0]
            x = block.finish_block(
                x, F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            )
        logits, place = model.compute_logits(x[:, 0]), place + 1
    return out


def tree(model: Decoder, prompts: list[list[int]], n: int) -> Answers:
    found: Answers = {}
    for batch in sample_answers(model, prompts, [range(n)] * len(prompts), max_tokens=LONGEST):
        found |= {(draw.prompt, draw.repeat): draw.tokens for draw in batch}
    return found


VERSIONS: dict[str, Callable[[Decoder, list[list[int]], int], Answers]] = {
    "recompute": recompute,
    "rows": rows,
    "tree": tree,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--answers", type=int, default=64, help="answers a prompt")
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3, help="the best round counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_decoder(options.model)
    bank = load_questions()[:: max(1, len(load_questions()) // options.questions)][
        : options.questions
    ]
    prompts = [load_tokenizer().encode_prompt([Message("user", q.text)]) for q in bank]
    expected: Answers = {}
    for name, version in VERSIONS.items():
        seconds: list[float] = []
        found: Answers = {}
        for _ in range(1 if name == "recompute" else options.rounds):
            start = time.process_time()
            found = version(model, prompts, options.answers)
            seconds.append(time.process_time() - start)
        expected = expected or found
        same = sum(found[key] == answer for key, answer in expected.items())
        words = sum(len(answer) + 1 for answer in found.values())
        print(
            f"{name:10s} {min(seconds):7.2f} s  {words / min(seconds):9,.0f} words/s  "
            f"{len(found) / min(seconds):8,.0f} answers/s  same {same}/{len(expected)}"
        )


if __name__ == "__main__":
    main()
