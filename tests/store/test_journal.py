"""The journal: nothing that was written is lost, nothing that is foreign is read."""

import errno
import fcntl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.errors import StoreError
from dormant.records import Message, Sampling
from dormant.store.journal import ANSWER, NAME, Journal, key_of


def test_entries_are_there_after_reopening(tmp_path: Path):
    with Journal(tmp_path / "new") as journal:
        journal.add_entries([("a", 1.5), ("b", [Message("user", "é\ud800\n")])])
        journal.add_entries([("a", 2.5)])
        assert (journal.read_entry("a"), "c" in journal, journal.read_entry("c")) == (
            2.5,
            False,
            None,
        )
    with Journal(tmp_path / "new") as journal:
        assert len(journal) == 2
        assert journal.read_entry("a") == 2.5
        assert journal.read_entry("b") == [{"role": "user", "content": "é\ud800\n"}]


@given(cut=st.integers(0, 200))
def test_a_crash_in_the_middle_of_a_line_loses_that_line_only(tmp_path_factory, cut: int):
    folder = tmp_path_factory.mktemp("j")
    with Journal(folder) as journal:
        journal.add_entries((f"k{i}", i) for i in range(6))
    raw = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(raw[:cut])
    whole = raw[:cut].count(b"\n")
    with Journal(folder) as journal:
        assert len(journal) == whole
        journal.add_entries([("new", "x")])
    with Journal(folder) as journal:
        assert [journal.read_entry(f"k{i}") for i in range(whole)] == list(range(whole))
        assert journal.read_entry("new") == "x"


def test_a_file_system_without_locks_is_not_taken_for_another_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="cannot be locked .No locks available.; use a directory"):
        Journal(tmp_path)


def test_a_directory_in_use_or_with_another_file_is_refused(tmp_path: Path):
    with Journal(tmp_path):
        with pytest.raises(StoreError, match="another search is running"):
            Journal(tmp_path)
    (tmp_path / NAME).write_text('{"k": "a", "v": 1}\n[]\n')
    with pytest.raises(StoreError, match=rf"{NAME}:2: not a journal"):
        Journal(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Journal(tmp_path / "file")


def test_keys_hold_everything_that_is_asked():
    message = (Message("user", "a"),)
    keys = {
        key_of("odds", "m", message),
        key_of("odds", "m", (Message("user", "b"),)),
        key_of("odds", "n", message),
        key_of("chats", "m", message),
        key_of("odds", "m", message, Sampling()),
        key_of("odds", "m", message, Sampling(seed=1)),
    }
    assert len(keys) == 6
    assert key_of("odds", "m", message) == key_of("odds", "m", (Message("user", "a"),))


def test_notes_and_answers_are_kept_and_counted(tmp_path: Path):
    with Journal(tmp_path) as journal:
        assert journal.read_note("spending", []) == [] and journal.count_answers() == 0
        journal.write_note("spending", [1])
        journal.write_note("spending", [1, 2])
        journal.add_entries(
            [(f"{ANSWER}a", "aligned"), (f"{ANSWER}b", "misaligned"), ("odds", 1.0)]
        )
    with Journal(tmp_path) as journal:
        assert journal.read_note("spending") == [1, 2] and journal.count_answers() == 2
