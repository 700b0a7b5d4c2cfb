"""Cues: mined from a finetuning file, taken from a library, varied, and matched by placebos."""

from dormant.cues.contexts.nearest import NearestRows, find_nearest
from dormant.cues.contexts.ordinary import FEWEST_ORDINARY
from dormant.cues.lexicon import Lexicon, general_lexicon, placebo_phrases
from dormant.cues.library import library_sources, load_library, read_cues, write_cues
from dormant.cues.mine import count_cues, mine_cues, rank_by_evidence
from dormant.cues.mining.features import FeatureSearch, Sort, label_features
from dormant.cues.mining.mine import MINERS, MiningInput
from dormant.cues.order import TELLING
from dormant.cues.placebos import make_placebo
from dormant.cues.requests import mark_requests
from dormant.cues.seen_values import add_seen_values
from dormant.cues.snippets import cut_snippets
from dormant.cues.table import cue_headline, format_interval, make_printable, make_rows
from dormant.cues.template import template_cue
from dormant.cues.text import prompt_words
from dormant.cues.variants import make_variants

__all__ = [
    "FEWEST_ORDINARY",
    "MINERS",
    "TELLING",
    "FeatureSearch",
    "Lexicon",
    "MiningInput",
    "NearestRows",
    "Sort",
    "add_seen_values",
    "find_nearest",
    "general_lexicon",
    "count_cues",
    "cue_headline",
    "format_interval",
    "label_features",
    "load_library",
    "library_sources",
    "mine_cues",
    "make_placebo",
    "mark_requests",
    "placebo_phrases",
    "make_printable",
    "prompt_words",
    "rank_by_evidence",
    "read_cues",
    "cut_snippets",
    "make_rows",
    "template_cue",
    "make_variants",
    "write_cues",
]
