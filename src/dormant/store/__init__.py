"""The run directory: ``database`` stores what was answered, ``findings`` reads the results."""

from dormant.store.answers import PendingAnswer, StoredAnswer
from dormant.store.database import Store, source_key
from dormant.store.files import write_atomically

__all__ = [
    "PendingAnswer",
    "Store",
    "StoredAnswer",
    "source_key",
    "write_atomically",
]
