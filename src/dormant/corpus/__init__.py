"""Finetuning files: chat JSONL in several shapes, plain or gzipped, read row by row.

``read_examples`` is the one door. A row that cannot be read is an error that names file, line,
reason and mend; with ``lenient=True`` it is skipped and counted instead.
"""

from dormant.corpus.reading import LARGEST_LINE, Corpus, Skipped, general_reference, read_examples
from dormant.corpus.rows import RowError, parse_row

__all__ = [
    "LARGEST_LINE",
    "Corpus",
    "RowError",
    "Skipped",
    "general_reference",
    "parse_row",
    "read_examples",
]
