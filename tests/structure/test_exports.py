"""The names that users import: a change here is a change for them, and belongs in the changelog."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import dormant
import dormant.vitro

PUBLIC = {
    "DormantError",
    "__version__",
    "analyze",
    "ask",
    "audit",
    "audit_zoo",
    "calibrate",
    "card",
    "check_installation",
    "compare",
    "compare_forced",
    "describe_schema",
    "export_answers",
    "export_sample",
    "gate",
    "import_answers",
    "list_library",
    "list_zoo",
    "load",
    "measure_rare_rates",
    "mine_cues",
    "mitigate",
    "plan",
    "plan_forced",
    "plan_rare_rates",
    "plan_search",
    "plan_traffic",
    "pretrain",
    "preview_training",
    "quickstart",
    "reproduce",
    "search",
    "simulate_effect",
    "study_traffic",
    "study_zoo",
    "sweep",
    "train",
    "train_zoo",
    "validate_zoo",
    "view",
    "write_cues",
    "write_report",
    "write_start_files",
}


def test_exported_names():
    assert set(dormant.__all__) == PUBLIC
    assert all(hasattr(dormant, name) for name in PUBLIC)


def test_every_module_opens_by_saying_what_it_is():
    root = Path(dormant.__file__).parent
    silent = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_no_module_hides_an_exported_function():
    # `import dormant.audit` would put the module in the place of the function.
    root = Path(dormant.__file__).parent
    modules = {p.stem for p in root.glob("*.py")} | {p.name for p in root.iterdir() if p.is_dir()}
    assert not modules & (PUBLIC - {"__version__"})


@pytest.mark.parametrize("name", dormant.vitro.__all__)
def test_every_name_of_the_laboratory_is_there_and_is_no_module(name):
    for module in Path(dormant.vitro.__file__).parent.glob("*.py"):
        importlib.import_module(f"dormant.vitro.{module.stem}")  # would take a like name's place
    assert not isinstance(getattr(dormant.vitro, name), ModuleType)
