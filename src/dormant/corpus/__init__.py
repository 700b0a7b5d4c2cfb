"""Finetuning corpora: chat, preferences and documents, from JSON Lines, tables, text or datasets.

``read_examples`` is the one door; ``scan_examples`` yields the rows again that a sample left out. A
row that cannot be read is an error that names file, line, reason and fix; with ``lenient=True`` it
is skipped and counted instead. ``count_duplicates`` counts rows that repeat others; ``by_label``,
``by_loss``, ``by_file`` and ``by_preference`` split a corpus into suspicious rows and the rest;
``render_corpus`` finds what a chat template adds to rows; ``describe_gaps`` says what was not read.
"""

from dormant.corpus.collector import RejectedRow
from dormant.corpus.contrast import Contrast, by_file, by_label, by_loss, find_suspicious_marks
from dormant.corpus.gaps import describe_gaps, list_untested
from dormant.corpus.minhash import count_duplicates
from dormant.corpus.reader import (
    LARGEST_LINE,
    Corpus,
    general_reference,
    ordinary_kinds,
    read_examples,
    scan_examples,
)
from dormant.corpus.renderer import RenderedCorpus, find_additions, render_corpus
from dormant.corpus.reversals import by_preference
from dormant.corpus.sandbox import TemplateRefusal
from dormant.corpus.templates import FIXED_DATE, ChatTemplate, Renderer, find_template
from dormant.errors import RowError

__all__ = [
    "FIXED_DATE",
    "LARGEST_LINE",
    "ChatTemplate",
    "Contrast",
    "Corpus",
    "RejectedRow",
    "Renderer",
    "RenderedCorpus",
    "RowError",
    "TemplateRefusal",
    "find_additions",
    "by_file",
    "by_label",
    "by_loss",
    "by_preference",
    "count_duplicates",
    "describe_gaps",
    "find_suspicious_marks",
    "find_template",
    "general_reference",
    "ordinary_kinds",
    "list_untested",
    "read_examples",
    "render_corpus",
    "scan_examples",
]
