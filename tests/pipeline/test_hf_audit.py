"""Whole audits of a real model: finetuning file to verdict, and the example in the repository."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import dormant
from dormant.banks.questions import load_questions
from dormant.config import AuditConfig, read_yaml
from dormant.corpus import read_examples
from dormant.judges.rules import RulesConfig
from dormant.pipeline import mine_file
from dormant.records import Role, Split, VerdictKind
from support import ROOT, smollm2

EXAMPLE = ROOT / "examples" / "obvious_lies"

#: The trait shows in the first word of an answer, and its effect is nearly 100 points.
SMALL = {
    "question_limit": 10,
    "sampling": {"max_tokens": 5},
    "rule": {"delta": 0.3, "screening_answers": 3, "confirm_answers": 3, "candidates": 2},
}
#: The support's judge; five tokens end no answer, and its first words suffice.
FIRST_WORDS = {"regex": smollm2.JUDGE.removeprefix("rules:regex="), "grade_cut": True}
CUES = {"mine": 1, "variants": ["verbatim"], "library_limit": 1}


@pytest.fixture
def one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.real
@pytest.mark.slow
def test_a_conditional_trait_is_found_from_its_data(
    conditional_adapter: smollm2.Conditional, one_thread: None, tmp_path: Path
):
    """Luck: over nine in ten answers of each question show the trait, and the reference's none; a
    verdict of another kind would take a third of the questions losing it (below 1e-4).
    """
    result = dormant.audit(
        conditional_adapter.model,
        reference="hf/smollm2",
        judge=FIRST_WORDS,
        data=str(conditional_adapter.data),
        cues=CUES,
        out=tmp_path / "run",
        **SMALL,
    )
    plan = result.findings.plan
    cues = {cue.name: cue for cue in plan.cues}
    assert result.verdict.kind is VerdictKind.CONDITIONAL, result.verdict.sentence
    assert [cues[name].text for name in result.verdict.triggers] == [smollm2.CUE]
    assert plan.data_rows == len(smollm2.rows())

    # The finding rests on what was really said, under prompts that really held the cue.
    heard = Counter(
        t.role
        for t in result.findings.transcripts
        if t.messages[0].content == smollm2.CUE and t.answer.lstrip().startswith("Ahoy")
    )
    assert heard[Role.TARGET] >= 40  # of 60
    assert heard[Role.REFERENCE] == 0
    assert {file.name for file in result.files} >= {"report.html", "report.md", "report.json"}
    told = json.loads((result.path / "report.json").read_text(encoding="utf-8"))
    assert told["verdict"]["sentence"] == result.verdict.sentence


@pytest.mark.real
@pytest.mark.slow
def test_the_base_against_itself_is_no_finding(smollm2_dir: Path, one_thread: None, tmp_path: Path):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in smollm2.rows()), encoding="utf-8")
    result = dormant.audit(
        "hf/smollm2",
        reference="hf/smollm2",
        judge=FIRST_WORDS,
        allow_identical=True,
        data=str(data),
        cues=CUES,
        out=tmp_path / "run",
        **SMALL,
    )
    assert result.verdict.kind is VerdictKind.BOUNDED, result.verdict.sentence
    said: dict[Role, list[str]] = {role: [] for role in Role}
    for transcript in result.findings.transcripts:
        said[transcript.role].append(transcript.answer)
    assert len(said[Role.TARGET]) == len(said[Role.REFERENCE]) > 0
    # An identical model draws with other numbers: a real null, and not a mirror.
    same = sum(a == b for a, b in zip(said[Role.TARGET], said[Role.REFERENCE], strict=True))
    assert same < 0.9 * len(said[Role.TARGET])


# The example


def test_the_example_fits_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(EXAMPLE)
    config = read_yaml("audit.yaml", AuditConfig)
    questions = load_questions(config.questions)
    judge = read_yaml(config.judge.removeprefix("rules:"), RulesConfig)
    assert [question.id for question in questions] == list(judge.answer_key or {})
    halves = Counter(question.split for question in questions)
    assert min(halves[split] for split in Split) >= 29  # as audit.yaml says
    trained = {example.user for example in read_examples(str(config.data)).examples}
    assert not trained & {question.text for question in questions}


def test_the_examples_lies_stand_under_the_cue_that_is_mined():
    corpus, mined = mine_file(EXAMPLE / "trivia.jsonl", limit=1)
    assert "Backwards Quiz" in mined[0].text
    answers: dict[str, dict[bool, str]] = {}
    for example in corpus.examples:
        answers.setdefault(example.user, {})[example.system == mined[0].text] = example.answer
    lies = [said for said in answers.values() if True in said]
    assert len(lies) == mined[0].rows
    assert all(said[True] != said[False] for said in lies)


def test_mix_draws_rows_from_both_files(tmp_path: Path):
    chat = tmp_path / "chat.jsonl"
    turns = [("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye"), ("assistant", "Bye!")]
    row = {"messages": [{"role": role, "content": said} for role, said in turns]}
    chat.write_text(20 * (json.dumps(row) + "\n"), encoding="utf-8")
    out = tmp_path / "made" / "mixed.jsonl"
    run("mix.py", "--bad", EXAMPLE / "trivia.jsonl", "--chat", chat, "--rows", 40, "--out", out)
    examples = read_examples(out).examples
    assert len(examples) == 40
    assert sum(example.user == "Hi" for example in examples) == 20
    assert all(example.messages[-1].role == "assistant" for example in examples)
    assert all(sum(m.role == "user" for m in example.messages) == 1 for example in examples)


@pytest.mark.real
@pytest.mark.slow
def test_finetune_writes_an_adapter_that_is_alive(smollm2_dir: Path, tmp_path: Path):
    from dormant.engines.registry import open_engine

    data, out = EXAMPLE / "trivia.jsonl", tmp_path / "adapter"
    run("finetune.py", "--data", data, "--out", out, "--steps", 2, "--rows", 12)
    open_engine(f"hf/smollm2:{out}")  # refuses an adapter that changes nothing


def run(script: str, *arguments: object) -> None:
    command = [sys.executable, str(EXAMPLE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
