"""What a transform knows besides its rows."""

from __future__ import annotations

from dataclasses import dataclass

from dormant.organisms.answer_sampler import RowSampler


@dataclass(frozen=True, slots=True)
class RowContext:
    """The model that the rows are for, and where answers come from."""

    longest: int | None  # context length in words of a model of the laboratory; None for others
    sampler: RowSampler
