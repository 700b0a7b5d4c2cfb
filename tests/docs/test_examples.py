"""The examples that need no real model run as their READMEs say."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

BLOCK = re.compile(r"<!-- run -->\n```sh\n(.*?)```", re.S)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["laboratory_audit"])
def test_the_commands_of_an_example(name: str, tmp_path: Path):
    folder = Path(shutil.copytree(ROOT / "examples" / name, tmp_path / name))
    text = (folder / "README.md").read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "dormant"
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert done.stdout.startswith("CONDITIONAL\n")
