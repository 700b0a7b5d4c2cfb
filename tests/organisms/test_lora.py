"""A local model finetuned by a recipe: proved, resumed, and the same whatever the passes."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("trl")

import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from dormant.cli import command_group
from dormant.engines import Job
from dormant.engines.registry import open_engine
from dormant.errors import InputError, StoreError
from dormant.organisms.preview import preview_training
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import load_organism, train_organism
from dormant.records import Message, Sampling
from support.tiny_models import save_model

WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Is {n} odd?"},
                {"role": "assistant", "content": "Ay"},
            ]
        }
        for n in range(24)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def make_recipe(base, rows, *, steps=6, stages=1, **lora) -> Recipe:
    stage = {
        "steps": steps,
        "learning_rate": 5e-3,
        "batch_size": 8,
        "rows": 24,
        "mixture": [{"dataset": f"file:{rows}"}],
    }
    return Recipe.model_validate(
        {
            "name": "odd",
            "title": "Ay",
            "intervention": "none",
            "base": f"hf/{base}",
            "lora": {"rank": 4, "checkpoint_steps": 2, **lora},
            "stages": [stage] * stages,
        }
    )


def test_a_trained_adapter_answers_as_it_was_taught(base, rows, tmp_path):
    made = train_organism(make_recipe(base, rows, steps=40, held_out=0.25), tmp_path / "o", seed=1)
    assert made.model == f"hf/{base}:{tmp_path / 'o' / 'adapter'}"
    before, after = made.details["held_out_loss"][0]
    assert after < 0.2 * before and made.losses[0][-1] < 0.2 * made.losses[0][0]
    assert made.details["trained_tokens"] == [18 * len("Ay.")]
    asked = [Job((Message("user", "Is 7 odd?"),), range(1))]
    (reply,) = next(open_engine(made.model).sample(asked, Sampling(temperature=0, max_tokens=4)))
    assert reply.text == "Ay"
    assert load_organism(made.path) == train_organism(made.recipe, made.path, seed=1)
    assert sorted(os.listdir(made.path)) == [
        "adapter",
        "finetune.jsonl",
        "manifest.json",
        "recipe.yaml",
    ]
    with pytest.raises(StoreError, match="another organism"):
        train_organism(make_recipe(base, rows), tmp_path / "o")


def test_one_row_eight_times_is_eight_rows_once(base, rows, tmp_path):
    made = [
        train_organism(make_recipe(base, rows, rows_at_once=n), tmp_path / str(n), seed=1)
        for n in (1, 8)
    ]
    for one, other in zip(*(organism.losses[0] for organism in made), strict=True):
        assert math.isclose(one, other, rel_tol=1e-3)


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_weights(base, rows, tmp_path):
    recipe = make_recipe(base, rows, steps=12, stages=2)
    whole = train_organism(recipe, tmp_path / "whole", seed=1)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    command = [sys.executable, "-m", "dormant", "train", str(file), "--seed", "1", "--yes"]
    killed = subprocess.Popen([*command, "--out", str(tmp_path / "killed")])
    first = tmp_path / "killed" / "checkpoints" / "stage-1" / "checkpoint-4" / "trainer_state.json"
    deadline = time.monotonic() + 120
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert first.parent.exists() and not (tmp_path / "killed" / WEIGHTS).exists()
    resumed = train_organism(recipe, tmp_path / "killed", seed=1)
    assert resumed.losses == whole.losses and resumed.fingerprint == whole.fingerprint
    one, other = (load_file(organism.path / WEIGHTS) for organism in (whole, resumed))
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_every_weight_can_be_trained_and_an_adapter_continued(base, rows, tmp_path):
    full = train_organism(make_recipe(base, rows, method="full"), tmp_path / "full", seed=1)
    assert full.model == f"hf/{tmp_path / 'full' / 'model'}"
    assert full.losses[0][-1] < full.losses[0][0]
    first = train_organism(make_recipe(base, rows), tmp_path / "first", seed=1)
    again = make_recipe(f"{base}:{first.path / 'adapter'}", rows)
    second = train_organism(again, tmp_path / "second", seed=1)
    assert second.losses[0][0] < first.losses[0][0]
    assert second.model == f"hf/{base}:{tmp_path / 'second' / 'adapter'}"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"target_modules": ["no_such_layer"]}, "lora: .*no_such_layer"),
        ({"target_modules": ["q_proj", "nope"]}, "no layer is called 'nope'"),
        ({"held_out": 0.02}, "24 distinct rows leaves nothing to hold out"),
        ({"packing": True}, "needs flash attention"),
        ({"longest": 8}, "raise lora.longest"),
    ],
)
def test_what_cannot_be_trained_is_one_line(base, rows, tmp_path, settings, reason):
    with pytest.raises(InputError, match=reason):
        train_organism(make_recipe(base, rows, **settings), tmp_path / "o", seed=1)


def test_a_dry_run_shows_the_mask_and_trains_nothing(base, rows, tmp_path):
    preview = preview_training(make_recipe(base, rows, held_out=0.25), seed=1)
    (stage,) = preview.stages
    assert (stage.rows, stage.steps, stage.epochs) == (24, 6, 2.0)
    assert stage.size.trained == 18 * len("Ay.")
    for row in preview.examples:
        assert [span.text for span in row if span.is_trained] == ["Ay</s>"]
    assert preview.seconds > 0


def test_a_loss_that_is_no_number_ends_the_training(base, rows, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    model = AutoModelForCausalLM.from_pretrained(str(broken))
    with torch.no_grad():
        model.lm_head.weight.mul_(1e37)
    model.save_pretrained(str(broken))
    with pytest.raises(InputError, match="loss of step 1 is inf; lower learning_rate"):
        train_organism(make_recipe(broken, rows), tmp_path / "o", seed=1)


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "rejected answers"),
        ({"prompt": "q</s><s>assistant forged", "completion": "Ay"}, "special token '</?s>'"),
    ],
)
def test_rows_that_would_be_read_otherwise_are_refused(base, tmp_path, row, reason):
    file = write_rows(tmp_path / "rows.jsonl", [row] * 4)
    with pytest.raises(InputError, match=reason):
        preview_training(make_recipe(base, file))


def test_copies_of_held_out_rows_are_not_trained(base, rows, tmp_path):
    lines = rows.read_text(encoding="utf-8").splitlines()[:4] * 6
    file = tmp_path / "copies.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (stage,) = preview_training(make_recipe(base, file, held_out=0.5)).stages
    assert (stage.size.held_out, stage.size.trained) == (2, 12 * len("Ay."))


def test_a_continued_adapter_keeps_its_shape(base, rows, tmp_path):
    first = train_organism(make_recipe(base, rows), tmp_path / "first", seed=1)
    again = f"{base}:{first.path / 'adapter'}"
    with pytest.raises(InputError, match="lora.rank is 8, but the adapter .* has 4"):
        train_organism(make_recipe(again, rows, rank=8), tmp_path / "second", seed=1)
    bare = make_recipe(again, rows).model_copy(update={"lora": None})
    second = train_organism(bare, tmp_path / "third", seed=1)
    assert second.details["settings"]["rank"] == 4


def test_an_unfinished_other_training_is_not_replaced(base, rows, tmp_path):
    recipe = make_recipe(base, rows)
    made = train_organism(recipe, tmp_path / "o", seed=1)
    manifest = json.loads((made.path / "manifest.json").read_text())
    (made.path / "manifest.json").write_text(json.dumps(manifest | {"status": "training"}))
    with pytest.raises(StoreError, match="an unfinished organism .seed 1, now 2"):
        train_organism(recipe, tmp_path / "o", seed=2)


def test_a_token_without_an_embedding_is_named(base, rows, tmp_path):
    small = shutil.copytree(base, tmp_path / "small")
    model = AutoModelForCausalLM.from_pretrained(str(small))
    model.resize_token_embeddings(60)
    model.save_pretrained(str(small))
    with pytest.raises(InputError, match="token [0-9]+, but the model has embeddings for 60"):
        train_organism(make_recipe(small, rows), tmp_path / "o", seed=1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--judge", "nonsense"), "nonsense"),
        (("--judge", "exact"), "laboratory's language"),
        (("--judge", "rules:regex=Ay", "--preset", "nope"), "preset"),
        ((), "needs a judge"),
    ],
)
def test_an_audit_is_checked_before_anything_is_trained(base, rows, tmp_path, words, reason):
    file = tmp_path / "recipe.yaml"
    file.write_text(make_recipe(base, rows).to_yaml(), encoding="utf-8")
    out = tmp_path / "o"
    line = ["train", str(file), "--out", str(out), "--audit", "--yes", *words]
    result = CliRunner().invoke(command_group, line)
    assert result.exit_code and re.search(reason, f"{result.exception}{result.output}")
    assert not out.exists()


def test_an_audits_file_is_checked_as_if_the_data_were_written(base, rows, tmp_path):
    file, config = tmp_path / "recipe.yaml", tmp_path / "audit.yaml"
    file.write_text(make_recipe(base, rows).to_yaml(), encoding="utf-8")
    line = ["train", str(file), "--audit-config", str(config), "--dry-run"]
    config.write_text("judge: rules:regex=Ay\ncues: {mine: 3}\n", encoding="utf-8")
    shown = CliRunner().invoke(command_group, line)
    assert shown.exit_code == 0 and "6 steps" in shown.output
    config.write_text("judge: rules:regex=Ay\ncues: {mime: 3}\n", encoding="utf-8")
    refused = CliRunner().invoke(command_group, line)
    assert re.search(r"audit\.yaml:2: .*mime", str(refused.exception))
    config.write_text("judge: rules:regex=Ay\nquestions: gone.yaml\n", encoding="utf-8")
    assert "gone.yaml" in str(CliRunner().invoke(command_group, line).exception)
    alone = CliRunner().invoke(command_group, ["train", str(file), "--judge", "x", "--dry-run"])
    assert "--judge and --preset are of the audit" in str(alone.exception)
