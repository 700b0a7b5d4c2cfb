"""A real Ray cluster of several nodes on this machine, bound to loopback and without statistics."""

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from support import ROOT

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported

#: Nodes that are lost are declared dead after this many seconds, not half a minute.
_QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
_STORE_BYTES = 80 * 2**20  # of objects, on each node


@contextmanager
def start_cluster(nodes: Sequence[Mapping[str, Any]]) -> Generator[Any]:
    """A cluster, from the arguments of its nodes (``num_cpus``, ``resources``); the first leads."""
    from ray.cluster_utils import Cluster

    place = tempfile.mkdtemp(prefix="r")  # short: sockets lie in it
    paths = (str(ROOT / "tests"), os.environ.get("PYTHONPATH", ""))
    set_now = {
        "RAY_TMPDIR": place,  # of the nodes, and of `auto` while they run
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),  # of workers: units of tests
    }
    before = {name: os.environ.get(name) for name in set_now}
    os.environ.update(set_now)
    fixed = {
        "node_ip_address": "127.0.0.2",  # of loopback; Ray replaces 127.0.0.1 in addresses
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,  # no autoscaler
    }
    cluster = Cluster(shutdown_at_exit=False)
    try:
        for number, node in enumerate(nodes):
            first = {} if number else {"_system_config": _QUICK}
            cluster.add_node(**fixed, **first, **node)
        yield cluster
    finally:
        cluster.shutdown()
        shutil.rmtree(place, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def list_workers(title: str) -> list[psutil.Process]:
    """Processes that run a task of this name now, on any node."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[:1] == [f"ray::{title}"]:
                found.append(process)
        except psutil.Error:
            pass
    return found
