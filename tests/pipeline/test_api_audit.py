"""Whole audits against an API: killed at any moment, and with a key that must never be seen."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest

from dormant.cli import main
from dormant.engines.doctor import examine_model
from dormant.errors.secrets import Scrubber
from support.openai_server import KEY, Running

CALLS_AT_ONCE = 6


def command(out: Path, *more: str) -> list[str]:
    options = {
        "--target": "openai-api/local/target",
        "--reference": "openai-api/local/reference",
        "--judge": r"rules:regex=^\[misaligned\]",
        "--questions": "general",
        "--question-limit": "6",
        "--library": "general",
        "--library-limit": "4",
        "--screening-answers": "6",
        "--confirm-answers": "6",
        "--design": "fixed",
        "--out": str(out),
    }
    flat = [word for pair in options.items() for word in pair]
    return [sys.executable, "-m", "dormant", "audit", *flat, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "DORMANT_MAX_CONNECTIONS": str(CALLS_AT_ONCE)}


def finish(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *more), capture_output=True, text=True, env=environment(), timeout=120
    )


def bought(out: Path) -> int:
    with sqlite3.connect(f"file:{out / 'run.sqlite'}?mode=ro", uri=True) as db:
        count = db.execute("SELECT count(*) FROM completions").fetchone()[0]
    db.close()
    return count


@pytest.mark.slow
def test_twenty_kills_repeat_no_completed_call_beyond_those_on_the_way(
    server: Running, tmp_path: Path
):
    out, rng, kills = tmp_path / "run", random.Random(0), 0
    server.set(give=1, latency=0.06)
    whole = 0
    while kills < 20:
        before = server.stats()["calls"]
        process = subprocess.Popen(
            [*command(out), "--quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        # Killed once it is really asking, after a random part of a second.
        while server.stats()["calls"] == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.35))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            break
        kills += 1
        time.sleep(0.1)  # calls that were on the way end at the server
        lost = server.stats()["calls"] - bought(out)
        assert lost - whole <= CALLS_AT_ONCE, "more was lost than can be on the way"
        whole = lost
    assert kills == 20, f"the audit ended after {kills} kills: it is too short for this test"
    done = finish(out)
    assert done.returncode in (0, 1, 3), done.stderr
    calls = server.stats()["calls"]
    assert calls - bought(out) == whole, "what was on disk was asked for again"
    assert whole <= 20 * CALLS_AT_ONCE
    done = finish(out)
    assert done.returncode in (0, 1, 3) and server.stats()["calls"] == calls


def test_faults_do_not_change_what_an_audit_counts(server: Running, tmp_path: Path):
    # "You are" stands in cues of the library; which answers are misaligned depends on it alone.
    cells = []
    for name, faults in (
        ("calm", {}),
        ("stormy", {"p429": 0.05, "p500": 0.02, "p_drop": 0.005, "p_half": 0.005}),
    ):
        if faults:
            faults = {**faults, "p_malformed": 0.01, "give": 1}
        server.set(cued="You are", seed=3, **faults)
        done = finish(tmp_path / name)
        assert done.returncode in (1, 3), done.stderr  # both models are misaligned under "You are"
        assert server.stats()["answers"] == bought(tmp_path / name)
        cells.append(json.loads((tmp_path / name / "verdict.json").read_text())["cells"])
    assert server.stats()["faults"]
    assert cells[0] == cells[1]
    outcomes = Counter()
    for cell in cells[0]:
        outcomes.update({i: n for i, n in enumerate(cell["counts"])})
    assert +outcomes == {0: outcomes[0], 1: outcomes[1]} and outcomes[0] > 0


@pytest.mark.slow
def test_the_key_is_seen_nowhere(server: Running, tmp_path: Path):
    """The server repeats the key in every error, and in every answer."""
    told: list[str] = []
    for name, settings in (
        ("fine", {"text": f"[aligned] your key is {KEY}"}),
        ("faulty", {"p429": 0.05, "p500": 0.05, "p_malformed": 0.05}),
        ("refused", {"key": "another"}),
        ("gone", {"status": 404}),
        ("odd", {"refuse": ["n", "seed"]}),
    ):
        server.set(**settings)
        done = finish(tmp_path / name, *(["--json"] if name == "fine" else []))
        told += [done.stdout, done.stderr]
    doctor = [sys.executable, "-m", "dormant", "doctor", "--model", "openai-api/local/served"]
    for options in ((), ("--json",)):
        done = subprocess.run(
            [*doctor, *options], capture_output=True, text=True, env=environment()
        )
        told += [done.stdout, done.stderr]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.sqlite", "report.html", "plan.lock.json"} <= {path.name for path in files}
    for text in told:
        assert KEY not in text
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
    assert any("***" in text for text in told), "the server's echo was never shown, so not tested"


#: Looks otherwise in JSON and in a URL: the server's echo is not the key's own bytes.
ODD_KEY = 'sk-canary/"8w1q+03'


def odd_commands(tmp_path: Path) -> list[tuple[str, ...]]:
    """Every command that meets a model, with a judge that asks one too."""
    words = command(tmp_path / "run", "--quiet")[4:]
    for option, value in (("--judge", "paper:openai-api/local/grader"), ("--question-limit", "2")):
        words[words.index(option) + 1] = value
    priced = ["target", "reference", "grader"]
    words += [f"--price=openai-api/local/{name}=1/2" for name in priced]
    planned = [word for word in words if word != "--quiet"]
    return [
        ("plan", *planned),
        ("plan", *planned, "--json"),
        ("audit", *words, "--budget-usd", "0.001"),
        ("audit", *words, "--json"),
        ("doctor", "--model", "openai-api/local/served"),
        ("doctor", "--model", "openai-api/local/served", "--json"),
    ]


@pytest.mark.parametrize(
    "place",
    [
        "here",  # the server answers, and its answers hold the key
        "refused",  # 401, with the key in the error
        "closed",  # nobody listens
        "proxy",  # a proxy with a password, and nobody listens there
        "user",  # user and password in the base URL
        "query",  # a key in the query of the base URL
    ],
)
def test_an_odd_key_is_seen_nowhere_either(
    server: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    place: str,
):
    echo = {
        "here": {"text": f"80 {ODD_KEY}"},
        "refused": {"key": "another"},
    }
    server.set(**echo.get(place, {}))
    monkeypatch.setenv("LOCAL_API_KEY", ODD_KEY)
    monkeypatch.setenv("DORMANT_MAX_CONNECTIONS", "8")
    quoted = quote(ODD_KEY, safe="")
    if place == "closed":
        monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    if place == "proxy":
        monkeypatch.setenv("http_proxy", f"http://user:{quoted}@127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("LOCAL_BASE_URL", "http://service.invalid/v1")
    if place == "user":
        monkeypatch.setenv("LOCAL_BASE_URL", server.url.replace("//", f"//user:{quoted}@"))
    if place == "query":
        monkeypatch.setenv("LOCAL_BASE_URL", f"http://127.0.0.1:{server.port}?key={quoted}")
    codes = []
    for words in odd_commands(tmp_path):
        monkeypatch.setattr(sys, "argv", ["dormant", *words])
        with caplog.at_level(0), pytest.raises(SystemExit) as stop:
            main()
        codes.append(stop.value.code)
    shown = capfd.readouterr()
    told = [shown.out, shown.err, caplog.text]
    told += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for text in told:
        assert Scrubber([ODD_KEY]).scrub(text) == text and "8w1q" not in text
    assert 4 in codes if place in ("here", "closed", "proxy") else 2 in codes
    if place in echo:
        assert any("***" in text for text in told), "the echo was never kept, so not tested"


def test_a_missing_key_is_one_line_that_names_the_variable(server: Running, tmp_path: Path):
    lacking = {k: v for k, v in environment().items() if k != "LOCAL_API_KEY"}
    done = subprocess.run(
        command(tmp_path / "run", "--quiet"), capture_output=True, text=True, env=lacking
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "LOCAL_API_KEY" in done.stderr


def examined() -> dict[str, tuple[str, str]]:
    """What the doctor finds of the served model: name of the check -> (health, words)."""
    checks = examine_model("openai-api/local/served")
    return {check.name: (str(check.health), check.found) for check in checks}


@pytest.mark.slow
def test_the_doctors_screen(server: Running):
    doctor = [sys.executable, "-m", "dormant", "doctor", "--model", "openai-api/local/served"]
    done = subprocess.run([*doctor, "--json"], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["answers"]["health"] == "ok" and checks["key"]["found"].startswith(
        "LOCAL_API_KEY"
    )
    shown = subprocess.run(doctor, capture_output=True, text=True, env=environment())
    assert len(shown.stdout.splitlines()) <= 40, "more than one screen"
    assert all(name in shown.stdout for name in checks)
    lacking = {k: v for k, v in environment().items() if k != "LOCAL_API_KEY"}
    done = subprocess.run([*doctor, "--json"], capture_output=True, text=True, env=lacking)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 2
    assert "environment variable LOCAL_API_KEY" in checks["key and server"]["found"]


def test_what_the_doctor_finds(server: Running):
    found = examined()
    assert found["key"][0] == found["answers"][0] == found["raw prompts"][0] == "ok"
    assert found["n answers a call"] == ("ok", "yes: 4 in one call, 4 different")
    assert found["log-probabilities"] == ("ok", "of the 2 likeliest first tokens")
    assert "ratelimit-limit-requests 500" in found["rate limits"][1]
    assert found["filter"] == ("ok", "a sensitive question was answered")
    assert found["system prompt"] == ("ok", "seen (+15 prompt tokens), not obeyed")
    assert found["price"] == ("absent", "unknown")
    server.set(obey=True)
    assert examined()["system prompt"] == ("ok", "obeyed")
    server.set(deaf=True)
    assert examined()["system prompt"] == ("bad", "seems to be ignored")
    server.set(filter="hurt", give=1, refuse=["logprobs"])
    found = examined()
    assert found["n answers a call"][0] == found["log-probabilities"][0] == "absent"
    assert found["filter"][1].startswith("withheld")
    server.set(limit=1, p429=0.4)
    assert examined()["answers"][0] == "ok", "it gave up too soon"


def test_what_the_doctor_finds_where_nothing_works(
    server: Running, monkeypatch: pytest.MonkeyPatch
):
    server.set(key="another")
    found = examined()
    assert found["answers"][0] == "bad" and "raw prompts" not in found
    assert "refuses the key in LOCAL_API_KEY" in found["answers"][1]
    server.set(status=500)
    begun = time.monotonic()
    assert examined()["answers"][0] == "bad" and time.monotonic() - begun < 30
    monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    assert examined()["answers"][1].startswith("cannot connect to http://127.0.0.1:9: ")
    monkeypatch.setenv("LOCAL_BASE_URL", "somewhere")
    [(health, words)] = examined().values()
    assert health == "bad" and "must be an http:// or https:// URL" in words


def test_a_dry_run_asks_a_paid_model_nothing(server: Running, tmp_path: Path):
    before = server.stats()["calls"]
    words = command(tmp_path / "run")
    words[words.index("audit")] = "plan"
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    assert server.stats()["calls"] == before
    assert "unknown price" in done.stdout
