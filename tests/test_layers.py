"""Imports go down only: a room of the package may import what is listed here and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import dormant

ROOT = Path(dormant.__file__).parent
GROUND = {"errors", "records"}
PURE = GROUND | {"config"}
#: Room -> the rooms it may import. A room may always import itself.
ROOMS = {
    "errors": set(),
    "records": set(),
    "config": GROUND,
    "corpus": PURE,
    "cues": PURE,
    "probes": PURE,
    "stats": GROUND,
    # What ships for a language, before any model is opened.
    "banks": PURE | {"corpus", "cues", "probes", "vitro"},
    "advice": GROUND,
    "verdict": GROUND | {"advice"},
    "designs": GROUND | {"probes", "stats", "verdict"},
    "vitro": PURE,
    "store": GROUND | {"probes"},
    "report": GROUND | {"store"},
    "engines": PURE | {"vitro"},
    "judges": PURE | {"vitro", "engines"},
    "organisms": PURE | {"vitro", "corpus", "probes"},
    # Prediction-powered estimates are statistics; calibration composes them with a run's labels.
    "calibration": GROUND | {"store", "report", "stats"},
    "budgeting": PURE | {"engines", "judges", "store"},
    "planning": PURE
    | {
        "banks",
        "budgeting",
        "corpus",
        "cues",
        "probes",
        "engines",
        "judges",
        "stats",
        "vitro",
        "store",
    },
}
# The writer reads replies as judges are read, keeps them in the run directory and is paid by it.
ROOMS["writer"] = PURE | {"budgeting", "cues", "engines", "judges", "replies", "store"}
ROOMS["planning"] |= {"writer"}
# What is found is confirmed by an audit: search knows engines and judges, never an audit or a plan.
ROOMS["search"] = PURE | {"corpus", "cues", "probes", "engines", "judges", "stats", "vitro"}
ROOMS["search"] |= {"store"}
ROOMS["search_plan"] = ROOMS["planning"] | ROOMS["search"] | {"planning", "search"}
ROOMS["searching"] = ROOMS["search_plan"] | {"search_plan"}
ROOMS["replies"] = GROUND | {"engines", "store"}
ROOMS["auditing"] = set(ROOMS)
ROOMS["validation"] = set(ROOMS)
ROOMS["ground_truth"] = set(ROOMS)
ROOMS["exchange"] = set(ROOMS)
ROOMS["__init__"] = set(ROOMS)
ROOMS["cli"] = set(ROOMS) | {"__init__"}
ROOMS["__main__"] = {"cli"}
HEAVY = {"torch", "transformers", "peft", "safetensors", "gguf"}
MAY_BE_HEAVY = {"vitro", "engines", "organisms"}


def room(path: Path) -> str:
    part = path.relative_to(ROOT).parts[0]
    return part.removesuffix(".py")


def imported(path: Path) -> set[tuple[int, str]]:
    """Every absolute import of a file, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(node.lineno, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            found.add((node.lineno, module))
            if module == "dormant":
                found |= {(node.lineno, f"dormant.{alias.name}") for alias in node.names}
    return found


def files() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*.py"))


def test_every_room_is_known():
    assert {room(p) for p in files()} <= set(ROOMS)


def test_imports_go_down_only():
    wrong = []
    for path in files():
        for line, name in imported(path):
            parts = name.split(".")
            if parts[0] != "dormant":
                continue
            target = parts[1] if len(parts) > 1 else "__init__"
            if target in ("__version__", "__init__") or target == room(path):
                continue
            if target not in ROOMS[room(path)]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports dormant.{target}")
    assert not wrong, "\n".join(wrong)


def test_heavy_packages_stay_in_their_rooms():
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files()
        for line, name in imported(path)
        if name.split(".")[0] in HEAVY and room(path) not in MAY_BE_HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_third_party_imports_are_declared():
    declared = HEAVY | {"click", "jinja2", "numpy", "pydantic", "yaml", "rich", "scipy"}
    declared |= {"accelerate", "dormant", "huggingface_hub"}
    declared |= {"aiohttp", "genai_prices", "inspect_ai", "orjson", "pyarrow", "uvloop", "yarl"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files()
        for line, name in imported(path)
        if name.split(".")[0] not in declared | sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


def test_files_stay_readable():
    long = [f"{p.relative_to(ROOT)}: {n}" for p in files() if (n := lines(p)) > 400]
    assert not long, "\n".join(long)


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_functions_stay_short():
    lengths = {}
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert not {name: n for name, n in lengths.items() if n > 80}
    assert sum(n < 40 for n in lengths.values()) >= 0.9 * len(lengths)


def test_an_audit_of_the_laboratory_needs_no_other_extra():
    """What `dormant[vitro]` leaves out must not be imported on the way to a verdict."""
    code = (
        "import sys\n"
        "absent = {'aiohttp', 'orjson', 'genai_prices', 'inspect_ai', 'transformers', 'pyarrow'}\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in absent:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import dormant.planning.forecast, dormant.auditing, dormant.cli.doctor\n"
        "from dormant.engines.registry import open_engine\n"
        "from dormant.judges.registry import open_judge\n"
        "open_judge('exact'), open_judge('rules:regex=a')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
