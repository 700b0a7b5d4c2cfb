"""One page about a run, for those who decide."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dormant.pipeline.card import card_run, read_details
from dormant.records import Card
from dormant.report.card import parse_standard, write_card


def card(
    run: str | Path,
    out: str | Path | None = None,
    *,
    details: str | Path | Mapping[str, Any] | None = None,
    standard: str = "dormant",
    seed: int = 0,
) -> Card:
    """Makes a card of a finished run: what was tested and found, on one page; asks no model.

    Args:
        run: the run directory.
        out: directory in which ``card.html`` and ``card.json`` are written; none if None.
        details: a ``card.yaml``, or its keys and values: what only you know (docs/guides/card.md).
        standard: order and labels: ``"dormant"``, ``"eu-cop"``, ``"nist-800-2"`` or ``"stream"``.
        seed: of the transcripts that are drawn.

    Returns:
        The card: ``.fields``, ``.html``, ``.json``, and ``.files``, the SHA-256 of each file.

    Raises:
        dormant.errors.ConfigError: the details are wrong, or a file cannot be written.
        dormant.errors.StoreError: the directory holds no finished run, or its ``verdict.json`` is
            not what the stored answers give.
    """
    made = card_run(
        run,
        read_details(details),
        standard=parse_standard(standard),
        seed=seed,
    )
    return made if out is None else write_card(made, out)
