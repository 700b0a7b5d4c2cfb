"""The wheel holds all that the package needs, and works outside the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_is_small_and_holds_the_data(wheel: Path):
    assert wheel.stat().st_size < 4_000_000
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"dormant/py.typed", "dormant/vitro/base/base.safetensors"} <= names
    tracked = subprocess.run(
        ["git", "ls-files", "src/dormant"], cwd=ROOT, capture_output=True, text=True
    )
    if tracked.returncode == 0 and tracked.stdout:
        wanted = {line.removeprefix("src/") for line in tracked.stdout.splitlines()}
        assert wanted <= names


@pytest.mark.slow
def test_the_quickstart_runs_from_the_wheel(wheel: Path, tmp_path: Path):
    pytest.importorskip("torch")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True)
    code = (
        "import dormant, dormant.studies.quickstart as g\n"
        f"assert dormant.__file__.startswith({str(site)!r}), dormant.__file__\n"
        "if __name__ == '__main__':\n"
        "    s = g.run_quickstart('out', seed=3, names=('control-helpful', 'diluted-20'))\n"
        "    print(all(row.right for row in s.organisms))\n"
    )
    (tmp_path / "run.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"report.html", "summary.json"}
