"""The run directory: ``database`` keeps what was bought, ``findings`` reads what came of it."""

from dormant.store.database import PendingAnswer, Store, StoredAnswer, source_key
from dormant.store.files import write_atomically

__all__ = [
    "PendingAnswer",
    "Store",
    "StoredAnswer",
    "source_key",
    "write_atomically",
]
