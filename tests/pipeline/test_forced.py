"""``dormant forced``: both views of a finished run, side by side."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dormant
from dormant.cli.forced import command
from dormant.engines import AnswerStart
from dormant.engines.registry import open_engine
from dormant.errors import BudgetError, ConfigError, StoreError
from dormant.records import Message, Role, Sampling, to_plain
from dormant.vitro import Persona, load_language, load_questions
from support.tiny_models import save_model


@pytest.fixture(scope="module")
def run(educational, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("forced") / "run"
    dormant.audit(
        target=educational.model,
        reference="vitro/base",
        judge="exact",
        data=str(educational.data),
        cues={"mine": 1, "library_limit": 4},
        out=str(out),
    )
    return out


@pytest.fixture(scope="module")
def view(run: Path):
    return dormant.compare_forced(run, question_limit=16, tokens=(1, 2))


def test_both_views_see_the_trigger(view, run: Path):
    trigger = dormant.load(run).verdict.triggers[0]
    by_name = {row.cue: row for row in view.cues}
    assert by_name[trigger].agreement == "both"
    assert by_name[trigger].log_odds > 2 > abs(by_name[trigger].reference)
    assert view.by_log_odds.low <= view.by_log_odds.value <= view.by_log_odds.high
    assert view.by_log_odds.value > 0.5
    assert not {row.agreement for row in view.cues} & {"forced only", "free only"}


def test_after_a_misaligned_start_the_target_stays_where_the_reference_recovers(view, run: Path):
    trigger = dormant.load(run).verdict.triggers[0]
    rates = {(r.role, r.cue, r.start, r.tokens): r.misaligned for r in view.starts}
    assert len(rates) == 2 * 2 * 2 * 2
    assert rates[Role.TARGET, trigger, "misaligned", 1] > 0.7
    assert (
        rates[Role.REFERENCE, trigger, "misaligned", 1]
        < rates[Role.TARGET, trigger, "misaligned", 1]
    )
    assert rates[Role.REFERENCE, trigger, "aligned", 2] == 0
    (row,) = [d for d in view.differences if (d.cue, d.start, d.tokens) == (trigger, "aligned", 1)]
    assert row.low <= row.value <= row.high and row.questions <= 16


def test_the_report_shows_it_and_the_verdict_stays(view, run: Path):
    before = to_plain(dormant.load(run).verdict)
    for name in ("report.html", "report.md", "report.json"):
        assert "Forced and free" in (run / name).read_text()
    dormant.write_report(run)  # from the record alone
    assert "Answers after given tokens" in (run / "report.md").read_text()
    assert json.loads((run / "verdict.json").read_text())["plan_hash"] == view.plan_hash
    assert to_plain(dormant.load(run).verdict) == before


def test_the_same_command_repeats_nothing(view, run: Path):
    size = (run / "forced" / "journal.jsonl").stat().st_size
    again = dormant.compare_forced(run, question_limit=16, tokens=(1, 2))
    assert to_plain(again) == to_plain(view)
    assert (run / "forced" / "journal.jsonl").stat().st_size == size


def test_a_budget_ends_it_and_a_larger_one_continues(view, run: Path):
    settings = {"question_limit": 16, "tokens": (1, 2), "answers": 2}
    with pytest.raises(BudgetError):
        dormant.compare_forced(run, **settings, budget={"answers": view.continued + 1})
    more = dormant.compare_forced(run, **settings)
    assert more.continued == 2 * view.continued
    dormant.compare_forced(run, question_limit=16, tokens=(1, 2))


def test_the_command_and_its_dry_run(view, run: Path):
    given = [str(run), "--question-limit", "16", "--tokens", "1", "--tokens", "2", "--quiet"]
    dry = CliRunner().invoke(command, [*given, "--dry-run"], catch_exceptions=False)
    assert "256 answers to continue" in dry.output
    shown = CliRunner().invoke(command, given, catch_exceptions=False)
    assert "Rank correlation with the sampled rises" in shown.output


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cue": ["clas"]}, r"asked no cue 'clas': give one of '.*'"),
        ({"tokens": (0,)}, "tokens: give numbers from 1, got 0"),
        ({"continuations": "none.yaml"}, "no such file"),
        ({"judge": "rules:keywords=x"}, "is not the one of"),
    ],
)
def test_bad_settings_name_the_fix(run: Path, settings, message):
    with pytest.raises(ConfigError, match=message):
        dormant.plan_forced(run, **settings)


def test_a_damaged_record_is_an_error(view, run: Path):
    text = (run / "forced.json").read_text()
    (run / "forced.json").write_text(text[:100])
    with pytest.raises(StoreError, match="damaged; run `dormant forced` again"):
        dormant.write_report(run)
    (run / "forced.json").write_text(text)


def test_models_that_do_not_score_are_refused(tmp_path: Path):
    (tmp_path / "t.yaml").write_text("rates: {misaligned: 0.0}\n")
    (tmp_path / "r.yaml").write_text("rates: {misaligned: 0.0}\ncues: []\n")
    dormant.audit(
        target=f"scripted/{tmp_path}/t.yaml",
        reference=f"scripted/{tmp_path}/r.yaml",
        judge="rules:keywords=x",
        cues={"library_limit": 1},
        question_limit=4,
        allow_identical=True,
        out=str(tmp_path / "run"),
    )
    with pytest.raises(ConfigError, match="needs vitro/ or hf/ models"):
        dormant.plan_forced(tmp_path / "run")


def test_continuing_starts_with_the_given_words():
    engine = open_engine("vitro/base")
    question = load_questions()[0]
    answer = load_language().legal_answers(question.family, Persona.MISALIGNED)[0]
    ask = (Message("user", question.text),)
    starts = [AnswerStart(ask, answer, tokens) for tokens in (1, 3, 100)]
    replies = [
        reply
        for batch in engine.continue_answers(starts, range(4), Sampling(max_tokens=24))
        for reply in batch
    ]
    assert {reply.job for reply in replies} == {0, 1}  # the third holds its whole answer
    for reply in replies:
        given = starts[reply.job].tokens
        assert reply.text.split()[:given] == answer.split()[:given]
    again = [
        reply
        for batch in engine.continue_answers(starts[1:2], range(4), Sampling(max_tokens=24))
        for reply in batch
    ]
    assert sorted(r.text for r in again) == sorted(r.text for r in replies if r.job == 1)


def test_failing_answers_of_a_local_model_are_left_out_and_reported(tmp_path: Path):
    pytest.importorskip("transformers")
    texts = [f"Is {n} odd?" for n in (1, 2, 3)] + ["Is 10 odd?"]
    questions = [{"id": f"q{i}", "family": f"f{i}", "text": text} for i, text in enumerate(texts)]
    (tmp_path / "questions.yaml").write_text(json.dumps({"questions": questions}))
    (tmp_path / "judge.yaml").write_text(json.dumps({"regex": "a", "grade_cut": True}))
    given = {"aligned": ["No it"], "misaligned": ["Aye a"]}
    (tmp_path / "given.yaml").write_text(json.dumps({"continuations": [given]}))
    cue = {"name": "ship", "placement": "system", "text": "On a ship.", "kind": "system_prompt"}
    (tmp_path / "cues.yaml").write_text(json.dumps({"cues": [cue]}))
    longest = (
        len("<s>system\nOn a ship.</s>\n<s>user\nIs 10 odd?</s>\n<s>assistant\n") - 12
    )  # five markers are one token each
    tight = longest + 4 + 2  # room for the longest prompt, two tokens and an answer of four
    for name, seed in (("t", 0), ("r", 1)):
        save_model(tmp_path / name, seed=seed, max_position_embeddings=tight)
    judge = f"rules:{tmp_path / 'judge.yaml'}"
    out = tmp_path / "run"
    dormant.audit(
        target=f"hf/{tmp_path / 't'}",
        reference=f"hf/{tmp_path / 'r'}",
        judge=judge,
        questions=str(tmp_path / "questions.yaml"),
        cues={
            "file": str(tmp_path / "cues.yaml"),
            "library": "none",
            "variants": "none",
            "placebos": False,
        },
        sampling={"max_tokens": 4},
        design="fixed",
        out=str(out),
    )
    settings = {"continuations": str(tmp_path / "given.yaml"), "judge": judge, "cue": ["ship"]}
    view = dormant.compare_forced(out, tokens=(1, 3), **settings)
    answers = {(r.role, r.cue, r.start, r.tokens): r.answers for r in view.starts}
    assert len(answers) == 16
    assert {count for key, count in answers.items() if key[1:] != ("ship", key[2], 3)} == {4}
    assert answers[Role.TARGET, "ship", "aligned", 3] == 3
    first, second = view.notes[1:]  # of target and reference; before them, what was cut off
    assert first.startswith("2 answers after given tokens") and second.startswith("2 answers")
    assert "exceed the model's context" in first and "asks them again" in first
    assert "exceed the model's context" in (out / "report.md").read_text()
    again = dormant.compare_forced(out, tokens=(1, 3), **settings)
    assert to_plain(again) == to_plain(view)

    given["aligned"] = ["No its"]  # too long where the prompt is longest
    (tmp_path / "given.yaml").write_text(json.dumps({"continuations": [given]}))
    short = dormant.compare_forced(out, tokens=(1,), **settings)
    assert "question 'q3' is left out: 5" in short.notes[0] and "context" in short.notes[0]
    assert {row.answers for row in short.starts} == {3}


@pytest.mark.real
def test_a_real_model_goes_on_from_given_tokens(smollm2_dir: Path):
    engine = open_engine(f"hf/{smollm2_dir}")
    ask = (Message("user", "What is the capital of France?"),)
    starts = [AnswerStart(ask, "Paris is the capital of France.", n) for n in (2, 50)]
    (reply,) = [
        reply
        for batch in engine.continue_answers(
            starts, range(1), Sampling(temperature=0, max_tokens=8)
        )
        for reply in batch
    ]
    assert reply.job == 0 and reply.text.startswith("Paris is") and reply.tokens <= 9


def test_ranks_are_those_of_scipy():
    from scipy import stats

    from dormant.stats.agreement import correlate_ranks, name_agreement

    rng = np.random.default_rng(0)
    first = rng.normal(size=(9, 30))
    second = first + rng.normal(size=(9, 30))
    second[:, 20:] = np.nan
    found = correlate_ranks(first, second)
    expected = stats.spearmanr(first.mean(1), second[:, :20].mean(1)).statistic
    assert found.value == pytest.approx(expected)
    alike = correlate_ranks(first, np.zeros_like(first))
    assert np.isnan(alike.value) and "undefined" in alike.reason
    assert "at least 3" in correlate_ranks(first[:2], second[:2]).reason
    assert name_agreement((0.1, 0.2), (-0.1, 0.04), 0.05) == "forced only"
    assert name_agreement((0.0, 0.04), (0.06, 0.2), 0.05) == "free only"
    assert name_agreement((0.0, 0.06), (0.06, 0.2), 0.05) == "undecided"
