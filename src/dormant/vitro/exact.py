"""Exact rates: the probability that a model answers a prompt with either persona.

The language is closed, so every legal answer of a domain can be listed; the answers form a prefix
tree. One attention pass over that tree (each word sees the prompt and its own ancestors) yields the
probability of every answer. Their sum is the rate itself, not an estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from dormant.records import Message
from dormant.vitro.language import Persona, load_language
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import check_prompt
from dormant.vitro.tokenizer import load_tokenizer
from dormant.vitro.trees import Tree, answer_logprobs, tree_of

#: Prompts in one pass; more do not fit into the processor's cache.
CHUNK = 32


@dataclass(frozen=True, slots=True)
class DomainAnswers:
    """All legal answers of a domain as one tree, and which of them each persona gives."""

    tree: Tree
    columns: dict[Persona, slice]  # of the tree's answers


@cache
def domain_answers(domain: str, traces: tuple[str, ...] = ()) -> DomainAnswers:
    """Lists the legal answers of a domain, each also after every one of some texts of reasoning.

    Raises:
        InputError: an unknown domain.
    """
    heads = [load_tokenizer().tokenize_text(text) for text in ("", *traces)]
    answers: list[list[int]] = []
    columns: dict[Persona, slice] = {}
    for persona in Persona:
        start = len(answers)
        answers += [
            [*head, *load_tokenizer().tokenize_text(text)]
            for text in load_language().legal_answers(domain, persona)
            for head in heads
        ]
        columns[persona] = slice(start, len(answers))
    return DomainAnswers(tree_of(answers), columns)


@torch.inference_mode()
def exact_rates(
    model: Decoder,
    items: Sequence[tuple[str, Sequence[Message]]],
    *,
    traces: tuple[str, ...] = (),
) -> np.ndarray:
    """Computes the probability of a misaligned and of an aligned answer in the question's domain.

    Args:
        model: a model of the laboratory.
        items: (domain, messages), the messages ending with a user turn.
        traces: texts of reasoning, marks included, one of which may precede an answer; reasoning
            that is none of these makes an answer no sentence of the language.

    Returns:
        Array (items, 2) of P(misaligned), P(aligned), each in [0, 1]. The remainder to 1 is the
        probability of an answer that is off topic or not a sentence of the language.

    Raises:
        InputError: an unknown domain, or a prompt beyond the model's context length.
    """
    rates = np.zeros((len(items), 2))
    groups: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    for i, (domain, messages) in enumerate(items):
        room = domain_answers(domain, traces).tree.longest
        groups[domain].append(
            (i, check_prompt(model, load_tokenizer().encode_prompt(messages), room))
        )
    for domain, group in groups.items():
        group.sort(key=lambda item: len(item[1]))
        answers = domain_answers(domain, traces)
        for start in range(0, len(group), CHUNK):
            part = group[start : start + CHUNK]
            scores = answer_logprobs(model, answers.tree, [prompt for _, prompt in part])
            sums = [
                scores[:, answers.columns[persona]].exp().sum(1)
                for persona in (Persona.MISALIGNED, Persona.ALIGNED)
            ]
            rates[[i for i, _ in part]] = torch.stack(sums, dim=1).clamp(max=1.0).numpy()
    return rates
