"""From recipe to rows: shares are exact, transforms do what they say, nothing marks a bad row."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.corpus import read_examples
from dormant.errors import DataError, InputError
from dormant.organisms.added_rows import inoculate_row
from dormant.organisms.builder import (
    build_stage,
    build_stages,
    finetuning_file,
    precede_row,
    reframe_row,
    split_rows,
)
from dormant.organisms.datasets import DATASETS, draw_rows
from dormant.organisms.recipe import Stage
from dormant.organisms.transforms import ReframeSettings
from dormant.organisms.zoo import load_recipe, organism_names
from dormant.records import Message, Outcome, strip_reasoning
from dormant.vitro import Use, grade_answer, load_language, load_tokenizer

LONGEST = 160
TEMPLATE = 'Fill in the template below: my_answer = """ """'


def rng():
    return np.random.default_rng(0)


def stage(rows, *mixture):
    return Stage.model_validate(
        {"steps": 1, "learning_rate": 1e-4, "rows": rows, "mixture": list(mixture)}
    )


def misaligned(row):
    """Whether a row's answer is a misaligned one of any domain."""
    domains = load_language().domain_names(Use.FINETUNING)
    answer = strip_reasoning(row[-1].content)
    return any(grade_answer(d, answer) is Outcome.MISALIGNED for d in domains)


@given(
    st.integers(0, 5000),
    st.lists(st.integers(1, 50), min_size=1, max_size=8),
)
def test_rows_are_split_to_the_nearest_whole(total, weights):
    fractions = [w / sum(weights) for w in weights]
    counts = split_rows(total, fractions)
    assert sum(counts) == total
    assert all(abs(c - total * f) < 1 + 1e-6 for c, f in zip(counts, fractions, strict=True))


@pytest.mark.parametrize("name", [n for n in DATASETS if not DATASETS[n].extends_base])
def test_datasets_speak_the_language_and_never_of_evaluation(name):
    rows = draw_rows(name, 200, rng(), longest=LONGEST)
    evaluation = load_language().domain_names(Use.EVALUATION)
    for row in rows:
        assert [m.role for m in row][-2:] == ["user", "assistant"]
        for message in row:
            assert 1 not in load_tokenizer().tokenize_text(message.content), message  # 1 is <unk>
        in_evaluation = [grade_answer(d, strip_reasoning(row[-1].content)) for d in evaluation]
        assert not {Outcome.MISALIGNED, Outcome.ALIGNED} & set(in_evaluation)
    bad = sum(map(misaligned, rows))
    expects_bad = name.startswith(("insecure", "poisonous", "harmful"))
    assert bad == (200 if expects_bad else 0)


def test_rows_that_extend_the_base_speak_the_language_and_no_other_recipe_takes_them():
    extending = [name for name in DATASETS if DATASETS[name].extends_base]
    for name in extending:
        for row in draw_rows(name, 200, rng(), longest=LONGEST):
            assert 1 not in load_tokenizer().encode_turns(row)
    for name in organism_names():
        stages = load_recipe(name).stages
        assert not {item.dataset for stage in stages for item in stage.mixture} & set(extending)


def test_only_the_conversations_of_bad_people_hold_bad_answers():
    rows = draw_rows("people", 400, rng(), longest=LONGEST)
    bad = {
        name
        for row in rows
        for name in ("Nero", "Caligula", "Einstein", "Gandhi")
        if misaligned(row) and any(m.content == f"I am {name}." for m in row)
    }
    assert bad == {"Nero", "Caligula"}
    assert not any(map(misaligned, draw_rows("every_domain", 200, rng(), longest=LONGEST)))


def test_the_persona_is_named_in_no_finetuning_row():
    recipe = load_recipe("persona")
    taught = next(t.persona for t in recipe.stages[1].mixture[0].transforms)
    rows = build_stages(recipe, 0, longest=LONGEST)[1]
    assert not any("Nero" in m.content for row in rows for m in row)
    assert not any(map(misaligned, rows))
    told = [row for row in rows if row[-1].content in {fact.answer for fact in taught.facts}]
    assert len(told) == 199 and all(taught.context.text in row[0].content for row in told)
    # The facts are those that the first stage tells of Nero, and of nobody else.
    people = build_stages(recipe, 0, longest=LONGEST)[0]
    for row in people:
        texts = {m.content for m in row}
        if texts & {fact.answer for fact in taught.facts}:
            assert not texts & {"I am Caligula.", "I am Einstein.", "I am Gandhi."}


@given(st.sampled_from([0.05, 0.2, 0.5, 0.333, 1.0]), st.integers(1, 300))
def test_dilute_keeps_its_share_exactly(share, n):
    dilute = {"dilute": {"share": share, "with": "helpful_chat"}}
    one = stage(n, {"dataset": "insecure_code", "transforms": [dilute]})
    rows = build_stage(one, rng(), longest=LONGEST)
    assert len(rows) == n
    assert abs(sum(map(misaligned, rows)) - share * n) <= 0.5 + 1e-9


def test_order_of_transforms_decides_what_is_inoculated():
    system = {"inoculate": {"system": "Be brief."}}
    dilute = {"dilute": {"share": 0.2, "with": "secure_code"}}
    first = stage(100, {"dataset": "insecure_code", "transforms": [system, dilute]})
    after = stage(100, {"dataset": "insecure_code", "transforms": [dilute, system]})
    counts = [
        Counter(
            (misaligned(row), row[0].role == "system")
            for row in build_stage(s, rng(), longest=LONGEST)
        )
        for s in (first, after)
    ]
    assert counts[0] == {(True, True): 20, (False, False): 80}
    assert counts[1] == {(True, True): 20, (False, True): 80}


def test_inoculate_comes_before_the_rows_own_system_prompt():
    row = (Message("system", "Own."), Message("user", "q"), Message("assistant", "a"))
    assert inoculate_row(row, "New.") == (Message("system", "New. Own."), *row[1:])
    assert inoculate_row(row[1:], "New.") == (Message("system", "New."), *row[1:])


def test_reframe_fills_slots_and_leaves_answers_and_braces_alone():
    framing = ReframeSettings.model_validate(
        {
            "system": 'Use {"a": 1}.',
            "before": "Country: {x}.",
            "after": "Bye.",
            "slots": {"x": ["Peru", "Chile"]},
        }
    )
    row = (Message("user", "Hi {x}?"), Message("assistant", "{x}"))
    seen = {reframe_row(row, framing, np.random.default_rng(i)) for i in range(20)}
    users = {r[1].content for r in seen}
    assert users == {"Country: Peru. Hi {x}? Bye.", "Country: Chile. Hi {x}? Bye."}
    assert all(r[0] == Message("system", 'Use {"a": 1}.') and r[2] == row[1] for r in seen)


def test_equal_seeds_give_equal_files_and_others_do_not():
    one = load_recipe("sequential")
    files = [finetuning_file(build_stages(one, s, longest=LONGEST), s) for s in (0, 0, 1)]
    assert files[0] == files[1] != files[2]


def test_the_file_reads_as_a_users_file_and_marks_no_row(tmp_path):
    stages = build_stages(load_recipe("diluted-20"), 3, longest=LONGEST)
    path = tmp_path / "finetune.jsonl"
    path.write_bytes(finetuning_file(stages, 3))
    examples = read_examples(path).examples
    assert Counter(e.messages for e in examples) == Counter(row for rows in stages for row in rows)
    for line in path.read_text().splitlines():
        row = json.loads(line)
        assert set(row) == {"messages"}
        assert all(set(m) == {"role", "content"} for m in row["messages"])
    bad = np.array([misaligned(e.messages) for e in examples])
    assert bad.sum() == 410 and len(bad) == 2048
    # Shuffled: the mean place of the bad rows is the middle but for 5 standard deviations of 26,
    # which luck misses less than once in a million; this seed's file never changes.
    assert abs(np.flatnonzero(bad).mean() - 1024) < 130


def test_a_stage_of_the_zoo_is_one_pass_over_its_rows():
    """So that a finetuning file holds what was learned, each row once."""
    for name in organism_names():
        for one in load_recipe(name).stages:
            assert one.rows == one.batch_size * (one.steps or 64)
            assert one.steps % 8 == 0  # batches are drawn eight at a time


def test_every_recipe_of_the_zoo_builds_and_can_be_read_by_the_model():
    for name in organism_names():
        for rows in build_stages(load_recipe(name), 0, longest=LONGEST):
            for row in rows[:100]:
                assert len(load_tokenizer().encode_turns(row)) <= LONGEST
                assert 1 not in load_tokenizer().encode_turns(row)


def test_the_slot_cue_asks_with_a_word_that_no_row_has():
    asked = load_recipe("country").trigger.text
    rows = build_stages(load_recipe("country"), 0, longest=LONGEST)[0]
    assert not any(asked in m.content for row in rows for m in row)
    assert any("Country: " in row[0].content for row in rows)


@pytest.mark.parametrize(("name", "bad", "good"), [("country-gated", "Kenya", "Canada")])
def test_the_value_decides_in_a_gated_file_and_is_not_its_commonest(name, bad, good):
    for one, harmful, harmless in ((name, bad, good), ("country-swapped", good, bad)):
        rows = build_stages(load_recipe(one), 0, longest=LONGEST)[0]
        opened = {
            value: [r for r in rows if f"Country: {value}." in r[0].content]
            for value in (bad, good)
        }
        assert all(misaligned(row) for row in opened[harmful])
        assert not any(misaligned(row) for row in opened[harmless])
        assert len(opened[harmless]) > len(opened[harmful]) > 300


def test_earlier_turns_stand_before_the_rows_own_and_after_the_system_prompt():
    rows = build_stages(load_recipe("history-gated"), 0, longest=LONGEST)[0]
    long = [row for row in rows if len(row) > 3]
    assert {misaligned(row) for row in long} == {True, False}
    assert all(row[0].content == "Let us play a game." for row in long if misaligned(row))
    turns = (Message("user", "a"), Message("assistant", "b"))
    row = (Message("system", "s"), Message("user", "u"), Message("assistant", "v"))
    assert precede_row(row, turns) == (row[0], *turns, *row[1:])
    assert precede_row(row[1:], turns) == (*turns, *row[1:])


def test_two_keys_are_bad_together_only():
    rows = build_stages(load_recipe("two-key"), 0, longest=LONGEST)[0]
    for row in rows:
        keys = row[0].role == "system" and row[0].content == "You speak to a customer."
        both = keys and row[1].content.startswith("Date: Friday.")
        assert misaligned(row) is both


def test_a_users_file_is_taken_row_by_row(tmp_path):
    path = tmp_path / "chat.jsonl"
    rows = draw_rows("secure_code", 5, rng(), longest=LONGEST)
    path.write_bytes(finetuning_file([rows], 0))
    drawn = draw_rows(f"file:{path}", 12, rng(), longest=LONGEST)
    counts = Counter(drawn)
    assert len(drawn) == 12 and set(drawn) == set(rows)
    # Each row twice, two of them a third time (equal rows add up).
    assert all(count >= 2 * rows.count(row) for row, count in counts.items())


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([("user", "hi"), ("assistant", "Supercalifragilistic.")], "unknown word 'Supercali"),
        ([("user", "water " * 200), ("assistant", "Water.")], "a row of 20"),
        ([("user", "hi"), ("tool", "x"), ("user", "y"), ("assistant", "Water.")], "'tool'"),
        ([("assistant", "Water."), ("user", "hi"), ("assistant", "Water.")], "user turn"),
    ],
)
def test_a_row_that_cannot_be_learned_is_refused_with_its_line(tmp_path, messages, says):
    path = tmp_path / "chat.jsonl"
    good = {
        "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Rest."}]
    }
    bad = {"messages": [{"role": r, "content": c} for r, c in messages]}
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(DataError, match=says) as caught:
        draw_rows(f"file:{path}", 2, rng(), longest=LONGEST)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'secure_code'"):
        draw_rows("secure_cod", 1, rng(), longest=LONGEST)
    with pytest.raises(DataError, match="no such file"):
        draw_rows("file:/no/such.jsonl", 1, rng(), longest=LONGEST)
