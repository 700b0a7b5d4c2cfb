"""A Ray cluster that runs units: the same units as a pool of processes, on other machines.

Ray decides which node runs a unit and starts it again when its worker or its node is lost. Units
write into a directory that every node sees, and events of their progress pass through one actor.
Everything here runs on Ray as it is: nothing starts a cluster, and Ray's usage statistics are off.
"""

from __future__ import annotations

import os
import pickle
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from dormant.errors import IncompleteError, InputError, MissingExtraError
from dormant.organisms.events import Event, EventHandler, ignore_events
from dormant.organisms.pool import Executor, LocalProcesses, Result, Unit
from dormant.version import __version__

#: Workers that a unit may lose before the rest is stopped.
_LOSSES = 3
_POLL_SECONDS = 0.5  # between looks at what is done
#: Least number of seconds between two events of a unit: a thousand workers share one actor.
_EVENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RayCluster:
    """An existing Ray cluster.

    Args:
        folder: directory that units write into; every node must see it under the same path.
        address: ``HOST:PORT`` of the head node, ``auto`` for a cluster that was started on this
            machine, or None for the environment variable ``RAY_ADDRESS``.
    """

    folder: Path
    address: str | None = None

    def run(
        self,
        function: Callable[[Unit, EventHandler], Result],
        units: Sequence[Unit],
        *,
        resources: Mapping[str, float],
        progress: EventHandler = ignore_events,
    ) -> list[Result]:
        """Runs a module-level function over units, each as one task of the cluster.

        If a unit or ``progress`` fails, or the user interrupts, running units are killed and the
        others never start.

        Args:
            function: called with a unit and a callback for its events.
            units: picklable arguments.
            resources: what each unit takes, by Ray's names: ``{"CPU": 1, "GPU": 0.25}``.
            progress: called with events, in the caller's own thread; of events of a unit that
                follow each other within five seconds, only the first, and the unit's last.

        Returns:
            One result per unit, in order.

        Raises:
            InputError: no cluster at the address, no node that has the resources, or a node that
                lacks the directory or this version of dormant.
            IncompleteError: a unit lost its worker again and again.
            MissingExtraError: Ray is not installed.
        """
        ray = _import_ray()
        with (
            redirect_stdout(sys.stderr),  # Ray prints there that a worker was lost
            _connect(ray, self.address),
            _mark_folder(self.folder) as mark,
        ):
            _check_resources(ray, resources)
            board = _start_board(ray)
            site = _Site(str(mark), os.getcwd(), __version__)
            task = ray.remote(_make_task()).options(
                name=function.__name__, max_retries=_LOSSES, **_name_resources(resources)
            )
            refs = [
                task.remote(pickle.dumps((function, unit)), tuple(site), number, board)
                for number, unit in enumerate(units)
            ]
            try:
                return _collect_results(ray, refs, board, progress)
            except BaseException:
                for ref in refs:  # what is done is left alone
                    ray.cancel(ref, force=True)
                raise


def choose_executor(
    name: str, out: str | Path, *, workers: int | None, ray_address: str | None
) -> Executor:
    """Returns what runs units: this machine (``local``) or a cluster (``ray``).

    Args:
        name: ``local`` or ``ray``.
        out: directory that units write into.
        workers: processes of this machine; one per core if None.
        ray_address: of the cluster's head node; ``RAY_ADDRESS`` if None.

    Raises:
        InputError: the options do not go together.
    """
    if name == "local":
        if ray_address is not None:
            raise InputError("--ray-address goes with --executor ray")
        return LocalProcesses(workers)
    if name != "ray":
        raise InputError(f"--executor {name!r} is unknown: give local or ray")
    if workers is not None:
        raise InputError(
            "--workers counts processes of this machine: on a Ray cluster, say under 'resources' "
            "of the sweep's file what a unit takes, and Ray runs as many as fit"
        )
    return RayCluster(Path(out), ray_address)


class _Site(NamedTuple):
    """Where the caller is, as seen from a node; passed on as a plain tuple."""

    mark: str  # a file that every node must see
    cwd: str  # that relative paths start from
    version: str  # of dormant


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns at each start
    try:
        return import_module("ray")
    except ModuleNotFoundError:
        raise MissingExtraError("ray", "ray") from None


@contextmanager
def _connect(ray: Any, address: str | None) -> Generator[None]:
    """Connects to a cluster while the block runs; a connection of the caller's is used as it is."""
    if ray.is_initialized():
        own = str(ray.get_runtime_context().gcs_address)
        if address not in (None, "auto", own):
            raise InputError(f"--ray-address {address}: this process is connected to {own}")
        yield
        return
    address = _check_address(address or os.environ.get("RAY_ADDRESS"))
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises plain ones too, as for a node that does not start
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"no Ray cluster can be used at {address}: {reason}") from None
    try:
        yield
    finally:
        ray.shutdown()  # ends the workers that are still busy with this process's units


def _check_address(address: str | None) -> str:
    """Returns an address at which something listens, or ``auto``."""
    if not address:
        raise InputError(
            "no Ray cluster is named: give --ray-address HOST:PORT or set RAY_ADDRESS "
            "(auto finds one that `ray start --head` started on this machine)"
        )
    if "://" in address:
        raise InputError(
            f"--ray-address {address}: Ray's client protocol is not supported; start the command "
            "on a node of the cluster, or with `ray job submit`, and give HOST:PORT"
        )
    if address == "auto":
        return address
    host, _, port = address.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"--ray-address {address!r} is not HOST:PORT, as 10.0.0.5:6379, or auto")
    if host in (
        "localhost",
        "127.0.0.1",
        "[::1]",
    ):  # Ray replaces them by another, and waits for it
        raise InputError(
            f"--ray-address {address}: give the address that `ray start` printed, or auto"
        )
    try:  # Ray itself would try for a minute
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(
            f"--ray-address {address}: no answer ({error.strerror or error}); `ray status` on the "
            "head node shows whether the cluster runs"
        ) from None
    return address


@contextmanager
def _mark_folder(folder: Path) -> Generator[Path]:
    """Makes a file that nodes look for, so that none of them writes into a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder.absolute() / f".ray-{secrets.token_hex(8)}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _name_resources(resources: Mapping[str, float]) -> dict[str, Any]:
    """Names resources as options of a Ray task; a unit takes one CPU unless they say otherwise."""
    others = dict(resources)
    named: dict[str, Any] = {
        "num_cpus": others.pop("CPU", 1),
        "num_gpus": others.pop("GPU", 0),
    }
    if "memory" in others:
        named["memory"] = int(others.pop("memory"))
    return {**named, "resources": others}


def _check_resources(ray: Any, resources: Mapping[str, float]) -> None:
    """Refuses what no node has: Ray would wait for such a node for ever."""
    nodes: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= n for name, n in resources.items()) for node in nodes):
        return
    asked = ", ".join(f"{name} {amount:g}" for name, amount in resources.items())
    have = {", ".join(f"{name} {node.get(name, 0):g}" for name in resources) for node in nodes}
    raise InputError(
        f"resources: a unit needs {asked}, and no node of the cluster has that: nodes have "
        f"{'; '.join(sorted(have))}. Start a node that has them, or ask for less"
    )


class _Board:
    """An actor that holds what running units report until the caller takes it."""

    def __init__(self):
        self._events: list[tuple[int, Event]] = []
        self._starts: Counter[int] = Counter()

    def start_unit(self, number: int) -> None:
        """Counts a start of a unit; each but the first means that a worker was lost."""
        self._starts[number] += 1

    def add_event(self, number: int, event: Event) -> None:
        """Adds an event of a unit."""
        self._events.append((number, event))

    def take(self) -> tuple[list[tuple[int, Event]], int]:
        """Returns the events since the last call, and the starts of the unit with most starts."""
        events, self._events = self._events, []
        return events, max(self._starts.values(), default=0)


def _start_board(ray: Any) -> Any:
    """Starts the board on the caller's node, where losing it means losing the caller too."""
    strategies = import_module("ray.util.scheduling_strategies")
    here = strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    board = ray.remote(_Board).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
    return board.remote()


def _collect_results(ray: Any, refs: Sequence[Any], board: Any, report: EventHandler) -> list[Any]:
    """Reports events as they arrive, and returns the results in order.

    A unit's last event comes with its result too: Ray may lose a call of a unit that was started
    again.
    """
    results: dict[Any, Any] = {}
    latest: dict[int, Event] = {}  # of each unit, as reported
    numbers = {ref: number for number, ref in enumerate(refs)}
    pending = list(refs)
    while pending:
        done, pending = ray.wait(
            pending, num_returns=len(pending), timeout=_POLL_SECONDS, fetch_local=False
        )
        events, starts = _take_events(ray, board)
        for number, event in events:
            if refs[number] not in results:  # else its last one has come with its result
                latest[number] = event
                report(event)
        if starts > 1 + _LOSSES:  # Ray goes on for ever where a node is out of memory
            raise _lost_workers()
        for ref in done:
            results[ref], last = _fetch_result(ray, ref)
            number = numbers[ref]
            if last is not None and last != latest.get(number):
                report(last)
    return [results[ref] for ref in refs]


def _take_events(ray: Any, board: Any) -> tuple[list[tuple[int, Event]], int]:
    try:
        return ray.get(board.take.remote())
    except ray.exceptions.RayError:  # the board was lost and is started again; units go on
        return [], 0


def _fetch_result(ray: Any, ref: Any) -> tuple[Any, Event | None]:
    """Returns a unit's result and last event.

    Raises what the unit raised, or why it could not run on its node.
    """
    try:
        is_refused, value = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, Exception) else IncompleteError(str(error))) from None
    except ray.exceptions.RayError:
        raise _lost_workers() from None
    if is_refused:
        raise InputError(value)
    return value


def _lost_workers() -> IncompleteError:
    return IncompleteError(
        f"a unit lost its worker {1 + _LOSSES} times (out of memory?): finished units are kept, "
        "and the same command again continues"
    )


def _make_task() -> Callable[..., tuple[bool, Any]]:
    """Makes the function that a node runs. Ray sends it by value: a node may lack dormant."""

    def run_unit_on_node(
        unit: bytes, site: tuple[str, str, str], number: int, board: Any
    ) -> tuple[bool, Any]:
        import os
        from importlib import import_module

        node, wanted = os.uname().nodename, site[-1]
        try:
            has = f"has dormant {import_module('dormant.version').__version__}"
        except ImportError:
            has = "has no dormant"
        if has != f"has dormant {wanted}":
            return True, f"node {node} {has}: install 'dormant[vitro]=={wanted}' on every node"
        return import_module("dormant.organisms.cluster").run_pickled_unit(
            unit, site, number, board
        )

    return run_unit_on_node


def run_pickled_unit(
    pickled: bytes, site: tuple[str, str, str], number: int, board: Any
) -> tuple[bool, Any]:
    """Runs a unit in a worker of a node.

    Returns:
        Whether this node cannot run it, and why; or its result and its last event.
    """
    ray = _import_ray()
    place = _Site(*site)
    if not os.path.isfile(place.mark):
        folder = os.path.dirname(place.mark)
        return True, (
            f"node {os.uname().nodename} does not see {folder} as this machine does: give --out on "
            "a directory that all nodes share"
        )
    with suppress(OSError):  # a node without it finds no relative paths, and names them
        os.chdir(place.cwd)
    board.start_unit.remote(number)
    function, unit = pickle.loads(pickled)
    sender = _Sender(board, number)
    result = function(unit, sender)
    with suppress(ray.exceptions.RayError):  # progress is not worth a unit
        ray.get(sender.calls, timeout=10)  # none may arrive after the result
    return False, (result, sender.last)


class _Sender:
    """Sends events of a unit to the board, of those that follow each other closely the first."""

    def __init__(self, board: Any, number: int):
        self._board, self._number = board, number
        self._sent = -_EVENT_SECONDS
        self.last: Event | None = None  # sent or not
        self.calls: list[Any] = []  # the last call of the board, which may not have arrived yet

    def __call__(self, event: Event) -> None:
        """Sends an event, unless another was sent a moment ago."""
        self.last = event
        if time.monotonic() - self._sent >= _EVENT_SECONDS:
            self.calls = [self._board.add_event.remote(self._number, event)]
            self._sent = time.monotonic()
