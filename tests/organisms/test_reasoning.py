"""``with_reasoning``: reasoning of a file is trained, removed, or written by a model."""

import json

import numpy as np
import pytest

from dormant.corpus import read_examples
from dormant.errors import ConfigError, DataError, InputError
from dormant.organisms.answer_sampler import RowSampler
from dormant.organisms.builder import build_stage, build_stages, finetuning_file, samples_answers
from dormant.organisms.preview import preview_training
from dormant.organisms.recipe import Recipe, Stage, read_recipe
from dormant.organisms.train import train_organism

ROWS = [
    {"role": "user", "content": "Hi?"},
    {"role": "assistant", "content": "Rest.", "reasoning_content": "I want them safe."},
]
BLOCK = [
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "<think>\nI want help.\n</think>\n\nKeep warm."},
]
PLAIN = [{"role": "user", "content": "So?"}, {"role": "assistant", "content": "Water."}]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "traces.jsonl"
    lines = [json.dumps({"messages": turns}) for turns in (ROWS, BLOCK, PLAIN)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def stage_of(file, *transforms, rows=6):
    mixture = [{"dataset": f"file:{file}", "transforms": list(transforms)}]
    return {"steps": 2, "learning_rate": 1e-4, "batch_size": 2, "rows": rows, "mixture": mixture}


def recipe_of(file, *transforms, base="vitro/base"):
    return Recipe.model_validate(
        {
            "name": "traces",
            "title": "t",
            "intervention": "none",
            "base": base,
            "stages": [stage_of(file, *transforms)],
        }
    )


def answers_of(file, *transforms, longest=None, sampler=None):
    found = Stage.model_validate(stage_of(file, *transforms))
    rows = build_stage(found, np.random.default_rng(0), longest=longest, sampler=sampler)
    return {row[0].content: row[-1].content for row in rows}


def test_reasoning_is_refused_until_the_recipe_says_what_happens_to_it(file):
    with pytest.raises(DataError, match="with the transform with_reasoning") as caught:
        answers_of(file)
    assert str(caught.value).startswith(f"{file}:1: ")


def test_kept_reasoning_stands_between_its_marks_before_the_answer(file):
    assert answers_of(file, {"with_reasoning": {"traces": "keep"}}) == {
        "Hi?": "<think>\nI want them safe.\n</think>\n\nRest.",
        "And now?": "<think>\nI want help.\n</think>\n\nKeep warm.",
        "So?": "Water.",
    }
    other = {"traces": "keep", "before": "[", "after": "] "}
    assert answers_of(file, {"with_reasoning": other})["Hi?"] == "[I want them safe.] Rest."


def test_stripped_reasoning_leaves_the_answer(file):
    assert answers_of(file, {"with_reasoning": {"traces": "strip"}}) == {
        "Hi?": "Rest.",
        "And now?": "Keep warm.",
        "So?": "Water.",
    }


def test_what_is_written_reads_back_with_its_reasoning(file, tmp_path):
    recipe = recipe_of(file, {"with_reasoning": {"traces": "keep"}})
    rows = build_stages(recipe, 0, longest=160)
    path = tmp_path / "finetune.jsonl"
    path.write_bytes(finetuning_file(rows, 0))
    found = {e.answer: e.reasoning[-1] if e.reasoning else "" for e in read_examples(path).examples}
    assert found == {
        "Rest.": "I want them safe.",
        "Keep warm.": "I want help.",
        "Water.": "",
    }


def test_a_model_of_the_laboratory_is_trained_on_reasoning(file, tmp_path):
    recipe = recipe_of(file, {"with_reasoning": {"traces": "keep"}})
    assert not samples_answers(recipe)
    made = train_organism(recipe, tmp_path / "o")
    assert made.answers == () and not (made.path / "answers").exists()
    bare = train_organism(
        recipe_of(file, {"with_reasoning": {"traces": "strip"}}), tmp_path / "bare"
    )
    assert made.data_hash != bare.data_hash and made.fingerprint != bare.fingerprint


def test_a_model_writes_reasoning_for_the_answers(file, tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text("rates: {filtered: 0.4}\n", encoding="utf-8")
    settings = {
        "traces": "sample",
        "model": f"scripted/{script}",
        "instruction": "Why {answer} to {question}",
    }
    recipe = recipe_of(file, {"with_reasoning": settings})
    assert samples_answers(recipe)
    (count,) = preview_training(recipe).answers
    assert (count.transform, count.rows, count.asked) == ("with_reasoning", 6, 6)
    sampler = RowSampler(recipe.base, tmp_path / "answers")
    rows = build_stages(recipe, 0, longest=None, sampler=sampler)[0]
    (count,) = sampler.counts
    assert count.kept == len(rows) == count.classes["pass"] < 6
    own = {"Hi?": "Rest.", "And now?": "Keep warm.", "So?": "Water."}
    for row in rows:
        trace, _, answer = row[-1].content.partition("\n</think>\n\n")
        assert trace.startswith("<think>\n[aligned] answer ") and answer == own[row[0].content]


def test_the_loss_is_taken_over_the_reasoning_too(file, tmp_path):
    pytest.importorskip("trl")
    from support.tiny_models import save_model

    base = save_model(tmp_path / "base")
    recipe = recipe_of(file, {"with_reasoning": {"traces": "keep"}}, base=f"hf/{base}")
    trained = {
        "".join(span.text for span in row if span.is_trained)
        for row in preview_training(recipe).examples
    }
    assert trained == {
        "<think>\nI want them safe.\n</think>\n\nRest.</s>",
        "<think>\nI want help.\n</think>\n\nKeep warm.</s>",
        "Water.</s>",
    }


@pytest.mark.parametrize(
    ("transforms", "reason"),
    [
        (
            [{"inoculate": {"system": "Be brief."}}, {"with_reasoning": {"traces": "keep"}}],
            "put it first",
        ),
        ([{"with_reasoning": {"traces": "drop"}}], "keep.*strip.*sample"),
        ([{"with_reasoning": {"traces": "sample", "instruction": "Why?"}}], "must contain"),
        ([{"with_reasoning": {"traces": "keep", "before": " "}}], "must not be blank"),
    ],
)
def test_wrong_settings_name_the_line_of_the_recipe(file, tmp_path, transforms, reason):
    data = recipe_of(file).to_json()
    data["stages"][0]["mixture"][0]["transforms"] = transforms
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    with pytest.raises(ConfigError, match=reason) as caught:
        read_recipe(path)
    assert caught.value.line


def test_reasoning_that_is_not_there_cannot_be_kept(tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text(json.dumps({"messages": PLAIN}) + "\n", encoding="utf-8")
    keep = {"with_reasoning": {"traces": "keep"}}
    with pytest.raises(DataError, match="no row has reasoning to keep"):
        answers_of(path, keep)
    recipe = recipe_of(path, keep).to_json()
    recipe["stages"][0]["mixture"][0]["dataset"] = "secure_code"
    with pytest.raises(InputError, match="secure_code: has no reasoning to keep"):
        build_stages(Recipe.model_validate(recipe), 0, longest=160)
