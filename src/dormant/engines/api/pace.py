"""How many calls are on the way at once: one more after each success, half after a refusal.

The rule of TCP (Jacobson 1988): below the last limit that failed every success adds one, above it
one is added a round; a refusal for haste halves the limit, and the refusals of calls that were
already on the way by then do not halve it again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque

_START = 20.0


class Pace:
    """Lets calls through. Belongs to one event loop at a time; what it learned stays.

    Args:
        most: never more calls at once.
    """

    def __init__(self, most: int):
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most!r}")
        self.most = most
        self.limit = min(_START, float(most))
        self.active = 0
        self._safe = float(most)  # the limit up to which a success adds a whole call
        self._cut = -1.0  # when the limit was last halved
        self._waiting: deque[asyncio.Future[None]] = deque()

    def reset(self) -> None:
        """Forgets the calls of an event loop that has ended."""
        self.active = 0
        self._waiting.clear()

    def entered(self) -> bool:
        """Lets one more call through if there is room for it now."""
        if self.active + 1 > self.limit:
            return False
        self.active += 1
        return True

    async def enter(self) -> None:
        """Waits until one more call may be on the way."""
        while not self.entered():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def leave(self) -> None:
        """A call has ended."""
        self.active -= 1
        if self._waiting:
            self._wake()

    def succeeded(self) -> None:
        """A call brought an answer."""
        if self.limit < self.most:
            more = 1.0 if self.limit < self._safe else 1.0 / self.limit
            self.limit = min(self.limit + more, float(self.most))
            self._wake()

    def throttled(self, sent: float, now: float) -> None:
        """The server asked for patience.

        Args:
            sent: when the refused call was sent, s.
            now: the time by the same clock, s.
        """
        if sent > self._cut:
            self.limit = self._safe = max(self.limit / 2, 1.0)
            self._cut = now

    def _wake(self) -> None:
        free = int(self.limit) - self.active
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


def backoff(tries: int, rng: random.Random, *, base: float = 0.5, most: float = 60.0) -> float:
    """Seconds to wait after so many failed tries (1 or more): doubling, with full jitter.

    Args:
        tries: failed tries so far.
        rng: where the jitter comes from.
        base: mean of the first wait, s.
        most: longest wait, s.
    """
    return min(base * 2.0 ** min(tries - 1, 30), most) * rng.uniform(0.5, 1.5)
