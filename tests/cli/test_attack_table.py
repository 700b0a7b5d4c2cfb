"""The harness behind the table of attacks: a few cases of its parts, and what it must notice."""

import importlib.util
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

from dormant.engines.api import retries

pytestmark = pytest.mark.slow
FILE = Path(__file__).parents[2] / "benchmarks" / "attacks.py"


@pytest.fixture(scope="module")
def attacks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("attacks", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("part", ["leaks", "faults", "sandbox", "disks"])
def test_the_first_cases_of_a_part_hold(
    attacks: ModuleType, tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retries, "_SECOND_LOOK", 0.001)
    monkeypatch.setattr(retries, "_LONGEST_WAIT", 0.5)
    for name in ("LOCAL_API_KEY", "LOCAL_BASE_URL", "no_proxy"):
        monkeypatch.setenv(name, "")  # the parts set them
    cases = list(islice(attacks.PARTS[part](tmp_path), 3))
    assert len(cases) == 3 and not [f"{name}: {wrong}" for name, wrong in cases if wrong]


def test_a_case_that_does_not_hold_is_counted(attacks: ModuleType):
    def raise_error() -> str:
        raise ValueError("a defect")

    assert attacks.measure("a", lambda: "leaked: plain") == ("a", "leaked: plain")
    assert attacks.measure("b", raise_error) == ("b", "ValueError: a defect")
    assert attacks.measure("c", lambda: "" if sys.version else "x") == ("c", "")
