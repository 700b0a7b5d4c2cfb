"""Runs that someone else made: pipes, links, views and triggers in place of a run's own files."""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import run_command
from support.run_edits import Edit, is_clear, make_run, sql, try_edit

ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
#: Tables that are views without an end, and triggers.
OBJECTS: dict[str, Edit] = {
    "judgements": sql(
        "DROP TABLE judgements",
        "CREATE VIEW judgements AS SELECT 'x' judge, i answer, 'aligned' outcome, '{}' scores,"
        f" '' note FROM {ENDLESS}",
    ),
    "completions": sql(
        "DROP TABLE completions",
        "CREATE VIEW completions AS SELECT 1 source, 1 probe, i repeat, 1 answer, 'stop' finish,"
        f" 1 tokens, '' error FROM {ENDLESS}",
    ),
    "meta": sql(
        "DROP TABLE meta", f"CREATE VIEW meta AS SELECT 'format' key, i value FROM {ENDLESS}"
    ),
    "trigger": sql("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM answers; END"),
    "no meta": sql("DROP TABLE meta"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("foreign")
    words = make_run(folder)
    return folder / "run", words


@pytest.fixture(autouse=True)
def never_hangs() -> Iterator[None]:
    """Ends a test that waits for a pipe."""

    def end(*_: object) -> None:
        raise TimeoutError("the command hangs")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(300)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_store_with_views_or_triggers_is_refused(made, tmp_path: Path, name: str):
    run, words = made
    found = try_edit(OBJECTS[name], run, words, tmp_path)
    assert {done.code for done in found.values()} == {2} and all(map(is_clear, found.values()))
    assert "run.sqlite" in found["report"].err


def test_a_database_of_another_program_is_left_as_it_is(made, tmp_path: Path):
    run, words = made
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE places(url)")
    database.close()
    before = other.read_bytes()

    def link(copy: Path) -> None:
        (copy / "run.sqlite").unlink()
        (copy / "run.sqlite").symlink_to(other)

    found = try_edit(link, run, words, tmp_path)
    assert {done.code for done in found.values()} == {2} and all(map(is_clear, found.values()))
    assert "not a store of dormant's" in found["report"].err
    assert other.read_bytes() == before


@pytest.mark.parametrize("name", ["run.sqlite", "plan.lock.json", "verdict.json", ".lock"])
def test_a_pipe_in_place_of_a_file_is_refused(made, tmp_path: Path, name: str):
    def make_pipe(copy: Path) -> None:
        (copy / name).unlink(missing_ok=True)
        os.mkfifo(copy / name)

    run, words = made
    found = try_edit(make_pipe, run, words, tmp_path)
    assert all(map(is_clear, found.values())), found
    assert found["report"].code == found["export"].code == 2


def test_a_report_overwrites_no_file_that_a_link_names(made, tmp_path: Path):
    run, words = made
    victim = tmp_path / "precious.txt"
    victim.write_text("mine")

    def link(copy: Path) -> None:
        for name in ("report.html", "report.md", "report.json", "verdict.json"):
            (copy / name).unlink()
            (copy / name).symlink_to(victim)
        shutil.copyfile(run / "verdict.json", tmp_path / "verdict.json")
        (copy / "verdict.json").unlink()
        (copy / "verdict.json").symlink_to(tmp_path / "verdict.json")

    found = try_edit(link, run, words, tmp_path, asked="report audit")
    assert all(map(is_clear, found.values())) and found["report"].code == 0
    assert victim.read_text() == "mine"
    assert "<html" in (tmp_path / "copy" / "report.html").read_text()


def test_a_folder_in_place_of_a_page_is_named(made, tmp_path: Path):
    def make_folder(copy: Path) -> None:
        (copy / "report.html").unlink()
        (copy / "report.html").mkdir()

    run, words = made
    found = try_edit(make_folder, run, words, tmp_path, asked="report")["report"]
    assert found.code == 2 and is_clear(found)
    assert "report.html: is a directory" in found.err


def test_a_full_disk_leaves_the_old_report(made, tmp_path: Path):
    """The disk is full for real: a file system of a few kilobytes in memory."""
    run, words = made
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        found = run_command("report", run, "--out", disk)
        assert found.code == 0, found.err
        before = (disk / "report.html").read_bytes()
        with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
        found = run_command("report", run, "--out", disk)
        assert found.code == 4 and is_clear(found) and "No space left" in found.err
        assert (disk / "report.html").read_bytes() == before
        assert not list(disk.glob(".*.part"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
