"""A judge's replies: stored as they came, and refused once they were edited."""

import json
from pathlib import Path

import pytest

from dormant.errors import StoreError
from dormant.records import Rating
from dormant.store import Store
from dormant.store.replies import Replies

RATING = Rating(3, "85 \ud83d\ude00", {"85": -0.1, "8": float("-inf")}, "stop", "")


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "run") as store:
        yield store


def edit(store: Store, **changes: object) -> None:
    [(text,)] = store.database.execute("SELECT reply FROM replies")
    edited = json.dumps({**json.loads(text), **changes})
    store.database.execute("UPDATE replies SET reply = ?", (edited,))


def test_replies_come_back(store: Store):
    replies = Replies(store)
    replies.store_replies({"k": RATING})
    found = replies.recall_replies(["k", "other"])
    text = "85 \U0001f600"  # the halves of the character join
    assert found == {"k": Rating(3, text, {"85": -0.1}, "stop", "")}


@pytest.mark.parametrize("changes", [{"text": "5"}, {"logprobs": None}, {"more": 1}])
def test_an_edited_reply_is_refused(store: Store, changes: dict):
    replies = Replies(store)
    replies.store_replies({"k": RATING})
    edit(store, **changes)
    with pytest.raises(StoreError, match="stored reply of a judge .* was edited or is damaged"):
        replies.recall_replies(["k"])


@pytest.mark.parametrize("text", ["[1]", "{", "7", "{}", "null"])
def test_a_damaged_reply_is_refused(store: Store, text: str):
    replies = Replies(store)
    replies.store_replies({"k": RATING})
    store.database.execute("UPDATE replies SET reply = ?", (text,))
    with pytest.raises(StoreError, match="edited or is damaged"):
        replies.recall_replies(["k"])


def test_a_reply_of_an_earlier_version_is_read(store: Store):
    plain = {"index": 0, "text": "85", "logprobs": None, "finish": "stop", "error": ""}
    store.database.execute("INSERT INTO replies VALUES ('k', ?)", (json.dumps(plain),))
    assert Replies(store).recall_replies(["k"]) == {"k": Rating(**plain)}
