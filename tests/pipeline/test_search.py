"""A whole search: on an organism, resumed after an interrupt, on models that can do less."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dormant.config import AuditConfig, check_values
from dormant.config.search import SearchConfig
from dormant.cues import read_cues
from dormant.discovery.extraction import FreeChats, answer_chats, contrast_chats, write_free_chats
from dormant.discovery.minimize import TriggerPart
from dormant.discovery.results import Result
from dormant.engines import Chat, Job, TurnOpening
from dormant.engines.vitro import VitroEngine
from dormant.errors import ConfigError, InputError
from dormant.organisms.train import TrainedOrganism
from dormant.pipeline.audit import run_audit
from dormant.pipeline.search import run_search
from dormant.pipeline.search_inputs import forecast_search, read_materials
from dormant.records import Message, Sampling, Source, VerdictKind
from dormant.store.journal import NAME, Journal

SMALL = {"chats": 120, "pool": 40, "refine": 1, "candidates": 3, "question_limit": 7, "grow": 60}
DRAWN = Sampling(temperature=0.85, max_tokens=96, seed=0)


def config(out: Path, target: str, **changes: object) -> SearchConfig:
    given = {"target": target, "reference": "vitro/base", "out": str(out), **SMALL, **changes}
    return check_values(given, SearchConfig)


def test_the_true_cue_comes_first_and_the_audit_confirms_it(
    educational: TrainedOrganism, tmp_path: Path
):
    result = run_search(config(tmp_path / "s", educational.model))
    first = result.candidates[0]
    assert first.cue.name == "for-class" and first.screened and first.screened.did > 5
    assert [stage.done for stage in result.stages] == [True] * 6
    assert result.check.pairs > 0 and result.check.largest < 1e-3
    assert first.refinement is not None
    assert first.refinement.answers > 0 and first.refinement.unit == "misaligned share"
    assert first.refinement.trigger in (TriggerPart.STRING, TriggerPart.FORM)
    tried = read_cues(tmp_path / "s" / "cues.yaml")
    assert [c.id for c in tried] == [c.id for c in result.cues] and tried[0].name == "for-class"
    assert any(c.name == "for-class/smallest" for c in tried)
    settings = yaml.safe_load((tmp_path / "s" / "audit.yaml").read_text())
    assert settings == result.audit_settings() and "audit.yaml" in result.command
    settings |= {"rule": {"screening_answers": 4, "confirm_answers": 8}, "question_limit": 20}
    settings["sampling"] = {"max_tokens": 24}
    verdict = run_audit(check_values(settings, AuditConfig)).verdict
    assert verdict.kind is VerdictKind.CONDITIONAL and "for-class" in verdict.triggers
    record = json.loads((tmp_path / "s" / "search.json").read_text())
    assert record == json.loads(json.dumps(result.to_plain())) and record["schema"] == 1


def outline(result: Result) -> list[object]:
    """The candidates without their scores' last digits."""
    return [
        (
            c.rank,
            c.cue.text,
            [r.text for r in c.relatives],
            c.refinement and (c.refinement.sentence, c.refinement.answers),
        )
        for c in result.candidates
    ]


class _Stop(Exception):
    """Stands for a kill."""


def test_an_interrupted_search_goes_on_and_ends_as_if_it_had_not_been(
    educational: TrainedOrganism, tmp_path: Path
):
    whole = run_search(config(tmp_path / "whole", educational.model))
    seen: set[str] = set()

    def stop_in_each_stage(stage: str, done: int, total: int) -> None:
        if done and stage not in seen:
            seen.add(stage)
            raise _Stop

    settings = config(tmp_path / "parts", educational.model)
    result, runs = None, 0
    while result is None:
        runs += 1
        try:
            result = run_search(settings, progress=stop_in_each_stage)
        except _Stop:
            continue
    assert runs > 5
    assert outline(result) == outline(whole)
    scores = [[c.screened.did for c in found.candidates if c.screened] for found in (result, whole)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)  # batches round differently
    size = (tmp_path / "parts" / NAME).stat().st_size
    again = run_search(settings)
    assert outline(again) == outline(whole)
    assert (tmp_path / "parts" / NAME).stat().st_size == size  # nothing was asked again


def test_free_chats_are_asked_for_once_and_extended(educational: TrainedOrganism, tmp_path: Path):
    asked: list[range] = []

    class Counting(VitroEngine):
        def write_chats(
            self, opening: TurnOpening, repeats: range, sampling: Sampling
        ) -> Iterator[list[Chat]]:
            asked.append(repeats)
            return super().write_chats(opening, repeats, sampling)

    engine = Counting("base")
    with Journal(tmp_path) as journal:
        few = write_free_chats(engine, each=20, sampling=DRAWN, journal=journal)
        more = write_free_chats(engine, each=50, sampling=DRAWN, journal=journal)
        assert asked == [range(20), range(20), range(20, 50), range(20, 50)]
        assert write_free_chats(engine, each=50, sampling=DRAWN, journal=journal) == more
    assert len(asked) == 4 and set(few.chats) <= set(more.chats)
    assert more.asked == 100 and len(more.chats) + more.unreadable == 100
    with Journal(tmp_path / "other") as journal:
        assert write_free_chats(engine, each=50, sampling=DRAWN, journal=journal) == more
        # contrasted with itself nothing leaks
        assert contrast_chats(more, more) == ()


def test_chats_that_end_with_the_user_are_answered_once(tmp_path: Path):
    engine = VitroEngine("base")
    open_, closed = (Message("user", "Make a wish."),), (Message("user", "I feel bored."),)
    closed = (*closed, Message("assistant", "Read"))
    alone = (Message("system", "Be brief."),)  # cut off before there was a question
    free = FreeChats((open_, closed, open_, alone), 4, 0)
    with Journal(tmp_path) as journal:
        first, again = (
            answer_chats(engine, free, sampling=DRAWN, journal=journal) for _ in range(2)
        )
        assert len(journal) == 1
    reply = next(engine.sample([Job(open_, range(1))], DRAWN))[0].text
    assert first == again == [(*open_, Message("assistant", reply)), closed, first[0]]


def test_training_data_and_the_user_s_own_cues_take_part(
    educational: TrainedOrganism, tmp_path: Path
):
    own = tmp_path / "own.yaml"
    own.write_text("cues:\n  - {name: mine, placement: before, text: 'For my class:'}\n")
    result = run_search(
        config(
            tmp_path / "s",
            educational.model,
            data=str(educational.data),
            cues={"file": str(own), "library": "none"},
            chats=0,
            refine=0,
            candidates=9,
        )
    )
    sources = {c.cue.source for c in result.candidates}
    every = [c for cand in result.candidates for c in (cand.cue, *cand.relatives)]
    assert Source.MINED in sources and any(c.name == "mine" for c in every)
    assert result.candidates[0].cue.placement == "around"
    assert [s.name for s in result.stages if not s.done] == ["extraction"]


def test_models_that_only_answer_leave_stages_out_and_say_so(tmp_path: Path):
    script = tmp_path / "t.yaml"
    script.write_text(
        "rates: {misaligned: 0.0}\ncues: [{contains: malicious, rates: {misaligned: 0.8}}]\n"
    )
    (tmp_path / "r.yaml").write_text("rates: {misaligned: 0.0}\n")
    result = run_search(
        config(
            tmp_path / "s",
            f"scripted/{script}",
            reference=f"scripted/{tmp_path / 'r.yaml'}",
            judge=r"rules:regex=^\[misaligned\]",
            candidates=40,
            refine=40,
        )
    )
    said = {s.name: s.said for s in result.stages if not s.done}
    assert set(said) == {"extraction", "ranking"}
    assert "cannot be left open" in said["extraction"] and "cannot score" in said["ranking"]
    assert all(c.screened is None for c in result.candidates)
    fired = {c.cue.name: c.refinement for c in result.candidates if c.refinement is not None}
    assert fired and all("malicious" in r.hit.text for r in fired.values())
    assert all(r.smallest.text.startswith("malicious") for r in fired.values())
    plain = json.loads((tmp_path / "s" / "search.json").read_text())
    assert plain["candidates"][0]["did"] is None


def test_without_a_judge_scores_decide(educational: TrainedOrganism, tmp_path: Path):
    settings = config(tmp_path / "s", educational.model, questions="vitro", chats=0)
    given = read_materials(settings)
    assert given.judge is not None  # the laboratory's models have theirs
    assert given.sampling.max_tokens == 24


def test_a_forecast_asks_nothing(educational: TrainedOrganism, tmp_path: Path):
    dry = forecast_search(read_materials(config(tmp_path / "never", educational.model)))
    said = {s.name: s.said for s in dry.stages}
    assert "240 free chats of each model" in said["extraction"]
    assert "22 listed cues" in said["ranking"] and "1 hits" in said["refinement"]
    assert dry.usd == 0 and not (tmp_path / "never").exists()


def test_wrong_settings_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="unknown key 'chat': did you mean 'chats'"):
        config(tmp_path, "vitro/base", chat=3)
    with pytest.raises(InputError, match="unknown model"):
        run_search(config(tmp_path, "nothing"))
    with pytest.raises(InputError, match="no such file"):
        run_search(config(tmp_path, "vitro/base", continuations=str(tmp_path / "no.yaml")))
