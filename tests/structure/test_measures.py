"""Ratchets: measures of the tree that may fall and must not rise."""

import ast
from pathlib import Path

import pytest

from structure import measures

#: Largest value that each measure may have. Lower it when the tree is better; never raise it.
AT_MOST = {
    "rooms": 26,
    "imports between rooms": 154,
    "circles between rooms": 0,
    "circles between files": 0,
    "upward imports": 0,
    "bare-participle functions": 0.001,
    "bare-participle parameters": 0.045,
    "bare-participle classes": 0.005,
    "one-word function names": 0.13,
    "modules ending in -ing": 0.04,
    "class names that occur twice": 0,
    "longest file, lines": 400,
}


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return dict(measures.measure(measures.read_tree(measures.PACKAGE)))


@pytest.mark.parametrize("name", AT_MOST)
def test_the_tree_gets_no_worse(name: str, found: dict[str, float]):
    assert found[name] <= AT_MOST[name], f"{name}: {found[name]:.4g}, at most {AT_MOST[name]:.4g}"


def tree_of(tmp_path: Path, **modules: str) -> measures.Tree:
    package = tmp_path / "pack"
    for name, text in modules.items():
        path = package.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return measures.read_tree(package)


def test_lazy_imports_count_and_those_for_type_checkers_do_not(tmp_path: Path):
    lazy = "def run():\n    from pack.b.two import g\n    return g\n"
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.c import three\n"
    tree = tree_of(tmp_path, a__one=lazy + types, b__two="from pack.a import one\n", c__three="")
    assert tree.file_imports == {("a.one", "b.two"), ("b.two", "a.one")}
    assert measures.find_circles(tree.file_imports) == [("a.one", "b.two")]
    assert measures.count_upward(tree.room_imports) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("told", True),
        ("_merged", True),
        ("growing", True),
        ("read", False),
        ("embed", False),
        ("read_words", False),
        ("_merge_rows", False),
        ("string", False),
    ],
)
def test_what_a_bare_participle_is(name: str, expected: bool):
    assert measures.is_participle(name) is expected


def test_names_are_counted_by_their_words(tmp_path: Path):
    text = "class Told:\n    def rows(self): ...\n    def _read_rows(self): ...\n"
    tree = tree_of(tmp_path, a=text, growing="class Told: ...")
    found = measures.measure(tree)
    assert found["functions"] == 2 and found["one-word function names"] == 0.5
    assert found["bare-participle classes"] == 1 and found["class names that occur twice"] == 1
    assert found["modules ending in -ing"] == 0.5
    assert isinstance(tree.modules["a"], ast.Module)
