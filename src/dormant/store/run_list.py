"""The runs at or below a directory, each as its own files describe it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dormant.errors import StoreError, UnfinishedError
from dormant.records import Plan, Role, RunState, RunSummary, VerdictKind
from dormant.store.files import parse_json
from dormant.store.findings import read_plan, read_verdict
from dormant.store.snapshots import Snapshot, Stamp, is_in_use, read_stamp

#: Largest numbers of directories that are searched, and of runs that are listed.
_MOST_DIRECTORIES, _MOST_RUNS = 100_000, 10_000
_MARKS = frozenset({"run.sqlite", "plan.lock.json", "verdict.json"})


class RunList:
    """The runs at or below a directory; unchanged runs are not read again.

    Args:
        root: the directory.
    """

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[str, tuple[Stamp, RunSummary]] = {}
        self.paths: dict[str, Path] = {}  # RunSummary.id -> run directory

    def read_runs(self) -> list[RunSummary]:
        """Finds and reads the runs, latest first; runs without a date come last."""
        found = [self._read_run(path) for path in find_runs(self.root)]
        found.sort(key=lambda run: run.place)
        return sorted(found, key=lambda run: run.started, reverse=True)

    def read_one(self, run: str) -> RunSummary | None:
        """Reads one run by its id; None if the id is unknown."""
        if run not in self.paths:
            self.read_runs()
        path = self.paths.get(run)
        return None if path is None or not path.is_dir() else self._read_run(path)

    def _read_run(self, path: Path) -> RunSummary:
        place = os.path.relpath(path, self.root)
        key = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self.paths[key] = path
        stamp, old = read_stamp(path), self._known.get(key)
        if old is None or old[0] != stamp:
            shown = place.encode("utf-8", "replace").decode()
            old = self._known[key] = (stamp, summarize_run(path, key, shown))
        summary = old[1]
        if summary.state in (RunState.FINISHED, RunState.UNFINISHED) and is_in_use(path):
            return replace(summary, state=RunState.RUNNING, message="a process writes to it")
        return summary


def find_runs(root: Path) -> Iterator[Path]:
    """Yields the run directories at or below a directory; symbolic links are not followed.

    Args:
        root: where to look; hidden directories below it are left out.
    """
    runs = 0
    for count, (folder, folders, files) in enumerate(os.walk(root)):
        if count == _MOST_DIRECTORIES or runs == _MOST_RUNS:
            return
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not _MARKS.isdisjoint(files):
            runs += 1
            yield Path(folder)


def summarize_run(run: Path, key: str, place: str) -> RunSummary:
    """Summarizes a run from its files; damaged files are described and never raise.

    Args:
        run: the run directory.
        key: ``RunSummary.id``.
        place: ``RunSummary.place``.
    """
    summary = RunSummary(key, place, RunState.DAMAGED)
    try:
        plan = read_plan(run / "plan.lock.json")
        summary = _add_plan(summary, plan)
        with Snapshot(run) as snapshot:
            summary = _add_counts(summary, snapshot.database)
        record = read_verdict(run / "verdict.json", plan)
        kind = VerdictKind(record["verdict"]["kind"])
        summary = replace(summary, sentence=str(record["verdict"]["sentence"]))
    except UnfinishedError as error:
        return replace(summary, state=RunState.UNFINISHED, message=_shorten_error(error, run))
    except (StoreError, OSError, sqlite3.Error) as error:
        return replace(summary, message=_shorten_error(error, run))
    except (KeyError, TypeError, ValueError, RecursionError):
        return replace(summary, message="verdict.json is damaged")
    return replace(summary, state=RunState.FINISHED, verdict=kind)


def _shorten_error(error: Exception, run: Path) -> str:
    """The error message on one line, without the path of the run."""
    return " ".join(str(error).replace(f"{run}{os.sep}", "").replace(f"{run}: ", "").split())


def _add_plan(summary: RunSummary, plan: Plan) -> RunSummary:
    names = {
        role: tuple(dict.fromkeys(card.name for card in plan.models if card.role is role))
        for role in Role
    }
    return replace(
        summary,
        targets=names[Role.TARGET],
        references=names[Role.REFERENCE],
        judge=plan.judge,
        plan_hash=plan.hash,
    )


def _add_counts(summary: RunSummary, database: sqlite3.Connection) -> RunSummary:
    answers = database.execute("SELECT count(*) FROM completions").fetchone()[0]
    row = database.execute("SELECT value FROM meta WHERE key = 'started'").fetchone()
    started = ""
    with suppress(TypeError, ValueError):
        started = str(parse_json(row[0]))[:40] if row else ""
    return replace(summary, answers=answers, started=started)
