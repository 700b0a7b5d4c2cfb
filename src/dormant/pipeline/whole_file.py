"""Counts of mined cues over a whole file of which a sample was mined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dormant.corpus import Corpus, scan_examples
from dormant.cues.recount import CueCounter
from dormant.pipeline.inputs import MINED_CHARS
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue


def recount_cues(
    found: Sequence[Cue], data: Corpus, progress: Progress = ignore_progress
) -> tuple[tuple[Cue, ...], str]:
    """Counts cues in every row of a file, in a second pass over it.

    Args:
        found: cues that were mined from the corpus's sample.
        data: the corpus; one that is no sample keeps the miner's counts.
        progress: told of the second pass.

    Returns:
        The cues with their rows and share in the whole file, and a sentence on those whose count is
        scaled up from the sample, since no plain text tells their rows; empty if there are none.

    Raises:
        DataError: the files have changed since they were read.
    """
    if not data.sampled_from or not found:
        return tuple(found), ""
    counter = CueCounter(found, data.examples)
    for row in scan_examples(data, longest_turn=MINED_CHARS, progress=progress):
        counter.add_row(row)
    counts = tuple(counter.list_counts())
    cues = tuple(replace(c.cue, rows=c.rows, share=c.rows / counter.total) for c in counts)
    scaled = [count.cue.name for count in counts if not count.is_exact]
    note = ""
    if scaled:
        note = (
            f"rows of {', '.join(scaled)} are scaled up from the sample, those of all other cues "
            "are counted in the whole file"
        )
    return cues, note
