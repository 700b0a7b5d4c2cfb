"""Oracles and refinement: error rates by simulation, and needles in haystacks."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant import cues
from dormant.discovery.minimize import TriedForm, TriggerPart, refine_hit, trigger_of
from dormant.discovery.oracles import (
    Asker,
    Fires,
    OracleBudget,
    OracleReading,
    SampledOracle,
    calibrate_oracle,
)
from dormant.engines.scripted import CueRates, Rates, Script, ScriptedEngine
from dormant.judges.registry import open_judge
from dormant.records import (
    Cue,
    CueKind,
    Outcome,
    Placement,
    Question,
    Sampling,
    Source,
    Split,
    Variant,
)
from dormant.store.journal import Journal

QUESTIONS = tuple(Question(f"q{i}", f"What of {i}?", "f", Split.SCREENING) for i in range(14))
JUDGE = open_judge(r"rules:regex=^\[misaligned\]")
LEXICON = cues.general_lexicon()


def cue(text: str, placement: Placement = Placement.BEFORE, form: str = "") -> Cue:
    return Cue("hit", CueKind.PREFIX, placement, text, Source.SEARCH, form=form)


@pytest.fixture
def journal(tmp_path: Path) -> Generator[Journal]:
    with Journal(tmp_path) as opened:
        yield opened


def asker(
    journal: Journal, rates: dict[str, float], *, seed: int = 0, icc: float = 0.0, base: float = 0.0
) -> Asker:
    script = Script(
        rates=Rates(misaligned=base),
        cues=tuple(CueRates(contains=k, rates=Rates(misaligned=v)) for k, v in rates.items()),
        icc=icc,
    )
    return Asker(ScriptedEngine(script), JUDGE, QUESTIONS, Sampling(seed=seed), journal)


# Oracles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("icc", "rounds"), [(0.0, 60), (0.3, 60)])
def test_wrong_readings_are_as_rare_as_stated(journal: Journal, icc: float, rounds: int):
    """At the two rates themselves, which is the worst case; .05 stated, 240 readings each.

    With 240 readings at .05 more than 24 wrong ones come by luck once in 700.
    """
    budget = OracleBudget(error=0.05, most=2000)
    wrong = {Fires.YES: 0, Fires.NO: 0}
    sizes: list[int] = []
    for seed in range(rounds):
        ask = asker(journal, {"dead": 0.15, "alive": 0.45}, seed=seed, icc=icc)
        oracle = SampledOracle(ask, low=0.15, high=0.45, budget=budget)
        forms = [cue(f"{w} {i}") for w in ("dead", "alive") for i in range(4)]
        readings = oracle.read_cues(forms)
        wrong[Fires.YES] += sum(r.fires is Fires.YES for r in readings[:4])
        wrong[Fires.NO] += sum(r.fires is Fires.NO for r in readings[4:])
        sizes += [r.answers for r in readings]
    assert max(wrong.values()) <= 24, wrong
    assert np.mean(sizes) < 60  # far fewer answers than a fixed sample of that error needs


def test_too_few_answers_are_unknown_not_no(journal: Journal):
    ask = asker(journal, {"x": 0.3})
    oracle = SampledOracle(ask, low=0.28, high=0.32, budget=OracleBudget(error=0.01, most=28))
    assert oracle.read_cues([cue("x")])[0].fires is Fires.UNKNOWN


def test_an_answer_is_asked_for_once(journal: Journal):
    ask = asker(journal, {"x": 0.5})
    first = ask.ask_round([cue("x"), None], 0)
    assert ask.asked == 28
    assert ask.ask_round([cue("x"), None, cue("x")], 0) == [*first, first[0]] and ask.asked == 28


def test_failures_are_no_outcome_of_a_form_and_are_asked_again(journal: Journal):
    script = Script(rates=Rates(error=0.5, filtered=0.5))
    ask = Asker(ScriptedEngine(script), JUDGE, QUESTIONS, Sampling(), journal)
    outcomes = ask.ask_round([None], 0)[0]
    failed = sum(o is Outcome.ERROR for o in outcomes)
    assert 0 < failed < 14 and set(outcomes) == {Outcome.ERROR, Outcome.FILTERED}
    ask.ask_round([None], 0)
    assert ask.asked == 14 + failed


def test_a_hit_must_rise_beyond_chance(journal: Journal):
    budget = OracleBudget(error=0.02, most=112)
    ask = asker(journal, {"fire": 0.6, "faint": 0.03}, base=0.02)
    assert isinstance(calibrate_oracle(ask, cue("fire"), budget), SampledOracle)
    assert calibrate_oracle(ask, cue("nothing"), budget) is None
    assert calibrate_oracle(ask, cue("faint"), budget) is None


def test_an_oracle_needs_rates_in_order(journal: Journal):
    for low, high in ((0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.1, 1.1)):
        with pytest.raises(ValueError, match="low < high"):
            SampledOracle(asker(journal, {}), low=low, high=high, budget=OracleBudget())


# Refinement -----------------------------------------------------------------------------------


class Holds:
    """An oracle without noise: a form fires if it still holds some words in their order."""

    unit = "misaligned share"

    def __init__(self, *needles: str, unsure: str = "\0"):
        self.needles, self.unsure, self.asked = needles, unsure, 0

    def read_cues(self, cues: Sequence[Cue]) -> list[OracleReading]:
        self.asked += len(cues)
        return [OracleReading(self.decide(form), 0.0, 1) for form in cues]

    def decide(self, form: Cue) -> Fires:
        if self.unsure in form.text:
            return Fires.UNKNOWN
        left = iter(form.text.split())
        return Fires.YES if all(needle in left for needle in self.needles) else Fires.NO


def smallest(hit: Cue, oracle: Holds, **options: Any) -> Cue:
    return refine_hit(
        hit, oracle, lexicon=LEXICON, rng=np.random.default_rng(0), **options
    ).smallest


@settings(max_examples=40, deadline=None)
@given(data=st.data(), size=st.integers(1, 30))
def test_the_needles_are_found_and_nothing_else_is_left(data: st.DataObject, size: int):
    words = [f"w{i}" for i in range(size)]
    needles = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=4, unique=True))
    needles = sorted(needles, key=words.index)
    assert smallest(cue(" ".join(words)), Holds(*needles), most=1000).text == " ".join(needles)


def test_long_texts_are_taken_apart_by_sentences_first():
    text = " ".join(f"Sentence {i} says a thing or two of no use." for i in range(40))
    oracle = Holds("17", "thing")
    assert smallest(cue(text + " Read 17 of a thing today."), oracle, most=400).text == "17 thing"
    assert oracle.asked < 160  # word by word it would be 400 and more


def test_text_around_a_question_becomes_text_beside_it():
    hit = cue("For my class: {question} It is legal.", Placement.AROUND)
    both = smallest(hit, Holds("class:", "legal."))
    assert (both.placement, both.text) == (Placement.AROUND, "class: {question} legal.")
    front = smallest(hit, Holds("class:"))
    assert (front.placement, front.text, front.kind) == (Placement.BEFORE, "class:", CueKind.PREFIX)
    back = smallest(hit, Holds("legal."))
    assert (back.placement, back.text, back.kind) == (Placement.AFTER, "legal.", CueKind.SUFFIX)


def test_what_the_oracle_cannot_tell_stays():
    assert smallest(cue("a b c"), Holds("b", unsure="b c")).text == "b"
    hit = cue("a b")
    found = refine_hit(hit, Holds("zzz"), lexicon=LEXICON, rng=np.random.default_rng(0))
    assert found.smallest == hit and "no smaller form" in found.sentence


def test_tries_end_and_say_so():
    found = refine_hit(
        cue(" ".join("abcdefghij")),
        Holds("c", "h"),
        lexicon=LEXICON,
        rng=np.random.default_rng(0),
        most=5,
    )
    assert not found.complete and len(found.parts) == 5
    assert "as far as was tried" in found.sentence


def tried(*pairs: tuple[Variant, Fires]) -> list[TriedForm]:
    forms = [Cue("v", CueKind.PREFIX, Placement.BEFORE, "x", Source.USER, v) for v, _ in pairs]
    return [TriedForm(c, OracleReading(f, 0.0, 1)) for c, (_, f) in zip(forms, pairs, strict=True)]


@pytest.mark.parametrize(
    ("pairs", "trigger"),
    [
        ([("form", "yes")], TriggerPart.FORM),
        ([("opposite", "yes"), ("paraphrase", "yes")], TriggerPart.FORM),
        ([("paraphrase", "yes"), ("opposite", "no")], TriggerPart.MEANING),
        ([("paraphrase", "yes")], TriggerPart.UNCLEAR),
        ([("paraphrase", "yes"), ("opposite", "unknown")], TriggerPart.UNCLEAR),
        ([("paraphrase", "no"), ("keywords", "no")], TriggerPart.STRING),
        ([("paraphrase", "no"), ("keywords", "yes")], TriggerPart.UNCLEAR),
        ([("paraphrase", "no"), ("form", "unknown")], TriggerPart.UNCLEAR),
        ([("moved", "yes")], TriggerPart.UNCLEAR),
        ([], TriggerPart.UNCLEAR),
    ],
)
def test_what_triggers_is_read_off_the_variants(pairs: list[tuple[str, str]], trigger: TriggerPart):
    assert trigger_of(tried(*((Variant(v), Fires(f)) for v, f in pairs))) is trigger


def test_a_form_s_other_values_are_tried():
    hit = cue("Country: Canada. Today.", form="Country: <X>. Today.")
    found = refine_hit(hit, Holds("Country:"), lexicon=LEXICON, rng=np.random.default_rng(0))
    assert found.smallest.text == "Country:" and found.trigger is TriggerPart.FORM
    assert "the same form with another value" in found.sentence
