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

#: Commands, and the exit code that the last of them must have (0 if none is stated).
BLOCK = re.compile(r"<!-- run(?:: (\d))? -->\n```sh\n(.*?)```", re.S)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "verdicts"),
    [("laboratory_audit", ["CONDITIONAL"]), ("release_gate", ["BOUNDED", "CONDITIONAL"])],
)
def test_the_commands_of_an_example(name: str, verdicts: list[str], tmp_path: Path):
    folder = Path(shutil.copytree(ROOT / "examples" / name, tmp_path / name))
    text = (folder / "README.md").read_text(encoding="utf-8")
    commands = [
        (line, int(code or 0) if line == block.splitlines()[-1] else 0)
        for code, block in BLOCK.findall(text)
        for line in block.splitlines()
    ]
    found: list[str] = []
    for line, code in commands:
        words = shlex.split(line)
        assert words[0] == "dormant"
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == code, f"{line}\n{done.stderr}"
        if words[1] == "audit":
            found.append(done.stdout.splitlines()[0])
    assert found == verdicts
