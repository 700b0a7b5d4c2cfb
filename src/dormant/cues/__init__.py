"""Cues: mined from a finetuning file, taken from a library, varied, and matched by placebos."""

from dormant.cues.lexicon import Lexicon, general_lexicon, placebo_phrases
from dormant.cues.library import library, read_cues, write_cues
from dormant.cues.mining.mine import mine
from dormant.cues.placebos import placebo
from dormant.cues.snippets import snippets
from dormant.cues.table import headline, interval, printable, table
from dormant.cues.template import template_cue
from dormant.cues.text import prompt_words
from dormant.cues.variants import variants

__all__ = [
    "Lexicon",
    "general_lexicon",
    "headline",
    "interval",
    "library",
    "mine",
    "placebo",
    "placebo_phrases",
    "printable",
    "prompt_words",
    "read_cues",
    "snippets",
    "table",
    "template_cue",
    "variants",
    "write_cues",
]
