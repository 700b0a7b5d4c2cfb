"""Replies of a judge's model, kept in the run's store: paid for only once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dormant.errors import StoreError
from dormant.records import Rating, to_plain
from dormant.store.database import Store
from dormant.store.files import parse_json
from dormant.store.integrity import hash_text

_DIGITS = 16  # of the hash of a reply
_AT_ONCE = 500  # parameters of one query; every build of SQLite allows these


class Replies:
    """A judge's replies in the store. Implements ``engines.asking.Memory``.

    Args:
        store: the open run.
        before: called before replies are written, to record their cost first.
    """

    def __init__(self, store: Store, before: Callable[[], None] = lambda: None):
        self._db, self._before = store.database, before

    def recall_replies(self, keys: Sequence[str]) -> dict[str, Rating]:
        """The replies that are known; their ``index`` means nothing."""
        known: dict[str, Rating] = {}
        for start in range(0, len(keys), _AT_ONCE):
            page = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(page))
            found = self._db.execute(
                f"SELECT key, reply FROM replies WHERE key IN ({marks})",  # noqa: S608
                page,
            )
            known.update((key, _revive_rating(reply)) for key, reply in found)
        return known

    def store_replies(self, replies: Mapping[str, Rating]) -> None:
        """Writes replies in one transaction, before they count."""
        self._before()
        rows = [(key, _write_rating(reply)) for key, reply in replies.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO replies VALUES (?,?)", rows)

    def drop_replies(self, keys: Sequence[str]) -> None:
        """Deletes replies in one transaction; what they cost stays recorded."""
        with self._db:
            self._db.executemany("DELETE FROM replies WHERE key = ?", [(key,) for key in keys])


def _write_rating(rating: Rating) -> str:
    plain = to_plain(rating)
    return json.dumps({**plain, "hash": _hash_plain(plain)})


def _hash_plain(value: Any) -> str:
    """Hash of JSON in ASCII: halves of a character, as a server may give them, join when read."""
    return hash_text(json.dumps(value, sort_keys=True)).hex()[:_DIGITS]


def _revive_rating(text: str) -> Rating:
    """A stored reply.

    Raises:
        StoreError: it is not the one that was stored.
    """
    try:
        value = parse_json(text)
        written = value.pop("hash", None)  # earlier versions wrote none
        if written not in (None, _hash_plain(value)):
            raise ValueError
        if value["logprobs"] is not None:
            # A log-probability of minus infinity was written as null: an impossible token.
            value["logprobs"] = {k: v for k, v in value["logprobs"].items() if v is not None}
        return Rating(**value)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise StoreError(
            f"run.sqlite: the stored reply of a judge {text!r:.60} was edited or is damaged; use "
            "an unedited copy, or audit again into another --out"
        ) from None
