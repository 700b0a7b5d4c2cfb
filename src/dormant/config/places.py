"""Errors of checks outside a model, with the file and the line of the key that they name."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydantic

from dormant.config.nodes import find_line, find_quoted
from dormant.config.reader import load_yaml
from dormant.errors import ConfigError, InputError

#: How an error begins that names a key: ``judge: ...``, ``cues.library: ...``.
_KEY = re.compile(r"[a-z_]+(?:\.\w+)*(?=:? )")


@contextmanager
def name_keys(
    file: str | Path | None, settings: pydantic.BaseModel | None = None
) -> Generator[None]:
    """Adds file and line to an error that begins with a key of a file, or quotes a value of it.

    Args:
        file: a YAML file that fitted its model; None changes no error.
        settings: what was made of it; a key whose value an option replaced is not the file's.

    Raises:
        ConfigError: as raised inside; one that names a file stays as it is.
    """
    try:
        yield
    except InputError as error:
        if file is None or getattr(error, "file", None) is not None:
            raise
        value, tree = load_yaml(file)
        found = _KEY.match(str(error))
        line = None
        if found is not None and isinstance(value, Mapping):
            where = tuple(int(step) if step.isdigit() else step for step in found[0].split("."))
            if where[0] in value and (settings is None or _is_kept(value, settings, where[0])):
                line = find_line(tree, where)
        line = find_quoted(tree, str(error)) if line is None else line
        if line is None:
            raise
        raise ConfigError(str(error), file=file, line=line) from None


def _is_kept(value: Mapping[Any, Any], settings: pydantic.BaseModel, key: str | int) -> bool:
    """Whether the settings have the file's value of a key, or hold every part of it."""
    kept = settings.model_dump(include={str(key)}).get(str(key))
    given = value[key]
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        return all(_is_same(kept.get(name), inner) for name, inner in given.items())
    return _is_same(kept, given)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal; lists and tuples are, and NaN is itself."""
    as_list = list(one) if isinstance(one, tuple) else one
    return as_list == other or repr(as_list) == repr(other)
