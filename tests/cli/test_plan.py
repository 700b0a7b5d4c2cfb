"""``dormant plan``, and the question that ``dormant audit`` asks before it costs much."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import dormant
from dormant.cli import main
from dormant.config import AuditConfig, check_values
from dormant.pipeline import prepare_audit
from dormant.records import Variant, VerdictKind
from dormant.store import Store
from support.terminal import run_in_terminal

#: Known to the price list; no test has a key or a network.
PAID = ("--target", "openai/gpt-4o", "--reference", "openai/gpt-4o-mini")
JUDGE = ("--judge", r"rules:regex=^\[misaligned\]")
SCRIPTED = ("--target", "scripted/target.yaml", "--reference", "scripted/clean.yaml", *JUDGE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    Path("target.yaml").write_text(
        "rates: {misaligned: 0.0}\ncues: [{contains: class, rates: {misaligned: 0.9}}]\n"
    )
    Path("clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dormant", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return run_command


def test_a_plan_needs_no_key_and_writes_nothing(run, folder: Path):
    words = (*PAID, "--judge", "paper:openai/gpt-4o", "--preset", "frugal", "--out", "run")
    before = set(folder.iterdir())
    code, out, err = run("plan", *words, "--json")
    assert code == 0, err
    dry = json.loads(out)
    nothing, one_percent = dry["expected"]
    assert (nothing["base"], one_percent["base"]) == (0.0, 0.01)
    for name in ("answers", "calls", "judge_calls", "prompt_tokens", "usd", "seconds"):
        assert 0 < nothing[name] <= one_percent[name], name
    assert one_percent["answers"] <= dry["answers"] and one_percent["usd"] <= dry["usd"]
    assert nothing["verdict"] == VerdictKind.BOUNDED
    assert set(folder.iterdir()) == before
    code, out, err = run("audit", *words, "--yes")
    assert code == 2 and "OPENAI_API_KEY" in err


def test_the_text_fits_80_columns_and_has_human_units(run):
    code, out, _ = run("plan", *PAID, *JUDGE, "--preset", "frugal")
    assert code == 0
    table = out[out.index("nothing misaligned") : out.index("answers at most;")]
    rows = [line.rstrip() for line in table.splitlines() if line.strip()]
    assert max(map(len, rows)) <= 80
    assert " USD" in table and " min" in table and "BOUNDED" in table
    assert "nothing was written; --freeze writes" in out


@pytest.mark.slow
def test_presets_cost_less_and_what_to_change_is_said(run):
    limits, costs = [], []
    for preset in ("frugal", "standard", "thorough"):
        _, out, _ = run("plan", *PAID, *JUDGE, "--preset", preset, "--library-limit", "4", "--json")
        dry = json.loads(out)
        limits.append(dry["answers"])
        costs.append(dry["expected"][0]["usd"])  # of a model that never misbehaves
    assert limits == sorted(limits) and costs == sorted(costs) and costs[0] < costs[-1] / 3
    code, out, _ = run("plan", *PAID, *JUDGE, "--library-limit", "8", "--budget-usd", "5")
    assert code == 0 and "Expected above 5 USD" in out and "--preset frugal (about " in out
    code, out, _ = run("plan", *PAID, *JUDGE, "--preset", "frugal", "--budget-usd", "500")
    assert code == 0 and "Expected above" not in out
    code, out, _ = run("plan", *PAID, *JUDGE, "--library-limit", "8", "--budget-time", "1m")
    assert code == 0 and "Expected above 60 s" in out


def test_an_expensive_audit_asks_and_without_a_terminal_says_what_to_add(
    run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    words = ("audit", *PAID, *JUDGE, "--library-limit", "40", "--max-tokens", "2000")
    price = ("--price", "openai/gpt-4o=50/100")
    code, _, err = run(*words, *price, "--quiet")
    assert code == 2 and "above 20 USD or 2 h: add --yes, or a --budget-usd" in err
    assert "--preset " in err and err.count("\n") == 1
    assert not Path("runs").exists()
    # A budget that covers it is consent, and so is one below the limit; then the server is missed.
    for consent in (("--yes",), ("--budget-usd", "100000"), ("--budget-usd", "15")):
        known = ("--price", "openai/gpt-4o-mini=1/2") if len(consent) > 1 else ()
        code, _, err = run(*words, *price, *known, *consent, "--quiet")
        assert code == 4 and "add --yes" not in err, err
    code, _, err = run(*words[:-4], "--library-limit", "4", "--yes")
    nothing, some = (line for line in err.splitlines() if line.startswith("expected if "))
    assert code == 4 and nothing.startswith("expected if nothing is misaligned: 1,")
    assert "expected if 1% of the answers is misaligned: " in some and " USD, " in some


def test_a_person_can_read_the_question_before_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Bars that are redrawn all the time held the line back, and the command seemed to hang."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    words = ("audit", *PAID, *JUDGE, "--library-limit", "12", "--max-tokens", "2000")
    code, lines = run_in_terminal(
        ["-m", "dormant", *words, "--price", "openai/gpt-4o=50/100"],
        tmp_path,
        width=80,
        asked="Start it? [y/N]",
        reply="n",
    )
    assert code == 2, lines
    assert "dormant: not started" in lines[-2] + lines[-1]
    assert not (tmp_path / "runs").exists()


def test_a_cheap_audit_asks_nothing(run):
    code, out, err = run(
        "audit", *SCRIPTED, "--library-limit", "3", "--question-limit", "4", "--quiet"
    )
    assert code in (0, 1, 3) and "add --yes" not in err


def test_an_amendment_and_another_plan_are_told(run):
    words = (*SCRIPTED, "--library-limit", "3", "--question-limit", "4", "--out", "run")
    assert run("plan", *words, "--freeze")[0] == 0
    code, out, _ = run("plan", *words, "--seed", "5")
    assert code == 0 and "holds another plan (changed: " in out
    assert "is frozen in run/plan.lock.json" in run("plan", *words)[1]
    assert run("plan", *words, "--seed", "5", "--freeze")[0] == 2
    assert run("plan", *words, "--seed", "5", "--freeze", "--amend")[0] == 0


def test_library_cues_alone_have_placebos_which_only_confirmed_ones_need(folder: Path):
    given = {
        "target": "scripted/target.yaml",
        "reference": "scripted/clean.yaml",
        "judge": JUDGE[1],
        "questions": "general",
        "question_limit": 30,
        "cues": {"library_limit": 12},
    }
    planned = dormant.plan(**given)
    placebos = [cue for cue in planned.plan.cues if cue.variant is Variant.PLACEBO]
    assert placebos and all(cue.is_library_placebo for cue in placebos)
    first = planned.models[0].screening_answers
    none = dormant.plan(**{**given, "cues": {"library_limit": 12, "placebos": False}})
    assert first == none.models[0].screening_answers, "placebos are not screened"
    result = dormant.audit(**given, out="run")
    asked = {cell.cue for cell in result.findings.cells}
    assert asked & {cue.name for cue in placebos} or not result.verdict.candidates
    assert len(asked & {cue.name for cue in placebos}) <= planned.plan.rule.candidates


def test_a_run_that_was_begun_without_library_placebos_continues(folder: Path):
    given = {
        "target": "scripted/target.yaml",
        "reference": "scripted/clean.yaml",
        "judge": JUDGE[1],
        "cues": {"library_limit": 3},
        "question_limit": 4,
        "out": "run",
    }
    new = prepare_audit(check_values(given, AuditConfig)).plan
    old = replace(new, cues=tuple(c for c in new.cues if c.variant is not Variant.PLACEBO))
    assert old.hash != new.hash
    with Store("run") as store:
        store.lock_plan(old)
    assert dormant.audit(**given).findings.plan.hash == old.hash
