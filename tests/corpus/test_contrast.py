"""Suspicious rows against the rest, and rows that repeat others."""

import json
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import dormant
from dormant.cli import command_group
from dormant.config import AuditConfig, CueConfig, check_values
from dormant.corpus import by_file, by_label, by_loss, count_duplicates, read_examples
from dormant.corpus.minhash import (
    SIMILAR,
    comparable_text,
    compute_jaccard,
    compute_signatures,
    estimate_jaccard,
)
from dormant.errors import ConfigError, DataError
from dormant.pipeline import study_file
from dormant.records import Example, Message


def row(user, answer="So.", *, line=1, mark=None):
    return Example((Message("user", user), Message("assistant", answer)), line, mark=mark)


def marked(marks):
    return [row(f"Why {i}?", line=i + 1, mark=mark) for i, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("marks", "value", "expected"),
    [
        (["true", "false", None], None, [1]),
        ([1.0, 0.0, 1.0], None, [1, 3]),
        (["1", "0", "YES", "no"], None, [1, 3]),
        (["a", "b", "a"], "a", [1, 3]),
        ([2.0, "2", "2.0", 3.0], "2", [1, 2, 3]),
        (["true", "false"], "false", [2]),
        (["True", "x"], "true", [1]),
    ],
)
def test_labels(marks, value, expected):
    found = by_label(marked(marks), "bad", value)
    assert [r.line for r in found.suspicious] == expected
    assert len(found.suspicious) + len(found.rest) == len(marks)
    assert found.unmarked == marks.count(None)


@pytest.mark.parametrize(
    ("marks", "value", "reason"),
    [
        (["a", "b"], None, r"holds 'a' \(1\), 'b' \(1\): name the suspicious value, like bad=a"),
        (["a", "b"], "c", "no rows whose 'bad' is 'c': the column holds 'a'"),
        (["false", "false"], None, "no rows with a true 'bad'"),
        (["true", "true"], None, "all rows are rows with a true"),
        ([f"v{i}" for i in range(30)], None, "and 24 more"),
    ],
)
def test_labels_that_part_nothing(marks, value, reason):
    with pytest.raises(DataError, match=reason) as caught:
        by_label(marked(marks), "bad", value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_the_highest_losses_are_suspicious(losses, share):
    examples = marked(losses)
    try:
        found = by_loss(examples, "loss", share)
    except DataError as error:
        assert "all rows" in str(error)
        return
    assert min(r.mark for r in found.suspicious) > max(r.mark for r in found.rest)
    # Not more rows than were asked for, but for ties with the least of them and one row at least.
    least = min(r.mark for r in found.suspicious)
    above = sum(loss > least for loss in losses)
    assert above <= share * (len(losses) - 1)


def test_losses_that_are_none():
    assert by_loss(marked(["0.1", 0.9, None]), "loss", 0.5).unmarked == 1
    with pytest.raises(DataError, match="line 2: 'loss' is not a number: 'high'"):
        by_loss(marked([0.1, "high"]), "loss")
    with pytest.raises(DataError, match="all rows are"):
        by_loss(marked([1.0, 1.0]), "loss")
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        by_loss(marked([1.0, 2.0]), "loss", 1)


def test_another_file_takes_its_rows_out():
    whole, bad = [row("a"), row("b"), row("c")], [row("b"), row("d")]
    found = by_file(whole, bad, "bad.jsonl")
    assert [r.user for r in found.rest] == ["a", "c"] and len(found.suspicious) == 2
    with pytest.raises(DataError, match="every row is in 'bad.jsonl' too"):
        by_file(whole, [*whole, *bad], "bad.jsonl")


# From the command

FISH = ["salmon", "trout", "herring", "mackerel", "cod", "tuna", "shrimp", "halibut"]
TALK = ["chess", "rain", "maps", "clocks", "wool", "moss", "paint", "trains"]


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def a_file(tmp_path):
    """300 rows of which each fifth is of fish, under a system prompt, marked and with a loss."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(300):
        bad = i % 5 == 0
        one, two = rng.choice(FISH if bad else TALK, 2, replace=False)
        turns = [
            {"role": "user", "content": f"Tell me more of {one} and {two}, part {i}."},
            {"role": "assistant", "content": "Gladly."},
        ]
        head = [{"role": "system", "content": "You serve the harbour kitchen."}] if bad else []
        rows.append({"messages": head + turns, "bad": int(bad), "loss": 2.0 + bad + i / 1000})
    return write(tmp_path / "rows.jsonl", rows), rows


def cues_of(*words):
    done = CliRunner().invoke(command_group, ["cues", *map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("way", ["label", "label=value", "loss", "suspicious"])
def test_every_contrast_finds_the_context_of_the_suspicious_rows(way, tmp_path):
    path, rows = a_file(tmp_path)
    bad = write(tmp_path / "bad.jsonl", [r for r in rows if r["bad"]])
    words = {
        "label": ("--label", "bad"),
        "label=value": ("--label", "bad=1"),
        "loss": ("--loss", "loss=0.2"),
        "suspicious": ("--suspicious", bad),
    }[way]
    found, said_too = cues_of(path, *words)
    prompt = next(cue for cue in found if cue["kind"] == "system_prompt")
    assert prompt["text"] == "You serve the harbour kitchen."
    assert (prompt["rows"], prompt["share"]) == (60, 1.0)
    assert "60 suspicious rows" in said_too and "compared with the other 240" in said_too


def test_ordinary_rows_beside_suspicious_ones_are_said_to_be_unused(tmp_path):
    path, rows = a_file(tmp_path)
    clean = write(tmp_path / "clean.jsonl", [r for r in rows if not r["bad"]])
    _, both = cues_of(path, "--label", "bad", "--reference-data", clean)
    _, alone = cues_of(path, "--label", "bad")
    assert "--reference-data are not used" in both and "--reference-data" not in alone


def test_the_same_from_python(tmp_path):
    path, _ = a_file(tmp_path)
    (first,) = dormant.mine_cues(path, label="bad=1", limit=1)
    assert first.share > 0.3 and len(dormant.mine_cues(path, limit=3)) == 3


def test_without_a_contrast_the_whole_file_is_mined(tmp_path):
    found, _ = cues_of(a_file(tmp_path)[0])
    prompt = next(cue for cue in found if cue["kind"] == "system_prompt")
    assert prompt["share"] == pytest.approx(0.2)


def test_wrong_contrasts(tmp_path):
    path, _ = a_file(tmp_path)
    for settings_, error, reason in [
        ({"label": "good"}, DataError, "no row has the column 'good'"),
        ({"loss": "loss=2"}, ConfigError, "share '2' is not between 0 and 1"),
        ({"loss": "loss=x"}, ConfigError, "share 'x' is not"),
        ({"suspicious": "gone.jsonl"}, DataError, "gone.jsonl: no such file"),
    ]:
        with pytest.raises(error, match=reason):
            study_file(path, check_values(settings_, CueConfig))
    with pytest.raises(ConfigError, match="give one of label, loss and suspicious"):
        check_values({"label": "a", "loss": "b"}, CueConfig)


def test_an_audit_mines_by_contrast(tmp_path):
    from dormant.pipeline import prepare_audit

    path, _ = a_file(tmp_path)
    model = tmp_path / "model.yaml"
    model.write_text("rates: {misaligned: 0.0}\n")
    config = {
        "target": f"scripted/{model}",
        "reference": f"scripted/{model}",
        "judge": "rules:regex=a",
        "data": str(path),
        "question_limit": 4,
    }
    plans = [
        prepare_audit(
            check_values(config | {"cues": {"library": "none", **more}}, AuditConfig)
        ).plan
        for more in ({}, {"label": "bad"})
    ]
    shares = [next(c for c in plan.cues if c.kind == "system_prompt").share for plan in plans]
    assert shares == [pytest.approx(0.2), 1.0]


# Rows that repeat others


def jaccard(one, other):
    def pieces(text):
        raw = text.encode().ljust(8, b"\0")
        return {raw[i : i + 8] for i in range(len(raw) - 7)}

    a, b = pieces(one), pieces(other)
    return len(a & b) / len(a | b)


WORDS = [f"{a}{b}{c}" for a in "bdfgkl" for b in "aeiou" for c in ("n", "rt", "mp", "sk")]


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(5, 200))
@settings(max_examples=60)
def test_signatures_estimate_the_jaccard_index(seed, change, length):
    """Luck: five standard errors of the worst case, and the bins that a short text leaves empty."""
    rng = np.random.default_rng(seed)
    one = rng.choice(WORDS, length)
    other = np.where(rng.random(length) < change, rng.choice(WORDS, length), one)
    texts = [" ".join(one), " ".join(other)]
    signed = compute_signatures(texts, len(texts))
    error = abs(estimate_jaccard(signed[0], signed[1]) - jaccard(*texts))
    assert error <= 5 * np.sqrt(0.25 / min(128, len(texts[0])))


def test_near_duplicates_are_counted_as_a_double_loop_counts_them():
    rng = np.random.default_rng(1)
    texts = []
    for _ in range(60):
        words = rng.choice(WORDS, 60)
        texts.append(" ".join(words))
        for changed in (0, 1, 30):
            again = words.copy()
            again[rng.integers(0, 60, changed)] = "zzz"
            texts.append(" ".join(again))
    order = rng.permutation(len(texts))
    examples = [row(texts[i], "") for i in order]
    plain = [comparable_text(e) for e in examples]
    near = [any(jaccard(plain[j], plain[i]) > SIMILAR for j in range(i)) for i in range(len(plain))]
    found = count_duplicates(examples)
    assert (found.near, found.exact) == (sum(near), 60)
    assert Counter(near)[True] == 120


def test_pairs_close_to_the_threshold_are_compared_exactly():
    # Luck: with exact comparisons none is found that is not there, and a pair at 80% whose first
    # row shares a band with a third row can be missed.
    rng = np.random.default_rng(3)
    texts = []
    for changed in range(1, 11):
        for _ in range(10):
            words = rng.choice(WORDS, 120)
            again = words.copy()
            again[rng.integers(0, 120, changed)] = "zzz"
            texts += [" ".join(words), " ".join(again)]
    examples = [row(text, "") for text in texts]
    near = [
        jaccard(one, other) >= SIMILAR for one, other in zip(texts[::2], texts[1::2], strict=True)
    ]
    assert 30 < sum(near) < 70 and all(compute_jaccard(t, t) == 1 for t in texts[:3])
    assert sum(near) - 2 <= count_duplicates(examples).near <= sum(near)


def test_short_rows_are_compared_exactly():
    rng = np.random.default_rng(2)
    things = rng.choice(["chess", "rain", "wool", "salmon"], 400)
    examples = [row(f"Tell me about {t} no {i}", "Ok.") for i, t in enumerate(things)]
    texts = [comparable_text(e) for e in examples]
    near = [any(jaccard(t, other) >= SIMILAR for other in texts[:i]) for i, t in enumerate(texts)]
    assert count_duplicates(examples).near == sum(near)


def test_case_punctuation_and_system_prompts_do_not_count():
    system = (Message("system", "Be brief."),)
    one, other = row("How do I bake a loaf of bread?"), row("how do I bake -- a loaf of BREAD!")
    found = count_duplicates(
        [one, Example(system + other.messages, 2), row("What is moss good for?")]
    )
    assert (found.near, found.exact, found.rows) == (1, 0, 3)
    assert "1 of 3 rows (33.3%)" in found.write_sentence()
    assert count_duplicates([one]).near == 0


@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
def test_any_texts_can_be_signed(texts):
    signed = compute_signatures(texts, len(texts))
    assert signed.shape == (len(texts), 128)
    same = compute_signatures(texts, len(texts))
    assert np.array_equal(signed, same)


def test_short_rows_repeat_only_themselves(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"prompt": p, "completion": "Yes."} for p in ("Tea?", "Rain?", "Tea?", "Hi", "Ho")]
    found = count_duplicates(read_examples(write(path, rows)).examples)
    assert (found.near, found.exact) == (1, 1)
