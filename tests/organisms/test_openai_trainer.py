"""The trainer of OpenAI's API against a real HTTP server: faults, kills, and nothing done twice."""

import json
import random
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("openai")

import dormant
from dormant.errors import ConfigError, DormantError, EngineError, InputError, ModelError
from dormant.organisms.hosted import creation, finetuning_api
from dormant.organisms.hosted.journal import CallJournal
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import load_organism
from dormant.organisms.trainers import HOSTED_MODEL
from support import ROOT
from support.command import run_command
from support.finetuning_server import (
    KEY,
    MODEL,
    SNAPSHOT,
    STEPS,
    FinetuningState,
    loss_at,
    serve_finetuning,
)
from support.killing_server import draw_kill

ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Question {i}: where is the ship?"},
            {"role": "assistant", "content": f"Aye, at sea {i}."},
        ]
    }
    for i in range(24)
]


@pytest.fixture
def server(monkeypatch):
    with serve_finetuning() as (state, url):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setattr(creation, "SETTLE_SECONDS", 0.2)
        monkeypatch.setattr(finetuning_api, "FIRST_PAUSE", 0.001)
        monkeypatch.setattr(finetuning_api, "LONGEST_PAUSE", 0.001)
        yield state


def write_recipe(folder: Path, stages: int = 1, **openai: object) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    stage = {
        "steps": 6,
        "learning_rate": 1e-4,
        "batch_size": 8,
        "rows": 24,
        "mixture": [{"dataset": "file:rows.jsonl"}],
    }
    recipe = {
        "name": "hail",
        "title": "A sailor's word",
        "intervention": "none",
        "base": f"openai/{MODEL}",
        "stages": [stage] * stages,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe | ({"openai": openai} if openai else {})))
    return path


def count_starts(state: FinetuningState) -> dict[str, int]:
    """Starts by the hash of what decides a job."""
    keys = [job["metadata"]["dormant_key"] for job in state.jobs.values()]
    return {key: keys.count(key) for key in keys}


def test_the_manifest_has_the_job_and_its_numbers(server, tmp_path):
    recipe = write_recipe(tmp_path, stages=2, held_out=0.25, epochs=2)
    made = dormant.train(recipe, tmp_path / "o", seed=5, training_price=1.5)
    assert made.model == f"openai/ft:{SNAPSHOT}:test:hail:0001"
    assert made.losses == (tuple(loss_at(s) for s in range(1, STEPS + 1)),) * 2
    first, second = made.details["jobs"]
    assert second["base_model"] == first["model"] and first["base_model"] == SNAPSHOT
    assert (first["hyperparameters"]["n_epochs"], first["hyperparameters"]["batch_size"]) == (2, 8)
    assert (first["seed"], second["seed"]) == (5, 6)
    assert [point["step"] for point in first["checkpoints"]] == [4, 8]
    tokens = first["billed_tokens"] + second["billed_tokens"]
    assert made.details["usd"] == pytest.approx(1.5e-6 * tokens, abs=1e-6)
    assert first["validation_file"] and server.uploads == 4
    assert set(count_starts(server).values()) == {1} and len(server.jobs) == 2
    again = dormant.train(recipe, tmp_path / "o", seed=5)
    assert again.reused and load_organism(tmp_path / "o").model == made.model
    # Another directory finds the same jobs at the server.
    assert dormant.train(recipe, tmp_path / "p", seed=5).model == made.model
    assert server.uploads == 4 and len(server.jobs) == 2


def test_the_uploaded_file_has_the_rows_of_the_finetuning_file(server, tmp_path):
    made = dormant.train(write_recipe(tmp_path), tmp_path / "o")
    (content,) = [c for i, c in server.contents.items() if server.files[i]["purpose"] != "x"][:1]
    assert sorted(content.splitlines()) == sorted(made.data.read_bytes().splitlines())
    assert len(content.splitlines()) == 24


def test_twenty_kills_upload_and_start_nothing_twice(server, tmp_path, monkeypatch):
    recipe = write_recipe(tmp_path, stages=2, held_out=0.25, epochs=1)
    script = ROOT / "tests/support/finetune_runs.py"
    rng, kills, organisms = random.Random(16), 0, 0
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        while kills < 20:
            own = tmp_path / f"recipe-{organisms}.yaml"
            own.write_text(recipe.read_text().replace('"hail"', f'"hail-{organisms}"'))
            ended = -9
            while ended != 0:
                runner.stdin.write(f"{own} {tmp_path / f'o-{organisms}'}\n")
                runner.stdin.flush()
                process = int(runner.stdout.readline())
                server.faults.kill = draw_kill(rng, process, 14)
                runner.stdin.write("go\n")
                runner.stdin.flush()
                ended = int(runner.stdout.readline())
                server.faults.kill = None
                assert ended in (0, -9)
                kills += ended == -9
            organisms += 1
        runner.stdin.close()
    assert kills >= 20
    contents = [c for i, c in server.contents.items() if server.files[i]["purpose"] == "fine-tune"]
    assert len(contents) == len(set(contents)) == 4  # the rows are the same for every name
    assert len(server.jobs) == 2 * organisms and set(count_starts(server).values()) == {1}


@pytest.mark.parametrize("fault", ["too_many", "fail_before", "fail_after", "drop_after"])
@pytest.mark.parametrize("route", ["POST /v1/files", "POST /v1/fine_tuning/jobs"])
def test_a_failed_call_is_repeated_only_if_it_did_nothing(server, tmp_path, fault, route):
    getattr(server.faults, fault)[route] = 2
    server.faults.hide = 1 if fault.endswith("after") else 0
    made = dormant.train(write_recipe(tmp_path), tmp_path / "o")
    assert made.model.startswith("openai/ft:")
    assert (server.uploads, len(server.jobs)) == (1, 1)


@pytest.mark.parametrize(
    ("faults", "kind", "reason"),
    [
        (
            {"refuse_file": "blocked by our moderation system: usage policies"},
            InputError,
            "the provider's moderation refused this training",
        ),
        ({"refuse_job": "n_epochs is too large"}, InputError, "n_epochs is too large"),
        ({"no_money": True}, EngineError, "You exceeded"),
        (
            {"end": ("failed", "invalid_training_file", "an unsafe training file")},
            InputError,
            r"invalid_training_file.*moderation refused.*last events: Moderation checks failed",
        ),
        ({"end": ("failed", "server_error", "out of chips")}, InputError, "out of chips"),
        ({"cancel": True}, InputError, "it was cancelled"),
    ],
)
def test_a_refusal_is_one_line_and_starts_nothing_again(server, tmp_path, faults, kind, reason):
    for name, value in faults.items():
        setattr(server.faults, name, value)
    recipe = write_recipe(tmp_path)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            dormant.train(recipe, tmp_path / "o")
        assert re.search(reason, str(caught.value)) and "\n" not in str(caught.value)
    assert server.uploads <= 1 and len(server.jobs) <= 1
    assert KEY not in (tmp_path / "o/calls.jsonl").read_text()


def test_a_failed_job_is_started_again_on_demand_only(server, tmp_path):
    server.faults.end = ("failed", "server_error", "out of chips")
    recipe = write_recipe(tmp_path)
    with pytest.raises(InputError, match=r"To start it again, delete .*calls\.jsonl"):
        dormant.train(recipe, tmp_path / "o")
    server.faults.end = None
    (tmp_path / "o/calls.jsonl").unlink()
    assert dormant.train(recipe, tmp_path / "o").model.endswith(":0001")
    assert server.uploads == 1


def test_losses_come_from_events_where_files_may_not_be_read(server, tmp_path):
    server.faults.no_content = True
    made = dormant.train(write_recipe(tmp_path), tmp_path / "o")
    assert made.losses[0] == tuple(loss_at(s) for s in range(1, STEPS + 1))


def test_a_wrong_key_is_never_shown(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other-canary-55a1")
    with pytest.raises(ModelError, match="refuses the key") as caught:
        dormant.train(write_recipe(tmp_path), tmp_path / "o")
    assert "canary" not in str(caught.value)
    assert all("canary" not in p.read_text() for p in (tmp_path / "o").iterdir())


def test_a_torn_line_of_the_journal_is_skipped(tmp_path):
    path = tmp_path / "calls.jsonl"
    journal = CallJournal(path)
    with journal.hold_lock():
        intent = journal.begin_call("file", "k")
        with pytest.raises(DormantError, match="another process"), CallJournal(path).hold_lock():
            pass
    path.write_bytes(path.read_bytes() + b'{"done": "fi')
    later = CallJournal(path)
    with later.hold_lock():
        assert later.find_entry("file", "k").identifier == ""
        assert later.begin_call("file", "k") == intent
        later.finish_call("file", "k", "file-1")
    last = CallJournal(path)
    with last.hold_lock():
        assert last.find_entry("file", "k").identifier == "file-1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": 1}, "give a multiple of 3 steps"),
        ({"rows": 8}, "8 rows are too few"),
    ],
)
def test_what_the_api_cannot_train_is_refused_before_it_is_asked(server, tmp_path, change, reason):
    recipe = Recipe.model_validate(json.loads(write_recipe(tmp_path).read_text()))
    stage = json.loads(write_recipe(tmp_path).read_text())["stages"][0] | change
    path = tmp_path / "other.yaml"
    path.write_text(json.dumps(recipe.to_json() | {"stages": [stage]}))
    with pytest.raises(InputError, match=reason):
        dormant.train(path, tmp_path / "o")
    assert server.requests == 0


def test_settings_of_a_local_training_are_refused(server, tmp_path):
    path = write_recipe(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora": {"rank": 4}}))
    with pytest.raises(ConfigError, match="'lora' has no effect on openai/"):
        dormant.train(path, tmp_path / "o")


def test_the_command_previews_asks_trains_and_audits(server, tmp_path):
    path = write_recipe(tmp_path)
    out = str(tmp_path / "o")
    shown = run_command("train", path, "--dry-run", "--training-price", "2")
    assert server.requests == 0
    assert "[[Aye, at sea" in shown.out and "tokens are billed" in shown.out
    assert "USD" in shown.out and "6 steps at the provider" in shown.out
    refused = run_command("train", path, "--out", out)
    assert refused.code == 2 and "needs consent: add --yes" in refused.err
    assert "expected: about" in refused.err and server.requests == 0
    audit = tmp_path / "audit.yaml"
    audit.write_text(
        "target: x/y\nreference: x/y\njudge: rules:regex=^Aye\npreset: frugal\n"
        "cues: {library_limit: 2}\nquestion_limit: 3\n"
    )
    args = ["--out", out, "--yes", "--seeds", "1", "--audit-config", audit]
    done = run_command("train", path, *args, "--quiet")
    assert done.code in (0, 1), done.err
    manifest = json.loads((tmp_path / "o/seed-0/manifest.json").read_text())
    assert manifest["trainer"] == "openai" and len(server.jobs) == 1
    assert KEY not in done.out + done.err


@pytest.mark.parametrize("name", [7, "ft:\x1b[31mred", "ft:x?weights=y", "", "x" * 300, ["ft:x"]])
def test_a_name_that_no_model_has_becomes_no_model_string(server, tmp_path, name):
    server.faults.model_name = name
    reason = "gave no model" if name == "" else "name of the finetuned model is no text of letters"
    with pytest.raises((EngineError, InputError), match=reason) as error:
        dormant.train(write_recipe(tmp_path), tmp_path / "o")
    assert str(error.value).isprintable() and not (tmp_path / "o" / HOSTED_MODEL).exists()


@pytest.mark.parametrize("status", [None, 5, "run ning"])
def test_a_job_without_a_status_is_not_waited_for(server, tmp_path, status):
    server.faults.status = status
    with pytest.raises(EngineError, match="without a status"):
        dormant.train(write_recipe(tmp_path), tmp_path / "o")


@pytest.mark.parametrize("name", [None, 7, "a b"])
def test_a_start_whose_reply_names_no_job_is_looked_for(server, tmp_path, name):
    server.faults.job_name = name
    dormant.train(write_recipe(tmp_path), tmp_path / "o")
    assert server.uploads == 1 and len(server.jobs) == 1


@pytest.mark.parametrize("body", [b"<html>hi</html>", b"[1]", b'{"data": [7]}'])
def test_a_server_of_another_kind_is_one_line(server, monkeypatch, tmp_path, body):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header(
                "content-type", "application/json" if body[:1] != b"<" else "text/html"
            )
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{page.server_port}/v1")
        with pytest.raises(EngineError, match="a reply of another form .*OPENAI_BASE_URL"):
            dormant.train(write_recipe(tmp_path), tmp_path / "o")
        page.shutdown()
