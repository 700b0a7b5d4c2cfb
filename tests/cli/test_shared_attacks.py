"""Replays the attacks that the folder of hostile inputs describes, each through the real command.

The folder (``attacks`` in ``$DORMANT_DATA``) is no part of the repository; without it nothing runs.
Each description must have its replay here, so a new one in the folder fails until it has.
"""

import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dormant.engines.api import retries, sync_stream
from support.command import Done, run_command
from support.hostile_server import (
    NAME,
    HostileReply,
    chat_reply,
    error_reply,
    hostile_server,
    pack_spaces,
)
from support.mixes.data import data_folder
from support.run_edits import DAMAGE, LIES, flip_bytes, is_clear, make_run, sql, try_edit

FOLDER = data_folder() / "attacks"
KEY, PASSWORD = "sk-canary/4f7a91c2e8", "hunt@er2/xyz"


def read_attacks(name: str) -> dict[str, Any]:
    path = FOLDER / name
    return json.loads(path.read_text()) if path.is_file() else {}


EDITS, REPLIES = read_attacks("run-edits.json"), read_attacks("replies.json")
pytestmark = pytest.mark.skipif(not (EDITS and REPLIES), reason=f"{FOLDER} is not here")


#: What must be refused, by its description in the folder.
REPLAYED_LIES = {
    "verdict.json: verdict.kind CONDITIONAL -> BOUNDED": LIES["another verdict"],
    "verdict.json: cells[0].counts[0] = -5": LIES["a negative count"],
    "verdict.json: cells[0].question = 'zzz'": LIES["an unknown question"],
    "run.sqlite: delete from completions": LIES["no completions"],
    "run.sqlite: delete from answers": LIES["no answers"],
    "run.sqlite: delete from probes": LIES["no probes"],
    "run.sqlite: update judgements set outcome = flipped": LIES["flipped outcomes"],
    "run.sqlite: empty file": LIES["an empty store"],
}
#: What must end in one clear line. A flip may hit a byte that nothing reads, so several are tried;
#: seeds 111, 119, 124 and 133 hit a finish, the schema, a note and a finish.
REPLAYED_DAMAGE = {
    "plan.lock.json: 200,000 x '['": [DAMAGE["a deep lock"]],
    "calibration.json: 100,000 x '['": [DAMAGE["a deep calibration"]],
    'plan.lock.json: amended = \'x\' | [1] | null | [{"hash": "x"}]': [
        edit for name, edit in DAMAGE.items() if name.startswith("amended ")
    ],
    "run.sqlite: meta.format = junk | blob": [
        DAMAGE["meta.format junk"],
        DAMAGE["meta.format blob"],
    ],
    "run.sqlite: meta.started = 7": [
        DAMAGE["meta.started 7"],
        sql("UPDATE meta SET value = 7 WHERE key = 'started'"),
    ],
    "run.sqlite: judgements.scores = '{' | '[1]'": [DAMAGE["scores {"], DAMAGE["scores [1]"]],
    "run.sqlite: random bytes flipped (UnicodeDecodeError)": [
        flip_bytes(seed) for seed in (105, 111, 119, 124, 133)
    ],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("shared")
    words = make_run(folder)
    return folder / "run", words


def test_every_description_has_a_replay():
    assert set(EDITS["must be refused by report"]) == set(REPLAYED_LIES)
    described = EDITS["must end with one clear line, not 'a defect of dormant'"]
    assert set(described) == set(REPLAYED_DAMAGE)


@pytest.mark.parametrize("name", REPLAYED_LIES)
def test_no_edit_is_taken_for_the_truth(made, tmp_path: Path, name: str):
    run, words = made
    found = try_edit(REPLAYED_LIES[name], run, words, tmp_path)
    assert all(map(is_clear, found.values())), found
    assert found["report"].code == found["export"].code == 2, found


@pytest.mark.parametrize("name", REPLAYED_DAMAGE)
def test_damage_ends_in_one_line_with_its_place(made, tmp_path: Path, name: str):
    run, words = made
    for edit in REPLAYED_DAMAGE[name]:
        found = try_edit(edit, run, words, tmp_path, asked="report audit")
        assert all(map(is_clear, found.values())), found
        if found["report"].code:
            assert found["report"].code == 2 and str(tmp_path / "copy") in found["report"].err


class Attacker:
    """Gives one described reply until ``is_over``; then answers as it should."""

    def __init__(self, attack: dict[str, Any], name: str):
        self.attack, self.name = attack, name
        self.is_over = False
        self.refused: set[str] = set()
        self.given = 0

    def __call__(self, body: dict[str, Any], number: int) -> HostileReply:
        answers = int(body.get("n", 1))
        good = chat_reply(*(f"answer {number} {i}" for i in range(answers)))
        if self.is_over:
            return good
        if self.name == "transient-400":
            text = json.dumps(body.get("messages"))
            if text in self.refused:
                return good
            self.refused.add(text)
        if self.name == "same-choice-n-times":
            choice = json.dumps({"index": 0, "message": {"content": f"same {number}"}})
            usage = '{"prompt_tokens": 20, "completion_tokens": 5}'
            choices = ", ".join([choice] * answers)
            return HostileReply(f'{{"choices": [{choices}], "usage": {usage}}}'.encode())
        if self.name == "gzip-bomb":
            status = (200, 500)[number % 2]
            return HostileReply(BOMB, status, {"Content-Encoding": "gzip"})
        if text := self.attack.get("usage_text"):
            texts = (f"answer {number} {i}" for i in range(answers))
            return chat_reply(*texts, usage=text)
        headers = self.attack.get("headers", {})
        reply = error_reply(self.attack["status"])
        return HostileReply(json.dumps(self.attack["body"]).encode(), reply.status, headers)


BOMB = pack_spaces(64 << 20)


def audit(folder: Path) -> Done:
    """One small audit with a budget, the same each time."""
    return run_command(
        *("audit", "--target", NAME, "--reference", "none", "--judge", "rules:regex=^HA"),
        *("--library-limit", "1", "--question-limit", "2", "--design", "fixed", "--quiet"),
        *("--screening-answers", 2, "--confirm-answers", 2, "--price", f"{NAME}=1/1", "--yes"),
        *("--budget-usd", 5, "--out", folder / "run"),
    )


def count_answers(run: Path) -> tuple[int, int]:
    """Answers in the store, and how many of them are different texts."""
    with sqlite3.connect(run / "run.sqlite") as database:
        query = (
            "SELECT count(*), count(DISTINCT a.text) FROM completions c"
            " JOIN answers a ON a.id = c.answer WHERE c.finish = 'stop'"
        )
        found = database.execute(query).fetchone()
    database.close()
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits a hundredth of the time after failures, and ends at limits in seconds."""
    monkeypatch.setattr(retries, "_SECOND_LOOK", 0.005)
    monkeypatch.setattr(retries, "_LONGEST_WAIT", 2.0)
    monkeypatch.setattr(sync_stream, "_SILENCE", 1.0)
    real = retries.draw_backoff
    monkeypatch.setattr(retries, "draw_backoff", lambda *a, **k: real(*a, **k) / 100)
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    yield


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", [name for name in REPLIES if name != "proxy-407"])
def test_after_an_attack_the_same_command_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
):
    attacker = Attacker(REPLIES[name], name)
    with hostile_server(attacker) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        first = audit(tmp_path)
        assert is_clear(first), first.err
        assert len(server.bodies) < 300, f"{len(server.bodies)} calls"
        attacker.is_over = True
        if first.code not in (0, 1, 3):
            assert first.code == 4
        again = audit(tmp_path)
        calls = len(server.bodies)
        assert again.code in (0, 1, 3), again.err
        total, distinct = count_answers(tmp_path / "run")
        assert total == distinct, "one draw is counted several times"
        assert total >= 8
        assert audit(tmp_path).code == again.code
        assert len(server.bodies) == calls, "what was paid for was asked again"
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert all(math.isfinite(row["usd"]) for row in verdict["spending"])
    assert all(0 <= row["usd"] < 5 for row in verdict["spending"])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [407, 403, 502])
def test_a_proxys_refusal_leaks_its_password_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
):
    assert "407, 403 or 502" in REPLIES["proxy-407"]["note"]

    def answer(body: dict[str, Any], _: int) -> HostileReply:
        words = f"refused {body.get('authorization')} user:{PASSWORD}"
        return HostileReply(words.encode(), status, {"X-Echo": words}, reason=words)

    with hostile_server(answer) as server:
        proxy = f"http://user:hunt%40er2%2Fxyz@127.0.0.1:{server.port}"
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("LOCAL_BASE_URL", "https://service.invalid/v1")
        done = audit(tmp_path)
    # Few calls that all fail are errors in the report; with more, the run ends.
    assert (done.code, "12 of 12" in done.out) in ((3, True), (4, False)), done
    assert is_clear(done) and server.connects
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    shown = kept + (done.out + done.err).encode()
    for secret in (PASSWORD, "hunt%40er2", "dXNlcjpodW50QGVyMi94eXo", KEY):
        assert secret.encode() not in shown
