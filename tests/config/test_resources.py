"""What ships as YAML is right by the strict loader too, and reads the same by the fast one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dormant.config.reader import load_yaml
from dormant.config.resources import is_resource, list_resources, resource_path


@pytest.mark.parametrize("name", list_resources(""))
def test_a_shipped_file_is_read_as_a_user_s_copy_of_it(name: str, tmp_path: Path):
    shipped, copy = resource_path(f"{name}.yaml"), tmp_path / f"{name}.yaml"
    shutil.copy(shipped, copy)
    assert is_resource(shipped) and not is_resource(copy)
    (value, tree), (other, strict) = load_yaml(shipped), load_yaml(copy)
    assert value == other and tree is not None and strict is not None
    assert tree.start_mark.line == strict.start_mark.line
