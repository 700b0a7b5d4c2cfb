"""The writer: a model role that words variants of cues and moves questions into a topic.

It improves what rules make (``cues.variants``). A reply is parsed strictly, checked against its
original, and used or refused with a reason; what the writer said is frozen in the plan.
"""

from dormant.writer.checks import accept, longest_run, most_run, still_asked
from dormant.writer.replies import Asked, ask
from dormant.writer.requests import WRITTEN, Request, twin_requests, variant_requests
from dormant.writer.texts import Writings, open_writer, reworded, worded, write

__all__ = [
    "WRITTEN",
    "Asked",
    "Request",
    "Writings",
    "accept",
    "ask",
    "longest_run",
    "most_run",
    "open_writer",
    "reworded",
    "still_asked",
    "twin_requests",
    "variant_requests",
    "worded",
    "write",
]
