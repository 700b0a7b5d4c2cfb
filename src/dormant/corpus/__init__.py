"""Finetuning corpora: chat in several shapes, from JSON Lines, Parquet or a saved dataset.

``read_examples`` is the one door. A row that cannot be read is an error that names file, line,
reason and mend; with ``lenient=True`` it is skipped and counted instead. ``duplicates`` counts rows
that repeat others; ``by_label``, ``by_loss`` and ``by_file`` part a corpus into suspicious rows and
the rest; ``render`` finds what a chat template adds to rows.
"""

from dormant.corpus.contrast import Contrast, by_file, by_label, by_loss
from dormant.corpus.minhash import Duplicates, duplicates
from dormant.corpus.reader import LARGEST_LINE, Corpus, Skipped, general_reference, read_examples
from dormant.corpus.renderer import Added, Rendering, additions, render
from dormant.corpus.rows import parse_row
from dormant.corpus.templates import ChatTemplate, Renderer, find_template
from dormant.corpus.turns import RowError

__all__ = [
    "LARGEST_LINE",
    "Added",
    "ChatTemplate",
    "Contrast",
    "Corpus",
    "Duplicates",
    "Renderer",
    "Rendering",
    "RowError",
    "Skipped",
    "additions",
    "by_file",
    "by_label",
    "by_loss",
    "duplicates",
    "find_template",
    "general_reference",
    "parse_row",
    "read_examples",
    "render",
]
