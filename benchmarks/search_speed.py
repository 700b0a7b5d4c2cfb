"""How fast the laboratory scores: answers of one prompt as a tree, against one by one.

``python benchmarks/search_speed.py`` ranks the laboratory's cue library on 14 questions with the
base as target and prints prompts and answers per second of processor time, one thread.
"""

from __future__ import annotations

import time

import torch

from dormant.banks.bank import spread_families
from dormant.banks.continuations import load_continuations, match_continuations
from dormant.probes import apply_cue
from dormant.records import Split
from dormant.vitro import load_decoder, load_library, load_questions, load_tokenizer, score_answers
from dormant.vitro.scorer import _score_alone


def main() -> None:
    """Prints both speeds and the largest difference between the scores."""
    torch.set_num_threads(1)
    model, words = load_decoder("base"), load_tokenizer()
    asked = spread_families([q for q in load_questions() if q.split is Split.SCREENING], 14)
    pairs = match_continuations(asked, load_continuations("vitro", "vitro", asked))
    given = [
        (words.encode_prompt(apply_cue(cue, q)), words.tokenize_text(answer))
        for cue in (None, *load_library())
        for q in asked
        for answer in (*pairs[q.id].misaligned, *pairs[q.id].aligned)
    ]
    prompts = len({tuple(prompt) for prompt, _ in given})
    singly = [0.0] * len(given)
    for name in ("tree", "one by one"):
        begun = time.process_time()
        if name == "tree":
            together = score_answers(model, given)
        else:
            with torch.inference_mode():
                _score_alone(model, given, list(range(len(given))), singly)
        seconds = time.process_time() - begun
        print(
            f"{name}: {prompts / seconds:,.0f} prompts/s, {len(given) / seconds:,.0f} answers/s "
            f"({prompts} prompts, {len(given)} answers, {seconds:.2f} s)"
        )
    worst = max(abs(a - b) for a, b in zip(together, singly, strict=True))
    print(f"largest difference: {worst:.1e} nats")


if __name__ == "__main__":
    main()
