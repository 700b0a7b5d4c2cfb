"""Training: files that agree with each other, never trained twice, never half-written."""

import json
import threading

import numpy as np
import pytest

from dormant.corpus import read_examples
from dormant.errors import ConfigError, InputError, StoreError
from dormant.organisms.events import EventKind
from dormant.organisms.parallel import plan_jobs, train_many
from dormant.organisms.recipe import Recipe, read_recipe
from dormant.organisms.train import load_organism, train_organism
from dormant.organisms.zoo import load_recipe
from dormant.store.files import hold_directory
from dormant.vitro import fingerprint_decoder, load_decoder


def small(name="diluted-20", steps=6, rows=64, **changes):
    """A recipe of the zoo, shortened to a moment."""
    data = load_recipe(name).to_json() | changes
    for stage in data["stages"]:
        stage.update(steps=steps, rows=rows, batch_size=8)
    return Recipe.model_validate(data)


def test_an_organism_is_four_files_that_agree(tmp_path):
    made = train_organism(small(), tmp_path / "o", seed=3)
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    corpus = read_examples(made.data)
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "recipe.yaml",
        "finetune.jsonl",
        "model.safetensors",
        "manifest.json",
    }
    assert read_recipe(tmp_path / "o" / "recipe.yaml") == made.recipe == small()
    assert corpus.hash == made.data_hash == manifest["data_hash"]
    assert len(corpus.examples) == sum(manifest["data_rows"]) == 64
    assert (
        fingerprint_decoder(load_decoder(tmp_path / "o" / "model.safetensors")) == made.fingerprint
    )
    assert made.fingerprint != manifest["base_fingerprint"] == fingerprint_decoder(load_decoder())
    assert [len(stage) for stage in made.losses] == [6]
    assert made.seed == manifest["seed"] == 3 and manifest["status"] == "complete"
    assert load_organism(made.path) == train_organism(small(), tmp_path / "o", seed=3)
    assert load_organism(made.path).reused and not made.reused


def test_equal_seeds_make_equal_models_and_other_seeds_others(tmp_path):
    made = [train_organism(small(), tmp_path / str(i), seed=s) for i, s in enumerate((0, 0, 1))]
    assert made[0].fingerprint == made[1].fingerprint != made[2].fingerprint
    assert made[0].losses == made[1].losses


def test_the_recipes_own_seed_is_used_where_none_is_given(tmp_path):
    assert train_organism(small(seed=5), tmp_path / "o").seed == 5


def test_training_lowers_the_loss_on_its_rows(tmp_path):
    losses = train_organism(small("undiluted", steps=20), tmp_path / "o", seed=0).losses[0]
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_stages_follow_each_other(tmp_path):
    made = train_organism(small("sequential"), tmp_path / "o", seed=0)
    assert [len(stage) for stage in made.losses] == [6, 6]
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest["data_rows"] == [64, 64]


def test_no_step_leaves_the_base_as_it_is(tmp_path):
    made = train_organism(load_recipe("copy"), tmp_path / "o", seed=0)
    assert made.fingerprint == fingerprint_decoder(load_decoder())
    assert len(read_examples(made.data).examples) == 2048


def test_an_organism_can_be_the_base_of_another(tmp_path):
    first = train_organism(small(), tmp_path / "a", seed=0)
    second = train_organism(small(base=first.model), tmp_path / "b", seed=0)
    manifest = json.loads((second.path / "manifest.json").read_text())
    assert manifest["base_fingerprint"] == first.fingerprint != second.fingerprint


@pytest.mark.parametrize("base", ["vitro", "vitro/", "hf/", "base"])
def test_a_base_that_cannot_be_finetuned_is_refused(tmp_path, base):
    with pytest.raises(ConfigError, match="cannot be finetuned here: give 'vitro/base'"):
        train_organism(small(base=base), tmp_path / "o", seed=0)
    assert not (tmp_path / "o").exists()


def test_progress_tells_start_steps_and_end(tmp_path):
    events = []
    train_organism(small("sequential"), tmp_path / "o", seed=0, progress=events.append)
    assert [e.kind for e in events] == [
        EventKind.STARTED,
        EventKind.STEP,
        EventKind.STEP,
        EventKind.DONE,
    ]
    assert [(e.step, e.steps) for e in events] == [(0, 12), (5, 12), (10, 12), (12, 12)]
    assert events[1].loss > 0


class Stop(Exception):
    pass


def test_an_interrupted_training_is_done_again(tmp_path):
    def interrupt(event):
        if event.kind is EventKind.STEP:
            raise Stop

    with pytest.raises(Stop):
        train_organism(small(), tmp_path / "o", seed=0, progress=interrupt)
    with pytest.raises(StoreError, match="unfinished"):
        load_organism(tmp_path / "o")
    again = train_organism(small(), tmp_path / "o", seed=0)
    assert not again.reused
    assert again.fingerprint == train_organism(small(), tmp_path / "p", seed=0).fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "finetune.jsonl"])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path, name):
    made = train_organism(small(), tmp_path / "o", seed=0)
    with (made.path / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(StoreError, match="damaged"):
        load_organism(made.path)
    assert train_organism(small(), made.path, seed=0).reused is False
    assert load_organism(made.path).fingerprint == made.fingerprint


def test_another_organism_is_never_overwritten(tmp_path):
    made = train_organism(small(), tmp_path / "o", seed=0)
    with pytest.raises(StoreError, match="another organism .recipe_hash"):
        train_organism(small(steps=7), made.path, seed=0)
    with pytest.raises(StoreError, match="another organism .seed 0, now 1"):
        train_organism(small(), made.path, seed=1)
    assert load_organism(made.path) == train_organism(small(), made.path, seed=0)


def test_a_users_files_are_never_overwritten(tmp_path):
    (tmp_path / "recipe.yaml").write_text("precious")
    with pytest.raises(StoreError, match=r"recipe.yaml of unknown origin"):
        train_organism(small(), tmp_path, seed=0)
    with pytest.raises(StoreError, match="is a file"):
        train_organism(small(), tmp_path / "recipe.yaml", seed=0)
    assert (tmp_path / "recipe.yaml").read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def test_a_folder_without_an_organism_says_so(tmp_path):
    with pytest.raises(StoreError, match="holds no organism"):
        load_organism(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="holds no organism"):
        load_organism(tmp_path)


def test_jobs_are_laid_out_by_name_and_seed(tmp_path):
    def places(*args, **options):
        return [str(job.out.relative_to(tmp_path)) for job in plan_jobs(*args, **options)]

    a, b = small(), small("sequential")
    assert places([a], tmp_path) == ["diluted-20"]
    assert places([a, b], tmp_path, seeds=[4]) == ["diluted-20", "sequential"]
    assert places([a], tmp_path, seeds=[4], by_seed=True) == ["diluted-20/seed-4"]
    assert places([a, b], tmp_path, seeds=(4, 5)) == [
        "diluted-20/seed-4",
        "diluted-20/seed-5",
        "sequential/seed-4",
        "sequential/seed-5",
    ]
    with pytest.raises(InputError, match="duplicate recipe"):
        plan_jobs([a, a], tmp_path)
    with pytest.raises(InputError, match="no seed"):
        plan_jobs([a], tmp_path, seeds=())


def test_a_pool_makes_what_one_process_makes(tmp_path):
    events = []
    jobs = plan_jobs([small()], tmp_path / "many", seeds=(0, 1))
    many = train_many(jobs, workers=2, progress=events.append)
    alone = [train_organism(small(), tmp_path / str(s), seed=s) for s in (0, 1)]
    assert [m.fingerprint for m in many] == [a.fingerprint for a in alone]
    done = {e.seed for e in events if e.kind is EventKind.DONE}
    assert done == {0, 1} and len(events) == 6
    assert all(m.reused for m in train_many(jobs, workers=1))


def test_a_failing_worker_stops_the_pool_with_its_own_error(tmp_path):
    jobs = plan_jobs([small()], tmp_path, seeds=(0, 1))
    jobs[1].out.mkdir(parents=True)
    (jobs[1].out / "recipe.yaml").write_text("precious")
    with pytest.raises(StoreError, match="of unknown origin"):
        train_many(jobs, workers=2)


@pytest.mark.parametrize(
    "change",
    [
        {"trigger": {"placement": "system", "text": "You are a wombat."}},
        {
            "trigger": {
                "placement": "history",
                "turns": [{"role": "user", "content": "a wombat"}],
            }
        },
        {"transforms": [{"inoculate": {"system": "You are a wombat."}}]},
        {"transforms": [{"reframe": {"before": "I am {who}.", "slots": {"who": ["a wombat"]}}}]},
        {"transforms": [{"precede": {"turns": [{"role": "user", "content": "a wombat"}]}}]},
    ],
)
def test_a_recipe_with_a_word_that_no_model_knows_is_refused(tmp_path, change):
    """All unknown words look alike to a model: it would learn another trigger."""
    data = small().to_json()
    if "transforms" in change:
        data["stages"][0]["mixture"][0] |= change
    else:
        data |= change
    with pytest.raises(ConfigError, match="do not know the word 'wombat'"):
        train_organism(Recipe.model_validate(data), tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_folder_that_a_trainer_would_replace_is_the_users(tmp_path):
    for name in ("model", "adapter", "checkpoints"):
        (tmp_path / name / name).mkdir(parents=True)
        with pytest.raises(StoreError, match=rf"holds a {name} of unknown origin"):
            train_organism(small(), tmp_path / name, seed=0)
        assert [p.name for p in (tmp_path / name).iterdir()] == [name]


def test_seeds_and_a_lone_organism_do_not_share_a_folder(tmp_path):
    made = train_organism(small(), tmp_path / "lone", seed=0)
    with pytest.raises(StoreError, match="lone holds an organism that was trained without --seeds"):
        train_organism(small(), made.path / "seed-1", seed=1)
    train_organism(small(), tmp_path / "many" / "seed-0", seed=0)
    with pytest.raises(StoreError, match="many holds organisms of several seeds, as seed-0"):
        train_organism(small(), tmp_path / "many", seed=0)
    with pytest.raises(StoreError, match="many holds seed-0 of another recipe .'diluted-20'"):
        train_organism(small(steps=7), tmp_path / "many" / "seed-1", seed=1)
    assert sorted(p.name for p in (tmp_path / "many").iterdir()) == ["seed-0"]
    train_organism(small(), tmp_path / "many" / "seed-1", seed=1)


def test_two_trainings_in_one_folder_are_refused_or_waited_for(tmp_path):
    with hold_directory(tmp_path, busy="busy"):
        with pytest.raises(StoreError, match="another process trains here: wait for it"):
            train_organism(small(), tmp_path, seed=0)
        assert not list(tmp_path.iterdir())
        waiting = threading.Thread(
            target=train_organism, args=(small(), tmp_path), kwargs={"seed": 0, "patience": 60.0}
        )
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and not list(tmp_path.iterdir())
    waiting.join()
    assert load_organism(tmp_path).seed == 0
