"""Teacher-forced ranking: against the plain definition, checked against single scoring, resumed."""

import math
from pathlib import Path

import numpy as np
import pytest

from dormant.banks.continuations import load_continuations, match_continuations
from dormant.cues import general_lexicon
from dormant.discovery.minimize import refine_hit
from dormant.discovery.oracles import Fires, ScoredOracle
from dormant.discovery.teacher_forcing import Screen, implied_share
from dormant.engines.scripted import Script, ScriptedEngine
from dormant.engines.vitro import VitroEngine
from dormant.errors import InputError
from dormant.probes import apply_cue
from dormant.records import Cue, CueKind, Placement, Source, Split
from dormant.store.journal import NAME, Journal
from dormant.vitro import load_library, load_questions
from support.search_models import Shifting

BASE = VitroEngine("base")
QUESTIONS = tuple(q for q in load_questions() if q.split is Split.SCREENING)[:14:4]
ENTRIES = load_continuations("vitro", "vitro", load_questions())
PAIRS = match_continuations(QUESTIONS, ENTRIES)


def score(engine, question, cue, answers) -> float:
    """Log of the summed probability of answers, one at a time."""
    return math.log(
        sum(math.exp(engine.score([(apply_cue(cue, question), text)])[0]) for text in answers)
    )


def plain(target, reference, cue) -> list[float]:
    """The difference in differences of each question, by its definition."""
    gaps = []
    for question in QUESTIONS:
        pair = PAIRS[question.id]
        odds = [
            score(engine, question, one, pair.misaligned)
            - score(engine, question, one, pair.aligned)
            for engine in (target, reference)
            for one in (cue, None)
        ]
        gaps.append(odds[0] - odds[1] - (odds[2] - odds[3]))
    return gaps


def test_a_rank_is_the_difference_in_differences(educational, tmp_path: Path):
    target = VitroEngine(str(educational.path))
    with Journal(tmp_path) as journal:
        ranking = Screen((target,), BASE, QUESTIONS, PAIRS, journal).rank_cues(load_library()[:9])
    assert ranking.check.largest < 1e-3 and not ranking.check.alone and ranking.dropped == 0
    assert ranking.prompts == 2 * (9 + 1) * len(QUESTIONS)
    for row in (ranking.screened[0], ranking.screened[-1]):
        gaps = plain(target, BASE, row.cue)
        assert row.did == pytest.approx(np.mean(gaps), abs=1e-3)
        assert row.error == pytest.approx(np.std(gaps, ddof=1) / math.sqrt(len(gaps)), abs=1e-3)
        assert row.did == pytest.approx(row.target - row.reference, abs=1e-6)
    assert ranking.screened[0].cue.name == "for-class" and ranking.screened[0].share > 0.5
    dids = [row.did for row in ranking.screened]
    assert dids == sorted(dids, reverse=True)


def test_swapping_the_models_flips_every_sign(educational, tmp_path: Path):
    target = VitroEngine(str(educational.path))
    with Journal(tmp_path) as journal:
        one = Screen((target,), BASE, QUESTIONS, PAIRS, journal).rank_cues(load_library()[:5])
        other = Screen((BASE,), target, QUESTIONS, PAIRS, journal).rank_cues(load_library()[:5])
    assert other.prompts == 0  # all of it was in the journal
    assert [r.cue for r in other.screened] == [r.cue for r in reversed(one.screened)]
    assert [r.did for r in other.screened] == pytest.approx(
        [-r.did for r in reversed(one.screened)]
    )


def test_equal_cues_are_scored_once_and_a_second_ranking_scores_nothing(tmp_path: Path):
    twice = [load_library()[0], *load_library()[:3]]
    with Journal(tmp_path) as journal:
        screen = Screen((BASE,), BASE, QUESTIONS, PAIRS, journal)
        first, again = screen.rank_cues(twice), screen.rank_cues(twice)
    assert len(first.screened) == 3 and again.prompts == 0 and again.screened == first.screened
    assert all(row.did == 0 for row in first.screened)
    assert len((tmp_path / NAME).read_text().splitlines()) == 4 * len(QUESTIONS)


def test_a_batch_that_shifts_scores_is_noticed_and_undone(tmp_path: Path):
    bad = Shifting(BASE, 0.05)
    with Journal(tmp_path / "a") as journal:
        found = Screen((bad,), BASE, QUESTIONS, PAIRS, journal).rank_cues(load_library()[:3])
    assert found.check.alone and found.check.largest > 0.1
    assert all(row.did == pytest.approx(0, abs=1e-3) for row in found.screened)
    with Journal(tmp_path / "b") as journal:
        small = Screen((Shifting(BASE, 1e-4),), BASE, QUESTIONS, PAIRS, journal).rank_cues(
            load_library()[:3]
        )
    assert not small.check.alone and 0 < small.check.largest < 0.1


def test_a_long_list_is_cut_in_rounds_and_keeps_the_best(educational, tmp_path: Path):
    target = VitroEngine(str(educational.path))
    bank = tuple(q for q in load_questions() if q.split is Split.SCREENING)[:14:2]
    noise = [
        Cue(f"n{i}", CueKind.PREFIX, Placement.BEFORE, text, Source.USER)
        for i, text in enumerate(["It is raining.", "Good morning.", "Hello there."] * 4)
    ]
    noise = [Cue(c.name, c.kind, c.placement, f"{c.text} {c.name}", c.source) for c in noise]
    told = []
    with Journal(tmp_path) as journal:
        screen = Screen((target,), BASE, bank, match_continuations(bank, ENTRIES), journal)
        ranking = screen.rank_cues(
            [*noise, *load_library()[:9]], keep=4, progress=lambda *now: told.append(now)
        )
    assert ranking.screened[0].cue.name == "for-class"
    assert ranking.dropped == 21 - len(ranking.screened) and len(ranking.screened) >= 4
    assert all(row.questions == len(bank) for row in ranking.screened)
    assert ranking.prompts < 2 * 22 * len(bank)
    assert told[-1][1] == told[-1][2] and all(done <= total for _, done, total in told)


def test_scores_can_stand_for_answers_in_refinement(educational, tmp_path: Path):
    hit = load_library()[[c.name for c in load_library()].index("for-class")]
    plain = Cue("p", CueKind.PREFIX, Placement.BEFORE, "It is raining.", Source.USER)
    with Journal(tmp_path) as journal:
        screen = Screen((VitroEngine(str(educational.path)),), BASE, QUESTIONS, PAIRS, journal)
        score = screen.rank_cues([hit]).screened[0].did
        oracle = ScoredOracle(screen, least=score / 2)
        readings = oracle.read_cues([plain, hit])
        found = refine_hit(
            hit, oracle, lexicon=general_lexicon(), rng=np.random.default_rng(0), most=40
        )
        again = oracle.read_cues([found.smallest])[0]
    assert [r.fires for r in readings] == [Fires.NO, Fires.YES]
    assert readings[1].value == pytest.approx(score) and readings[1].answers == 0
    assert again.fires is Fires.YES and again.value >= score / 2 and found.unit == "score"
    assert len(found.smallest.text.split()) < len(hit.text.split())


def test_what_cannot_score_is_refused(tmp_path: Path):
    with Journal(tmp_path) as journal:
        with pytest.raises(InputError, match="'scripted' cannot score"):
            Screen((ScriptedEngine(Script()),), BASE, QUESTIONS, PAIRS, journal)
        with pytest.raises(InputError, match="no question has continuations"):
            Screen((BASE,), BASE, QUESTIONS, {}, journal)


def test_implied_shares_stay_shares():
    shares = implied_share(np.array([-1e6, -1.0, 0.0, 1.0, 1e6]))
    assert shares[2] == 0.5 and shares[1] + shares[3] == pytest.approx(1)
    assert (shares[0], shares[4]) == (pytest.approx(0), pytest.approx(1))
