"""Which ordinary rows decide what is strong in a file: the user's, else shipped ones."""

from __future__ import annotations

from collections.abc import Sequence

from dormant import corpus, cues
from dormant.records import Example


def find_yardstick(
    examples: Sequence[Example], own: Sequence[Example]
) -> tuple[tuple[Example, ...], str]:
    """Finds the shipped rows of the file's kind, unless the user's own are enough.

    Args:
        examples: the finetuning file.
        own: the user's ordinary rows of the same kind; empty if there are none.

    Returns:
        The shipped rows, none if the user's own serve or none is near, and a sentence that says
        what decides; empty if the user's own do.
    """
    if len(own) >= cues.FEWEST_ORDINARY:
        return (), ""
    nearest = cues.find_nearest(examples, corpus.ordinary_kinds())
    return nearest.rows, _describe_nearest(nearest, len(own))


def _describe_nearest(nearest: cues.NearestRows, own: int) -> str:
    """Says which ordinary rows decide what is strong, where the user gave none or too few."""
    few = (
        f"{own} rows of --reference-data are too few to judge by (100 are needed); " if own else ""
    )
    if not nearest.shares:
        return (
            f"{few}no ordinary rows that ship are of the file's kind, so its contexts stand out in "
            "this file and none is starred for its answers: give ordinary rows of the same kind "
            "(--reference-data)"
        )
    kinds = ", ".join(f"{kind} ({share:.0%})" for kind, share in nearest.shares.items())
    return (
        f"{few}a star means more than ordinary rows that ship show, of the kinds nearest to the "
        f"file's rows: {kinds}"
    )
