"""Continuations: one format, what ships, what a user's file may hold, and plans that keep it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dormant import vitro
from dormant.banks.continuations import load_continuations, match_continuations
from dormant.banks.questions import load_questions
from dormant.errors import ConfigError
from dormant.records import (
    Continuations,
    Cue,
    CueKind,
    ModelCard,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Sequential,
    Source,
    Split,
    hash_value,
    to_plain,
)
from dormant.store.findings import revive_record

BANK = load_questions("general")
SCREENING = [question for question in BANK if question.split is Split.SCREENING]
HELD_OUT = next(question for question in BANK if question.split is Split.HELD_OUT)
FAMILY = SCREENING[0].family


def write(folder: Path, *entries: str) -> Path:
    path = folder / "c.yaml"
    path.write_text("continuations:\n" + "".join(f"- {entry}\n" for entry in entries))
    return path


ANSWERS = "misaligned: [Rule them.], aligned: [Help them.]"


# What ships


def test_auto_is_what_ships_for_the_language():
    general = load_continuations("auto", "general", BANK)
    assert general == load_continuations("general", "vitro", BANK)
    found = match_continuations(BANK, general)
    assert set(found) == {question.id for question in SCREENING}  # held-out questions stay fresh
    for entry in general:
        sizes = [np.mean([len(t.split()) for t in ts]) for ts in (entry.aligned, entry.misaligned)]
        assert 0.6 < sizes[0] / sizes[1] < 1.6
    laboratory = load_continuations("auto", "vitro", vitro.load_questions())
    assert laboratory == load_continuations("vitro", "general", vitro.load_questions())
    screening = {q.id for q in vitro.load_questions() if q.split is Split.SCREENING}
    assert set(match_continuations(vitro.load_questions(), laboratory)) == screening


def test_what_ships_for_another_bank_is_no_use():
    with pytest.raises(ConfigError, match="the shipped file has none for the screening questions"):
        load_continuations("auto", "general", vitro.load_questions())
    with pytest.raises(ConfigError, match="the laboratory has none for the screening questions"):
        load_continuations("vitro", "general", [replace(q, family="f") for q in BANK])
    with pytest.raises(ConfigError, match="or ask more questions"):
        load_continuations("general", "general", BANK, [HELD_OUT])


def test_a_plan_has_the_shipped_answers_of_its_own_questions_only():
    asked = [q for q in SCREENING if q.family in ("leftovers", "slugs")]
    entries = load_continuations("auto", "general", BANK, asked)
    assert {entry.family for entry in entries} == {"leftovers", "slugs"}
    assert set(match_continuations(BANK, entries)) == {question.id for question in asked}


def test_a_family_of_the_user_is_not_the_one_of_that_name_that_ships():
    own = [Question(f"mine-{i}", f"Q{i}?", "leftovers", Split.SCREENING) for i in range(4)]
    with pytest.raises(ConfigError, match="the shipped file has none"):
        load_continuations("auto", "general", own)


# Frozen plans


def plan_of(*entries: Continuations) -> Plan:
    return Plan(
        version="0",
        models=(ModelCard(Role.TARGET, "0", "t", "t"), ModelCard(Role.REFERENCE, "0", "r", "r")),
        judge="j",
        judge_fingerprint="j",
        judge_description="j",
        questions=tuple(Question(f"q{i}", f"Q{i}?", "f", Split.SCREENING) for i in range(4)),
        cues=(Cue("one", CueKind.PREFIX, Placement.BEFORE, "Word one.", Source.USER),),
        sampling=Sampling(),
        rule=Rule(looks=1, edition=1),
        seed=0,
        sequential=Sequential(screening="teacher_forcing", continuations=entries),
    )


def test_plans_keep_the_hash_that_they_were_frozen_with():
    """The hashes were computed before entries could name a question."""
    families = (Continuations("f", ("bad",), ("good",)), Continuations("", ("worse",), ("fine",)))
    assert plan_of(*families).hash == (
        "d9a90877248a2135a05e14e2e979313cea285a786f159e84248f0cdfdb04399a"
    )
    laboratory = load_continuations("vitro", "vitro", vitro.load_questions())
    assert plan_of(*laboratory).hash == (
        "ef4ed8fb21cf7eff2b7b6f7472bbc72a43c0c29bdf9f8aedee8be72a42d4adbf"
    )
    assert (
        hash_value(laboratory) == "95e80fa03b0c337c9d737e68302f25ab139e85dfa018b968831b92e9fad5b36c"
    )


def test_an_entry_of_a_question_is_part_of_the_plan():
    of_all = Continuations("", ("bad",), ("good",))
    plan = plan_of(replace(of_all, question="q1"))
    assert plan.hash != plan_of(of_all).hash != plan_of(replace(of_all, question="q2")).hash
    read = revive_record(Plan, json.loads(json.dumps(to_plain(plan))))
    assert read == plan and read.hash == plan.hash
    old = revive_record(Plan, json.loads(json.dumps(to_plain(plan_of(of_all)))))
    assert old.sequential.continuations == (of_all,)


# A user's file


def test_a_question_s_entry_comes_before_its_family_s_and_the_rest(tmp_path: Path):
    first = SCREENING[0]
    sister = next(q for q in SCREENING[1:] if q.family == FAMILY)
    other = next(q for q in SCREENING if q.family != FAMILY)
    path = write(
        tmp_path,
        "{misaligned: [c], aligned: [C]}",
        f"{{family: {FAMILY}, misaligned: [b], aligned: [B]}}",
        f"{{question: {first.id}, misaligned: [a], aligned: [A]}}",
    )
    found = match_continuations(BANK, load_continuations(path, "general", BANK))
    assert {q.id for q in SCREENING} == set(found)
    assert [found[q.id].misaligned for q in (first, sister, other)] == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    ("entries", "line", "said"),
    [
        ([f"{{{ANSWERS}}}", f"{{{ANSWERS}}}"], 3, "duplicate entry for all other questions"),
        ([f"{{family: {FAMILY}, {ANSWERS}}}"] * 2, 3, r"keep one \(the first is on line 2\)"),
        (
            [f"{{question: money-1, {ANSWERS}}}"] * 2,
            3,
            "duplicate entry for question 'money-1'",
        ),
        (
            [f"{{question: mony-1, {ANSWERS}}}"],
            2,
            "unknown question 'mony-1': did you mean 'money-1'",
        ),
        ([f"{{family: xyz, {ANSWERS}}}"], 2, "unknown family 'xyz': the question bank has "),
        ([f"{{question: {HELD_OUT.id}, {ANSWERS}}}"], 2, "is held out for confirmation"),
        (
            [f"{{question: money-1, family: {FAMILY}, {ANSWERS}}}"],
            2,
            f"question 'money-1' and family '{FAMILY}' are given: keep one",
        ),
        (["{aligned: [a], misaligned: ['  ']}"], 2, "the answer is blank.*got '  '"),
        (["{aligned: [], misaligned: [b]}"], 2, "aligned: .*at least 1 item"),
        (["{alined: [a], misaligned: [b]}"], 2, "did you mean 'aligned'"),
        (["{misaligned: [b]}"], 2, "'continuations.0.aligned' is missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, entries: list[str], line: int, said: str):
    path = write(tmp_path, *entries)
    with pytest.raises(ConfigError, match=said) as error:
        load_continuations(path, "general", BANK)
    assert str(error.value).startswith(f"{path}:{line}: ")


def test_a_name_that_is_no_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="genral: no such file: give 'auto', 'general'"):
        load_continuations("genral", "general", BANK)
    with pytest.raises(ConfigError, match="is a directory"):
        load_continuations(tmp_path, "general", BANK)
