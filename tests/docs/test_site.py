"""The documentation site builds strictly, with the generated reference."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_builds_without_a_broken_link(tmp_path: Path):
    command = [sys.executable, str(ROOT / "docs" / "build.py"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in ("index", "docs/reference/commands", "docs/reference/python", "docs/log/index"):
        assert (tmp_path / "site" / f"{page}.html").is_file(), page
    commands = (tmp_path / "site" / "docs" / "reference" / "commands.html").read_text("utf-8")
    assert "dormant zoo validate" in commands and "--policy" in commands


def test_a_broken_link_and_a_missing_anchor_end_the_build(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stage(folder: Path) -> None:
        (folder / "docs").mkdir(parents=True)
        (folder / "docs" / "index.md").write_text("# Index\n")
        for name in ("CONTRIBUTING", "CHANGELOG"):
            (folder / f"{name}.md").write_text(f"# {name}\n")
        (folder / "README.md").write_text(f"# Home\n\n[x]({(tmp_path / 'target').read_text()})\n")

    monkeypatch.setattr(build, "stage_pages", stage)
    for target, code in (("index.md#index", 0), ("no.md", 1), ("index.md#no", 1)):
        (tmp_path / "target").write_text(f"docs/{target}")
        assert build.build_site(tmp_path / "site") == code, target
