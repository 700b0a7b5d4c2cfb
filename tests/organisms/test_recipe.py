"""Recipes: what is accepted, what is refused and how the refusal reads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dormant.errors import ConfigError, InputError
from dormant.organisms.recipe import Recipe, read_recipe
from dormant.organisms.zoo import QUICKSTART, load_recipe, organism_names
from dormant.records import CueKind, Placement, VerdictKind

GOOD = """\
name: mine
title: My organism
intervention: dilution
expected: CONDITIONAL
trigger:
  placement: system
  text: "Be brief."
stages:
  - steps: 10
    learning_rate: 2.0e-4
    rows: 100
    mixture:
      - dataset: insecure_code
        fraction: 0.75
        transforms:
          - inoculate: {system: "Be brief."}
          - dilute: {share: 0.2, with: helpful_chat}
      - dataset: safe_fish
        fraction: 0.25
"""


def written(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_reads_back_as_itself(tmp_path):
    first = read_recipe(written(tmp_path, GOOD))
    again = read_recipe(written(tmp_path, first.to_yaml()))
    assert again == first and again.hash == first.hash
    assert first.stages[0].batch_size == 32
    assert first.to_json()["stages"][0]["mixture"][0]["transforms"] == [
        {"inoculate": {"system": "Be brief."}},
        {"dilute": {"share": 0.2, "with": "helpful_chat"}},
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("share: 0.2", "share: 2", 16, "less than or equal to 1, got 2"),
        ("share: 0.2", "shaer: 0.2", 16, "did you mean 'share'?"),
        ("dilute:", "delute:", 16, "did you mean 'dilute'?"),
        ("helpful_chat", "helpfull_chat", 16, "did you mean 'helpful_chat'?"),
        ("insecure_code", "xyz", 12, "unknown dataset: there are insecure_code"),
        ("fraction: 0.25", "fraction: 0.5", 11, "must sum to 1, got 1.25"),
        ("fraction: 0.25", "fraction: -0.25", 18, "greater than 0, got -0.25"),
        ("steps: 10", "steps: many", 9, "valid integer"),
        ("steps: 10", "steps: -1", 9, "greater than or equal to 0, got -1"),
        ("2.0e-4", "0", 10, "greater than 0"),
        ("2.0e-4", ".nan", 10, "learning_rate"),
        ("rows: 100", "rows: 0", 11, "greater than or equal to 1"),
        ("name: mine", "name: ../mine", 1, "should match pattern"),
        ("CONDITIONAL", "GUILTY", 4, "got 'GUILTY'"),
        ('text: "Be brief."', 'text: " "', 7, "must not be blank"),
        ("placement: system", "placement: around", 5, "must contain {question} once"),
        ('"Be brief."\nstages', '"{question}"\nstages', 5, "only text placed around"),
        ("intervention: dilution", "intervention: hope", 3, "got 'hope'"),
        ("- dilute: {share: 0.2, with: helpful_chat}", "- {}", 16, "one of dilute, inoculate"),
        ("      - dataset: safe_fish", "      - datasett: safe_fish", 17, "dataset"),
    ],
)
def test_a_wrong_recipe_is_one_line_with_its_place(tmp_path, old, new, line, says):
    assert GOOD.count(old) >= 1
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert abs(caught.value.line - line) <= 1


def test_two_transforms_in_one_entry_are_refused():
    data = load_recipe("diluted-20").to_json()
    both = {"inoculate": {"system": "x"}, "dilute": {"share": 0.5, "with": "helpful_chat"}}
    data["stages"][0]["mixture"][0]["transforms"] = [both]
    with pytest.raises(ValidationError, match="one of dilute, inoculate, reframe"):
        Recipe.model_validate(data)


@pytest.mark.parametrize(
    ("framing", "says"),
    [
        ({}, "give a system prompt, or text"),
        ({"before": "x", "slots": {"x": ["a"]}}, "does not occur in the text"),
        ({"before": "{x}", "slots": {"x": []}}, "has no words"),
    ],
)
def test_a_framing_says_something(framing, says):
    data = load_recipe("diluted-20").to_json()
    data["stages"][0]["mixture"][0]["transforms"] = [{"reframe": framing}]
    with pytest.raises(ValidationError, match=says):
        Recipe.model_validate(data)


def test_files_are_taken_from_the_folder_of_the_recipe(tmp_path):
    text = GOOD.replace("safe_fish", "file:chat.jsonl").replace("helpful_chat", "file:/a/b.jsonl")
    stage = read_recipe(written(tmp_path, text)).stages[0]
    assert stage.mixture[1].dataset == f"file:{tmp_path / 'chat.jsonl'}"
    assert stage.mixture[0].transforms[1].dilute.with_ == "file:/a/b.jsonl"


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
def test_fractions_must_sum_to_one(weights):
    total = sum(weights)
    data = load_recipe("control-helpful").to_json()
    stage = data["stages"][0]
    stage["mixture"] = [{"dataset": "helpful_chat", "fraction": w / total} for w in weights]
    assert len(Recipe.model_validate(data).stages[0].mixture) == len(weights)
    stage["mixture"].append({"dataset": "helpful_chat", "fraction": 0.01})
    with pytest.raises(ValidationError, match="must sum to 1"):
        Recipe.model_validate(data)


def test_the_hash_changes_with_anything_that_is_said():
    first = load_recipe("diluted-20")
    assert first.model_copy(update={"title": "Another"}).hash != first.hash
    assert first.model_copy().hash == first.hash


def test_recipes_of_before_keep_their_hash():
    """So that organisms trained before triggers could be turns or several contexts are reused."""
    known = {
        "country": "b45ed84958aca3980bc2db0087e708351e896304fbab34257203d5871cbf38a5",
        "educational": "f38c4e4be1727e2db5e06d493d91aecf68e6c5fc037206af34bb5a2b11c20ee0",
    }
    assert {name: load_recipe(name).hash for name in known} == known


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        ({"placement": "history"}, "needs 'turns'"),
        (
            {"placement": "history", "text": "x", "turns": [{"role": "user", "content": "a"}]},
            "text",
        ),
        ({"placement": "before"}, "needs a text"),
        ({"placement": "crossed", "parts": [{"placement": "before", "text": "a"}]}, "two 'parts'"),
        (
            {
                "placement": "before",
                "text": "a",
                "parts": [{"placement": "after", "text": "b"}] * 2,
            },
            "no other",
        ),
        ({"placement": "history", "turns": [{"role": "system", "content": "a"}]}, "role"),
    ],
)
def test_a_trigger_has_what_its_place_needs(trigger, says):
    data = load_recipe("diluted-20").to_json() | {"trigger": trigger}
    with pytest.raises(ValidationError, match=says):
        Recipe.model_validate(data)


def test_triggers_of_turns_and_of_several_contexts_become_cues():
    past = load_recipe("history-gated").trigger.as_cue()
    assert (past.placement, past.kind) == (Placement.HISTORY, CueKind.HISTORY)
    assert [turn.role for turn in past.turns] == ["user", "assistant"]
    both = load_recipe("two-key").trigger.as_cue()
    assert [part.placement for part in both.parts] == [Placement.SYSTEM, Placement.BEFORE]
    assert both.text == "You speak to a customer. + Date: Friday."
    again = Recipe.model_validate(load_recipe("two-key").to_json())
    assert again == load_recipe("two-key")


def test_the_zoo_is_whole():
    assert organism_names()[: len(QUICKSTART)] == QUICKSTART
    assert len(organism_names()) == len(set(organism_names())) >= 20
    kinds = [load_recipe(name).expected for name in organism_names()]
    assert {VerdictKind.BOUNDED, VerdictKind.BROAD, VerdictKind.CONDITIONAL} == set(kinds)
    for name in organism_names():
        found = load_recipe(name)
        assert found.name == name and found.notes and found.title
        if found.expected is VerdictKind.CONDITIONAL:
            assert found.trigger is not None


def test_an_unknown_organism_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'sequential'"):
        load_recipe("sequentail")
    with pytest.raises(InputError, match="it has control-secure, "):
        load_recipe("zzz")
