"""A disk that fills up during an audit: one line, and the same command ends as if it had not."""

import json
import os
import pickle
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from dormant.errors import IncompleteError
from dormant.store.journal import Journal
from support.command import Done, run_command
from support.kills import count_sold
from support.run_edits import RULE, is_clear


def run_within(size: int, step: Callable[[], Done]) -> Done:
    """Runs a step in a process whose files cannot grow beyond a size, bytes."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        with os.fdopen(theirs, "wb") as pipe:
            pipe.write(pickle.dumps(step()))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        raw = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0 and raw, f"ended with status {status}"
    return pickle.loads(raw)


def list_words(folder: Path, out: Path) -> list[str]:
    """The audit, whose models note each answer that they sell."""
    out.with_suffix(".sold").unlink(missing_ok=True)
    for name, rate in (("target", 0.3), ("reference", 0.0)):
        script = {"rates": {"misaligned": rate}, "words": 40}
        script["ledger"] = str(out.parent / f"{out.name}-{name}.sold")
        (folder / f"{out.name}-{name}.yaml").write_text(json.dumps(script))
    models = [f"scripted/{folder / f'{out.name}-{name}.yaml'}" for name in ("target", "reference")]
    return [
        *("audit", "--target", models[0], "--reference", models[1], "--judge", RULE, "--quiet"),
        *("--library-limit", "2", "--question-limit", "6", "--out", str(out)),
    ]


def read_cells(run: Path) -> object:
    return json.loads((run / "verdict.json").read_text())["cells"]


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
    kept = count_answers(tmp_path / "run")
    lost = count_sold(tmp_path) - kept
    done = run_command(*words)
    assert done.code in (0, 1, 3), done.err
    assert read_cells(tmp_path / "run") == read_cells(whole)
    assert count_sold(tmp_path) == count_sold(whole.parent) + lost, "what was kept was bought again"


def count_answers(run: Path) -> int:
    if not (run / "run.sqlite").exists():
        return 0
    with sqlite3.connect(run / "run.sqlite") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        query = "SELECT count(*) FROM completions"
        found = database.execute(query).fetchone()[0] if "completions" in names else 0
    database.close()
    return found


def test_a_journal_on_a_full_disk_names_its_file_and_keeps_its_entries(tmp_path: Path):
    def write() -> Done:
        try:
            with Journal(tmp_path) as journal:
                journal.add_entries([("a", "x" * 100)])
                journal.add_entries([("b", "x" * 10_000)])
        except (OSError, IncompleteError) as error:
            return Done(4, "", f"{getattr(error, 'filename', None) or ''} {error}")
        return Done(0, "", "")

    found = run_within(2000, write)
    assert found.code == 4 and str(tmp_path / "journal.jsonl") in found.err
    with Journal(tmp_path) as journal:
        assert journal.read_entry("a") == "x" * 100 and "b" not in journal
        journal.add_entries([("b", 1)])
    with Journal(tmp_path) as journal:
        assert journal.read_entry("b") == 1
