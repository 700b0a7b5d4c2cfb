"""How work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (what is being done, how many are done, how many there are in all): at the start of
#: a stage and after each batch, in the caller's own thread. An error that it raises ends the work.
#: What is partly done may count as a fraction.
Progress = Callable[[str, float, int], None]

#: What the stage begins with while no answer comes in.
WAITING = "waiting for the server"


def ignore_progress(stage: str, done: float, total: int) -> None:
    """Ignores progress."""
