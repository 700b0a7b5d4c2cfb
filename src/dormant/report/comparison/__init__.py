"""A comparison of runs, as text, Markdown, HTML and JSON.

::

    Comparison -> rows.py      the cells of its tables, as words
                  figure.py    the effect of each cue in every run, in order, as SVG
                  pages.py     Markdown, and one HTML file that needs nothing else
"""

from dormant.report.comparison.figure import draw_history, history_scale
from dormant.report.comparison.pages import (
    render_comparison,
    write_comparison_markdown,
    write_pages,
)
from dormant.report.comparison.rows import (
    COLUMNS,
    comparison_to_plain,
    list_histories,
    make_rows,
)

__all__ = [
    "COLUMNS",
    "comparison_to_plain",
    "draw_history",
    "history_scale",
    "list_histories",
    "make_rows",
    "render_comparison",
    "write_comparison_markdown",
    "write_pages",
]
