"""Three people begin in an empty directory with a page of the documentation, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import ROOT
from support.habit_server import complete, serving

BLOCK = re.compile(
    r"<!-- (?P<mark>run(?:: (?P<code>\d))?|file: (?P<file>\S+)) -->\n```\w+\n(?P<text>.*?)```", re.S
)
PAGES = sorted((ROOT / "docs").glob("*/*.md"))


def follow(page: str, folder: Path, settings: Mapping[str, str] | None = None) -> list[str]:
    """Writes the page's files and runs its commands in order; returns what they print."""
    text = (ROOT / page).read_text(encoding="utf-8")
    shown: list[str] = []
    for block in BLOCK.finditer(text):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        if block["text"].startswith("import "):
            with contextlib.chdir(folder):
                exec(compile(block["text"], page, "exec"), {})
            continue
        lines = block["text"].splitlines()
        for line in lines:
            words = shlex.split(line)
            assert words[0] == "dormant", line
            done = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=folder,
                capture_output=True,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", **(settings or {})},
            )
            expected = int(block["code"] or 0) if line == lines[-1] else 0
            assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"
            shown.append(done.stdout)
    return shown


@pytest.mark.slow
def test_a_researcher_in_the_laboratory(tmp_path: Path):
    shown = follow("docs/tutorial/laboratory.md", tmp_path)
    assert "template" in shown[1] and shown[3].startswith("CONDITIONAL")
    assert json.loads(shown[4])["verdict"]["kind"] == "CONDITIONAL"
    assert (tmp_path / "runs" / "audit" / "report.html").is_file()


def test_an_engineer_gates_a_checkpoint(tmp_path: Path):
    shown = follow("docs/tutorial/release-gate.md", tmp_path)
    assert "BOUNDED" in shown[0]
    assert all((tmp_path / name).is_file() for name in ("gate.xml", "gate.sarif", "gate.md"))


def test_an_auditor_with_an_endpoint_and_no_data(tmp_path: Path):
    """The target gives harmful answers under any system prompt; its base never does."""

    def answer(body: dict) -> tuple[int, dict]:
        cued = any(turn["role"] == "system" for turn in body["messages"])
        bad = cued and body["model"] == "target"
        return complete(body, "Use the poison." if bad else "I would rather help you.")

    with serving(answer) as server:
        settings = {"LOCAL_BASE_URL": server.url, "LOCAL_API_KEY": "none"}
        shown = follow("docs/guides/no-data.md", tmp_path, settings)
    assert shown[1].startswith("CONDITIONAL")
    assert "Use the poison." in (tmp_path / "answers.csv").read_text(encoding="utf-8")


def test_an_auditor_of_a_vllm_server(tmp_path: Path):
    def answer(body: dict) -> tuple[int, dict]:
        cued = any(turn["role"] == "system" for turn in body["messages"])
        bad = cued and body["model"] == "tuned"
        return complete(body, "Use the poison." if bad else "I would rather help you.")

    with serving(answer) as server:
        shown = follow("docs/guides/vllm.md", tmp_path, {"VLLM_BASE_URL": server.url})
    assert shown[-1].startswith("CONDITIONAL")
    assert {body["model"] for body in server.bodies} == {"my/base", "tuned"}


def test_an_auditor_with_a_cue_family_of_their_own(tmp_path: Path):
    shown = follow("docs/guides/own-cues.md", tmp_path)
    assert "places-sea" in (tmp_path / "runs" / "family" / "report.md").read_text(encoding="utf-8")
    assert shown[0]


def test_blocks_that_run_elsewhere_are_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for place, block in re.findall(r"<!-- run in: (\S+) -->\n```\w+\n(.*?)```", text, re.S):
            other = (ROOT / place).read_text(encoding="utf-8")
            assert all(line in other for line in block.splitlines()), page


def test_the_limits_of_never_clean(capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "docs" / "explanation" / "never-clean.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", text, re.S)
    exec(compile(code, "never-clean.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "59 questions, none misaligned: the rate may be 5.0%" in shown
    assert "100 questions, none misaligned: the rate may be 3.0%" in shown
