"""The commands of the first pages run, in their order, in an empty directory."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dormant.cli import command_group
from support import ROOT

README = ROOT / "README.md"
FIRST_AUDIT = ROOT / "docs" / "guides" / "first-audit.md"
OVERVIEW = ROOT / "docs" / "reference" / "overview.md"
BLOCK = re.compile(r"<!-- (run|file: (?P<file>\S+)) -->\n```\w+\n(?P<text>.*?)```", re.S)


@pytest.mark.slow
def test_every_marked_block(tmp_path: Path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = 0
    for block in BLOCK.finditer(FIRST_AUDIT.read_text(encoding="utf-8")):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        for command in commands(block["text"]):
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, env=environment
            )
            finding = command[3:4] == ["audit"]  # of an organism that is CONDITIONAL
            assert done.returncode == finding, f"{command}\n{done.stderr}"
            ran += 1
    assert ran >= 6


def commands(text: str) -> list[list[str]]:
    """A Python block is one command; a shell block is one a line, all of them ours."""
    if text.startswith("import"):
        return [[sys.executable, "-c", text]]
    lines = [shlex.split(line) for line in text.splitlines()]
    assert all(words[0] == "dormant" for words in lines)
    return [[sys.executable, "-m", "dormant", *words[1:]] for words in lines]


def test_every_make_target_that_is_named_exists():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)\b", README.read_text(encoding="utf-8"), re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_command_is_listed():
    listed = OVERVIEW.read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    for name in command_group.list_commands(click.Context(command_group)):
        assert re.search(rf"`dormant {name}\b", listed), name


def test_the_tree_is_the_packages():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.partition("## Where things are")[2].split("```")[1]
    listed = set(re.findall(r"^  (\w+)/? ", tree, re.M)) | set(re.findall(r"(\w+)\.py\b", tree))
    package = ROOT / "src" / "dormant"
    rooms = {path.stem for path in package.iterdir() if path.suffix in {".py", ""}}
    assert listed == rooms - {"__init__", "__main__", "__pycache__"}
