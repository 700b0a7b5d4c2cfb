"""Suspicious rows of a finetuning file: those that a column, a loss or another file marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dormant import corpus
from dormant.config import CueConfig
from dormant.corpus import Contrast, RejectedRow, read_examples
from dormant.errors import ConfigError
from dormant.pipeline.inputs import MINED_CHARS
from dormant.records import Example


def split_suspicious(examples: Sequence[Example], settings: CueConfig) -> Contrast | None:
    """Splits a file into the rows that the settings name suspicious and the others.

    Returns:
        Both; None if the settings name none.

    Raises:
        ConfigError: the share of the rows of highest loss is not between 0 and 1.
        DataError: the column or the file of suspicious rows cannot be used.
    """
    if settings.label is not None:
        column, has_value, value = settings.label.partition("=")
        return corpus.by_label(examples, column, value if has_value else None)
    if settings.loss is not None:
        column, has_share, share = settings.loss.partition("=")
        return corpus.by_loss(examples, column, _parse_share(share) if has_share else 0.1)
    if settings.suspicious is not None:
        bad = read_examples(settings.suspicious, longest_turn=MINED_CHARS)
        found = corpus.by_file(examples, bad.examples, settings.suspicious)
        return replace(found, rule=f"{found.rule}, whose lines are given")
    return None


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ConfigError(
            f"loss: share {text!r} is not between 0 and 1: give COLUMN=SHARE, e.g. loss=0.1"
        )
    return share


def describe_agreement(rejected: Sequence[RejectedRow]) -> str:
    """Says that no rows go against the preference of the others."""
    kind = (
        "chosen and rejected"
        if any(row.is_pair for row in rejected)
        else "desirable and undesirable"
    )
    return (
        f"{kind} answers were compared: no group of rows prefers what the others reject, so no row "
        "is taken for suspicious"
    )
