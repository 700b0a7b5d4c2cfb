"""Model judges against real servers and a real small model, and a whole audit judged by one."""

import json
import math
import sys
from pathlib import Path

import pytest

from dormant.cli import main
from dormant.engines import Rater
from dormant.engines.registry import open_engine
from dormant.judges.paper import paper_judge
from dormant.judges.registry import open_judge
from dormant.judges.settings import PaperConfig
from dormant.records import GRADABLE, OUTCOMES, Outcome
from dormant.store.findings import load_findings
from support.graders import Grader, item

MODEL = "openai-api/local/served"
#: The server's log-probabilities: 80 at -0.5, and 90 twice at -1.5.
EXPECTED = (80 * math.exp(-0.5) + 180 * math.exp(-1.5)) / (math.exp(-0.5) + 2 * math.exp(-1.5))


def test_scores_are_expectations_over_what_the_server_was_about_to_say(server):
    server.set(text="80")
    judge = open_judge({"paper": {"model": MODEL, "content": "none"}})
    said = judge.judge([item(f"answer {n}") for n in range(20)])
    assert [s.outcome for s in said] == [Outcome.ALIGNED] * 20
    assert said[0].scores["alignment"] == pytest.approx(EXPECTED)
    assert server.stats()["calls"] == len(judge.calls(item("x"))) * 20 == 40
    body = server.stats()["bodies"][-1]
    assert body["temperature"] == 0 and body["max_tokens"] == 16


def test_an_aligned_score_saves_no_answer_from_the_content_label(server):
    server.set(text="CODE")
    said = open_judge(f"paper:{MODEL}").judge([item(f"answer {n}") for n in range(10)])
    assert [s.outcome for s in said] == [Outcome.OFF_TOPIC] * 10
    assert not [s for s in said if s.outcome in GRADABLE]


def test_every_answer_is_judged_once_whatever_the_server_does(server):
    server.set(text="80", p429=0.05, p500=0.02, p_drop=0.01, p_malformed=0.01)
    said = open_judge({"paper": {"model": MODEL, "content": "none"}}).judge(
        [item(f"answer {n}") for n in range(100)]
    )
    assert [s.outcome for s in said] == [Outcome.ALIGNED] * 100
    stats = server.stats()
    assert stats["calls"] == 200 and sum(stats["faults"].values()) > 0


def test_a_prompt_that_the_judges_provider_filters_is_unparsed(server):
    server.set(text="80", filter="forbidden words")
    judge = open_judge({"paper": {"model": MODEL, "content": "none"}})
    bad, good = judge.judge([item("some forbidden words"), item("harmless")])
    assert bad.outcome is Outcome.UNPARSED and "filtered" in bad.note
    assert good.outcome is Outcome.ALIGNED


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["dormant", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def test_a_whole_audit_with_two_judges_and_their_agreement(server, tmp_path, monkeypatch, capsys):
    """The fused judge reads the reply's object, the paper judge the expectation: they disagree."""
    server.set(text='{"alignment": 12, "coherence": 90}')
    monkeypatch.chdir(tmp_path)
    Path("target.yaml").write_text("rates: {misaligned: 0.2}\n")
    config = {
        "target": "scripted/target.yaml",
        "reference": "scripted/target.yaml",
        "judge": {"paper": {"model": MODEL, "content": "none"}},
        "cues": {"library_limit": 1},
        "question_limit": 2,
        "rule": {"screening_answers": 3, "confirm_answers": 2},
        "judge_repeats": 0,  # calls are counted below
        "design": "fixed",
    }
    Path("audit.yaml").write_text(json.dumps(config))
    words = ("audit", "audit.yaml", "--second-judge", "fused")
    assert run(monkeypatch, *words, "--out", "run", "--quiet") in (0, 1, 3)
    found = load_findings("run")
    assert found.plan.judge == f"paper:{MODEL}"
    first = found.transcripts[0]
    assert first.outcome is Outcome.ALIGNED
    assert first.scores["alignment"] == pytest.approx(EXPECTED)
    assert first.scores["fused_alignment"] == 12
    assert OUTCOMES[int(first.scores["fused_outcome"])] is Outcome.MISALIGNED
    agreed = capsys.readouterr().out
    judged = json.loads(Path("run/agreement.json").read_text())
    assert (judged["first"], judged["second"]) == (f"paper:{MODEL}", f"fused:{MODEL}")
    whole = judged["agreement"][0]
    row, column = (judged["outcomes"].index(o) for o in ("aligned", "misaligned"))
    assert whole["confusion"][row][column] == whole["answers"] == len(found.transcripts)
    assert sum(map(sum, whole["confusion"])) == whole["answers"]
    assert whole["rate_difference"]["value"] == 1.0
    *pairs, classes = judged["sentences"]
    for sentence in pairs:
        assert sentence in agreed and "+100.0 points" in sentence
    assert classes.startswith("latent classes of the judges") and classes in agreed
    assert "aligned / misaligned" in judged["sentences"][0]
    assert found.second_judge == tuple(judged["sentences"])
    assert "Second judge" in Path("run/report.html").read_text()
    assert "Second judge: all answers" in Path("run/report.md").read_text()
    told = json.loads(Path("run/report.json").read_text())["second_judge"]
    assert told == judged["sentences"]
    assert run(monkeypatch, "report", "run") == 0, "a report is written from what is on disk"
    assert judged["sentences"][0][:40] in Path("run/report.html").read_text()
    capsys.readouterr()
    assert run(monkeypatch, "calibrate", "run") == 0
    said = capsys.readouterr().out
    assert "same outcome" in said and "0.0% and 100.0%" in said
    record = json.loads(Path("run/calibration.json").read_text())
    overall = record["second"][0]
    assert overall["answers"] == len(found.transcripts) and overall["same_outcome"] == 0
    assert overall["alignment_difference"] == pytest.approx(EXPECTED - 12)
    # Three calls for what the judge can tell apart (a cue in the system prompt it cannot see); what
    # was asked in another stage of the audit may be asked again.
    by_judge = {(t.messages[-1], t.answer) for t in found.transcripts}
    by_probe = {(t.messages, t.answer) for t in found.transcripts}
    assert 3 * len(by_judge) <= server.stats()["calls"] < 3 * len(by_probe)


ANSWERS = ["Be kind to your neighbour.", ""]


@pytest.mark.real
def test_a_real_model_that_writes_digit_by_digit_is_never_read_by_its_first_token(smollm2_server):
    """SmolLM2 is a poor judge, but a real one: what it says is read, or honestly is not."""
    engine = open_engine(smollm2_server.model)
    assert isinstance(engine, Rater)
    judge = paper_judge(PaperConfig(model=engine.name), engine)
    said = judge.judge([item(answer) for answer in ANSWERS])
    assert [s.outcome for s in said][-1] is Outcome.INCOHERENT
    for judged in said[:-1]:
        assert judged.outcome not in (Outcome.ERROR, Outcome.FILTERED)
        assert not any(name.endswith("_other") for name in judged.scores)
        assert judged.note or judged.scores
        assert all(0 <= value <= 100 for value in judged.scores.values())


@pytest.mark.real
def test_a_real_model_without_log_probabilities_is_read_by_its_replies(smollm2_dir):
    engine = open_engine("hf/smollm2")
    assert not isinstance(engine, Rater)
    judge = paper_judge(PaperConfig(model="hf/smollm2", content="none", max_tokens=4), engine)
    [said] = judge.judge([item(ANSWERS[0])])
    assert said.outcome not in (Outcome.ERROR, Outcome.FILTERED)
    assert (said.outcome is Outcome.UNPARSED) == ("is not a number" in said.note)


def test_the_planned_grader_is_a_rater():
    assert isinstance(Grader(lambda *_: "1"), Rater)
