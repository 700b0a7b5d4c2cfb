"""Places in a composed YAML file: a value's line, the value at a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

Where = tuple[str | int, ...]  # path of a value: keys and indices


def wrap_list(tree: yaml.Node | None, key: str) -> yaml.Node | None:
    """Puts a composed list under a key, as a model of keys and values has it."""
    if tree is None:
        return None
    name = yaml.ScalarNode("tag:yaml.org,2002:str", key, tree.start_mark, tree.end_mark)
    return yaml.MappingNode("tag:yaml.org,2002:map", [(name, tree)], tree.start_mark, tree.end_mark)


def value_at(tree: Any, where: Where) -> Any:
    """The value at a path; steps that the tree lacks, as pydantic's union tags, are skipped."""
    for step in where:
        if isinstance(tree, Mapping) and step in tree:
            tree = tree[step]  # pyright: ignore[reportUnknownVariableType]
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):  # pyright: ignore[reportUnknownArgumentType]
            tree = tree[step]  # pyright: ignore[reportUnknownVariableType]
    return tree  # pyright: ignore[reportUnknownVariableType]


def find_line(tree: yaml.Node | None, where: Where) -> int | None:
    """Finds the 1-based line of a value, or of the deepest part of its path that exists."""
    if tree is None:
        return None
    node, line = tree, tree.start_mark.line
    for step in where:
        found = _find_child(node, step)
        if found is None:
            continue  # pydantic's path contains union tags, the file does not
        node, line = found
    return line + 1


def _find_child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None


def find_quoted(tree: yaml.Node | None, message: str) -> int | None:
    """Finds the 1-based line of the longest scalar that a message quotes; None if there is none."""
    found: dict[str, int] = {}
    waiting = [] if tree is None else [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif node.value and repr(node.value) in message:
            found[node.value] = node.start_mark.line + 1
    return found[max(found, key=len)] if found else None
