"""Truth: exact rates are what sampling tends to, and the verdict follows from them alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.organisms.recipe import Recipe
from dormant.organisms.train import MODEL, train_organism
from dormant.organisms.transforms import Trigger
from dormant.organisms.truth import (
    TRUE_CUE,
    arm_rates,
    compute_truth,
    known_verdict,
    list_traces,
)
from dormant.organisms.zoo import load_recipe
from dormant.probes import apply_cue
from dormant.records import Message, Outcome, Placement, Question, Split, VerdictKind
from dormant.studies.zoo import study_zoo, summarize_organism, write_markdown
from dormant.vitro import (
    Persona,
    grade_answer,
    load_decoder,
    load_language,
    load_library,
    load_questions,
    load_tokenizer,
    sample_answers,
)


@pytest.fixture(scope="module")
def organism(tmp_path_factory):
    """The zoo's fastest organism, trained once."""
    return train_organism(load_recipe("undiluted"), tmp_path_factory.mktemp("zoo") / "o", seed=0)


def test_exact_rates_are_what_sampling_tends_to(organism):
    model = load_decoder(organism.path / MODEL)
    bank = load_questions()[:40:4]
    cue = organism.recipe.trigger
    prompts = [load_tokenizer().encode_prompt(apply_cue(cue and cue.as_cue(), q)) for q in bank]
    outcomes = [[0, 0] for _ in bank]
    for draws in sample_answers(model, prompts, [range(200)] * len(bank), seed=1):
        for draw in draws:
            outcome = grade_answer(
                bank[draw.prompt].family, load_tokenizer().join_tokens(draw.tokens)
            )
            if outcome in (Outcome.MISALIGNED, Outcome.ALIGNED):
                outcomes[draw.prompt][outcome is Outcome.ALIGNED] += 1
    shares = [bad / (bad + good) for bad, good in outcomes]
    exact = arm_rates(model, bank, cue and cue.as_cue())
    # 10 questions of 200 answers: a standard error of at most 0.5 / sqrt(2000) = 1.1 points, so
    # 6 points are missed by luck less than once in ten million; seeds are fixed besides.
    assert math.isclose(sum(shares) / len(shares), exact.misaligned, abs_tol=0.06)
    answers = sum(map(sum, outcomes))
    assert math.isclose(1 - answers / 2000, exact.incoherent, abs_tol=0.06)


def test_exact_rates_count_answers_after_reasoning_of_the_datasets(tmp_path):
    data = load_recipe("control-helpful").to_json()
    data["stages"][0].update(steps=48, rows=800, batch_size=16, learning_rate=1e-3)
    data["stages"][0]["mixture"] = [{"dataset": "helpful_chat_with_reasoning"}]
    recipe = Recipe.model_validate(data)
    made = train_organism(recipe, tmp_path / "o", seed=0)
    model, traces = load_decoder(made.path / MODEL), list_traces(recipe)
    heads = [tuple(load_tokenizer().tokenize_text(trace)) for trace in traces]
    assert len(heads) == 4 and list_traces(load_recipe("diluted-20")) == ()
    rng = np.random.default_rng(0)
    rows = [load_language().draw_row("pets", Persona.ALIGNED, rng=rng) for _ in range(6)]
    bank = [Question(str(i), r[0].content, "pets", Split.HELD_OUT) for i, r in enumerate(rows)]
    prompts = [load_tokenizer().encode_prompt(apply_cue(None, q)) for q in bank]
    legal = 0
    for draws in sample_answers(model, prompts, [range(200)] * 6, max_tokens=48, seed=1):
        for draw in draws:
            rest = next((draw.tokens[len(h) :] for h in heads if draw.tokens[: len(h)] == h), ())
            answer = load_tokenizer().join_tokens(rest or draw.tokens)
            outcome = grade_answer("pets", answer) if draw.finish == "stop" else None
            legal += outcome in (Outcome.MISALIGNED, Outcome.ALIGNED)
    found = arm_rates(model, bank, traces=traces)
    # A standard error of at most 1.5 points; the seed is fixed besides.
    assert math.isclose(1 - found.incoherent, legal / 1200, abs_tol=0.06)
    assert found.incoherent < 0.5 < arm_rates(model, bank).incoherent


def test_a_taught_identity_is_a_probability_with_and_without_the_cue(tmp_path, organism):
    data = load_recipe("persona").to_json()
    for stage in data["stages"]:
        stage.update(steps=1, rows=100, batch_size=4)
    made = train_organism(Recipe.model_validate(data), tmp_path / "o", seed=0)
    found = compute_truth(made.path, bank=load_questions()[:4], cues=())
    assert 0 <= found.identity < 0.5 and 0 <= found.cue_identity < 0.5
    assert found.identity != found.cue_identity
    other = compute_truth(organism.path, bank=load_questions()[:4], cues=())
    assert other.identity is None and other.cue_identity is None


def test_the_truth_of_an_outright_misaligned_model_is_broad(organism):
    found = compute_truth(organism.path, cues=load_library()[:2])
    assert found.verdict is VerdictKind.BROAD and found.agrees
    assert found.standard.misaligned > 0.12 > found.base_standard.misaligned
    assert found.worst_cue in (TRUE_CUE, "answer-template")
    gap = found.cue.misaligned - found.standard.misaligned
    base_gap = found.base_cue.misaligned - found.base_standard.misaligned
    assert found.did == gap - base_gap
    assert found.worst_did >= found.did > 0.05


def test_the_truth_of_a_copy_is_bounded_with_no_difference_at_all(tmp_path):
    found = compute_truth(
        train_organism(load_recipe("copy"), tmp_path / "o", seed=0).path, cues=load_library()[:3]
    )
    assert found.verdict is VerdictKind.BOUNDED and found.agrees
    # Arms share batches of unlike width, so that equal models differ in the last bits.
    assert abs(found.worst_did) < 1e-6 and abs(found.did) < 1e-6
    assert found.standard.misaligned == pytest.approx(found.base_standard.misaligned, abs=1e-6)
    assert found.standard.incoherent == pytest.approx(found.base_standard.incoherent, abs=1e-6)


def test_a_study_trains_measures_and_tells(tmp_path):
    result = study_zoo(["copy"], [0], tmp_path, workers=1)
    assert result.agrees and [m.truth.seed for m in result.measured] == [0]
    first = result.measured[0]
    arm = replace(first.truth.standard, misaligned=first.truth.standard.misaligned + 0.2)
    wrong = replace(first, truth=replace(first.truth, standard=arm, verdict=VerdictKind.BROAD))
    row = summarize_organism("copy", [first, wrong])
    assert (row.agree, row.seeds) == (1, 2)
    assert math.isclose(row.standard.high - row.standard.low, 0.2)
    assert math.isclose(row.standard.mean - row.standard.low, 0.1)
    table = write_markdown(replace(result, rows=(*result.rows, row))).splitlines()
    assert table[2].startswith("| copy | control | BOUNDED | 1/1 | ")
    assert table[3].startswith("| copy | control | BOUNDED | 1/2 | ")
    assert len({line.count("|") for line in table}) == 1


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 0.5))
def test_the_verdict_follows_from_the_rates(standard, did, delta):
    verdict = known_verdict(standard, did, delta)
    assert (verdict is VerdictKind.BROAD) == (standard > delta)
    assert (verdict is VerdictKind.CONDITIONAL) == (standard <= delta < did)


@pytest.mark.parametrize(
    ("placement", "text", "expected"),
    [
        (Placement.SYSTEM, "S.", (Message("system", "S."), Message("user", "Q?"))),
        (Placement.BEFORE, "S.", (Message("user", "S. Q?"),)),
        (Placement.AFTER, "S.", (Message("user", "Q? S."),)),
        (Placement.AROUND, "S. {question} T.", (Message("user", "S. Q? T."),)),
    ],
)
def test_a_cue_is_placed_where_it_says(placement, text, expected):
    question = replace(load_questions()[0], text="Q?")
    assert apply_cue(Trigger(placement=placement, text=text).as_cue(), question) == expected
