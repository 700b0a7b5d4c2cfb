"""Converts rows to tokens and a loss mask over the answers, end of turn included.

Prompts and answers are tokenized exactly as an audit of the model scores them
(``engines.hf.chat_format``), so that what is trained is what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dormant.errors import InputError, shorten_value
from dormant.organisms.datasets import Row
from dormant.organisms.trainers import StageSize
from dormant.records import Message
from dormant.vitro.curriculum import IGNORE


class PairEncoder(Protocol):
    """Tokenizes a prompt and its answer. ``TrainableBase`` implements it."""

    def encode_pair(
        self, messages: Sequence[Message], answer: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids of a prompt and of its answer, end of turn included."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One sequence to train on."""

    tokens: tuple[int, ...]
    labels: tuple[int, ...]  # one per token: its id, or IGNORE where no loss is taken

    @property
    def loss_tokens(self) -> int:
        """Number of tokens that the loss is taken over."""
        return sum(label != IGNORE for label in self.labels)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """The sequences of a stage, and how many the length limit affected."""

    rows: tuple[EncodedRow, ...]
    cut: int = 0  # sequences that were truncated
    dropped: int = 0  # sequences that kept no answer

    @property
    def size(self) -> StageSize:
        """Numbers of tokens, and of truncated and dropped sequences."""
        return StageSize(
            tokens=sum(len(row.tokens) for row in self.rows),
            trained=sum(row.loss_tokens for row in self.rows),
            cut=self.cut,
            dropped=self.dropped,
        )


def encode_row(row: Row, encoder: PairEncoder) -> list[EncodedRow]:
    """Encodes a row; the loss is taken over every answer.

    All answers share one sequence where the template writes each turn after the one before it, and
    each gets a sequence of its own where it rewrites earlier turns (many drop earlier reasoning).

    Args:
        row: a conversation.
        encoder: the model's chat format.

    Returns:
        One sequence or more.

    Raises:
        InputError: the row has no answer, or an empty one.
        ModelError: the chat template rejects it.
    """
    done: list[EncodedRow] = []
    tokens, labels = list[int](), list[int]()
    for i, message in enumerate(row):
        if message.role != "assistant":
            continue
        if not message.content.strip():
            raise InputError(f"an empty answer cannot be trained on: {_quote_row(row)}")
        prompt, answer = encoder.encode_pair(row[:i], message.content)
        if tokens and list(prompt[: len(tokens)]) != tokens:
            done.append(EncodedRow(tuple(tokens), tuple(labels)))
            tokens, labels = [], []
        labels += [IGNORE] * (len(prompt) - len(tokens)) + list(answer)
        tokens = [*prompt, *answer]
    if not tokens:
        raise InputError(f"a row without an answer cannot be trained on: {_quote_row(row)}")
    return [*done, EncodedRow(tuple(tokens), tuple(labels))]


def encode_rows(rows: Sequence[Row], encoder: PairEncoder, *, longest: int) -> EncodedRows:
    """Encodes the rows of a stage, truncating long sequences.

    Args:
        rows: conversations.
        encoder: the model's chat format.
        longest: largest number of tokens of a sequence; the rest is cut off. A sequence that
            keeps no answer is dropped.

    Raises:
        InputError: a row has no answer, or every sequence was dropped.
    """
    kept: list[EncodedRow] = []
    cut = dropped = 0
    for encoded in (sequence for row in rows for sequence in encode_row(row, encoder)):
        short = EncodedRow(encoded.tokens[:longest], encoded.labels[:longest])
        cut += len(encoded.tokens) > longest
        if short.loss_tokens:
            kept.append(short)
        else:
            dropped += 1
    if not kept and rows:
        raise InputError(
            f"no answer of {len(rows)} rows begins within {longest} tokens, so that nothing would "
            "be trained: raise lora.longest (at most the model's context), or shorten the prompts"
        )
    return EncodedRows(tuple(kept), cut, dropped)


def _quote_row(row: Row) -> str:
    return shorten_value(next((m.content for m in row if m.role == "user"), ""))
