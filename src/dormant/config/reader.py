"""Configuration files as typed models: read, checked, and rejected with a location and a fix.

Errors name the file and the line; an unknown key suggests the nearest known one, and a wrong value
is shown.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import pydantic
import yaml

from dormant.config.nodes import Where, find_line, value_at
from dormant.config.resources import is_resource
from dormant.errors import ConfigError, explain_not_text, explain_unreadable
from dormant.errors.files import read_limited

#: A configuration is written by hand; a larger file is another file given by mistake.
LARGEST_YAML = 8 * 1024 * 1024
#: Values of a file, aliases and merged keys counted each time: some kilobytes can name billions.
_MOST_VALUES = 100_000
_LONGEST_NUMBER = 400  # characters
_DEEPEST = 100  # levels of values within values

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3


class Strict(pydantic.BaseModel):
    """Base of every configuration model: immutable; unknown keys, NaN and infinity are errors."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=False, allow_inf_nan=False
    )

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _refuse_boolean(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Refuses true and false where a number is asked for: pydantic reads them as 1 and 0."""
        if isinstance(value, bool) and info.field_name is not None:
            kinds = _list_types(cls.model_fields[info.field_name].annotation)
            if not kinds.isdisjoint((int, float)) and kinds.isdisjoint((bool, Any)):
                raise ValueError("give a number: true and false are none")
        return value


def _list_types(annotation: Any) -> set[Any]:
    """The types of a union, annotations removed; those inside lists are left out."""
    if get_origin(annotation) in (Union, UnionType):
        return {kind for part in get_args(annotation) for kind in _list_types(part)}
    if get_origin(annotation) is Annotated:
        return _list_types(get_args(annotation)[0])
    return {annotation}


Model = TypeVar("Model", bound=pydantic.BaseModel)


def read_yaml(path: str | Path, model: type[Model]) -> Model:
    """Reads a YAML file into a model.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or does not fit the model.
    """
    return read_yaml_with_lines(path, model)[0]


def read_yaml_with_lines(
    path: str | Path, model: type[Model]
) -> tuple[Model, Callable[[Where], int | None]]:
    """Reads a YAML file into a model that can locate its values.

    Returns:
        The model, and a function from a value's path (keys and indices) to its 1-based line, for
        checks outside the model.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or does not fit the model.
    """
    value, tree = _load_mapping(path, model)
    return check_values(value, model, file=path, tree=tree), lambda where: find_line(tree, where)


def read_yaml_with_changes(
    path: str | Path, model: type[Model], change: Callable[[dict[str, Any]], None]
) -> Model:
    """Reads a YAML file, changes its keys and checks the result, which alone must be right.

    Args:
        path: the file.
        model: the model to check against.
        change: overrides keys in place, at most two deep; they may have values of any type.

    Raises:
        ConfigError: as ``read_yaml``; names file and line if the file is wrong without the changes.
    """
    value, tree = _load_mapping(path, model)
    # Shared below the second level, where aliases can make a value recursive or huge.
    changed = {
        key: dict(inner) if isinstance(inner, dict) else inner for key, inner in value.items()
    }
    change(changed)
    try:
        return model.model_validate(changed)
    except pydantic.ValidationError as error:
        first = _pick_error(error)
    where, reason = first["loc"], _explain_error(first, first["loc"], model)
    if first["type"] != "missing" and value_at(value, where) != value_at(changed, where):
        # A change made it wrong, unless the file alone is wrong in the same way.
        try:
            check_values(value, model, file=path, tree=tree)
        except ConfigError as alone:
            if alone.reason == reason:
                raise
        raise ConfigError(reason)
    raise ConfigError(reason, file=path, line=find_line(tree, where))


def _load_mapping(
    path: str | Path, model: type[pydantic.BaseModel]
) -> tuple[dict[str, Any], yaml.Node | None]:
    """Reads the keys and values of a YAML file."""
    value, tree = load_yaml(path)
    if not isinstance(value, dict):
        got = "but the file is empty" if value is None else f"got {_shorten_value(value)}"
        raise ConfigError(
            f"expected keys and values, {got}: the keys are {_list_keys(model)}", file=path
        )
    return value, tree  # pyright: ignore[reportUnknownVariableType]


def load_yaml(path: str | Path) -> tuple[Any, yaml.Node | None]:
    """Reads a YAML file as plain values, with the composed nodes for line numbers.

    Raises:
        ConfigError: the file cannot be read or is not YAML.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        loader = _ShippedLoader(text) if is_resource(path) else _UniqueKeyLoader(text)
        tree = loader.get_single_node()  # scanning takes nearly all of the time: once is enough
        _check_size(tree)
        value = None if tree is None else loader.construct_document(tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not YAML: {error.problem}", file=path, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"not YAML: {reason}", file=path) from None
    return value, tree


def _check_size(tree: yaml.Node | None) -> None:
    """Raises ``MarkedYAMLError`` for a value within itself, or too many with aliases followed."""
    sizes: dict[int, int] = {}  # 0 while a node's own values are measured

    def measure(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)], inner = 0, 0
            if isinstance(node, yaml.MappingNode):
                inner = sum(measure(k) + measure(v) for k, v in node.value)
            elif isinstance(node, yaml.SequenceNode):
                inner = sum(map(measure, node.value))
            sizes[id(node)] = 1 + inner
        elif sizes[id(node)] == 0:
            problem = "an alias (*) stands within the value that it names"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return sizes[id(node)]

    if tree is not None and measure(tree) > _MOST_VALUES:
        problem = f"more than {_MOST_VALUES:,} values once its aliases (*) are followed"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=tree.start_mark)


def check_values(
    value: Mapping[Any, Any],
    model: type[Model],
    *,
    file: str | Path | None = None,
    tree: yaml.Node | None = None,
) -> Model:
    """Checks plain values against a model.

    Args:
        value: the plain values.
        model: the model to check against.
        file: file name for errors.
        tree: the composed YAML, for line numbers in errors.

    Raises:
        ConfigError: the first error, with its fix.
    """
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        first = _pick_error(error)
        line = find_line(tree, first["loc"])
        raise ConfigError(
            _explain_error(first, first["loc"], model), file=file, line=line
        ) from None


def _pick_error(error: pydantic.ValidationError) -> Any:
    """Picks the error to report: a misspelled key also makes the right key missing."""
    return min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")


_HALF = re.compile("[\ud800-\udfff]")
#: Numbers that YAML 1.1 reads in base 60 (1:30 is 90) or 8 (010 is 8), which nobody means.
_OTHER_BASE = re.compile(r"[-+]?(\d[\d_]*(:\d+)+(\.[\d_]*)?|0[\d_]+)")


#: Reads files of the package, which the tests check: libyaml, where PyYAML has it, is ten times as
#: fast as the loader that names what is wrong in a file of the user.
_ShippedLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys, which YAML would silently overwrite.

    A file of too many values or levels, and a value that does not fit its tag, are errors with
    their line. Halves of a character, which two escapes may give, are joined; a single half, which
    no file or server can hold, is an error.
    """

    def __init__(self, stream: str):
        super().__init__(stream)
        self._values = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._values += 1
        self._depth += 1
        if self._values > _MOST_VALUES or self._depth > _DEEPEST:
            most = f"{_DEEPEST} levels" if self._depth > _DEEPEST else f"{_MOST_VALUES:,} values"
            problem = f"more than {most}: is this the right file?"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        try:
            if is_number and len(node.value) > _LONGEST_NUMBER:
                raise ValueError
            value = super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = node.tag.rpartition(":")[2]
            problem = f"{_shorten_value(node.value)} is no value of the type {kind[:40]!r}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
        if is_number and _OTHER_BASE.fullmatch(node.value):
            problem = (
                f"YAML reads {node.value} as {value}, in base {60 if ':' in node.value else 8}: "
                f"write {value} if that is meant, else put {node.value} in quotes"
            )
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if not _HALF.search(value):
            return value
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            problem = "half a character (a lone surrogate): write the whole character"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # "<<": merged keys, which explicit keys override
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                problem = f"a key must be a scalar, got {_shorten_value(key)}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                problem = f"duplicate key {key!r}: keep one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _read_text(path: Path) -> str:
    try:
        raw = read_limited(path, LARGEST_YAML)
    except (OSError, ValueError) as error:
        reason = explain_unreadable(error, expected="a YAML file")
        raise ConfigError(reason, file=path) from None
    if len(raw) > LARGEST_YAML:
        raise ConfigError(
            f"more than {LARGEST_YAML:,} bytes is too large for a configuration file: is this the "
            "right file?",
            file=path,
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(explain_not_text(raw), file=path, line=line) from None


#: What to give instead, where pydantic says only what it could not parse.
_FIXES: dict[str, str] = {
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        "give a date, e.g. 2030-01-31",
    ),
    **dict.fromkeys(("tuple_type", "list_type"), "give a list, e.g. [a, b]"),
    "string_type": "give a text, in quotes if it looks like a number",
}


def _explain_error(error: Any, where: Where, model: type[pydantic.BaseModel]) -> str:
    """Formats a pydantic error in one line: key, value and fix."""
    name = ".".join(str(step) for step in where) or "the file"
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, where[:-1])
        near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
        fix = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}"
        return f"unknown key {name!r}: {fix}"
    if error["type"] == "missing":
        return f"the key {name!r} is missing: {error['msg'].lower()}"
    message = error["msg"].removeprefix("Value error, ")
    parts: list[Any] = error["input"] if isinstance(error["input"], list) else [error["input"]]
    if error["type"] == "value_error" and any(isinstance(part, Mapping) for part in parts):
        # A check across keys or entries names them itself.
        return f"{'.'.join(map(str, where))}: {message}" if where else message
    if error["type"] == "model_type":
        message = f"expected keys and values ({', '.join(_known_keys(model, where))})"
    message = _FIXES.get(error["type"], message)
    return f"{name}: {message[:1].lower()}{message[1:]}, got {_shorten_value(error['input'])}"


def _known_keys(model: type[pydantic.BaseModel], where: Where) -> list[str]:
    """Lists the keys allowed at a path; inside a union, those of the enclosing model."""
    current: Any = model
    for step in where:
        fields = getattr(current, "model_fields", {})
        inner = fields[step].annotation if step in fields else None
        if not (isinstance(inner, type) and issubclass(inner, pydantic.BaseModel)):
            candidates = [a for a in getattr(inner, "__args__", ()) if hasattr(a, "model_fields")]
            inner = candidates[0] if len(candidates) == 1 else None
        if inner is not None:
            current = inner
    return sorted(getattr(current, "model_fields", {}))


def _list_keys(model: type[pydantic.BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _shorten_value(value: Any) -> str:
    # reprlib, because YAML aliases can make a value recursive or huge.
    return str(value) if isinstance(value, date) else _SHORT.repr(value)
