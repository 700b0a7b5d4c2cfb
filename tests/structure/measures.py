"""Measures of a source tree: how it is divided, how it is named, how large it is.

    python tests/structure/measures.py [PACKAGE_DIRECTORY ...]

prints one column for each package directory (by default the package of this checkout), so that
two checkouts can be compared. What each number counts is said in the function that makes it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "dormant"

#: Participles that no ending tells.
_IRREGULAR = frozenset(
    "told said made found left lost kept held sold sent built spent bought thought caught taught "
    "read known shown drawn grown thrown worn torn given taken written spoken broken chosen frozen "
    "driven hidden seen gone done won run met fed put set let cut hit split spread laid paid meant "
    "understood begun sung bound ground wound heard felt dealt led sought fought brought".split()
)
#: Verbs and nouns that look like participles, or whose participle is the verb itself.
_NOT_PARTICIPLES = frozenset(
    "read run put set let cut hit split spread ground sampling embed feed seed need speed proceed "
    "exceed succeed breed shed string ring thing king bring sing spring ping bing token open "
    "listen seven ten even when then hidden len gen screen green train setting ceiling timing "
    "finding warning heading meaning wording rating ranking reading mapping encoding decoding "
    "spelling".split()
)


@dataclass(frozen=True)
class Tree:
    """A package as its source files say it is.

    Attributes:
        root: the package's directory.
        modules: dotted name of each module, without the package's own, to its syntax tree.
        lines: lines of code of each module, blank lines and comments included.
    """

    root: Path
    modules: Mapping[str, ast.Module]
    lines: Mapping[str, int]

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """Names of all functions, methods and properties but double-underscore ones."""
        return tuple(
            node.name
            for tree in self.modules.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and not (node.name.startswith("__") and node.name.endswith("__"))
        )

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of all functions and lambdas."""
        return tuple(
            node.arg
            for tree in self.modules.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.arg) and node.arg not in ("self", "cls")
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return tuple(
            node.name
            for tree in self.modules.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        )

    @cached_property
    def file_imports(self) -> frozenset[tuple[str, str]]:
        """Pairs (module, module it imports), imports inside functions included.

        Imports for type checkers alone (under ``if TYPE_CHECKING``) never run and do not count.
        """
        return frozenset(
            (name, target)
            for name, tree in self.modules.items()
            for target in self._targets(tree)
            if target != name
        )

    @cached_property
    def room_imports(self) -> frozenset[tuple[str, str]]:
        """Pairs (room, room it imports)."""
        pairs = {(room_of(one), room_of(other)) for one, other in self.file_imports}
        return frozenset((one, other) for one, other in pairs if one != other)

    def _targets(self, tree: ast.Module) -> Iterator[str]:
        package = self.root.name
        skipped = {id(n) for block in type_checking_blocks(tree) for n in ast.walk(block)}
        for node in ast.walk(tree):
            if id(node) in skipped:
                continue
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                top, _, rest = name.partition(".")
                if top == package:
                    yield self._module_of(rest)

    def _module_of(self, name: str) -> str:
        """The longest part of a name that is a module; ``__init__`` for the package itself."""
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return name or "__init__"


def read_tree(root: Path) -> Tree:
    """Parses every module of a package directory."""
    modules: dict[str, ast.Module] = {}
    lines: dict[str, int] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        text = path.read_text(encoding="utf-8")
        modules[name], lines[name] = ast.parse(text), len(text.splitlines())
    return Tree(root, modules, lines)


def room_of(module: str) -> str:
    """The room of a module: the package's direct child that holds it."""
    return module.partition(".")[0]


def type_checking_blocks(tree: ast.Module) -> Iterator[ast.If]:
    """The ``if TYPE_CHECKING`` blocks of a module."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            yield node


def find_circles(imports: frozenset[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Groups of nodes that reach each other (strongly connected components of two or more)."""
    reached = {node: reach(node, imports) for pair in imports for node in pair}
    groups = {
        tuple(sorted(other for other in reached[node] | {node} if node in reached[other] | {other}))
        for node in reached
    }
    return sorted(group for group in groups if len(group) > 1)


def reach(start: str, imports: frozenset[tuple[str, str]]) -> set[str]:
    """Every node that can be reached from one."""
    targets: dict[str, list[str]] = {}
    for one, other in imports:
        targets.setdefault(one, []).append(other)
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for node in targets.get(waiting.pop(), ()):
            if node not in found:
                found.add(node)
                waiting.append(node)
    return found


def count_upward(imports: frozenset[tuple[str, str]]) -> int:
    """Imports between rooms that no order from top to bottom allows: the fewest over all orders."""
    total = 0
    for group in find_circles(imports):
        inside = [(a, b) for a, b in imports if a in group and b in group]
        if len(group) > 7:  # every order of more would take minutes: the larger half is a bound
            total += len(inside) - len(group) + 1
            continue
        total += min(
            sum(order.index(a) > order.index(b) for a, b in inside) for order in permutations(group)
        )
    return total


def is_participle(name: str) -> bool:
    """Whether a one-word name is a bare participle, such as ``told``, ``merged`` or ``growing``."""
    word = name.strip("_").lower()
    if not word or "_" in word or word in _NOT_PARTICIPLES:
        return False
    return word in _IRREGULAR or (len(word) > 4 and word.endswith(("ed", "ing")))


def is_one_word(name: str) -> bool:
    """Whether a function's name is a single word; a leading underscore does not count."""
    return "_" not in name.strip("_")


def is_participle_class(name: str) -> bool:
    """Whether a class name is a bare participle, such as ``Screened``."""
    return sum(letter.isupper() for letter in name) == 1 and is_participle(name)


def count_exports(tree: Tree) -> int:
    """Names in the ``__all__`` of the package and of its sub-packages."""
    found = 0
    for module in tree.modules.values():
        for node in module.body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.List | ast.Tuple)
                and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
            ):
                found += len(node.value.elts)
    return found


def count_public(tree: Tree) -> int:
    """Functions and classes at a module's top level whose name has no leading underscore."""
    return sum(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        for module in tree.modules.values()
        for node in module.body
    )


def is_named_for_an_activity(module: str) -> bool:
    """Whether a module's name ends in -ing (``edges`` is a thing, ``mining`` an activity)."""
    return module.rpartition(".")[2].endswith("ing")


def measure(tree: Tree) -> dict[str, float]:
    """Every measure of a tree; shares are between 0 and 1."""
    functions, classes = tree.functions, tree.classes
    modules = [name for name in tree.modules if name != "__init__"]
    lines = sum(tree.lines.values())
    rooms = {room_of(name) for name in modules}
    return {
        "rooms": len(rooms),
        "imports between rooms": len(tree.room_imports),
        "circles between rooms": len(find_circles(tree.room_imports)),
        "circles between files": len(find_circles(tree.file_imports)),
        "upward imports": count_upward(tree.room_imports),
        "functions": len(functions),
        "bare-participle functions": share(map(is_participle, functions)),
        "bare-participle parameters": share(map(is_participle, tree.parameters)),
        "one-word function names": share(map(is_one_word, functions)),
        "classes": len(classes),
        "bare-participle classes": share(map(is_participle_class, classes)),
        "class names that occur twice": sum(n > 1 for n in Counter(classes).values()),
        "modules": len(modules),
        "modules ending in -ing": share(map(is_named_for_an_activity, modules)),
        "lines of code": lines,
        "longest file, lines": max(tree.lines.values()),
        "public definitions per 1,000 lines": count_public(tree) / lines * 1000,
        "exported names": count_exports(tree),
    }


def share(values: Iterator[bool] | Sequence[bool]) -> float:
    """Share of true values; NaN for none."""
    found = list(values)
    return sum(found) / len(found) if found else float("nan")


def main(arguments: Sequence[str]) -> None:
    """Prints one column for each package directory."""
    roots = [Path(argument) for argument in arguments] or [PACKAGE]
    columns = [measure(read_tree(root)) for root in roots]
    for name in columns[0]:
        cells = [
            f"{column[name]:.1%}"
            if isinstance(column[name], float) and "per" not in name
            else f"{column[name]:,.1f}".removesuffix(".0")
            for column in columns
        ]
        print(f"{name:36}" + "".join(f"{cell:>12}" for cell in cells))


if __name__ == "__main__":
    main(sys.argv[1:])
