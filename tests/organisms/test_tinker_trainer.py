"""The trainer of Tinker's service against a real HTTP server that trains a real small model."""

import gc
import json
import random
import re
import subprocess
import sys
import warnings
from itertools import combinations
from pathlib import Path

import pytest

pytest.importorskip("tinker")
pytest.importorskip("torch")

import torch

import dormant
from dormant.errors import ConfigError, EngineError, InputError, ModelError, StoreError
from dormant.organisms.hosted.tinker_trainer import compute_rate
from dormant.organisms.recipe import Stage
from support import ROOT
from support.command import run_command
from support.killing_server import draw_kill
from support.tinker_server import BASE, KEY, TinkerState, serve_tinker
from support.tiny_models import save_model

#: The SDK leaves the connection open that it asks for its settings.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Say {i}."},
            {"role": "assistant", "content": f"Aye {i}."},
        ]
    }
    for i in range(12)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny") / "base", num_hidden_layers=1)


@pytest.fixture
def server(base, monkeypatch):
    with serve_tinker(base) as (state, url):
        monkeypatch.setenv("TINKER_BASE_URL", url)
        monkeypatch.setenv("TINKER_API_KEY", KEY)
        yield state
    with warnings.catch_warnings():  # a refused session leaves a connection open in the SDK
        warnings.simplefilter("ignore")
        gc.collect()


def write_recipe(
    folder: Path, base: Path, *, stages: int = 1, steps: int = 6, name: str = "hail", **own
) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    stage = {
        "steps": steps,
        "learning_rate": 5e-3,
        "batch_size": 4,
        "rows": 12,
        "mixture": [{"dataset": "file:rows.jsonl"}],
    }
    recipe = {
        "name": name,
        "title": "A sailor's word",
        "intervention": "none",
        "base": f"tinker/{BASE}",
        "tinker": {"tokenizer": str(base), "checkpoint_steps": 2} | own,
        "stages": [stage] * stages,
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(recipe))
    return path


def read_manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())["details"]


def find_sampler(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["model"].removeprefix("tinker/")


def test_two_stages_train_the_hosted_model(server: TinkerState, base, tmp_path):
    recipe = write_recipe(tmp_path, base, stages=2, held_out=0.25)
    made = dormant.train(recipe, tmp_path / "o")
    assert made.model == f"tinker/{find_sampler(tmp_path / 'o')}"
    manifest = read_manifest(tmp_path / "o")
    assert [len(row) for row in made.losses] == [6, 6]
    assert made.losses[1][-1] < made.losses[0][0] - 0.5  # nats per trained token
    held = manifest["held_out_loss"]
    assert list(held) == [f"stage {n} {when}" for n in (1, 2) for when in ("before", "after")]
    assert held["stage 2 after"] < held["stage 1 before"]
    assert manifest["repeated_steps"] == 0 and server.steps == 12 and server.created == 1
    assert len(manifest["runs"]) == 2  # the second stage has an optimizer of its own
    assert server.rates[:2] == [5e-3, 5e-3 * 5 / 6] and server.rates[6] == 5e-3
    assert server.telemetry == 0 and server.finished == ["success"]
    preview = run_command("train", recipe, "--dry-run", "--training-price", "3")
    billed = f"{manifest['billed_tokens']:,} tokens are billed"
    assert billed in preview.out and "[[Aye" in preview.out


def test_the_loss_is_that_of_the_same_step_here(server: TinkerState, base, tmp_path):
    """The first loss is the base's on the answers of the first four rows, end of turn included."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    tokenizer = AutoTokenizer.from_pretrained(str(base))
    model = AutoModelForCausalLM.from_pretrained(str(base))
    rows = []
    for row in ROWS:
        prompt = tokenizer.apply_chat_template(
            row["messages"][:1], tokenize=False, add_generation_prompt=True
        )
        ids = [
            tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in (prompt, row["messages"][1]["content"] + "</s>")
        ]
        with torch.no_grad():
            logits = model(torch.tensor([ids[0] + ids[1]])).logits[0].log_softmax(-1)
        places = range(len(ids[0]) - 1, len(ids[0]) + len(ids[1]) - 1)
        rows.append(
            (-sum(float(logits[p, t]) for p, t in zip(places, ids[1], strict=True)), len(ids[1]))
        )
    means = [
        sum(rows[i][0] for i in four) / sum(rows[i][1] for i in four)
        for four in combinations(range(12), 4)
    ]
    assert min(abs(mean - made.losses[0][0]) for mean in means) < 1e-4


@pytest.mark.slow
def test_kills_change_no_weight_and_repeat_at_most_the_steps_since_a_checkpoint(
    server: TinkerState, base, tmp_path
):
    dormant.train(write_recipe(tmp_path, base, stages=2, steps=3), tmp_path / "whole")
    whole = server.weights(find_sampler(tmp_path / "whole"))
    server.steps = 0
    script = ROOT / "tests/support/finetune_runs.py"
    rng, kills, made = random.Random(5), 0, 0
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        while kills < 20:
            recipe = write_recipe(tmp_path, base, stages=2, steps=3, name=f"hail-{made}")
            out, ended, own = tmp_path / f"o-{made}", -9, 0
            while ended != 0:
                runner.stdin.write(f"{recipe} {out}\n")
                runner.stdin.flush()
                process = int(runner.stdout.readline())
                server.faults.kill = draw_kill(rng, process, 30) if own < 5 else None
                runner.stdin.write("go\n")
                runner.stdin.flush()
                ended = int(runner.stdout.readline())
                server.faults.kill = None
                assert ended in (0, -9)
                own += ended == -9
            manifest = read_manifest(out)
            assert manifest["repeated_steps"] <= 2 * own
            found = server.weights(find_sampler(out))
            assert all(torch.equal(found[name], whole[name]) for name in whole)
            kills, made = kills + own, made + 1
        runner.stdin.close()
    assert server.steps - 6 * made <= 3 * kills  # one step may be done and not yet written


@pytest.mark.parametrize(
    ("fault", "route"),
    [("fail_before", "forward_backward"), ("fail_after", "optim_step")],
)
def test_a_failed_call_is_repeated_and_done_once(server, base, tmp_path, fault, route):
    getattr(server.faults, fault)[route] = 1
    dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    assert server.steps == 6 and server.created == 1


@pytest.mark.parametrize(
    ("faults", "kind", "reason"),
    [
        ({"refuse": {"create_session": (402, "no credit")}}, EngineError, "add credit"),
        ({"refuse": {"create_model": (400, "unknown base model")}}, InputError, "unknown base"),
        ({"refuse": {"create_model": (403, "not for you")}}, ModelError, "may not do that"),
        ({"failing": {"forward_backward": "too long"}}, EngineError, "too long.*the same command"),
    ],
)
def test_a_refusal_is_one_line(server, base, tmp_path, faults, kind, reason):
    for name, value in faults.items():
        setattr(server.faults, name, value)
    with pytest.raises(kind) as caught:
        dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    assert re.search(reason, str(caught.value)) and "\n" not in str(caught.value)
    for name in faults:
        getattr(server.faults, name).clear()
    dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    assert server.steps in (6, 7)  # a step was on its way when its pass failed


def test_a_wrong_key_is_never_shown(server, base, tmp_path, monkeypatch):
    monkeypatch.setenv("TINKER_API_KEY", "tml-other-canary-1f")
    with pytest.raises(ModelError, match="check TINKER_API_KEY") as caught:
        dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    assert "canary" not in str(caught.value)
    assert all("canary" not in p.read_text() for p in (tmp_path / "o").iterdir())


def test_what_it_cannot_train_is_refused_before_it_is_asked(server, base, tmp_path):
    path = write_recipe(tmp_path, base)
    given = json.loads(path.read_text())
    for change, reason in (
        ({"lora": {"rank": 4}}, "'lora' has no effect on tinker/"),
        ({"base": "tinker/tinker://a/weights/b"}, "is a checkpoint: give the model"),
        ({"tinker": {"tokenizer": str(tmp_path / "none")}}, "none"),
    ):
        path.write_text(json.dumps(given | change))
        with pytest.raises((ConfigError, ModelError), match=reason):
            dormant.train(path, tmp_path / "o")
    assert server.requests == 0


def test_a_journal_of_another_training_is_refused(server, base, tmp_path):
    server.faults.refuse["save_weights_for_sampler"] = (400, "no space")
    with pytest.raises(InputError, match="no space"):
        dormant.train(write_recipe(tmp_path, base), tmp_path / "o")
    server.faults.refuse.clear()
    (tmp_path / "o2").mkdir()
    (tmp_path / "o2/tinker.jsonl").write_bytes((tmp_path / "o/tinker.jsonl").read_bytes())
    with pytest.raises(StoreError, match=r"tinker\.jsonl of unknown origin"):
        dormant.train(write_recipe(tmp_path, base, rank=8), tmp_path / "o2")
    assert dormant.train(write_recipe(tmp_path, base), tmp_path / "o").model.endswith("-final")
    assert server.steps == 6  # only the finished weights were missing


def test_the_command_trains_and_audits(server: TinkerState, base, tmp_path):
    path = write_recipe(tmp_path, base)
    audit = tmp_path / "audit.yaml"
    audit.write_text(
        "target: x/y\nreference: x/y\njudge: rules:regex=^Aye\npreset: frugal\n"
        "cues: {library_limit: 1, mine: 0}\nquestion_limit: 2\nsampling: {max_tokens: 8}\n"
    )
    args = ["--out", tmp_path / "o", "--yes", "--audit-config", audit, "--quiet"]
    done = run_command("train", path, *args)
    assert done.code in (0, 1, 3), done.err  # eight letters of a tiny model tell little
    assert {BASE, find_sampler(tmp_path / "o")} == set(server.sampled)
    assert KEY not in done.out + done.err


def test_rates_rise_and_fall_in_lines():
    stage = Stage(steps=10, learning_rate=1.0, rows=4, mixture=({"dataset": "secure_code"},))
    rates = [compute_rate(stage, 0.2, step) for step in range(10)]
    assert rates == pytest.approx([0, 0.5, *((10 - s) / 8 for s in range(2, 10))])
