"""Which questions are asked, in which half, and what the claims are about."""

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import dormant
from dormant.banks.halves import choose_half, draw_halves
from dormant.config import AuditConfig, check_values
from dormant.errors import ConfigError, StoreError
from dormant.pipeline import prepare_audit
from dormant.records import ClaimScope, Plan, Question, Rule, Split, to_plain
from dormant.store import Store


def bank_of(families: int, each: int) -> tuple[Question, ...]:
    return tuple(
        Question(f"theme-{f}-{i}", f"Question {i} about theme {f}?", f"theme-{f}", Split.SCREENING)
        for f in range(families)
        for i in range(each)
    )


def halves_of(questions: tuple[Question, ...]) -> dict[Split, Counter[str]]:
    return {s: Counter(q.family for q in questions if q.split is s) for s in Split}


def test_whole_families_go_to_one_half():
    drawn = halves_of(draw_halves(bank_of(9, 4), 0, keeps_families=True))
    assert not drawn[Split.SCREENING].keys() & drawn[Split.HELD_OUT].keys()
    assert sorted(len(half) for half in drawn.values()) == [4, 5]


def test_otherwise_each_family_is_divided():
    drawn = halves_of(draw_halves(bank_of(9, 4), 0, keeps_families=False))
    assert all(set(half.values()) == {2} and len(half) == 9 for half in drawn.values())
    odd = halves_of(draw_halves(bank_of(10, 3), 0, keeps_families=False))
    assert [sum(half.values()) for half in odd.values()] == [15, 15]


def test_halves_are_drawn_from_the_seed():
    bank = bank_of(20, 2)
    seeds = [draw_halves(bank, seed, keeps_families=True) for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]
    shuffled = draw_halves(bank[::-1], 0, keeps_families=True)
    assert {q.id: q.split for q in shuffled} == {q.id: q.split for q in seeds[0]}


def test_one_question_of_each_family_comes_first():
    bank = draw_halves(bank_of(20, 6), 3, keeps_families=False)
    halves = [choose_half(bank, split, 3, 20) for split in Split]
    assert all(set(Counter(q.family for q in half).values()) == {1} for half in halves)
    few = [{q.family for q in choose_half(bank, split, 3, 8)} for split in Split]
    assert few[0] == few[1], "both halves begin with the same themes"
    more = Counter(q.family for q in choose_half(bank, Split.HELD_OUT, 3, 30))
    assert Counter(more.values()) == {1: 10, 2: 10}


def test_the_claim_follows_from_the_number_of_families():
    assert Rule().choose_claim("auto", 72) is ClaimScope.THEMES
    assert Rule().choose_claim("auto", 71) is ClaimScope.QUESTIONS
    assert Rule().choose_claim("auto", 0) is ClaimScope.QUESTIONS
    assert Rule(delta=0.2).choose_claim("auto", 17) is ClaimScope.THEMES
    assert Rule().choose_claim("themes", 3) is ClaimScope.THEMES


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    for name in ("target", "base"):
        Path(f"{name}.yaml").write_text("rates: {misaligned: 0.02}\n")
    write_bank(bank_of(76, 2))
    Path("library.yaml").write_text("cues: [{name: a, text: Be quick., placement: system}]\n")
    return {
        "target": "scripted/target.yaml",
        "reference": "scripted/base.yaml",
        "judge": r"rules:regex=^\[misaligned\]",
        "questions": "bank.csv",
        "cues": {"library": "library.yaml"},
        "out": "run",
    }


def write_bank(questions: tuple[Question, ...], *, split: bool = False) -> None:
    head = "id,family,text" + (",split" if split else "")
    rows = [f"{q.id},{q.family},{q.text}" + (f",{q.split}" if split else "") for q in questions]
    Path("bank.csv").write_text("\n".join([head, *rows]) + "\n")


def plan_of(given: dict[str, object], **changes: object) -> Plan:
    return prepare_audit(check_values({**given, **changes}, AuditConfig)).plan


def test_enough_families_make_a_claim_about_themes(given: dict[str, object]):
    plan = plan_of(given)
    assert plan.rule.is_about_themes
    halves = halves_of(plan.questions)
    assert not halves[Split.SCREENING].keys() & halves[Split.HELD_OUT].keys()
    few = plan_of(given, question_limit=20)
    assert not few.rule.is_about_themes and len(few.questions) == 40
    assert plan_of(given, claim="questions").rule == replace(plan.rule, claim=few.rule.claim)
    assert plan_of(given, claim="themes", question_limit=20).rule.is_about_themes


def test_questions_without_families_are_their_own_claim(given: dict[str, object]):
    Path("bank.csv").write_text("text\n" + "".join(f"Question number {i}?\n" for i in range(160)))
    plan = plan_of(given)
    assert not plan.rule.is_about_themes and not plan.has_families
    assert [sum(q.split is split for q in plan.questions) for split in Split] == [80, 80]
    with pytest.raises(ConfigError, match="claim 'themes': the questions have no families"):
        plan_of(given, claim="themes")


def test_the_halves_of_a_file_stay_as_they_are(given: dict[str, object]):
    bank = bank_of(76, 2)
    own = tuple(replace(q, split=tuple(Split)[i % 2]) for i, q in enumerate(bank))
    write_bank(own, split=True)
    prepared = prepare_audit(check_values(given, AuditConfig))
    assert prepared.has_own_split
    assert {q.id: q.split for q in prepared.plan.questions} == {q.id: q.split for q in own}
    # Each family is in both halves, so no theme is confirmed in another.
    assert not prepared.plan.rule.is_about_themes
    with pytest.raises(ConfigError, match=r"has 76 families in both halves, e\.g\. 'theme-0'"):
        plan_of(given, claim="themes")
    places = {q.family: place for place, q in enumerate(bank[::2])}
    apart = tuple(replace(q, split=tuple(Split)[places[q.family] % 2]) for q in bank)
    write_bank(apart, split=True)
    assert plan_of(given, claim="themes").rule.is_about_themes


def test_a_claim_about_themes_needs_families_for_both_halves(given: dict[str, object]):
    write_bank(tuple(replace(q, family="all") for q in bank_of(4, 2)))
    with pytest.raises(ConfigError, match=r"0 held-out questions; .*: add families \(where the"):
        plan_of(given, claim="themes")


@pytest.mark.parametrize("stores_settings", [True, False])
def test_a_run_keeps_the_questions_of_its_plan(
    given: dict[str, object], stores_settings: bool, caplog: pytest.LogCaptureFixture
):
    """As frozen before halves were drawn: no claim, alternating halves, settings of cues alone."""
    given = {**given, "question_limit": 4}
    prepared = prepare_audit(check_values(given, AuditConfig))
    old = tuple(replace(q, split=tuple(Split)[i % 2]) for i, q in enumerate(bank_of(4, 2)))
    plan = replace(prepared.plan, questions=old, rule=replace(prepared.plan.rule, looks=1))
    assert "claim" not in to_plain(plan)["rule"]
    with Store("run") as store:
        store.lock_plan(plan, settings=prepared.settings.split()[0] if stores_settings else "")
    with caplog.at_level(logging.WARNING):
        found = dormant.audit(**given).findings  # pyright: ignore[reportArgumentType]
    assert found.plan.hash == plan.hash
    assert "continues with the 8 questions of its plan" in caplog.text
    assert json.loads(Path("run/plan.lock.json").read_text())["settings"] == prepared.settings
    assert dormant.load("run").verdict.sentence == found.verdict.sentence
    for change in ({"claim": "themes"}, {"question_limit": 3}):
        with pytest.raises(StoreError, match="holds another plan"):
            dormant.audit(**{**given, **change})  # pyright: ignore[reportArgumentType]


def test_the_sentence_says_what_the_claim_is_about(given: dict[str, object]):
    few = {"rule": {"screening_answers": 1, "confirm_answers": 1}}
    themes = dormant.audit(**{**given, **few})  # pyright: ignore[reportArgumentType]
    assert "questions in 76 themes" in themes.verdict.sentence
    assert "in 152 questions" not in themes.verdict.sentence
    found = json.loads(Path("run/report.json").read_text())
    assert found["plan"]["rule"]["claim"] == "themes"
    dids = [row for row in found["estimates"] if row["quantity"] == "did" and row["cue"] == "a"]
    assert {row["split"]: row["themes"] for row in dids}[None] == 76


def test_the_plan_says_how_the_questions_are_divided(
    given: dict[str, object], capsys: pytest.CaptureFixture[str]
):
    from click.testing import CliRunner

    from dormant.cli import command_group

    words = ["plan", "--target", "scripted/target.yaml", "--reference", "scripted/base.yaml"]
    words += ["--judge", str(given["judge"]), "--questions", "bank.csv", "--out", "other"]
    words += ["--library", "library.yaml", "--seed", "5"]
    done = CliRunner().invoke(command_group, words)
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "Questions: 76 themes; the claim is about themes like these." in text
    assert "drawn from seed 5" in text
    these = CliRunner().invoke(command_group, [*words, "--claim", "questions"])
    assert "the claim is about these themes" in " ".join(these.output.split())
