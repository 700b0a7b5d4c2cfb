"""The runs of a directory, read for a viewer; unchanged runs are not read again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dormant.errors import ConfigError, InputError
from dormant.exchange.comparison import compare_runs, make_settings
from dormant.exchange.tidy import TableSettings
from dormant.exchange.verdict_checks import VerdictChecks
from dormant.pipeline.card import card_run
from dormant.pipeline.recompute import check_verdict, load_run
from dormant.records import AUTO, CardDetails, Comparison, RunState, RunSummary
from dormant.report import render_report
from dormant.store.answer_index import AnswerIndex
from dormant.store.findings import read_plan
from dormant.store.run_list import RunList
from dormant.store.snapshots import Stamp, read_stamp

#: Largest numbers of cached indices and pages, and how long those of a growing run are kept.
_INDICES, _PAGES, _GROWING = 3, 8, 30.0  # seconds


class RunLibrary:
    """Reads the runs at or below a directory; call ``close`` when done.

    Args:
        root: the directory, which is only read.

    Raises:
        ConfigError: there is no such directory.
    """

    def __init__(self, root: str | Path):
        path = Path(root)
        if not path.is_dir():
            is_there = path.exists()
            raise ConfigError(
                "is no directory: give one that holds runs" if is_there else "no such directory",
                file=root,
            )
        self.root = str(root)
        self._list = RunList(path)
        self._checks = VerdictChecks(check_verdict)
        self._lock = threading.RLock()
        self._indices: OrderedDict[str, tuple[Stamp, float, AnswerIndex]] = OrderedDict()
        self._pages: OrderedDict[tuple[str, str], tuple[Stamp, str]] = OrderedDict()

    def close(self) -> None:
        """Ends the checks and removes the indices."""
        self._checks.close()
        with self._lock:
            for _, _, index in self._indices.values():
                index.close()
            self._indices.clear()

    def list_runs(self) -> Sequence[RunSummary]:
        """The runs, latest first."""
        with self._lock:
            return [self._add_check(run) for run in self._list.read_runs()]

    def find_run(self, run: str) -> RunSummary | None:
        """A run by its id; None if the id is unknown."""
        with self._lock:
            found = self._list.read_one(run)
            return None if found is None else self._add_check(found)

    def _add_check(self, run: RunSummary) -> RunSummary:
        """Adds whether the stored counts give the verdict, and withdraws one that they do not."""
        if run.state is not RunState.FINISHED:
            return run
        path = self._list.paths[run.id]
        result = self._checks.find_result(run.id, path, read_stamp(path))
        if not result:
            return replace(run, is_checked=result is not None)
        return replace(run, state=RunState.DAMAGED, verdict=None, sentence="", message=result)

    def read_answers(self, run: str) -> AnswerIndex:
        """The answers of a run; those of a growing run may be up to 30 seconds old.

        Raises:
            StoreError: they cannot be read.
        """
        with self._lock:
            path = self._get_path(run)
            stamp, held = read_stamp(path), self._indices.get(run)
            if held is not None:
                is_fresh = held[0] == stamp or time.monotonic() - held[1] < self._max_age(run)
                if is_fresh:
                    self._indices.move_to_end(run)
                    return held[2]
                self._indices.pop(run)[2].close()
            index = AnswerIndex(path, read_plan(path / "plan.lock.json"))
            self._indices[run] = (stamp, time.monotonic(), index)
            while len(self._indices) > _INDICES:
                self._indices.popitem(last=False)[1][2].close()
            return index

    def _max_age(self, run: str) -> float:
        found = self._list.read_one(run)
        return _GROWING if found is not None and found.state is RunState.RUNNING else 0.0

    def render_report(self, run: str) -> str:
        """The report as HTML, its verdict computed anew from the stored answers.

        Raises:
            StoreError: the run is not finished, or its files do not agree with its store.
        """
        return self._render(run, "report", lambda path: render_report(load_run(path)))

    def render_card(self, run: str) -> str:
        """The card as HTML, with today's date.

        Raises:
            StoreError: the run is not finished, or its files do not agree with its store.
        """
        return self._render(run, "card", lambda path: card_run(path, CardDetails()).html)

    def _render(self, run: str, kind: str, render: Callable[[Path], str]) -> str:
        with self._lock:
            path = self._get_path(run)
            stamp, held = read_stamp(path), self._pages.get((run, kind))
            if held is None or held[0] != stamp:
                held = self._pages[run, kind] = (stamp, render(path))
            self._pages.move_to_end((run, kind))
            while len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
            return held[1]

    def compare_runs(self, runs: Sequence[str], allow: Sequence[str]) -> Comparison:
        """Compares runs with the first of them.

        Raises:
            InputError: the plans differ in what matters, or a run is given twice.
            StoreError: a run is not finished.
        """
        settings = make_settings(
            delta=None,
            level=None,
            claim=AUTO,
            allow=allow,
            trainings="all",
            table=TableSettings(columns={}),
        )
        with self._lock:
            return compare_runs([self._get_path(run) for run in runs], settings)

    def _get_path(self, run: str) -> Path:
        if run not in self._list.paths:
            self._list.read_runs()
        path = self._list.paths.get(run)
        if path is None:
            raise InputError("there is no such run")
        return path
