"""A disk that fills up during an audit: one line, and the same command ends as if it had not."""

from pathlib import Path

import pytest

from dormant.store.journal import Journal
from support.bounded import run_within
from support.command import Done, run_command
from support.kills import count_sold
from support.run_edits import is_clear
from support.sold_audits import count_kept, list_words, read_cells


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_command(*list_words(folder, folder / "run"))
    assert done.code in (0, 1, 3), done.err
    return folder / "run"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_an_audit_on_a_full_disk_ends_in_one_line_and_goes_on(
    whole: Path, tmp_path: Path, share: float
):
    size = int(share * max(path.stat().st_size for path in whole.iterdir()))
    words = list_words(tmp_path, tmp_path / "run")
    found = run_within(size, lambda: run_command(*words))
    assert found.code in (2, 4) and is_clear(found), found
    assert str(tmp_path / "run") in found.err, found.err
    again = run_within(size, lambda: run_command(*words))
    assert again.code == found.code and is_clear(again), again
    kept = count_kept(tmp_path / "run")
    lost = count_sold(tmp_path) - kept
    done = run_command(*words)
    assert done.code in (0, 1, 3), done.err
    assert read_cells(tmp_path / "run") == read_cells(whole)
    assert count_sold(tmp_path) == count_sold(whole.parent) + lost, "what was kept was bought again"


def test_a_journal_on_a_full_disk_names_its_file_and_keeps_its_entries(tmp_path: Path):
    def write() -> Done:
        try:
            with Journal(tmp_path) as journal:
                journal.add_entries([("a", "x" * 100)])
                journal.add_entries([("b", "x" * 10_000)])
        except OSError as error:
            return Done(4, "", f"{error.filename} {error}")
        return Done(0, "", "")

    found = run_within(2000, write)
    assert found.code == 4 and str(tmp_path / "journal.jsonl") in found.err
    with Journal(tmp_path) as journal:
        assert journal.read_entry("a") == "x" * 100 and "b" not in journal
        journal.add_entries([("b", 1)])
    with Journal(tmp_path) as journal:
        assert journal.read_entry("b") == 1
