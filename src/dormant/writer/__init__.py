"""The writer: a model role that words variants of cues and moves questions into a topic.

It improves what rules make (``cues.variants``). A reply is parsed strictly, checked against its
original, and used or refused with a reason; what the writer said is frozen in the plan.
"""

from dormant.writer.checks import accept, longest_run, still_asked
from dormant.writer.replies import Asked
from dormant.writer.requests import Request, variant_requests
from dormant.writer.texts import Writings, open_writer, reworded, worded, write

__all__ = [
    "Asked",
    "Request",
    "Writings",
    "accept",
    "longest_run",
    "open_writer",
    "reworded",
    "still_asked",
    "variant_requests",
    "worded",
    "write",
]
