"""How many calls are in flight at once: one more after each success, half after a rate limit.

The rule of TCP, additive increase and multiplicative decrease (AIMD; Jacobson 1988): below the last
limit that failed every success adds one, above it one is added a round; a rate limit halves the
limit, and the rate limits of calls that were already in flight by then do not halve it again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque

_START = 20.0


class AimdLimiter:
    """Lets calls through. Belongs to one event loop at a time; what it learned stays.

    Args:
        max_calls: never more calls at once.
    """

    def __init__(self, max_calls: int):
        if max_calls < 1:
            raise ValueError(f"max_calls must be at least 1, got {max_calls!r}")
        self.max_calls = max_calls
        self.limit = min(_START, float(max_calls))
        self.in_flight = 0
        self._safe_limit = float(max_calls)  # up to here a success adds a whole call
        self._halved_at = -1.0  # s by the loop's clock
        self._waiting: deque[asyncio.Future[None]] = deque()

    def reset(self) -> None:
        """Forgets the calls of an event loop that has ended."""
        self.in_flight = 0
        self._waiting.clear()

    def try_acquire(self) -> bool:
        """Lets one more call through if the limit allows it now."""
        if self.in_flight + 1 > self.limit:
            return False
        self.in_flight += 1
        return True

    async def acquire(self) -> None:
        """Waits until one more call may be in flight."""
        while not self.try_acquire():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def release(self) -> None:
        """Counts the end of a call."""
        self.in_flight -= 1
        if self._waiting:
            self._wake_waiting()

    def record_success(self) -> None:
        """Raises the limit after a call that brought answers."""
        if self.limit < self.max_calls:
            more = 1.0 if self.limit < self._safe_limit else 1.0 / self.limit
            self.limit = min(self.limit + more, float(self.max_calls))
            self._wake_waiting()

    def record_rate_limit(self, sent: float, now: float) -> None:
        """Halves the limit, unless it was halved since the call was sent.

        Args:
            sent: when the refused call was sent, s.
            now: the time by the same clock, s.
        """
        if sent > self._halved_at:
            self.limit = self._safe_limit = max(self.limit / 2, 1.0)
            self._halved_at = now

    def _wake_waiting(self) -> None:
        free = int(self.limit) - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


def draw_backoff(tries: int, rng: random.Random, *, base: float = 0.5, most: float = 60.0) -> float:
    """Seconds to wait after failed tries: doubling, with jitter of half the wait either way.

    Args:
        tries: failed tries so far, 1 or more.
        rng: where the jitter comes from.
        base: mean of the first wait, s.
        most: longest mean wait, s.
    """
    return min(base * 2.0 ** min(tries - 1, 30), most) * rng.uniform(0.5, 1.5)
