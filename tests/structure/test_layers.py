"""The rooms of the package from top to bottom: each may import those below it, with exceptions."""

import ast
import subprocess
import sys

import pytest

from structure.measures import PACKAGE, Tree, find_circles, read_tree, room_of

MODELS = "engines judges organisms discovery writer"
#: From top to bottom: a room, and which of the rooms below it must not import all the same.
LAYERS: tuple[tuple[str, str], ...] = (
    ("__main__", ""),
    ("cli", ""),
    ("__init__", ""),  # the Python door
    ("verbs", ""),  # one function a command
    ("studies", "exchange"),
    ("exchange", ""),
    ("pipeline", ""),  # composition: no terminal, no sentences for users
    ("calibration", f"{MODELS} banks vitro decision"),
    ("report", f"{MODELS} banks vitro decision"),  # stored records only: it cannot change a finding
    ("discovery", "organisms writer decision"),  # never an audit, never a plan
    ("writer", "organisms decision stats"),
    ("organisms", "decision stats"),
    ("judges", "store decision stats"),
    ("store", "engines banks vitro decision stats corpus cues config"),
    ("engines", "banks decision stats probes"),
    ("banks", "decision stats"),
    ("vitro", "decision stats probes cues corpus"),
    ("decision", "cues corpus config"),  # pure, like all below
    ("stats", "probes cues corpus config"),
    ("probes", "cues corpus"),
    ("cues", "corpus"),
    ("corpus", ""),
    ("config", ""),
    ("records", ""),
    ("progress", ""),
    ("errors", ""),
    ("version", ""),
)
ORDER = [room for room, _ in LAYERS]
#: Packages that cost seconds to import, and the rooms that may.
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "safetensors", "gguf"}
MAY_BE_HEAVY = {"vitro", "engines", "organisms"}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree(PACKAGE)


def test_every_room_has_its_layer(tree: Tree):
    assert {room_of(module) for module in tree.modules} == set(ORDER)


def test_imports_go_down_only(tree: Tree):
    barred = {room: set(names.split()) for room, names in LAYERS}
    unknown = set().union(*barred.values()) - set(ORDER)
    assert not unknown, unknown
    wrong = [
        f"{one} imports {other}"
        for one, other in sorted(tree.file_imports)
        if ORDER.index(room_of(other)) < ORDER.index(room_of(one))
        or room_of(other) in barred[room_of(one)]
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_store_speaks_sql(tree: Tree):
    wrong = [
        name
        for name, module in tree.modules.items()
        if room_of(name) not in ("store", "cli") and "sqlite3" in imported_packages(module)
    ]
    assert not wrong, "\n".join(wrong)


def test_files_import_each_other_in_no_circle(tree: Tree):
    assert not find_circles(tree.file_imports)


def test_imports_are_absolute(tree: Tree):
    wrong = [
        f"{name}:{node.lineno}"
        for name, module in tree.modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_packages_stay_in_their_rooms(tree: Tree):
    wrong = [
        f"{name} imports {package}"
        for name, module in tree.modules.items()
        for package in imported_packages(module) & HEAVY
        if room_of(name) not in MAY_BE_HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_third_party_imports_are_declared(tree: Tree):
    declared = HEAVY | {"click", "jinja2", "numpy", "pydantic", "yaml", "rich", "scipy"}
    declared |= {"accelerate", "dormant", "huggingface_hub", "py3langid"}
    declared |= {
        "aiohttp",
        "genai_prices",
        "inspect_ai",
        "openai",
        "orjson",
        "pyarrow",
        "regex",
        "sklearn",
        "starlette",
        "threadpoolctl",
        "tinker",
        "uvicorn",
        "uvloop",
        "yarl",
    }
    wrong = [
        f"{name} imports {package}"
        for name, module in tree.modules.items()
        for package in imported_packages(module) - declared - sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


def imported_packages(module: ast.Module) -> set[str]:
    """The top-level packages that a module imports, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_files_stay_readable(tree: Tree):
    assert not {name: count for name, count in tree.lines.items() if count > 400}


def test_functions_stay_short(tree: Tree):
    lengths = {
        f"{name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, module in tree.modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: length for name, length in lengths.items() if length > 80}
    assert sum(length < 40 for length in lengths.values()) >= 0.9 * len(lengths)


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
        "import dormant.pipeline.forecast, dormant.pipeline.audit, dormant.cli.doctor\n"
        "from dormant.engines.registry import open_engine\n"
        "from dormant.judges.registry import open_judge\n"
        "open_judge('exact'), open_judge('rules:regex=a')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
