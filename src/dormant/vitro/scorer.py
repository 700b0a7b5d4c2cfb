"""Teacher-forced scoring: the log-probability of given answers.

If several answers follow one prompt, the prompt is processed once and the answers go through the
model as a prefix tree; a single answer is simply appended to its prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from dormant.errors import InputError
from dormant.vitro.curriculum import IGNORE, Document
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import check_prompt, pad_right
from dormant.vitro.tokenizer import END
from dormant.vitro.train import collate_documents
from dormant.vitro.trees import answer_logprobs, tree_of

#: Answers in one pass, and prompts in one pass where answers share them.
CHUNK, PROMPTS = 128, 64

Tokens = tuple[int, ...]


@torch.inference_mode()
def score_answers(
    model: Decoder, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[float]:
    """Computes the log-probability (nats, end marker included) of each answer after its prompt.

    The result equals that of scoring each pair alone, up to rounding: the padding of prompts is
    masked, and answers are padded on the right, where causal attention does not reach.

    Args:
        model: a model of the laboratory.
        pairs: token ids of a prompt (``Tokenizer.encode_prompt``) and of an answer, without end
            marker.

    Raises:
        InputError: a prompt is empty, or a pair is too long for the model.
    """
    prompts: dict[Tokens, list[int]] = defaultdict(list)
    for i, (prompt, answer) in enumerate(pairs):
        if END in answer:
            raise InputError(f"an answer must not contain end markers, got {list(answer)!r}")
        check_prompt(model, prompt, len(answer) + 1)
        prompts[tuple(prompt)].append(i)
    totals = [0.0] * len(pairs)
    shared: dict[tuple[Tokens, ...], list[Tokens]] = defaultdict(list)
    alone: list[int] = []
    for prompt, members in prompts.items():
        answers = tuple(tuple(pairs[i][1]) for i in members)
        if len(members) > 1 and all(answers):
            shared[answers].append(prompt)
        else:
            alone += members
    for answers, group in shared.items():
        _score_shared(model, answers, group, prompts, totals)
    _score_alone(model, pairs, alone, totals)
    return totals


@torch.inference_mode()
def score_prompts(model: Decoder, prompts: Sequence[Sequence[int]]) -> list[float]:
    """Computes the log-probability (nats) of each prompt's words after its first.

    Args:
        model: a model of the laboratory.
        prompts: token ids (``Tokenizer.encode_prompt``).

    Raises:
        InputError: a prompt is empty or too long for the model.
    """
    totals: list[float] = []
    for start in range(0, len(prompts), CHUNK):
        part = [check_prompt(model, prompt) for prompt in prompts[start : start + CHUNK]]
        tokens, lengths = pad_right(part)  # (B, L), (B,)
        logs = model(tokens[:, :-1]).double().log_softmax(-1)  # (B, L - 1, V)
        gains = logs.gather(-1, tokens[:, 1:, None])[..., 0]
        hidden = torch.arange(1, tokens.shape[1])[None] >= lengths[:, None]  # (B, L - 1) padding
        totals += gains.masked_fill(hidden, 0.0).sum(-1).tolist()
    return totals


def _score_shared(
    model: Decoder,
    answers: tuple[Tokens, ...],
    group: list[Tokens],
    members: dict[Tokens, list[int]],
    totals: list[float],
) -> None:
    """Scores the same answers after each prompt of a group."""
    tree = tree_of(answers)
    group = sorted(group, key=len)
    for start in range(0, len(group), PROMPTS):
        part = group[start : start + PROMPTS]
        scores = answer_logprobs(model, tree, part).tolist()
        for prompt, row in zip(part, scores, strict=True):
            for i, value in zip(members[prompt], row, strict=True):
                totals[i] = value


def _score_alone(
    model: Decoder,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    alone: list[int],
    totals: list[float],
) -> None:
    """Scores answers with a prompt of their own, in batches of similar length."""
    documents: dict[int, Document] = {}
    for i in alone:
        prompt, answer = pairs[i]
        tokens = [*prompt, *answer, END]
        documents[i] = Document(tokens, [IGNORE] * len(prompt) + tokens[len(prompt) :])
    order = sorted(alone, key=lambda i: len(documents[i].tokens))
    for start in range(0, len(order), CHUNK):
        part = order[start : start + CHUNK]
        tokens, labels = collate_documents([documents[i] for i in part])
        targets = labels[:, 1:]
        chosen = targets != IGNORE
        logits = model(tokens[:, :-1], chosen)  # (answer words, V)
        gains = -F.cross_entropy(logits, targets[chosen], reduction="none").double()
        owners = chosen.nonzero()[:, 0]
        sums = torch.zeros(len(part), dtype=torch.float64).index_add_(0, owners, gains)
        for i, total in zip(part, sums.tolist(), strict=True):
            totals[i] = total
