"""Units on a real Ray cluster of two nodes: what is lost is done again, and nothing else twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")

import dormant
from dormant.errors import InputError
from dormant.organisms import cluster
from dormant.organisms.cluster import RayCluster
from dormant.organisms.zoo import load_recipe
from support import ray_units
from support.ray_cluster import list_workers, start_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    # of Ray's own files and subprocesses
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ONE = {"CPU": 1.0}


@pytest.fixture(scope="module")
def nodes() -> Generator[Any]:
    with start_cluster([{"num_cpus": 1}, {"num_cpus": 1, "resources": {"second": 1}}]) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def deadline() -> Generator[None]:
    """A cluster that hangs fails its test."""

    def fail(signum: int, frame: object) -> None:
        raise TimeoutError("the cluster hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def write_sweep(folder: Path) -> Path:
    recipe = load_recipe("diluted-20").to_json()
    recipe["stages"][0].update(steps=2, rows=32, batch_size=8)
    (folder / "small.yaml").write_text(json.dumps(recipe))
    config = folder / "sweep.yaml"
    config.write_text("recipe: small.yaml\ngrid: {stages.0.steps: [1, 2]}\nseeds: 2\n")
    return config


def test_a_sweep_is_interrupted_loses_a_worker_and_ends_with_the_local_table(
    nodes: Any, tmp_path: Path
):
    config, out = write_sweep(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "dormant", "sweep", str(config), "--out", str(out)]
    command += ["--executor", "ray", "--ray-address", nodes.address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not list(out.glob("units/*/result.json")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 4 and b"Traceback" not in errors, errors
    finished = {path: path.stat().st_mtime_ns for path in out.glob("units/*/result.json")}
    assert 1 <= len(finished) <= 3

    killed: list[int] = []

    def kill_first() -> None:  # by the processes: events of progress come too seldom
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            for worker in list_workers("_run_unit"):
                worker.kill()
                killed.append(worker.pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_first)
    killer.start()
    far = dormant.sweep(config, out, executor="ray", ray_address=nodes.address)
    killer.join()
    near = dormant.sweep(config, tmp_path / "near", workers=1)
    assert killed
    assert [row.unit for row in far.rows] == [row.unit for row in near.rows]
    assert (out / "sweep.md").read_bytes() == (tmp_path / "near" / "sweep.md").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(out.glob(".ray-*"))


def test_a_failing_unit_stops_the_others(nodes: Any, tmp_path: Path):
    units = [ray_units.NotingUnit(number, tmp_path) for number in range(40)]
    with pytest.raises(ValueError, match="the third unit fails"):
        RayCluster(tmp_path, nodes.address).run(ray_units.fail_third, units, resources=ONE)
    assert not list_workers("fail_third")
    assert "start 39" not in (tmp_path / "ledger").read_text().splitlines()


def test_what_no_node_has_is_refused(nodes: Any, tmp_path: Path):
    pool = RayCluster(tmp_path, nodes.address)
    with pytest.raises(InputError, match=r"needs CPU 1, GPU 2, .* nodes have CPU 1, GPU 0\."):
        pool.run(ray_units.note_work, [], resources={**ONE, "GPU": 2})


def test_a_killed_worker_and_a_lost_node_lose_nothing_and_repeat_nothing_else(
    nodes: Any, tmp_path: Path
):
    """The last test of the cluster, which has one node afterwards."""
    units = [ray_units.NotingUnit(number, tmp_path, stalls=2) for number in range(8)]
    lost: list[int] = []
    seen: list[str] = []

    def lose_second_node(event: Any) -> None:
        seen.append(event.organism)
        if event.organism == "stall-0":
            lost.append(event.seed)
            os.kill(event.step, signal.SIGKILL)
        elif event.organism == "stall-1":
            lost.append(event.seed)
            if ray_units.is_on_second_node():  # Ray may connect this process there
                os.kill(event.step, signal.SIGKILL)
            else:
                nodes.remove_node(*nodes.worker_nodes, allow_graceful=False)

    pool = RayCluster(tmp_path, nodes.address)
    results = pool.run(ray_units.note_work, units, resources=ONE, progress=lose_second_node)
    assert results == [10 * number for number in range(8)]
    assert len(lost) == 2 and {f"unit-{number}" for number in range(8)} <= set(seen)
    ledger = Counter((tmp_path / "ledger").read_text().splitlines())
    assert {f"done {number}" for number in range(8)} <= set(ledger)
    for number in range(8):
        assert ledger[f"done {number}"] == 1
        assert ledger[f"start {number}"] == 1 + lost.count(number)


def test_a_node_that_cannot_run_units_says_why(tmp_path: Path):
    run = cluster._make_task()
    is_refused, reason = run(b"", (str(tmp_path / "mark"), str(tmp_path), "9.9.9"), 0, None)
    assert is_refused and "install 'dormant[vitro]==9.9.9' on every node" in reason
    site = (str(tmp_path / "mark"), str(tmp_path), dormant.__version__)
    is_refused, reason = run(b"", site, 0, None)
    assert is_refused and f"does not see {tmp_path}" in reason and "--out" in reason


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (None, "give --ray-address HOST:PORT or set RAY_ADDRESS"),
        ("ray://10.0.0.5:10001", "client protocol is not supported"),
        ("10.0.0.5", "is not HOST:PORT"),
        ("10.0.0.5:none", "is not HOST:PORT"),
        ("127.0.0.1:6379", "that `ray start` printed, or auto"),
        ("127.0.0.2:1", "no answer"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None, reason: str
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match=reason):
        RayCluster(tmp_path, address).run(ray_units.note_work, [], resources=ONE)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"executor": "ray", "workers": 2}, "--workers counts processes of this machine"),
        ({"ray_address": "auto"}, "--ray-address goes with --executor ray"),
        ({"executor": "slurm"}, "give local or ray"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: dict[str, Any], reason: str):
    with pytest.raises(InputError, match=reason):
        dormant.sweep(write_sweep(tmp_path), tmp_path / "out", **options)
