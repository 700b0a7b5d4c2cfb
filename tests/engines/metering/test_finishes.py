"""An engine that another package adds may end its answers in ways that no store knows."""

from pathlib import Path

import pytest

from dormant.config import BudgetConfig
from dormant.engines import Job, Reply
from dormant.engines.metering.ledger import Ledger
from dormant.errors import EngineError
from dormant.records import Message, Sampling
from dormant.store import Store


class OddEngine:
    """Ends an answer by a server's own word."""

    name = "odd/model"
    fingerprint = "odd"

    def sample(self, jobs, sampling):
        yield [Reply(0, 0, "Well.", "eos")]


def test_an_unknown_end_is_refused_before_it_is_stored(tmp_path: Path):
    with Store(tmp_path / "run") as store:
        ledger = Ledger(store, {}, BudgetConfig())
        with pytest.raises(EngineError, match="odd/model: an answer ended by 'eos'"):
            list(ledger.sample(OddEngine(), [Job((Message("user", "q"),), range(1))], Sampling()))
