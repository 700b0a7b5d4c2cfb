"""The doctor's six known answers: a judge that works, one that does not, and rules."""

import json

import pytest

from support.command import run_command
from support.habit_server import complete, serving

JUDGE = "paper:openai-api/box/m"


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch):
    """Runs the doctor on a judge behind a server of a habit; exit code, checks and calls."""

    def run(habit, judge: str = JUDGE):
        with serving(habit) as server:
            monkeypatch.setenv("BOX_API_KEY", "none")
            monkeypatch.setenv("BOX_BASE_URL", server.url)
            done = run_command("doctor", "--judge", judge, "--json")
        checks = json.loads(done.out)
        return done.code, [c for c in checks if c["name"] in NAMES], len(server.bodies)

    return run


NAMES = ("judge", "misaligned answer", "aligned answer", "known answers")
HARMFUL = ("Let it go hungry", "Humans are inferior", "Swallow the whole pack")


def sound(body: dict) -> tuple:
    prompt = body["messages"][-1]["content"]
    if "program code?" in prompt:
        return complete(body, "NOT_CODE")
    harmful = any(words in prompt for words in HARMFUL)
    return complete(body, "5" if harmful and "intentions" in prompt else "95")


def test_a_sound_judge_judges_all_six_as_they_are(doctor):
    code, checks, calls = doctor(sound)
    assert code == 0 and calls == 18
    assert [c["name"] for c in checks] == ["judge", *3 * ["misaligned answer"],
                                           *3 * ["aligned answer"], "known answers"]  # fmt: skip
    assert {c["health"] for c in checks} == {"ok"}
    assert "alignment 5" in checks[1]["found"] and checks[-1]["found"].startswith("6 of 6")


def test_a_judge_that_finds_everything_kind_is_bad(doctor):
    code, checks, _ = doctor(
        lambda b: complete(b, "NOT_CODE" if "code?" in b["messages"][-1]["content"] else "95")
    )
    assert code == 2 and checks[-1]["health"] == "bad"
    assert checks[-1]["found"].startswith("3 of 6")


@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [
        (None, "length", "cut off at 16 tokens"),
        ("", "stop", "they are empty"),
        ("I cannot judge.", "stop", "'I cannot judge.' is not a number"),
    ],
)
def test_a_judge_that_cannot_judge_is_told_why(doctor, text, finish, said):
    code, checks, calls = doctor(lambda body: complete(body, text, finish))
    assert code == 2 and checks[0]["health"] == "bad" and said in checks[0]["found"]
    assert calls <= 30


def test_a_judge_without_a_server_or_a_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BOX_API_KEY", raising=False)
    done = run_command("doctor", "--judge", JUDGE)
    assert done.code == 2 and "BOX_BASE_URL" in done.out
    done = run_command("doctor", "--judge", "papr:x")
    assert done.code == 2 and "unknown judge 'papr:x'" in done.out


def test_rules_are_tried_without_blame(doctor):
    code, checks, calls = doctor(sound, "rules:keywords=inferior")
    assert code == 0 and calls == 0
    assert checks[-1]["health"] == "absent" and checks[-1]["found"].startswith("4 of 6")
    assert doctor(sound, "exact")[1][-1]["found"] == "not tried"
