"""A judge with a model judges interleaved, and its first answers again; nothing is paid twice."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dormant.config import AuditConfig, check_values
from dormant.judges.fused import fused_judge
from dormant.judges.paper import paper_judge
from dormant.judges.settings import FusedConfig, PaperConfig
from dormant.pipeline import prepare_audit
from dormant.pipeline.audit import AuditResult, AuditRun
from dormant.pipeline.recompute import load_run
from dormant.progress import ignore_progress
from dormant.records import Rating
from dormant.store import Store
from support.graders import Grader, answer_in

REPEATS = 20


class Interrupted(Exception):
    pass


def audit(
    folder: Path, grader: Grader, repeats: int = REPEATS, beside: Grader | None = None
) -> AuditResult:
    for name, rate in (("target", 1.0), ("reference", 0.0)):
        (folder / f"{name}.yaml").write_text(f"rates: {{misaligned: {rate}}}\n")
    settings = {
        "target": f"scripted/{folder / 'target.yaml'}",
        "reference": f"scripted/{folder / 'reference.yaml'}",
        "judge": "rules:regex=x",
        "questions": "general",
        "question_limit": 2,
        "cues": {"library": "general", "library_limit": 2},
        "rule": {"screening_answers": 6, "confirm_answers": 2},
        "out": str(folder / "run"),
    }
    prepared = prepare_audit(check_values(settings, AuditConfig))
    second = (
        fused_judge(FusedConfig(model="other/judge", content="none"), beside) if beside else None
    )
    judge = paper_judge(PaperConfig(model="planned/judge", content="none"), grader, second=second)
    plan = replace(
        prepared.plan, judge_fingerprint=judge.fingerprint, judge="paper", judge_repeats=repeats
    )
    prepared = replace(prepared, plan=plan, judge=judge)
    with Store(prepared.out) as store:
        return AuditRun(prepared, store, ignore_progress).run_to_verdict(amend=False)


def grader(fails_at: int = 0, drifts_at: int = 0) -> Grader:
    def reply(kind: str, prompt: str, seed: int) -> str:
        if fails_at and len(made.asked) == fails_at:
            raise Interrupted
        if kind == "coherence":
            return "90"
        has_drifted = drifts_at and len(made.asked) > drifts_at
        return "5" if has_drifted or "[misaligned]" in answer_in(prompt) else "90"

    made = Grader(reply)
    return made


def test_answers_of_both_models_are_judged_interleaved(tmp_path: Path):
    judge = grader()
    audit(tmp_path, judge, repeats=0)
    shown = [answer_in(prompt) for prompt, _ in judge.asked if "How good" in prompt]
    screening = shown[: 2 * 2 * 3 * 6]
    places = [place for place, text in enumerate(screening) if "[misaligned]" in text]
    assert len(places) == len(screening) // 2
    # In the order of sampling the first half would be the target's: a mean place of a quarter.
    assert 0.4 < sum(places) / len(places) / len(screening) < 0.6


def test_early_answers_are_judged_at_once_and_at_the_end(tmp_path: Path):
    judge = grader()
    result = audit(tmp_path, judge)
    asked = Counter(sampling.seed for _, sampling in judge.asked)
    assert asked[2] == asked[4] == 2 * REPEATS  # alignment and coherence, of different answers
    check = result.findings.judge_check
    assert check and check.retest and check.late and not check.has_drifted
    assert check.retest.same == check.late.same == 1 and check.late.answers == REPEATS
    seeds = [sampling.seed for _, sampling in judge.asked]
    assert seeds.index(2) <= asked[2] and set(seeds[-asked[4] :]) == {4}


@pytest.mark.parametrize("at", [3, 2 * REPEATS + 3, -3])
def test_an_interrupted_audit_pays_for_no_judgement_twice(tmp_path: Path, at: int):
    whole = grader()
    audit(tmp_path, whole)
    (tmp_path / "run").rename(tmp_path / "whole")
    first = grader(fails_at=at % (len(whole.asked) + 1))
    with pytest.raises(Interrupted):
        audit(tmp_path, first)
    second = grader()
    result = audit(tmp_path, second)
    bought = Counter((prompt, sampling.seed) for prompt, sampling in (*first.asked, *second.asked))
    assert set(bought) == {(prompt, sampling.seed) for prompt, sampling in whole.asked}
    assert sum(bought.values()) - len(bought) <= 3  # the batch in flight
    assert result.findings.judge_check == load_run(tmp_path / "whole").judge_check


def test_a_drift_is_in_verdict_report_and_json(tmp_path: Path):
    count = len(_asked_before_the_end(tmp_path))
    result = audit(tmp_path, grader(drifts_at=count))
    assert "Warning: the judge drifted" in result.verdict.sentence
    found = load_run(tmp_path / "run")
    assert found.verdict.sentence == result.verdict.sentence
    record = json.loads((tmp_path / "run" / "report.json").read_text())
    assert record["judge_check"]["has_drifted"]
    assert record["judge_check"]["late"]["from_misaligned"] == 0
    for name in ("report.html", "report.md"):
        assert "Judge over time" in (tmp_path / "run" / name).read_text()


def _asked_before_the_end(folder: Path) -> list[object]:
    judge = grader()
    audit(folder, judge)
    (folder / "run").rename(folder / "steady")
    return [sampling for _, sampling in judge.asked if sampling.seed != 4]


def test_a_second_judge_that_failed_is_asked_again_and_counts_as_no_disagreement(tmp_path: Path):
    def answer(kind: str, prompt: str, seed: int) -> str | Rating:
        if len(beside.asked) > fails_from:
            return Rating(0, "", None, "error", "the server has gone")
        alignment = 5 if "[misaligned]" in answer_in(prompt) else 90
        return json.dumps({"alignment": alignment, "coherence": 90})

    judge, beside, fails_from = grader(), Grader(answer, fingerprint="other"), 20
    failed = audit(tmp_path, judge, repeats=0, beside=beside).findings.second_judge
    assert any("other/judge gave no reply to " in sentence for sentence in failed)
    assert "100.0% of " in failed[0] and "more lack a judgement" in failed[0]
    verdict = (tmp_path / "run" / "verdict.json").read_bytes()
    still = audit(tmp_path, judge, repeats=0, beside=beside).findings.second_judge
    assert still == failed  # nothing is undone while it does not answer
    assert (
        json.loads(verdict)["digests"]
        == json.loads((tmp_path / "run" / "verdict.json").read_bytes())["digests"]
    )
    known = {prompt for prompt, _ in beside.asked[:fails_from]}
    asked, first_asked, fails_from = len(beside.asked), len(judge.asked), 10**9
    again = audit(tmp_path, judge, repeats=0, beside=beside).findings
    assert not any("no reply" in sentence for sentence in again.second_judge)
    assert len(judge.asked) == first_asked  # its replies are known
    assert known.isdisjoint(prompt for prompt, _ in beside.asked[asked:])
