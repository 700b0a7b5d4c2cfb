"""The pool of processes: events in order, and an end whenever something or somebody stops it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from dormant.errors import IncompleteError, InputError
from dormant.organisms.pool import run_units
from support import ROOT, pool_workers

TESTS = ROOT / "tests"


def test_every_event_reaches_the_callers_thread_and_results_keep_their_order():
    seen, threads = [], set()

    def see(event):
        seen.append(event)
        threads.add(threading.current_thread())

    results = run_units(pool_workers.send_many, [2, 0, 1], workers=2, progress=see)
    assert results == [2, 0, 1]
    assert sorted(seen) == [(unit, step) for unit in range(3) for step in range(2000)]
    assert threads == {threading.current_thread()}


def test_a_killed_worker_is_an_incomplete_run():
    with pytest.raises(IncompleteError, match="same command again"):
        run_units(pool_workers.kill_oneself, [0, 1], workers=2)


def test_a_failing_unit_stops_the_rest_within_a_few_steps():
    with pytest.raises(ValueError, match="the second unit fails"):
        run_units(pool_workers.fail_second, [0, 1, 2, 3], workers=2)


def test_a_failing_caller_stops_the_workers_even_when_the_pipe_is_full():
    def fail(event):
        raise RuntimeError("nobody listens any more")

    with pytest.raises(RuntimeError, match="nobody listens"):
        run_units(pool_workers.send_without_end, [0, 1, 2, 3], workers=2, progress=fail)


def test_an_interrupt_stops_the_workers_within_a_few_steps():
    with running("send_steadily") as (process, workers):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to workers too
        process.stdout.close()
        assert process.wait(20) != 0
        wait_for_end(workers)


@pytest.mark.parametrize("function", ["send_steadily", "sleep_on"])
def test_workers_end_with_their_parent(function):
    with running(function) as (process, workers):
        process.kill()
        wait_for_end(workers)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_workers_are_forked_from_one_process_that_is_not_the_callers():
    parents = set(run_units(pool_workers.name_parent, [0, 1], workers=2))
    assert len(parents) == 1
    assert os.getpid() not in parents


def test_where_no_server_can_be_started_workers_are_started_one_by_one(monkeypatch):
    def fail():
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(forkserver, "ensure_running", fail)
    assert run_units(pool_workers.name_parent, [0, 1], workers=2) == [os.getpid()] * 2


def test_no_workers_are_refused():
    with pytest.raises(InputError, match="workers must be 1 or more, got 0"):
        run_units(pool_workers.kill_oneself, [0, 1], workers=0)


@contextlib.contextmanager
def running(function: str) -> Generator[tuple[subprocess.Popen, set[int]]]:
    """A program that runs a function in two workers, both of them at work by now."""
    command = [sys.executable, "-m", "support.pool_workers", function]
    process = subprocess.Popen(
        command,
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{TESTS}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    workers: set[int] = set()
    try:
        while len(workers) < 2:
            workers.add(int(process.stdout.readline()))
        yield process, workers
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def wait_for_end(workers: set[int]) -> None:
    deadline = time.monotonic() + 20
    while alive := {pid for pid in workers if is_running(pid)}:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
