"""What an interrupted measurement leaves behind, and what it says to the user."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from dormant.engines.metering.ledger import Ledger
from dormant.errors import InterruptedRun


@contextmanager
def record_spending(
    ledger: Ledger, folder: str | Path, describe_stored: Callable[[], str]
) -> Generator[None]:
    """Writes what was spent, however the measurement ends, and explains an interruption.

    Args:
        ledger: of the measurement.
        folder: its directory.
        describe_stored: what the journal holds by then, such as "12 answers".

    Raises:
        InterruptedRun: the user interrupted it; says what is stored and how to continue.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRun(
            f"interrupted: {describe_stored()} are stored in {folder}; the same command continues "
            "from there"
        ) from None
    finally:
        ledger.write_usage()
