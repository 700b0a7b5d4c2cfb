"""Where names are imported from: the rule of docs/design/doors.md."""

import ast
from collections.abc import Iterator

import pytest

from structure.measures import PACKAGE, Tree, read_tree, room_of

#: Packages of which only the package above them knows.
CLOSED = ("cues.mining", "engines.api", "engines.hf")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree(PACKAGE)


def find_exports(tree: Tree) -> dict[str, set[str]]:
    """Returns the names that each package lists in ``__all__``, and its public definitions."""
    exports: dict[str, set[str]] = {}
    for package in find_packages(tree):
        names = find_definitions(tree.modules[package])
        for node in tree.modules[package].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names.update(ast.literal_eval(node.value))
        exports[package] = names
    return exports


def find_packages(tree: Tree) -> list[str]:
    return [
        name
        for name in tree.modules
        if name != "__init__" and (PACKAGE / name.replace(".", "/")).is_dir()
    ]


def find_definitions(module: ast.Module) -> set[str]:
    return {
        node.name
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


def find_wrong_imports(tree: Tree) -> list[str]:
    """Lists imports of exported names: from outside past the package, from inside through it."""
    imports = list(iterate_imports(tree))
    return [
        f"{name}:{line}: {imported} of {package}"
        for package, exported in find_exports(tree).items()
        for name, line, source, imported in imports
        if imported in exported
        and name != package
        and (
            source == package and imported not in find_definitions(tree.modules[package])
            if name.startswith(f"{package}.")
            else source.startswith(f"{package}.")
        )
    ]


def iterate_imports(tree: Tree) -> Iterator[tuple[str, int, str, str]]:
    """Yields importing file, line, imported module and name of each import inside the package."""
    for name, module in tree.modules.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dormant."):
                for alias in node.names:
                    yield name, node.lineno, (node.module or "")[len("dormant.") :], alias.name


def test_exported_names_are_imported_from_their_package(tree: Tree):
    wrong = find_wrong_imports(tree)
    assert not wrong, "\n".join(wrong)


def test_wrong_imports_are_found(tree: Tree):
    past = "from dormant.store.files import describe_difference, write_atomically"
    through = "from dormant.store import Store"
    modules = {
        **tree.modules,
        "cli.zoo": ast.parse(f"{past}\n{through}"),
        "store.replies": ast.parse(f"{past}\n{through}"),
    }
    found = find_wrong_imports(Tree(tree.root, modules, tree.lines))
    assert found == ["cli.zoo:1: write_atomically of store", "store.replies:2: Store of store"]


def test_packages_that_import_names_list_their_exports(tree: Tree):
    importers = {name for name, *_ in iterate_imports(tree)}
    silent = {package for package, names in find_exports(tree).items() if not names}
    assert not importers & silent


def test_closed_packages_are_imported_by_the_package_above_them_only(tree: Tree):
    wrong = [
        f"{one} imports {other}"
        for one, other in sorted(tree.file_imports)
        for package in CLOSED
        if f"{other}.".startswith(f"{package}.") and room_of(one) != room_of(package)
    ]
    assert not wrong, "\n".join(wrong)
