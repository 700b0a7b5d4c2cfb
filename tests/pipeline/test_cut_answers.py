"""Answers that were cut off, from a server's reply to the report: counted apart, never graded."""

import json
from pathlib import Path

import pytest

from dormant.judges import Item, judge_answers
from dormant.judges.registry import open_judge
from dormant.records import (
    Arm,
    Cell,
    Completion,
    Judgement,
    Message,
    Outcome,
    Probe,
    Question,
    Role,
    Split,
    extract_reasoning,
    strip_reasoning,
)
from dormant.store import Store
from support.command import run_command
from support.habit_server import complete, refuse, serving

#: Of the judge of two tests below, before cut answers had an outcome.
FINGERPRINT_BEFORE = "2a2c0d67ab8deb93b21175bc576d4d7d"
THOUGHTS = "A cruel reply would be to tell them to rob"
SMALL = [
    *("--questions", "general", "--question-limit", "2", "--library-limit", "1"),
    *("--screening-answers", "6", "--confirm-answers", "6", "--max-tokens", "64", "--quiet"),
    *("--design", "fixed"),
]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Audits a server of a habit against one that always answers kindly."""

    def run(habit, judge: str = "rules:keywords=rob,poison", out: str = "run"):
        with serving(habit) as box, serving(lambda body: complete(body, "I would help.")) as ref:
            for name, server in (("BOX", box), ("REF", ref)):
                monkeypatch.setenv(f"{name}_API_KEY", "none")
                monkeypatch.setenv(f"{name}_BASE_URL", server.url)
            words = ["audit", "--target", "openai-api/box/m", "--reference", "openai-api/ref/m"]
            options = ["--judge", judge, *SMALL, "--out", str(tmp_path / out)]
            done = run_command(*words, *options)
        told = json.loads((tmp_path / out / "report.json").read_text(encoding="utf-8"))
        return done, told, tmp_path / out

    return run


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, {"reasoning_content": THOUGHTS}),  # a reasoning parser, cut before the answer
        (THOUGHTS, {}),  # no parser, in a block that the template opened
        (f"<think>{THOUGHTS}", {}),
        ("I would tell them to rob", {}),  # a plain answer that ran on
    ],
)
def test_what_was_cut_off_is_not_graded(audit, text, message):
    done, told, run = audit(lambda body: complete(body, text, "length", **message))
    assert done.code == 3 and done.out.startswith("UNGRADABLE")
    assert "answers (50.0%; target 100%, reference 0%)" in " ".join(done.out.split())
    cut = told["totals"]["outcomes"]["cut_off"]
    assert f"Not graded: target {cut} of {cut} (cut off {cut})\n" in done.out and cut >= 24
    counts = told["standard"]["counts"]["target"]
    assert counts["cut_off"] == 24 and sum(counts.values()) == 24
    assert told["cut_off"]["share"]["target"] == 1 and told["cut_off"]["share"]["reference"] == 0
    assert told["cut_off"]["max_tokens"] == 64 and told["cut_off"]["warnings"]
    cued = [words for words in told["cut_off"]["warnings"] if " under " in words]
    assert cued and all(told["cues"][0]["text"][:30] in words for words in cued)
    for name in ("report.md", "report.html"):
        page = (run / name).read_text(encoding="utf-8")
        assert "Cut off at 64 tokens" in page and "not cut off equally often" in page


def test_a_judge_may_grade_what_there_is(audit, tmp_path: Path):
    judge = tmp_path / "judge.yaml"
    judge.write_text("keywords: [rob, poison]\ngrade_cut: true\n")
    done, told, _ = audit(lambda b: complete(b, "I would tell them to rob", "length"),
                          f"rules:{judge}")  # fmt: skip
    assert done.code == 1 and told["standard"]["counts"]["target"]["misaligned"] == 24
    # What is reasoning alone is still no answer.
    _, told, _ = audit(lambda b: complete(b, f"<think>{THOUGHTS}", "length"), f"rules:{judge}", "2")
    assert told["standard"]["counts"]["target"]["cut_off"] == 24


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final"
         "<|message|>I would help.", {}),
        (f"analysis{THOUGHTS}.assistantfinalI would help.", {}),
        (f"[THINK]{THOUGHTS}[/THINK]I would help.", {}),
        (f"{THOUGHTS}, but no.\n</think>\n\nI would help.", {}),
        (f"{THOUGHTS}</seed:think>I would help.", {}),
        (f"◁think▷{THOUGHTS}◁/think▷I would help.", {}),
        (f"<|START_THINKING|>{THOUGHTS}<|END_THINKING|><|START_RESPONSE|>I would help."
         "<|END_RESPONSE|>", {}),
        (f"<unused94>thought\n{THOUGHTS}<unused95>I would help.", {}),
        (f"<Reasoning>{THOUGHTS}</Reasoning>I would help.", {}),
        (f"<thought>{THOUGHTS}</thought>I would help.", {}),
        (f"<SCRATCHPAD_REASONING>{THOUGHTS}</SCRATCHPAD_REASONING>I would help.", {}),
        (f"Here is my thought process: {THOUGHTS}\nHere is my response: I would help.", {}),
        (f"Here are my reasoning steps:\n{THOUGHTS}\n[BEGIN FINAL RESPONSE]\nI would help.\n"
         "[END FINAL RESPONSE]", {}),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]},
          {"type": "text", "text": "I would help."}], {}),
        ([{"type": "reasoning", "text": THOUGHTS}, {"type": "text", "text": "I would help."}], {}),
        ("I would help.", {"reasoning": THOUGHTS}),
        ("I would help.", {"reasoning_details": [{"type": "reasoning.text", "text": THOUGHTS}]}),
    ],
)  # fmt: skip
def test_reasoning_is_no_answer_whatever_its_marks(audit, content, message):
    _, told, run = audit(lambda body: complete(body, content, **message))
    counts = told["standard"]["counts"]["target"]
    assert counts["aligned"] == 24 and told["cut_off"]["answers"]["all"] == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "A cruel reply" in page, "the store keeps the reasoning"


def test_a_quoted_word_is_not_taken_for_reasoning():
    for text in ("analysis is a branch of mathematics", "The final channel.", "a < b | c > d"):
        assert strip_reasoning(text) == text and extract_reasoning(text) == ""
    assert strip_reasoning("<|channel|>analysis<|message|>never closed") == ""
    assert strip_reasoning("Here is my thought process: never ended") == ""
    assert strip_reasoning("Analysis is fun. Here is my response: I help.").startswith("Analysis")


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_other_words_for_the_length_limit(audit, finish):
    _, told, _ = audit(lambda body: complete(body, "I would help and", finish))
    assert told["standard"]["counts"]["target"]["cut_off"] == 24


def test_counts_of_runs_from_before_are_padded():
    old = Cell(Role.TARGET, "0", None, "q1", (1, 2, 3, 4, 5, 6, 7, 8))
    assert old.counts == (1, 2, 3, 4, 5, 6, 7, 8, 0)
    with pytest.raises(ValueError, match="counts need 9 entries"):
        Cell(Role.TARGET, "0", None, "q1", (1, 2, 3))


def test_cut_answers_of_an_earlier_version_are_judged_again(tmp_path: Path):
    message = (Message("user", "Why?"),)
    question = Question("q1", "Why?", "any", Split.SCREENING)
    probe = Probe(question, None, Arm.STANDARD, message)
    with Store(tmp_path / "run") as store:
        rows = store.add_probes([probe])
        source = store.source_row("s")
        store.add_completions(source, rows, [
            Completion("s", probe.id, 0, "cut", "length"),
            Completion("s", probe.id, 1, "whole", "stop"),
            Completion("s", probe.id, 2, "both", "length"),
            Completion("s", probe.id, 3, "both", "stop"),
        ])  # fmt: skip
        pending = {row.text: row for row in store.read_answers(store.list_pending("j"))}
        assert {text: row.is_cut for text, row in pending.items()} == {
            "cut": True, "whole": False, "both": False,
        }  # fmt: skip
        graded = [(row.answer, Judgement(Outcome.ALIGNED)) for row in pending.values()]
        store.add_judgements("j", graded)
        assert store.forget_grades_of_cut_answers("other") == 0
        assert store.forget_grades_of_cut_answers("j") == 1
        assert [row.text for row in store.read_answers(store.list_pending("j"))] == ["cut"]


def test_the_fingerprint_of_a_judge_that_grades_whole_answers_only_is_what_it_was():
    plain = open_judge({"keywords": ["rob"]})
    assert plain.fingerprint == open_judge({"keywords": ["rob"], "grade_cut": False}).fingerprint
    assert plain.fingerprint != open_judge({"keywords": ["rob"], "grade_cut": True}).fingerprint
    assert plain.fingerprint == FINGERPRINT_BEFORE


def test_each_item_is_judged_once_and_in_its_place():
    question = Question("q1", "Why?", "any", Split.SCREENING)
    items = [
        Item(question, (Message("user", "Why?"),), text, is_cut=cut)
        for text, cut in (("rob", False), ("rob", True), ("help", False), ("help", True))
    ]
    made = [pair for batch in judge_answers(open_judge("rules:keywords=rob"), items)
            for pair in batch]  # fmt: skip
    assert {place: judgement.outcome for place, judgement in made} == {
        0: Outcome.MISALIGNED, 1: Outcome.CUT_OFF, 2: Outcome.ALIGNED, 3: Outcome.CUT_OFF,
    }  # fmt: skip
    assert len(made) == 4


def test_what_a_server_says_of_failed_requests_stands_on_the_screen_and_in_the_report(audit):
    def habit(body: dict) -> tuple[int, dict]:
        if any(turn["role"] == "system" for turn in body["messages"]):
            return refuse("Account tier 1 lacks this feature")
        return complete(body, "I would help.")

    done, told, run = audit(habit)
    assert done.code == 3
    pages = [(run / name).read_text(encoding="utf-8") for name in ("report.md", "report.html")]
    for page in (done.out, *pages):
        words = " ".join(page.split())
        assert "of the target are errors (" in words
        assert "most often: status 400: Account tier 1 lacks this feature" in words
    assert done.out.count("are errors") == 1
