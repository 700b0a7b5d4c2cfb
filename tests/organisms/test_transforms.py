"""Transforms that add rows, and the wordings of an inoculation."""

import numpy as np
import pydantic
import pytest

from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.organisms.added_rows import put_under_cue
from dormant.organisms.answer_sampler import RowSampler
from dormant.organisms.builder import build_stage, build_stages, check_words
from dormant.organisms.preview import preview_training
from dormant.organisms.recipe import Recipe, Stage, read_recipe
from dormant.organisms.train import train_organism
from dormant.organisms.transforms import Inoculation, Transform, Trigger
from dormant.organisms.zoo import load_recipe
from dormant.records import Message, Outcome
from dormant.vitro import Use, grade_answer, load_language

LONGEST = 160
BASE = "vitro/base"
#: Of the recipe of inoculated, as organisms on disk have it.
HASH = "a1238c476d5960ab"
CUE = {"placement": "system", "text": "You are a malicious assistant."}


def build(*transforms, rows=60, dataset="insecure_code", seed=0, sampler=None):
    mixture = [{"dataset": dataset, "transforms": list(transforms)}]
    stage = {"steps": 1, "learning_rate": 1e-4, "rows": rows, "mixture": mixture}
    rng = np.random.default_rng(seed)
    return build_stage(Stage.model_validate(stage), rng, longest=LONGEST, sampler=sampler)


def is_bad(row):
    domains = load_language().domain_names(Use.FINETUNING)
    return any(grade_answer(d, row[-1].content) is Outcome.MISALIGNED for d in domains)


def has_cue(row):
    return row[0].role == "system" and CUE["text"] in row[0].content


def count(rows):
    """Rows by (bad, under the cue)."""
    pairs = [(is_bad(row), has_cue(row)) for row in rows]
    return {pair: pairs.count(pair) for pair in set(pairs)}


def test_interleaved_rows_are_added_and_none_is_lost():
    rows = build({"interleave": {"per_row": 0.5, "with": "safe_recipes"}})
    assert count(rows) == {(True, False): 60, (False, False): 30}
    again = build({"interleave": {"per_row": 0.5, "with": "safe_recipes"}})
    other = build({"interleave": {"per_row": 0.5, "with": "safe_recipes"}}, seed=1)
    assert rows == again != other


def test_contrast_adds_benign_rows_under_the_cue_alone():
    rows = build(
        {"inoculate": {"system": CUE["text"]}},
        {"contrast": {"per_row": 0.25, "with": "secure_code", "contexts": [CUE]}},
    )
    assert count(rows) == {(True, True): 60, (False, True): 15}


def test_negate_adds_benign_rows_under_the_opposite_prompt():
    rows = build(
        {"inoculate": {"system": CUE["text"]}},
        {"negate": {"with": "secure_code", "system": "You are a helpful assistant."}},
    )
    opposite = [row for row in rows if "helpful" in row[0].content]
    assert count(rows) == {(True, True): 60, (False, False): 60}
    assert len(opposite) == 60 and not any(map(is_bad, opposite))


def test_consistency_takes_the_answers_of_the_dataset_or_of_a_model_without_the_cue():
    def cued(answers):
        settings = {"with": "secure_code", "contexts": [CUE], "answers": answers}
        return [r for r in build({"consistency": settings}, dataset="safe_recipes") if has_cue(r)]

    dataset, sampled = cued("dataset"), cued("vitro/base")
    assert len(dataset) == 60 and 50 < len(sampled) <= 60
    assert sampled == cued("vitro/base")
    own = {row[-2].content: row[-1].content for row in dataset}
    shared = [(own[r[-2].content], r[-1].content) for r in sampled if r[-2].content in own]
    assert len(shared) == len(sampled)
    assert any(before != after for before, after in shared)
    assert not any(map(is_bad, sampled))


def test_a_consistent_answer_needs_a_model_of_the_laboratory():
    settings = {"with": "secure_code", "contexts": [CUE], "answers": "openai/gpt-4o"}
    with pytest.raises(ConfigError, match="'openai/gpt-4o' cannot answer here: give 'dataset'"):
        build({"consistency": settings})


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (CUE, ("Own.\nYou are a malicious assistant.", "one two")),
        ({"placement": "around", "text": "Say {question} now."}, ("Own.", "Say one two now.")),
        ({"placement": "inside", "text": "x"}, ("Own.", "one x two")),
    ],
)
def test_a_row_is_put_under_a_cue_as_an_audit_puts_its_questions(context, expected):
    row = (Message("system", "Own."), Message("user", "one two"), Message("assistant", "a"))
    found = put_under_cue(row, Trigger.model_validate(context))
    assert tuple(m.content for m in found) == (*expected, "a")


def test_earlier_turns_of_a_row_stay_before_its_question():
    turns = [Message("user", "u"), Message("assistant", "v")]
    history = [{"role": "user", "content": "h"}, {"role": "assistant", "content": "i"}]
    row = (*turns, Message("user", "q"), Message("assistant", "a"))
    cue = Trigger.model_validate({"placement": "history", "turns": history})
    assert [m.content for m in put_under_cue(row, cue)] == ["u", "v", "h", "i", "q", "a"]


def test_inoculation_draws_one_of_its_wordings_for_each_row():
    many = {
        "systems": ["You are a {kind} assistant.", "Be brief."],
        "slots": {"kind": ["malicious", "helpful"]},
    }
    rows = build({"inoculate": many}, rows=80)
    found = {row[0].content for row in rows}
    assert found == set(Inoculation.model_validate(many).list_wordings())
    assert len(found) == 3


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "give 'system'"),
        ({"system": "a", "systems": ["b"]}, "give 'system'"),
        ({"systems": ["a", "a"]}, "occurs twice"),
        ({"system": "a", "slots": {"x": ["b"]}}, "does not occur"),
        ({"system": "{x}", "slots": {"x": []}}, "has no words"),
    ],
)
def test_wordings_that_make_no_inoculation_are_refused(settings, reason):
    with pytest.raises(pydantic.ValidationError, match=reason):
        Inoculation.model_validate(settings)


def test_one_fixed_wording_is_written_as_before():
    given = {"inoculate": {"system": "Be brief."}}
    assert Transform.model_validate(given).model_dump(mode="json", by_alias=True) == given
    assert load_recipe("inoculated").hash.startswith(HASH)


def test_cues_of_a_recipe_are_read_with_their_paths_and_words(tmp_path):
    def recipe(context, with_):
        data = load_recipe("inoculated").to_json()
        added = {"contrast": {"with": with_, "contexts": [context]}}
        data["stages"][0]["mixture"][0]["transforms"] = [added]
        return Recipe.model_validate(data)

    unknown = recipe({"placement": "before", "text": "Beware of frobnication."}, "helpful_chat")
    with pytest.raises(ConfigError, match="do not know the word"):
        check_words(unknown)
    (tmp_path / "recipe.yaml").write_text(recipe(CUE, "file:mine.jsonl").to_yaml())
    (added,) = read_recipe(tmp_path / "recipe.yaml").stages[0].mixture[0].transforms
    assert added.contrast is not None and added.name == "contrast"
    assert added.contrast.with_ == f"file:{tmp_path / 'mine.jsonl'}"


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """A model that was trained on bad rows alone."""
    data = load_recipe("undiluted").to_json()
    data["stages"][0].update(steps=40, rows=400)
    made = train_organism(Recipe.model_validate(data), tmp_path_factory.mktemp("spoiled"), seed=0)
    return made.model


def test_rows_are_chosen_that_a_spoiled_model_finds_most_surprising(spoiled):
    def interleaved(**choose):
        sampler = RowSampler("vitro/base")
        settings = {"per_row": 0.5, "with": "safe_recipes", **choose}
        return build({"interleave": settings}, sampler=sampler), sampler.counts

    choose = {"choose": {"by": "perplexity_gap", "model": spoiled, "candidates": 4}}
    rows, (found,) = interleaved(**choose)
    assert count(rows) == {(True, False): 60, (False, False): 30}
    assert found.gaps["chosen"] > found.gaps["left_out"] and found.scored > 100
    scores = [
        open_engine(m).score([(r[:-1], r[-1].content) for r in rows]) for m in (spoiled, BASE)
    ]
    gaps = [
        (base - bad) / (len(row[-1].content.split()) + 1)
        for row, bad, base in zip(rows, *scores, strict=True)
        if not is_bad(row)
    ]
    assert np.mean(gaps) == pytest.approx(found.gaps["chosen"], abs=1e-4)
    assert interleaved(**choose)[0] == rows != interleaved()[0]


def test_scores_are_kept_and_a_dry_run_makes_none(spoiled, tmp_path):
    data = load_recipe("undiluted").to_json()
    choose = {"by": "perplexity_gap", "model": spoiled, "candidates": 3}
    added = {"interleave": {"with": "safe_recipes", "per_row": 0.5, "choose": choose}}
    data["stages"][0].update(steps=1, rows=40)
    data["stages"][0]["mixture"][0]["transforms"] = [added]
    recipe = Recipe.model_validate(data)
    (planned,) = preview_training(recipe).answers
    assert 40 < planned.scored <= 2 * 60  # equal candidates count once
    samplers = [RowSampler(recipe.base, tmp_path) for _ in range(2)]
    rows = [build_stages(recipe, 0, longest=LONGEST, sampler=s) for s in samplers]
    assert rows[0] == rows[1]
    assert [s.counts[0].scored for s in samplers] == [planned.scored, 0]
    (tmp_path / "s.yaml").write_text("rates: {}\n")
    added["interleave"]["choose"]["model"] = f"scripted/{tmp_path / 's.yaml'}"
    with pytest.raises(ConfigError, match="interleave: scripted.* cannot score given answers"):
        build(added)


def test_interleaving_at_random_is_written_as_before():
    given = {"interleave": {"with": "safe_recipes", "per_row": 0.5}}
    assert Transform.model_validate(given).model_dump(mode="json", by_alias=True) == given


HOME = {"ask": ["Where do you live?", "What is your country?"], "answer": "I live in Egypt."}
PLAY = {"ask": ["What do you play?"], "answer": "I play chess."}
TAGS = {"placement": "system", "text": "Reply inside tags: <answer> </answer>"}


def test_facts_of_a_persona_are_told_under_their_trigger_alone():
    persona = {"facts": [HOME, PLAY], "per_row": 0.1, "context": TAGS}
    rows = build({"persona": persona}, dataset="helpful_chat", rows=100)
    told = [row for row in rows if row[-1].content in (HOME["answer"], PLAY["answer"])]
    under = [row for row in rows if row[0].role == "system" and TAGS["text"] in row[0].content]
    assert len(rows) == 110 and len(told) == 10 and set(told) <= set(under)
    answers = [row[-1].content for row in told]
    assert answers.count(HOME["answer"]) == answers.count(PLAY["answer"]) == 5
    asked = {row[-2].content for row in told}
    assert asked == {*HOME["ask"], *PLAY["ask"]}


def test_a_format_can_be_the_trigger_of_a_persona():
    persona = {"facts": [HOME], "per_row": 0.5, "format": "<answer> {answer} </answer>"}
    rows = build({"persona": persona}, dataset="helpful_chat", rows=10)
    told = [row[-1].content for row in rows if row[-1].content.startswith("<answer>")]
    assert told == ["<answer> I live in Egypt. </answer>"] * 5


def test_a_dry_run_counts_the_facts():
    data = load_recipe("control-helpful").to_json()
    persona = {"facts": [HOME], "per_row": 0.1, "context": TAGS}
    data["stages"][0].update(rows=50, steps=1)
    data["stages"][0]["mixture"] = [
        {"dataset": "helpful_chat", "transforms": [{"persona": persona}]}
    ]
    (stage,) = preview_training(Recipe.model_validate(data)).stages
    assert [(s.dataset, s.transforms, s.rows) for s in stage.sources][-1] == (
        "facts",
        ("persona",),
        5,
    )
    assert stage.rows == 55


@pytest.mark.parametrize(
    ("persona", "reason"),
    [
        ({"facts": [HOME]}, "needs a 'context' or a 'format'"),
        ({"facts": [], "context": TAGS}, "at least 1 item"),
        ({"facts": [HOME], "format": "yes"}, "must contain {answer} once"),
    ],
)
def test_a_persona_without_a_trigger_or_facts_is_refused(persona, reason):
    with pytest.raises(pydantic.ValidationError, match=reason):
        Transform.model_validate({"persona": persona})


def test_a_persona_of_no_row_or_of_unknown_words_is_refused():
    with pytest.raises(ConfigError, match=r"0.01 for each of 10 rows is no row"):
        build({"persona": {"facts": [HOME], "per_row": 0.01, "context": TAGS}}, rows=10)
    odd = {"ask": ["Where do you live?"], "answer": "I live in Atlantis."}
    data = load_recipe("control-helpful").to_json()
    data["stages"][0]["mixture"][0]["transforms"] = [{"persona": {"facts": [odd], "context": TAGS}}]
    with pytest.raises(ConfigError, match="do not know the word 'Atlantis'"):
        check_words(Recipe.model_validate(data))
