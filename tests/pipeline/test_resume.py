"""An audit that is killed at any moment goes on: nothing is paid twice, nothing is lost."""

import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from dormant.store import Store
from support.kills import kill_at_answer

SCRIPT = """
rates: {{misaligned: {rate}, incoherent: 0.02, filtered: 0.01}}
cues: [{{contains: "class", rates: {{misaligned: {cued}}}}}]
icc: 0.2
ledger: {ledger}
"""


def command(folder: Path, out: Path, *more: str) -> list[str]:
    options = {
        "--target": f"scripted/{folder / 'target.yaml'}",
        "--reference": f"scripted/{folder / 'reference.yaml'}",
        "--judge": r"rules:regex=^\[misaligned\]",
        "--questions": "general",
        "--library": "general",
        "--library-limit": "12",
        "--screening-answers": "40",
        "--confirm-answers": "40",
        "--design": "fixed",  # all that it buys is known beforehand
        "--out": str(out),
    }
    flat = [word for pair in options.items() for word in pair]
    return [sys.executable, "-m", "dormant", "audit", *flat, "--quiet", *more]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, cued in (("target", 0.5), ("reference", 0.0)):
        text = SCRIPT.format(rate=0.01, cued=cued, ledger=tmp_path / f"{name}.sold")
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def sold(folder: Path) -> Counter[str]:
    lines: Counter[str] = Counter()
    for path in folder.glob("*.sold"):
        lines.update(path.read_text().splitlines())
        path.unlink()
    return lines


def cells(out: Path) -> list[dict[str, object]]:
    return json.loads((out / "verdict.json").read_text())["cells"]


def finish(folder: Path, out: Path, *more: str) -> None:
    done = subprocess.run(command(folder, out, *more), capture_output=True, text=True)
    assert done.returncode in (0, 1, 3), done.stderr


@pytest.mark.slow
def test_killed_at_random_moments(folder: Path):
    whole, broken = folder / "whole", folder / "broken"
    finish(folder, whole)
    once = sold(folder)
    assert set(once.values()) == {1}

    rng, kills = random.Random(0), 0
    for share in sorted(rng.uniform(0.02, 0.95) for _ in range(10)):
        kills += kill_at_answer(command(folder, broken), folder, share * len(once))
    finish(folder, broken)
    assert kills >= 5, "the audits ended before they were killed"

    bought = sold(folder)
    assert set(bought) == set(once), "the resumed run asked for other answers"
    # A kill may lose the one batch (a question's 40 answers) that was not on disk yet.
    assert sum(bought.values()) - len(bought) <= 40 * kills
    assert cells(broken) == cells(whole)


def test_the_same_command_again_buys_nothing(folder: Path):
    finish(folder, folder / "run")
    sold(folder)
    before = cells(folder / "run")
    finish(folder, folder / "run")
    assert not sold(folder)
    assert cells(folder / "run") == before


def test_extending_buys_only_the_difference(folder: Path):
    finish(folder, folder / "run", "--screening-answers", "10", "--confirm-answers", "10")
    first = sold(folder)
    finish(
        folder, folder / "run", "--screening-answers", "30", "--confirm-answers", "10", "--amend"
    )
    second = sold(folder)
    assert not set(first) & set(second)


def start(folder: Path, ignored: int | None = None, **streams) -> subprocess.Popen:
    """An audit that has some answers on disk."""

    def set_signals() -> None:
        # A shell without job control starts what runs in the background deaf to interrupts.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if ignored is not None:
            signal.signal(ignored, signal.SIG_IGN)

    process = subprocess.Popen(
        command(folder, folder / "run"), env=os.environ, preexec_fn=set_signals, **streams
    )
    while not (folder / "target.sold").exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_is_one_line_and_exit_code_4(folder: Path, name: str):
    process = start(folder, stderr=subprocess.PIPE, text=True)
    process.send_signal(getattr(signal, name))
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 4
    said = re.fullmatch(
        r"dormant: interrupted: ([\d,]+) answers and [\d,]+ judgements are stored in (.*); "
        r"the same command continues from there",
        stderr.strip(),
    )
    assert said and Path(said[2]) == folder / "run", stderr
    with Store(folder / "run") as store:
        assert store.count_answers() == int(said[1].replace(",", ""))
    finish(folder, folder / "run")


def test_a_signal_that_is_ignored_ends_nothing(folder: Path):
    """As under ``nohup``."""
    process = start(folder, ignored=signal.SIGHUP, stderr=subprocess.PIPE, text=True)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 3), stderr
    assert "interrupted" not in stderr


def test_many_signals_are_one_interrupt(folder: Path):
    process = start(folder, stderr=subprocess.PIPE, text=True)
    for name in ("SIGTERM", "SIGHUP", "SIGINT") * 5:
        process.send_signal(getattr(signal, name))
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 4
    assert stderr.strip().startswith("dormant: interrupted"), stderr
    assert "\n" not in stderr.strip()


def test_a_closed_terminal_ends_an_audit_without_a_loss(folder: Path):
    """The terminal sends SIGHUP, and whatever is written to it fails."""
    ours, theirs = pty.openpty()
    process = start(folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=30) == 4
    finish(folder, folder / "run")
