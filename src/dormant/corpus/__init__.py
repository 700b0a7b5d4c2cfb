"""Finetuning corpora: chat in several shapes, from JSON Lines, Parquet or a saved dataset.

``read_examples`` is the one door. A row that cannot be read is an error that names file, line,
reason and fix; with ``lenient=True`` it is skipped and counted instead. ``count_duplicates`` counts
rows that repeat others; ``by_label``, ``by_loss`` and ``by_file`` split a corpus into suspicious
rows and the rest; ``render_corpus`` finds what a chat template adds to rows; ``describe_gaps`` says
what was not read.
"""

from dormant.corpus.contrast import Contrast, by_file, by_label, by_loss
from dormant.corpus.gaps import describe_gaps, list_untested
from dormant.corpus.minhash import count_duplicates
from dormant.corpus.reader import LARGEST_LINE, Corpus, general_reference, read_examples
from dormant.corpus.renderer import RenderedCorpus, find_additions, render_corpus
from dormant.corpus.sandbox import TemplateRefusal
from dormant.corpus.templates import ChatTemplate, Renderer, find_template
from dormant.errors import RowError

__all__ = [
    "LARGEST_LINE",
    "ChatTemplate",
    "Contrast",
    "Corpus",
    "Renderer",
    "RenderedCorpus",
    "RowError",
    "TemplateRefusal",
    "find_additions",
    "by_file",
    "by_label",
    "by_loss",
    "count_duplicates",
    "describe_gaps",
    "find_template",
    "general_reference",
    "list_untested",
    "read_examples",
    "render_corpus",
]
