"""The run directory: ``database`` keeps what was bought, ``findings`` reads what came of it."""

from dormant.store.database import Pending, Store, Stored, source_key
from dormant.store.files import difference, read_lock, write_atomically

__all__ = [
    "Pending",
    "Store",
    "Stored",
    "difference",
    "read_lock",
    "source_key",
    "write_atomically",
]
