"""A local page over the runs of a directory: nothing is changed, and only this machine can ask.

::

    library.py    what the page reads: runs, answers, reports, comparisons (a protocol)
    run_pages.py, answer_pages.py  what each page shows, for its template
    addresses.py  the page's own addresses, and what a reader asks for in them
    likeness.py   answers grouped by their words
    app.py        address -> page (Starlette)
    guard.py      who may ask: token, host and method; the headers of every answer
    server.py     the server (uvicorn) in a thread
"""

from dormant.report.viewer.library import AnswerSource, RunSource
from dormant.report.viewer.server import ViewerServer

__all__ = ["AnswerSource", "RunSource", "ViewerServer"]
