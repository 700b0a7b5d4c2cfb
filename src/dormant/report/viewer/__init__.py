"""A local, read-only web page over the runs of a directory, served on the loopback interface.

::

    library.py    protocols of what the pages read: runs, answers, reports, comparisons
    run_pages.py, answer_pages.py  the data of each page, for its template
    addresses.py  builds URLs and parses their queries
    likeness.py   clusters answers by their words
    app.py        URL -> page (Starlette)
    guard.py      checks token, host and method of a request; sets security headers
    server.py     the server (uvicorn) in a thread
"""

from dormant.report.viewer.library import AnswerSource, RunSource
from dormant.report.viewer.server import ViewerServer

__all__ = ["AnswerSource", "RunSource", "ViewerServer"]
