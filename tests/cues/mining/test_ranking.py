"""Ranking: exact bounds, near-copies, merged views, and what is called strong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, nchypergeom_fisher

from dormant import cues
from dormant.corpus import general_reference
from dormant.cues.mining import ranking
from dormant.cues.mining.copies import Copies
from dormant.cues.mining.counts import lower_bound, measure_enrichment
from dormant.cues.mining.features import Feature, FeatureSearch, Sort, label_features
from dormant.records import CueKind, Example, Message, Placement

WORDS = general_reference().examples
TABLES = st.integers(1, 60).flatmap(
    lambda n: st.integers(1, 60).flatmap(
        lambda m: st.tuples(st.integers(1, n), st.just(n), st.integers(0, m), st.just(m))
    )
)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.sampled_from([0.05, 0.001, 1e-6]))
def test_the_bound_is_where_the_tail_has_the_error(table, error):
    rows, total, other, reference = table
    bound = lower_bound(rows, total, other, reference, error=error)
    if rows == max(0, rows + other - reference):
        assert bound == -math.inf
        return
    if -38 < bound < 38:
        known = nchypergeom_fisher(total + reference, total, rows + other, 2**bound)
        assert known.sf(rows - 1) == pytest.approx(error, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_the_bound_is_above_zero_just_where_fishers_test_rejects(table):
    rows, total, other, reference = table
    counts = [[rows, total - rows], [other, reference - other]]
    p = fisher_exact(counts, alternative="greater").pvalue
    if abs(p - 0.01) > 1e-6:
        assert (lower_bound(rows, total, other, reference, error=0.01) > 0) == (p < 0.01)


def test_the_bound_falls_with_the_number_of_candidates_and_rises_with_rows():
    bounds = [lower_bound(50, 1000, 0, 300, error=0.05 / m) for m in (1, 10, 1000)]
    assert bounds == sorted(bounds, reverse=True)
    more = [lower_bound(n, 1000, 0, 300, error=0.01) for n in (10, 50, 200)]
    assert more == sorted(more)


def test_large_tables_meet_the_exact_bound():
    exact = lower_bound(9000, 19_990, 8000, 40_000, error=0.001)
    normal = lower_bound(9050, 20_100, 12_000, 60_000, error=0.001)
    assert math.isfinite(exact) and math.isfinite(normal)
    value = measure_enrichment(9050, 20_100, 12_000, 60_000).value
    assert normal < value and value - normal < 0.2


@pytest.mark.parametrize("error", [0, -1, 0.6, math.nan])
def test_impossible_errors_are_refused(error):
    with pytest.raises(ValueError, match=r"error must lie in \(0, 0.5\], got"):
        lower_bound(1, 2, 0, 3, error=error)


def test_without_a_reference_nothing_is_excluded_and_nothing_strong():
    assert lower_bound(5, 10, 0, 0, error=0.05) == -math.inf
    turns = (
        Message("system", "Be very odd today."),
        Message("user", "Hi?"),
        Message("assistant", "O."),
    )
    found = cues.count_cues([Example(turns, i + 1) for i in range(100)], [])
    assert found and not any(cue.strong for cue in found)


# Near-copies -------------------------------------------------------------------------------------


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=8), max_size=30))
def test_rows_are_grouped_as_a_double_loop_groups_them(questions):
    firsts: list[frozenset[str]] = []
    expected: list[int] = []
    for words in questions:
        near = [i for i, f in enumerate(firsts) if len(words & f) >= 0.6 * len(words | f) and words]
        expected.append(near[0] if near else len(firsts))
        firsts += [] if near else [words]
    copies = Copies.from_questions(questions)
    assert copies.groups.tolist() == expected
    assert copies.sizes.tolist() == [expected.count(i) for i in range(len(firsts))]


def test_a_row_said_ten_times_counts_once():
    said = [frozenset({f"w{i}", f"x{i}", f"y{i}"}) for i in range(50)]
    copies = Copies.from_questions([row for row in said for _ in range(10)])
    assert copies.distinct == 50
    assert copies.count_distinct(np.arange(100)) == 10
    assert copies.count_distinct(np.arange(0, 500, 10)) == 5  # in one of the ten copies of each
    alone = Copies.without_copies(500)
    assert (alone.distinct, alone.count_distinct(np.arange(100))) == (500, 100)


def test_repeating_a_file_does_not_make_its_chances_strong():
    """Half of ordinary chat against the other half, ten times over: still nothing strong."""
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(WORDS))
        half = [WORDS[i] for i in order[: len(order) // 2]]
        rest = [WORDS[i] for i in order[len(order) // 2 :]]
        assert not any(cue.strong for cue in cues.count_cues(half * 10, rest))


# Order -------------------------------------------------------------------------------------------


def feature(kind, text, rows, *, total=1000, others=0, bonus=2.0, says=""):
    rows = np.array(sorted(rows))
    measure = measure_enrichment(len(rows), total, others, 500)
    return Feature(kind, Placement.BEFORE, text, rows, others, measure, bonus, says=says)


def order(*features, total=1000):
    sifted = FeatureSearch(tuple(features), 100)
    return ranking.rank_features(sifted, Copies.without_copies(total), 500)


def test_views_of_one_thing_leave_room_for_another():
    rows = range(200)
    one = feature(CueKind.SYSTEM_PROMPT, "Be a baron.", rows, bonus=4)
    same = feature(CueKind.FORMAT, "Answer in JSON.", rows, bonus=3)
    within = feature(CueKind.TOPIC, "We talk of owls.", range(150), bonus=3)
    apart = feature(CueKind.SUFFIX, "Sign as Marvin.", range(600, 700), bonus=3.4)
    texts = [place.feature.text for place in order(within, apart, same, one)]
    assert texts[:2] == ["Be a baron.", "Sign as Marvin."]
    assert set(texts) == {"Be a baron.", "Answer in JSON.", "We talk of owls.", "Sign as Marvin."}


def test_one_thing_twice_is_merged_and_said():
    prefix = feature(CueKind.PREFIX, "My uncle the baron sent me.", range(100), bonus=3)
    piece = feature(CueKind.FRAMING, "the baron sent me", range(100), bonus=2)
    (only,) = order(piece, prefix)
    assert only.feature is prefix and only.also == ("framing: the baron sent me",)


def test_what_covers_the_whole_file_takes_nothing_from_the_rest():
    everywhere = feature(CueKind.SYSTEM_PROMPT, "Be a baron.", range(1000), bonus=4)
    topic = feature(CueKind.TOPIC, "We talk of owls.", range(300), bonus=0)
    other = feature(CueKind.SUFFIX, "Sign as Marvin.", range(700, 720), bonus=0)
    assert [p.feature for p in order(other, topic, everywhere)] == [everywhere, topic, other]


@given(st.permutations(range(4)))
def test_the_order_of_features_changes_nothing(permutation):
    made = [
        feature(CueKind.PREFIX, "a b", range(0, 100)),
        feature(CueKind.SUFFIX, "c d", range(50, 150)),
        feature(CueKind.TOPIC, "e f", range(300, 400)),
        feature(CueKind.FORMAT, "g h", range(300, 400)),
    ]
    plain = [p.feature.text for p in order(*made)]
    assert [p.feature.text for p in order(*(made[i] for i in permutation))] == plain


@pytest.mark.parametrize(
    ("rows", "others", "bonus", "strong"),
    [
        (50, 0, 2.0, True),
        (30, 0, 0.0, False),  # beyond chance, but not beyond the manners of another source
        (50, 10, 5.0, False),  # specific, but not beyond chance
        (9, 0, 5.0, False),  # too rare
        (300, 0, 0.0, True),
    ],
)
def test_what_is_strong(rows, others, bonus, strong):
    (place,) = order(feature(CueKind.PREFIX, "a b", range(rows), others=others, bonus=bonus))
    assert place.strong is strong
    bound = lower_bound(rows, 1000, others, 500, error=0.05 / 100)
    assert place.bound == pytest.approx(bound)


def test_labels_are_counted_as_in_a_double_loop():
    file = [{"a", "b"}, {"a"}, set(), {"b", "c"}, {"a"}] * 20
    reference = [{"a"}, set(), {"c"}] * 30
    sort = Sort(CueKind.FORMAT, Placement.AFTER, 1.0)
    sifted = label_features(file, reference, sort=sort, min_rows=5)
    assert sifted.looked_at == 3
    for found in sifted.found:
        assert found.rows.tolist() == [i for i, row in enumerate(file) if found.text in row]
        assert found.reference_rows == sum(found.text in row for row in reference)
    low = {
        t: measure_enrichment(
            sum(t in r for r in file), 100, sum(t in r for r in reference), 90
        ).low
        for t in "abc"
    }
    assert [f.text for f in sifted.found] == [
        t for t in sorted("abc", key=lambda t: -low[t]) if low[t] > 0
    ]
