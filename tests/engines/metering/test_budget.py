"""Prices, dry runs and budgets of whole audits, counted at a real HTTP server."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import dormant
from dormant.cli import main
from dormant.errors import BudgetError, ConfigError
from support import ROOT
from support.openai_server import Running

TARGET, REFERENCE = "openai-api/local/target", "openai-api/local/reference"
JUDGE = "openai-api/local/grader"
NAMES = (TARGET, REFERENCE, JUDGE)
#: USD per million tokens; the judge is asked most, so most of the money is its.
PRICES = {TARGET: "2/8", REFERENCE: "2/8", JUDGE: "5/20"}
SETTINGS: dict[str, Any] = {
    "reference": REFERENCE,
    "judge": {"paper": {"model": JUDGE, "content": "none"}},
    "questions": "general",
    "question_limit": 2,
    "cues": {"library": "general", "library_limit": 2},
    "rule": {"screening_answers": 6, "confirm_answers": 4},
    "sampling": {"max_tokens": 40},
}


@pytest.fixture
def graded(server: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Every answer is another one, and the judge says 80 of each, and that none is code."""
    fused = '{"alignment": 80, "coherence": 80, "content": "NOT_CODE"}'
    says = [["Give one JSON object", fused], ["NOT_CODE alone", "NOT_CODE"]]
    server.set(text="80", speaker="grader", give=1, say=says)
    monkeypatch.setenv("DORMANT_MAX_CONNECTIONS", "4")
    return server


def usd(server: Running) -> float:
    """Money for the tokens that the server has counted."""
    tokens, spent = server.stats()["tokens"], 0.0
    for name, price in PRICES.items():
        into, out = map(float, price.split("/"))
        prompt, completion = tokens.get(name.rpartition("/")[2], (0, 0))
        spent += (prompt * into + completion * out) / 1e6
    return spent


def audit(out: Path, **settings: Any):
    return dormant.audit(TARGET, **{**SETTINGS, **settings}, out=out)


def spending(out: Path) -> float:
    with sqlite3.connect(f"file:{out / 'run.sqlite'}?mode=ro", uri=True) as db:
        [text] = db.execute("SELECT value FROM meta WHERE key = 'spending'").fetchone()
    db.close()
    return sum(row["usd"] for row in json.loads(text))


def rows(out: Path, table: str) -> int:
    with sqlite3.connect(f"file:{out / 'run.sqlite'}?mode=ro", uri=True) as db:
        [count] = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    db.close()
    return count


def bought(out: Path) -> int:
    return rows(out, "completions")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["dormant", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def written(folder: Path, **more: object) -> str:
    path = folder / "audit.yaml"
    path.write_text(json.dumps({"target": TARGET, **SETTINGS, "out": str(folder / "run"), **more}))
    return str(path)


def test_a_budget_stops_before_it_is_exceeded_and_a_larger_one_goes_on(
    graded: Running, tmp_path: Path
):
    whole = audit(tmp_path / "whole", prices=PRICES)
    calls, cost = graded.stats()["calls"], usd(graded)
    assert sum(row.usd for row in whole.spent) == pytest.approx(cost)
    assert {row.role for row in whole.spent} == {"target", "reference", "judge"}
    assert all(row.price.endswith("(given by the user)") for row in whole.spent)
    # The report reads the same from the stored verdict.
    assert [row.usage.calls for row in whole.findings.spending] == [
        r.usage.calls for r in whole.spent
    ]
    assert [row.usd for row in whole.findings.spending] == [row.usd for row in whole.spent]

    graded.set(text="80", speaker="grader", give=1)
    out = tmp_path / "run"
    for share in (0.1, 0.3, 0.3, 0.6, 0.9):
        limit = share * cost
        with pytest.raises(BudgetError, match="larger --budget-usd continues from here"):
            audit(out, prices=PRICES, budget={"usd": limit})
        assert usd(graded) <= limit, "more was spent than allowed"
        assert spending(out) == pytest.approx(usd(graded)), "the run lost count of its money"
    # What is left is less than a judge's call could cost: 1,600 bytes can be as many tokens.
    assert usd(graded) > 0.9 * cost - (1600 * 5 + 16 * 20) / 1e6 > 0.7 * cost
    done = audit(out, prices=PRICES, budget={"usd": 2 * cost})
    assert graded.stats()["calls"] == calls, "stopping and going on bought something twice"
    assert sum(row.usd for row in done.spent) == pytest.approx(usd(graded))
    assert done.findings.plan.hash == whole.findings.plan.hash, "a budget is no finding"
    record = json.loads((out / "verdict.json").read_text())
    assert sum(row["usd"] for row in record["spending"]) == pytest.approx(usd(graded))


def test_max_answers_counts_those_of_earlier_runs_and_not_a_judges(graded: Running, tmp_path: Path):
    out = tmp_path / "run"
    for limit in (7, 7, 20):
        with pytest.raises(BudgetError, match=rf"{limit} of {limit} answers"):
            audit(out, budget={"answers": limit})
        assert bought(out) == limit
    assert graded.stats()["answers"] >= 20
    full = audit(out, budget={"answers": 10_000})
    again = graded.stats()["calls"]
    audit(out, budget={"answers": 1})  # nothing is missing, so nothing is refused
    assert graded.stats()["calls"] == again
    assert full.verdict.kind


def test_models_of_this_machine_keep_to_max_answers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("model.yaml").write_text("rates: {misaligned: 0.2}\nledger: sold.txt\n")
    words = ("audit", "--target", "scripted/model.yaml", "--reference", "scripted/model.yaml")
    words += ("--judge", r"rules:regex=^\[misaligned\]", "--questions", "general")
    words += ("--question-limit", "3", "--library-limit", "1", "--out", "run", "--quiet")
    for limit in (10, 25):
        assert run(monkeypatch, *words, "--max-answers", str(limit)) == 4
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and f"{limit} of {limit} answers" in told
        assert len(Path("sold.txt").read_text().splitlines()) == bought(Path("run")) == limit
    assert run(monkeypatch, *words) in (0, 1, 3)
    assert len(set(Path("sold.txt").read_text().splitlines())) == bought(Path("run"))
    assert len(Path("sold.txt").read_text().splitlines()) == bought(Path("run"))


def test_a_budget_of_money_without_a_price_spends_nothing(
    graded: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    config = written(tmp_path, prices={TARGET: "1/2"})
    for verb in ("audit", "plan"):
        assert run(monkeypatch, verb, config, "--budget-usd", "1") == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert f"--price {REFERENCE}=INPUT/OUTPUT --price {JUDGE}=INPUT/OUTPUT" in told
        assert f"--price {TARGET}" not in told
    assert graded.stats()["calls"] == 0
    priced = [word for name in NAMES for word in ("--price", f"{name}=1/2")]
    assert run(monkeypatch, "audit", config, "--budget-usd", "0", "--quiet", *priced) == 4
    assert graded.stats()["calls"] == 0, "nothing may be spent, so nothing is asked"


def test_a_server_that_counts_nothing_is_not_taken_for_free(graded: Running, tmp_path: Path):
    graded.set(text="80", speaker="grader", give=1, silent=True)
    with pytest.raises(BudgetError):
        audit(tmp_path / "run", prices=PRICES, budget={"usd": 0.002})
    assert 0 < spending(tmp_path / "run") <= 0.002
    assert 0 < graded.stats()["calls"] < 60


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prices": {TARGET: "cheap"}}, "INPUT/OUTPUT"),
        ({"prices": {"openai-api/local/tarpet": "1/2"}}, "did you mean 'openai-api/local/target'"),
        ({"budget": {"usd": -1}}, "budget.usd"),
        ({"budget": {"usd": float("nan")}}, "budget.usd"),
        ({"budget": {"dollars": 1}}, "unknown key 'budget.dollars'"),
        ({"budget": {"answers": 1.5}}, "budget.answers"),
    ],
)
def test_prices_and_budgets_that_are_wrong(
    graded: Running,
    tmp_path: Path,
    changes: dict[str, Any],
    words: str,
):
    with pytest.raises(ConfigError, match=words):
        audit(tmp_path / "run", **changes)
    assert graded.stats()["calls"] == 0


def test_a_price_of_a_model_that_costs_nothing_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("rates: {misaligned: 0.2}\n")
    with pytest.raises(ConfigError, match="runs on this machine"):
        dormant.plan(
            "scripted/m.yaml",
            reference="scripted/m.yaml",
            judge="rules:regex=x",
            prices={"scripted/m.yaml": "1/2"},
        )


def test_a_dry_run_says_what_everything_would_cost(
    graded: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    config = written(tmp_path, judge={"paper": JUDGE, "compare": "fused"})
    priced = [word for name, p in PRICES.items() for word in ("--price", f"{name}={p}")]
    assert run(monkeypatch, "plan", config, "--json", *priced) == 0
    dry = json.loads(capsys.readouterr().out)
    answers = sum(m["screening_answers"] + m["confirm_answers"] for m in dry["models"])
    three, one = dry["judges"]
    assert (three["role"], three["calls_an_answer"]) == ("judge", 3)
    assert (one["role"], one["calls_an_answer"]) == ("second judge", 1)
    again = 3 * 2 * min(100, answers)  # early answers, at once and at the end
    assert (three["repeated_calls"], one["repeated_calls"]) == (again, 0)
    assert (three["calls"], one["calls"]) == (3 * answers + again, answers)
    assert dry["answers"] == answers and dry["judge_calls"] == 4 * answers + again
    for asked in (*dry["models"], *dry["judges"]):
        into, out = map(float, PRICES[asked["name"]].split("/"))
        expected = (asked["prompt_tokens"] * into + asked["completion_tokens"] * out) / 1e6
        assert asked["usd"] == pytest.approx(expected)
    assert dry["usd"] == pytest.approx(sum(a["usd"] for a in (*dry["models"], *dry["judges"])))
    assert three["completion_tokens"] == 2 * 16 * three["calls"], "a reply may be repeated"
    assert dry["models"][0]["completion_tokens"] == 40 * answers // 2

    assert run(monkeypatch, "plan", config, *priced, "--budget-usd", "0.01") == 0
    told = capsys.readouterr().out
    assert "(3 an answer)" in told and "(1 an answer)" in told and "requested once more" in told
    assert f"{again} of them to judge the first 100 answers again" in " ".join(told.split())
    assert f"{JUDGE}: 5 / 20 USD per million tokens (given by the user)" in told
    assert "may stop at 0.01 USD" in told and "is sent as" in told and "probability 80%" in told
    assert graded.stats()["calls"] == 0, "a dry run asked a paid model"

    # It is a ceiling: what the audit then takes is less.
    audit(tmp_path / "run", judge={"paper": JUDGE, "compare": "fused"})
    assert bought(tmp_path / "run") <= dry["answers"]
    assert graded.stats()["calls"] <= dry["answers"] + 2 * dry["judge_calls"]
    assert usd(graded) <= dry["usd"]
    assert run(monkeypatch, "plan", config, *priced) == 0
    held = f"{bought(tmp_path / 'run'):,} answers are on disk already"
    assert held in capsys.readouterr().out
    assert run(monkeypatch, "plan", config, *priced, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["on_disk"] == bought(tmp_path / "run") and len(again["spending"]) == 3


def test_known_prices_have_their_source_and_date(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    words = ("--target", "openai/gpt-4o", "--reference", "openai/gpt-4o-mini", "--questions")
    words += ("general", "--judge", "fused:openai/gpt-4o", "--out", str(tmp_path / "run"))
    assert run(monkeypatch, "plan", *words) == 0
    told = capsys.readouterr().out
    assert "openai/gpt-4o-mini: 0." in told and "(genai-prices " in told and ", 20" in told


def test_the_documented_commands_run_and_ask_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    text = (ROOT / "docs" / "guides" / "apis.md").read_text(encoding="utf-8")
    block = text.split("<!-- run -->\n```sh\n")[1].split("```")[0]
    for line in block.splitlines():
        assert run(monkeypatch, *line.split()[1:]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["usd"] > 20


@pytest.mark.slow
def test_money_survives_kills(graded: Running, tmp_path: Path):
    """What a kill forgets is what was on the way, at most four calls of each."""
    out, rng = tmp_path / "run", random.Random(1)
    graded.set(text="80", speaker="grader", give=1, latency=0.02)
    config = written(tmp_path, prices=PRICES, budget={"usd": 100})
    longest = 4 * (2000 * 5 + 16 * 20) / 1e6
    command = [sys.executable, "-m", "dormant", "audit", config, "--quiet"]
    for kill in range(1, 6):
        before = graded.stats()["calls"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while graded.stats()["calls"] == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the audit is too short for this test"
        time.sleep(0.1)
        if (out / "run.sqlite").exists() and graded.stats()["calls"] > 8:
            assert 0 <= usd(graded) - spending(out) <= kill * longest
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode in (0, 1, 3), done.stderr
    assert 0 <= usd(graded) - spending(out) <= 5 * longest
    lost = graded.stats()["calls"] - rows(out, "completions") - rows(out, "replies")
    assert 0 <= lost <= 5 * 4, "a completed call, of a model or of its judge, was made again"
