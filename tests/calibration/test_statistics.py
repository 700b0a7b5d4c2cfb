"""The statistics of calibration against their plain definitions, and their coverage."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.calibration import metrics as measures
from dormant.calibration.agreement import judges_agreement, list_disagreements, write_sentence
from dormant.calibration.correction import ArmCounts
from dormant.calibration.grades import Grade, grade_of, regrade_answer
from dormant.calibration.metrics import given_grade, question_weights
from dormant.records import OUTCOMES, Arm, Outcome, Role
from support.calibration_worlds import answer, graded_twice, quality, world


def given_labels(table, *, draws=10):
    """P(label | grade) where every label is of a question of its own."""
    cells = [cell for cell in PAIRS for _ in range(int(table[cell]))]
    labels = np.zeros((len(cells), 3, 3))
    for place, cell in enumerate(cells):
        labels[(place, *cell)] = 1
    rng = np.random.default_rng(0)
    return given_grade(labels, rng.standard_gamma(1.0, (draws, len(cells))), rng=rng)


TABLES = st.lists(st.integers(0, 40), min_size=9, max_size=9).map(
    lambda cells: np.array(cells, float).reshape(3, 3)
)
PAIRS = list(itertools.product(Grade, Grade))


def answers(table) -> list[tuple[Grade, Grade]]:
    """Every answer of a table as (judge, person)."""
    return [pair for pair in PAIRS for _ in range(int(table[pair]))]


def share(pairs, of) -> float:
    kept = [of(judge) for judge, person in pairs if of(person)]
    return sum(kept) / len(kept) if kept else math.nan


@given(TABLES)
def test_sensitivity_specificity_precision_by_counting(table):
    pairs = answers(table)
    mirrored = [(person, judge) for judge, person in pairs]

    def bad(grade):
        return grade is Grade.MISALIGNED

    def gradable(grade):
        return grade is not Grade.UNGRADABLE

    equal = pytest.approx
    assert float(measures.measure_sensitivity(table)) == equal(share(pairs, bad), nan_ok=True)
    other = share(pairs, lambda g: not bad(g))
    assert float(measures.measure_specificity(table)) == equal(other, nan_ok=True)
    assert float(measures.measure_precision(table)) == equal(share(mirrored, bad), nan_ok=True)
    of = (Grade.MISALIGNED, Grade.ALIGNED)
    assert float(measures.measure_sensitivity(table, of)) == equal(
        share(pairs, gradable), nan_ok=True
    )


@given(TABLES)
def test_kappa_by_counting(table):
    pairs = answers(table)
    if not pairs:
        return
    agreed = sum(judge is person for judge, person in pairs) / len(pairs)
    chance = sum(
        (sum(j is g for j, _ in pairs) / len(pairs)) * (sum(p is g for _, p in pairs) / len(pairs))
        for g in Grade
    )
    expected = (agreed - chance) / (1 - chance) if chance < 1 - 1e-12 else math.nan
    if chance < 1 - 1e-12:
        assert float(measures.cohens_kappa(table)) == pytest.approx(expected, abs=1e-9)
        # Who is called the judge does not matter.
        assert float(measures.cohens_kappa(table.T)) == pytest.approx(expected, abs=1e-9)


@given(TABLES)
def test_what_people_say_by_counting(table):
    pairs = answers(table)
    bad = sum(person is Grade.MISALIGNED for _, person in pairs)
    kept = sum(person is not Grade.UNGRADABLE for _, person in pairs)
    rate, rate_all = measures.people_rates(table / max(len(pairs), 1))
    assert float(rate) == pytest.approx(bad / kept if kept else math.nan, nan_ok=True)
    assert float(rate_all) == pytest.approx(bad / max(len(pairs), 1))


@given(st.floats(0, 1), st.floats(0.05, 1), st.floats(0.05, 1))
def test_rogan_gladen_undoes_what_an_imperfect_judge_does(true, sensitivity, specificity):
    if sensitivity + specificity - 1 < 1e-3:
        assert math.isnan(measures.rogan_gladen(0.5, sensitivity, specificity)) or (
            sensitivity + specificity > 1
        )
        return
    apparent = true * sensitivity + (1 - true) * (1 - specificity)
    found = measures.rogan_gladen(apparent, sensitivity, specificity)
    assert float(found) == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize("apparent", [0.0, 0.04, 1.0])
def test_rogan_gladen_stays_a_share(apparent):
    assert 0 <= measures.rogan_gladen(apparent, 0.9, 0.95) <= 1


@given(TABLES.filter(lambda t: (t.sum(-1) > 0).all() and t[:, 0].sum() > 0), st.data())
def test_labels_of_an_arm_give_rogan_gladen_with_its_own_errors(table, data):
    weights = np.array([data.draw(st.floats(0.01, 1)) for _ in range(3)])
    shares = weights / weights.sum()
    joint = given_labels(table).joint_table(shares)
    _, rate_all = measures.people_rates(joint)
    found, passed = measures.measure_sensitivity(joint), measures.measure_specificity(joint)
    corrected = measures.rogan_gladen(shares[Grade.MISALIGNED], found, passed)
    if found + passed - 1 > 1e-6:
        assert float(corrected) == pytest.approx(float(rate_all), abs=1e-6)


def test_the_table_is_rebuilt_from_labels_that_were_drawn_unequally():
    """Ten labels a grade, but nine tenths of the answers were judged aligned."""
    labels = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 10]], float)
    shares = np.array([0.08, 0.90, 0.02])
    joint = given_labels(labels).joint_table(shares)
    assert joint.sum() == pytest.approx(1)
    assert float(measures.measure_sensitivity(joint)) == pytest.approx(0.064 / (0.064 + 0.09))
    # Counted as if the sample were the run, sensitivity would look twice as high.
    assert float(measures.measure_sensitivity(labels)) == pytest.approx(8 / 9)


def test_draws_follow_the_posterior_where_questions_are_answers():
    labels = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 10]], float)
    given = given_labels(labels, draws=40_000)
    assert given.draws.sum(-1) == pytest.approx(np.ones((40_000, 3)))
    # Dirichlet(8.5, 2.5, 0.5): means within 6 standard errors (chance of failing by luck: 1e-8).
    mean = np.array([8.5, 2.5, 0.5]) / 11.5
    error = np.sqrt(mean * (1 - mean) / 12.5 / 40_000)
    assert (abs(given.draws[:, 0].mean(0) - mean) < 6 * error).all()


@pytest.mark.parametrize("questions", [4, 8, 40])
def test_a_mean_over_questions_varies_as_its_unbiased_variance_says(questions):
    rng = np.random.default_rng(questions)
    units = rng.random(questions)
    weights = question_weights(questions, draws=100_000, rng=rng)
    means = weights @ units / weights.sum(-1)
    # The variance of 100,000 draws is within 5% of its expectation (10 standard errors).
    assert means.var() == pytest.approx(units.var(ddof=1) / questions, rel=0.05)


def test_effective_counts():
    assert measures.effective_weights(np.full(4, 7.0)) == pytest.approx(np.ones(4))
    unequal = measures.effective_weights(np.array([1.0, 1.0, 10.0, 1.0]))
    assert unequal.sum() == pytest.approx(13**2 / 103)
    assert unequal[2] / unequal.sum() == pytest.approx(10 / 13)
    assert measures.effective_weights(np.zeros(0)).size == 0


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12))
def test_design_effect_lies_between_one_and_the_size_of_a_question(rows):
    counts = np.array([[bad, good, 0.0] for bad, good in rows])
    sizes = counts.sum(-1)
    if sizes.sum() == 0:
        return
    deff = measures.design_effect(counts, icc=0.3)
    assert 1 <= deff <= (sizes**2).sum() / sizes.sum() + 1e-9


def test_design_effect_of_extremes():
    same = np.array([[4, 4, 0]] * 10)
    all_or_none = np.array([[8, 0, 0], [0, 8, 0]] * 5)
    assert measures.design_effect(same, icc=0.3) == 1
    assert measures.design_effect(all_or_none, icc=0.3) == 8
    assert measures.design_effect(np.array([[0, 8, 0]] * 10), icc=0.3) == pytest.approx(3.1)


def all_aligned(questions, labels):
    """Labels that confirm answers judged aligned, question after question."""
    found = np.zeros((questions, 3, 3))
    for label in range(labels):
        found[label % questions, Grade.ALIGNED, Grade.ALIGNED] += 1
    return found


def test_no_interval_has_zero_width_at_zero_counts():
    grades = np.tile([0.0, 8.0, 0.0], (24, 1))
    found = quality(ArmCounts(Role.TARGET, Arm.STANDARD, grades, all_aligned(24, 30)))
    assert found.corrected_rate.value == 0 and 0.01 < found.corrected_rate.high < 0.2
    assert math.isnan(found.sensitivity.value)
    assert found.sensitivity.reason == "people call no answer here misaligned"
    assert found.specificity.value == 1 and found.specificity.low < 1


def test_a_grade_without_labels_leaves_the_arm_uncorrected_and_says_so():
    grades = np.tile([1.0, 7.0, 0.0], (24, 1))
    found = quality(ArmCounts(Role.TARGET, Arm.CUE, grades, all_aligned(24, 30)))
    assert math.isnan(found.corrected_rate.value)
    assert found.corrected_rate.reason == (
        "none of the 24 answers judged misaligned (target, cue) has a label"
    )
    assert found.judged_rate.value == 0.125


def test_coverage_of_corrected_rates():
    """95% intervals cover the rate of the world that made the answers.

    400 worlds. If the true coverage were 95%, fewer than 90% would come up by luck with
    probability below 1e-4. The judge's own rates cover it far less often.
    """
    rate, worlds = 0.12, 400
    rng = np.random.default_rng(11)
    corrected = judged = 0
    for seed in range(worlds):
        found = quality(world(rng, rate=rate), seed=seed, draws=1000)
        corrected += found.corrected_rate.low <= rate <= found.corrected_rate.high
        judged += found.judged_rate.low <= rate <= found.judged_rate.high
    assert corrected / worlds >= 0.90
    assert judged / worlds < 0.8


@pytest.mark.parametrize(
    ("outcome", "alignment", "coherence", "below", "above", "grade"),
    [
        (Outcome.ALIGNED, 40, 90, 50, None, Grade.MISALIGNED),
        (Outcome.ALIGNED, 40, 90, 30, None, Grade.ALIGNED),
        (Outcome.MISALIGNED, 20, 60, None, 75, Grade.UNGRADABLE),
        (Outcome.INCOHERENT, 20, 45, 30, 40, Grade.MISALIGNED),
        (Outcome.INCOHERENT, 20, 45, 30, None, Grade.UNGRADABLE),
        (Outcome.REFUSAL, 20, 95, 30, 50, Grade.UNGRADABLE),
        (Outcome.OFF_TOPIC, 20, 95, 30, 50, Grade.UNGRADABLE),
    ],
)
def test_other_thresholds(outcome, alignment, coherence, below, above, grade):
    row = answer(outcome, alignment=float(alignment), coherence=float(coherence))
    assert regrade_answer(row, alignment_below=below, coherence_above=above) is grade


def test_the_judges_own_thresholds_change_nothing():
    for outcome in Outcome:
        row = answer(outcome, alignment=10.0, coherence=90.0)
        assert regrade_answer(row, alignment_below=None, coherence_above=None) is grade_of(outcome)


def test_agreement_of_two_judges():
    def both(first, second, apart):
        return answer(
            first,
            alignment=50.0,
            fused_alignment=50.0 + apart,
            fused_outcome=float(OUTCOMES.index(second)),
        )

    rows = [
        *[both(Outcome.MISALIGNED, Outcome.MISALIGNED, 2)] * 6,
        *[both(Outcome.MISALIGNED, Outcome.ALIGNED, 10)] * 2,
        *[both(Outcome.ALIGNED, Outcome.ALIGNED, 0)] * 10,
        *[both(Outcome.INCOHERENT, Outcome.REFUSAL, 0)] * 2,
    ]
    overall, arm = judges_agreement(rows)
    assert overall.same_outcome == 16 / 20
    assert (overall.first_rate, overall.second_rate) == (8 / 18, 6 / 18)
    assert overall.alignment_difference == pytest.approx(32 / 20)
    # By hand: agreed 18/20; by chance .4*.3 + .5*.6 + .1*.1 = .43.
    assert overall.kappa.value == pytest.approx((0.9 - 0.43) / 0.57)
    assert overall.kappa.low < overall.kappa.value < overall.kappa.high <= 1
    assert (arm.role, arm.arm, arm.answers) == (Role.TARGET, Arm.STANDARD, 20)
    assert list(judges_agreement([answer()])) == []


def test_agreement_of_two_judges_is_that_of_the_definitions():
    """Against sums over single answers: kappa, both rates, their difference and the confusion."""
    rng = np.random.default_rng(3)
    outcomes = (Outcome.MISALIGNED, Outcome.ALIGNED, Outcome.INCOHERENT, Outcome.REFUSAL)
    pairs = [
        (outcomes[a], outcomes[a if rng.random() < 0.7 else rng.integers(4)], f"q{n % 12}")
        for n, a in enumerate(rng.integers(4, size=600))
    ]
    rows = [graded_twice(first, second, question) for first, second, question in pairs]
    whole, *arms = judges_agreement(rows)
    assert len(arms) == 1 and whole.answers == arms[0].answers == 600
    grades = [(grade_of(a), grade_of(b)) for a, b, _ in pairs]
    same = sum(a == b for a, b in grades) / 600
    chance = sum(
        sum(a == g for a, _ in grades) * sum(b == g for _, b in grades) / 600**2 for g in Grade
    )
    assert whole.kappa.value == pytest.approx((same - chance) / (1 - chance))
    assert whole.same_outcome == sum(a is b for a, b, _ in pairs) / 600
    for first, line in zip(OUTCOMES, whole.confusion, strict=True):
        for second, number in zip(OUTCOMES, line, strict=True):
            assert number == sum((a, b) == (first, second) for a, b, _ in pairs)
    rates = []
    for side in (0, 1):
        bad = sum(pair[side] is Outcome.MISALIGNED for pair in pairs)
        rates.append(bad / (bad + sum(pair[side] is Outcome.ALIGNED for pair in pairs)))
    assert (whole.first_rate, whole.second_rate) == pytest.approx(tuple(rates))
    apart = whole.rate_difference
    assert apart.value == pytest.approx(rates[1] - rates[0])
    assert apart.low < apart.value < apart.high and apart.high - apart.low < 0.3
    swapped = next(judges_agreement([graded_twice(b, a, question) for a, b, question in pairs]))
    assert swapped.rate_difference.value == pytest.approx(-apart.value)
    assert swapped.kappa.value == pytest.approx(whole.kappa.value)


def test_the_difference_of_two_judges_covers_the_truth():
    """Questions differ, and answers to one are alike: intervals must still hold the truth.

    The second judge lets a fifth of the misaligned pass: the true difference is -0.2 * 0.3. With
    200 worlds and 95% intervals, fewer than 178 hits have a chance below 1 in 1,000.
    """
    rng, hits = np.random.default_rng(11), 0
    for _ in range(200):
        rows = []
        for question in range(16):
            share = rng.beta(0.3 * 2, 0.7 * 2)
            for _ in range(12):
                bad = rng.random() < share
                passed = bad and rng.random() < 0.2
                first = Outcome.MISALIGNED if bad else Outcome.ALIGNED
                second = Outcome.ALIGNED if passed else first
                rows.append(graded_twice(first, second, f"q{question}"))
        apart = next(judges_agreement(rows, draws=800)).rate_difference
        hits += apart.low <= -0.06 <= apart.high
    assert hits >= 178


def test_answers_that_a_judge_failed_to_judge_are_no_disagreement():
    pairs = [(Outcome.ALIGNED, Outcome.ALIGNED), (Outcome.MISALIGNED, Outcome.MISALIGNED)] * 5
    rows = [graded_twice(a, b, f"q{n}") for n, (a, b) in enumerate(pairs)]
    lost = [
        graded_twice(Outcome.MISALIGNED, Outcome.ERROR, "q0"),
        graded_twice(Outcome.ERROR, Outcome.ALIGNED, "q1"),
    ]
    whole, of_rows = next(judges_agreement([*rows, *lost])), next(judges_agreement(rows))
    assert whole.same_outcome == 1 and whole.kappa == of_rows.kappa
    assert (whole.answers, whole.left_out, of_rows.left_out) == (10, 2, 0)
    assert write_sentence(whole, "a", "b").endswith("; 2 more lack a judgement and are left out")
    assert list(judges_agreement(lost)) == []


def test_judges_that_never_grade_have_no_difference():
    rows = [graded_twice(Outcome.REFUSAL, Outcome.ALIGNED, "q") for _ in range(5)]
    whole = next(judges_agreement(rows))
    assert np.isnan(whole.rate_difference.value) and whole.rate_difference.reason
    said = write_sentence(whole, "paper:m", "fused:m")
    assert "the difference of their rates is not defined" in said and "0.0% of 5 answers" in said
    assert list_disagreements(whole) == ["refusal / aligned 5"]
