"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from dormant.organisms.train import TrainedOrganism
    from support import openai_server, smollm2
    from support import smollm2_server as smol

# The suite runs as many processes as there are cores. Threads of the linear algebra on top of that
# wait for each other in busy loops: one listing of contexts took 44 s of processor so, and 6 s with
# one thread. The variable is read when numpy is imported, and passed on to the commands under test.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The suite is a gate: the same commit always gives the same result. New examples are searched for
# with `pytest --hypothesis-profile=search`.
# Neither may fail because the machine is busy.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", derandomize=True, **_PATIENT)
settings.register_profile("search", max_examples=1000, **_PATIENT)
settings.load_profile("gate")


@pytest.fixture(scope="session")
def smollm2_dir() -> Path:
    """The directory of SmolLM2-135M-Instruct, fetched and converted the first time."""
    pytest.importorskip("transformers")
    from dormant.engines.hf.smollm2 import fetch_smollm2
    from dormant.errors import ModelError

    try:
        return fetch_smollm2()
    except ModelError as error:
        pytest.skip(f"SmolLM2 is not available here: {error}")


@pytest.fixture(scope="session")
def conditional_adapter(smollm2_dir: Path) -> smollm2.Conditional:
    """An adapter that misbehaves under one system prompt only (about a minute to train)."""
    pytest.importorskip("peft")
    from support import smollm2

    return smollm2.conditional(smollm2_dir, smollm2_dir.parent)


@pytest.fixture(scope="session")
def educational(tmp_path_factory: pytest.TempPathFactory) -> TrainedOrganism:
    """An organism of the zoo whose cue is a frame around the question (about 5 s to train)."""
    from dormant.organisms import zoo
    from dormant.organisms.train import train_organism

    return train_organism(
        zoo.load_recipe("educational"), tmp_path_factory.mktemp("educational") / "o", seed=0
    )


@pytest.fixture(scope="session")
def _served() -> Generator[openai_server.Running]:
    pytest.importorskip("aiohttp")
    from support import openai_server

    with openai_server.running() as server:
        yield server


@pytest.fixture
def server(_served, monkeypatch: pytest.MonkeyPatch) -> openai_server.Running:
    """An OpenAI-compatible server, fresh, known to the environment as ``local``."""
    _served.set()
    from support import openai_server

    monkeypatch.setenv("LOCAL_API_KEY", openai_server.KEY)
    monkeypatch.setenv("LOCAL_BASE_URL", _served.url)
    return _served


@pytest.fixture(scope="session")
def _smollm2_served() -> Generator[smol.SmolServer]:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("transformers")
    from dormant.errors import ModelError
    from support import smollm2_server as smol

    try:
        smol.gguf()
    except ModelError as error:
        pytest.skip(f"SmolLM2 is not available here: {error}")
    with smol.running() as running:
        yield running


@pytest.fixture
def smollm2_server(_smollm2_served, monkeypatch: pytest.MonkeyPatch) -> smol.SmolServer:
    """SmolLM2 behind a real server with several slots, known to the environment."""
    for name, value in _smollm2_served.environment.items():
        monkeypatch.setenv(name, value)
    return _smollm2_served


#: Seconds that a test without the mark ``slow`` or ``real`` may take, fixtures not counted.
BUDGET = 20.0


def over_budget(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line for each unmarked test that took longer than the budget."""
    return [
        f"{report.nodeid}: {report.duration:.0f} s"
        for report in reports
        if report.when == "call"
        and report.duration > BUDGET
        and not {"slow", "real"} & set(report.keywords)
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the tests that need the mark ``slow``, or to become faster."""
    done = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if isinstance(report, pytest.TestReport)
    ]
    lines = over_budget(done)
    if lines:
        terminalreporter.section(f"unmarked tests over {BUDGET:g} s: mark them slow")
        for line in lines:
            terminalreporter.line(line)
