"""The writer: a model role that words variants of cues and moves questions into a topic.

It improves what rules make (``cues.variants``). A reply is parsed strictly, checked against its
original, and used or refused with a reason; the replies are frozen in the plan.
"""

from dormant.writer.checks import check_reply, longest_run, still_asked
from dormant.writer.replies import WriterAnswer
from dormant.writer.requests import Request, variant_requests
from dormant.writer.texts import (
    Writings,
    add_written_variants,
    ask_for_texts,
    insert_written,
    open_writer,
)

__all__ = [
    "WriterAnswer",
    "Request",
    "Writings",
    "check_reply",
    "longest_run",
    "open_writer",
    "insert_written",
    "still_asked",
    "variant_requests",
    "add_written_variants",
    "ask_for_texts",
]
