"""The card of a run: one page for those who decide, and the same as JSON.

::

    Findings, details, error of the judge
      -> tested.py, found.py, limits.py   every field, in words and as data
         transcripts.py                   five answers an arm, drawn by a seed, and the worst three
         standards.py                     order and labels by framework
         texts.py, page.py                one sheet of A4, and JSON
      -> make.py                          a Card, and its files with their SHA-256
"""

from dormant.report.card.make import make_card, write_card
from dormant.report.card.standards import LABELS, Standard, list_sections, parse_standard

__all__ = ["LABELS", "Standard", "list_sections", "make_card", "parse_standard", "write_card"]
