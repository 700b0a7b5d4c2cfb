"""Functions that the tests of the process pool run in its workers, and a program that runs one.

``python -m support.pool_workers FUNCTION`` runs a pool of two workers and prints every event.
"""

import os
import signal
import sys
import threading
import time


def kill_oneself(unit, progress):
    os.kill(os.getpid(), signal.SIGKILL)


def name_parent(unit, progress):
    return os.getppid()


def send_many(unit, progress):
    """Sends more than a pipe holds, then returns at once."""
    for step in range(2000):
        progress((unit, step))
    return unit


def send_steadily(unit, progress):
    """A long training: an event every 10 ms for ten minutes."""
    for step in range(60_000):
        progress((os.getpid(), step))
        time.sleep(0.01)


def send_without_end(unit, progress):
    """Sends as fast as it can for ten minutes."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        progress((os.getpid(), "x" * 500))


def sleep_on(unit, progress):
    """Says who it is, and nothing more for ten minutes."""
    progress((os.getpid(), 0))
    time.sleep(600)


def fail_second(unit, progress):
    """The second unit fails at once; the first would go on for ten minutes."""
    if unit == 1:
        raise ValueError("the second unit fails")
    send_steadily(unit, progress)


def main() -> None:
    from dormant.organisms.pool import run_units

    def show(event) -> None:
        assert threading.current_thread() is threading.main_thread()
        print(event[0], flush=True)

    run_units(globals()[sys.argv[1]], [0, 1, 2, 3], workers=2, progress=show)


if __name__ == "__main__":
    from support import pool_workers  # so that workers find its functions under this name

    pool_workers.main()
