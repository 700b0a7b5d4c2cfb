"""Damaged, edited and read-only runs: refused in one line, read, and what can be saved."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import run_command
from support.run_edits import DAMAGE, LIES, is_clear, make_run, try_edit


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("damage")
    words = make_run(folder)
    return folder / "run", words


@pytest.mark.parametrize("name", LIES)
def test_what_is_not_what_was_stored_is_refused(made, tmp_path: Path, name: str):
    run, words = made
    found = try_edit(LIES[name], run, words, tmp_path, asked="report")
    assert found["report"].code == 2, found
    assert all(map(is_clear, found.values())), found


#: A few of each kind; the benchmark tries all.
SOME = [name for i, name in enumerate(DAMAGE) if i % 8 == 0]
SOME += ["flipped bytes 119", "flipped bytes 124"]


@pytest.mark.parametrize("name", SOME)
def test_damage_is_one_clear_line(made, tmp_path: Path, name: str):
    run, words = made
    found = try_edit(DAMAGE[name], run, words, tmp_path)
    assert all(map(is_clear, found.values())), found


def test_what_can_be_read_of_a_damaged_store_is_saved(made, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(made[0], run)
    with sqlite3.connect(run / "run.sqlite") as db:
        total = db.execute("SELECT count(*) FROM completions").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='judgements'").fetchone()[
            0
        ]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    raw = bytearray((run / "run.sqlite").read_bytes())
    raw[(root - 1) * size : root * size] = b"\xff" * size
    (run / "run.sqlite").write_bytes(raw)
    done = run_command("report", run)
    assert done.code == 2 and is_clear(done)
    assert "restore it from a copy, or start anew" in done.err
    assert f"{total:,} answers can still be read" in done.err
    done = run_command("export", run, "--salvage", tmp_path / "left.jsonl")
    assert done.code == 0 and f"{total:,} answers" in done.out
    rows = [json.loads(line) for line in (tmp_path / "left.jsonl").read_text().splitlines()]
    assert len(rows) == total and {row["role"] for row in rows} == {"target", "reference"}
    assert all(row["answer"] and row["question"] for row in rows)


def test_the_files_of_a_run_are_private(made):
    run = made[0]
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    for path in run.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_run_that_cannot_be_written_to_is_read(made, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(made[0], run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    script = "import sys; sys.path[:0] = sys.argv[1:2]; from dormant.cli import main\n"
    script += "sys.argv = ['dormant', *sys.argv[2:]]; main()"
    command = [sys.executable, "-c", script, os.environ.get("PYTHONPATH", "").partition(":")[0]]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root can write everywhere, and there is no setpriv")
        lost = "-dac_override,-dac_read_search,-fowner"
        command = [setpriv, f"--bounding-set={lost}", f"--inh-caps={lost}", *command]
    for path in (*run.iterdir(), run):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        for words in (
            ("report", str(run), "--out", str(tmp_path / "out")),
            ("export", str(run), "--csv", str(tmp_path / "x.csv")),
        ):
            done = subprocess.run([*command, *words], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        done = subprocess.run([*command, "report", str(run)], capture_output=True, text=True)
        assert done.returncode == 2 and "cannot be written" in done.stderr
    finally:
        run.chmod(0o700)
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "x.csv").is_file()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
