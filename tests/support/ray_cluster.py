"""A real Ray cluster of several nodes on this machine, bound to loopback and without statistics."""

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported

#: Nodes that are lost are declared dead after this many seconds, not half a minute.
_QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
_STORE_BYTES = 80 * 2**20  # of objects, on each node


@contextmanager
def start_cluster(nodes: Sequence[Mapping[str, Any]]) -> Generator[Any]:
    """A cluster, from the arguments of its nodes (``num_cpus``, ``resources``); the first leads."""
    from ray.cluster_utils import Cluster

    place = tempfile.mkdtemp(prefix="r")  # short: sockets lie in it
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = place  # of the nodes, and of `auto` while they run
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
        os.environ.pop("RAY_TMPDIR")
        if before is not None:
            os.environ["RAY_TMPDIR"] = before


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
