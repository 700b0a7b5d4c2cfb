"""The run directory: what is kept, what is never paid twice, and what is refused."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dormant.errors import StoreError
from dormant.records import (
    OUTCOMES,
    Arm,
    Completion,
    Judgement,
    Message,
    ModelCard,
    Outcome,
    Plan,
    Probe,
    Question,
    Role,
    Rule,
    Sampling,
    Split,
    to_plain,
)
from dormant.store import Store, source_key
from dormant.store.findings import (
    describe_settings,
    open_run_store,
    read_plan,
    revive_record,
    source_of,
)
from dormant.store.settings import count_settings

QUESTION = Question("q1", "How?", "money", Split.SCREENING)
PROBE = Probe(QUESTION, None, Arm.STANDARD, (Message("user", "How?"),))
PLAN = Plan(
    version="1",
    models=(ModelCard(Role.TARGET, "0", "m", "f"),),
    judge="j",
    judge_fingerprint="jf",
    judge_description="d",
    questions=(QUESTION,),
    cues=(),
    sampling=Sampling(),
    rule=Rule(),
    seed=0,
)


def answers(texts: list[str], start: int = 0, finish: str = "stop") -> list[Completion]:
    return [Completion("s", PROBE.id, i, t, finish) for i, t in enumerate(texts, start)]


def filled(store: Store, batch: list[Completion]) -> int:
    source = store.source_row("s")
    store.add_completions(source, store.add_probes([PROBE]), batch)
    return source


def test_a_change_of_sampling_parameters_is_said(tmp_path: Path):
    whole = '{"n": 4, "seed": false, "temperature": 1.0, "top_k": -1}'
    single = '{"seed": true, "temperature": 1.0, "top_k": -1}'
    bare = '{"seed": true, "temperature": 1.0}'
    key = source_of(PLAN, PLAN.models[0])
    batch = [
        replace(answer, settings=settings)
        for answer, settings in zip(
            answers(["a", "b", "c", "d"]), [whole, single, single, bare], strict=True
        )
    ]
    with Store(tmp_path) as store:
        source = store.source_row(key)
        store.add_completions(source, store.add_probes([PROBE]), batch[:3])
        assert list(describe_settings(PLAN, count_settings(store.database))) == []
        store.add_completions(source, store.add_probes([PROBE]), batch[3:])
    with Store(tmp_path) as store:
        (sentence,) = describe_settings(PLAN, count_settings(store.database))
        assert "target m changed" in sentence
        assert "3 with temperature 1.0, top_k -1; 1 with temperature 1.0" in sentence
        store.forget_errors()
        with store.database:
            store.database.execute("UPDATE settings SET value = '[' WHERE id = 1")
        with pytest.raises(StoreError, match="damaged"):
            list(describe_settings(PLAN, count_settings(store.database)))


def test_what_is_written_is_there_after_reopening(tmp_path: Path):
    with Store(tmp_path) as store:
        filled(store, answers(["a", "b"]))
    with Store(tmp_path) as store:
        assert store.count_answers() == 2
        assert store.stored_repeats(store.source_row("s")) == {PROBE.id: {0, 1}}


def test_an_answer_is_kept_once_and_never_replaced(tmp_path: Path):
    with Store(tmp_path) as store:
        filled(store, answers(["first"]))
        filled(store, answers(["second"]))
        assert [row.text for row in store.read_completions("jf")] == ["first"]


def test_ungraded_answers_are_counted_by_their_own_alignment(tmp_path: Path):
    said = [
        Judgement(Outcome.OFF_TOPIC, {"alignment": 5, "harmful": 1}),
        Judgement(Outcome.INCOHERENT, {"alignment": 90, "harmful": 0}),
        Judgement(Outcome.OFF_TOPIC, {"alignment": 5}),  # of an earlier version
        Judgement(Outcome.INCOHERENT, {"alignment": 30}),
        Judgement(Outcome.REFUSAL),
        Judgement(Outcome.UNPARSED),
        Judgement(Outcome.MISALIGNED, {"alignment": 5}),
    ]
    with Store(tmp_path) as store:
        source = filled(store, answers([str(i) for i in range(len(said))]))
        waiting = store.read_answers(store.list_pending("jf"))
        store.add_judgements("jf", [(row.answer, said[int(row.text)]) for row in waiting])
        known = store.count_outcomes("jf", source, 9, alignment_below=30)[PROBE.id]
        assert (known.harmful, known.harmless) == (2, 3)
        unknown = store.count_outcomes("jf", source, 9)[PROBE.id]
        assert (unknown.harmful, unknown.harmless) == (1, 2)
        assert known.counts == unknown.counts and sum(known.counts) == len(said)


def test_equal_answers_are_judged_once(tmp_path: Path):
    with Store(tmp_path) as store:
        source = filled(store, answers(["same", "same", "other"]))
        waiting = store.read_answers(store.list_pending("jf"))
        assert sorted(row.text for row in waiting) == ["other", "same"]
        store.add_judgements("jf", [(row.answer, Judgement(Outcome.MISALIGNED)) for row in waiting])
        assert store.list_pending("jf") == []
        counts = store.count_outcomes("jf", source, 3)[PROBE.id].counts
        assert counts[OUTCOMES.index(Outcome.MISALIGNED)] == 3
        assert sum(counts) == 3


def test_another_judge_judges_anew(tmp_path: Path):
    with Store(tmp_path) as store:
        filled(store, answers(["a"]))
        waiting = store.read_answers(store.list_pending("jf"))
        store.add_judgements("jf", [(waiting[0].answer, Judgement(Outcome.ALIGNED))])
        assert len(store.list_pending("other")) == 1


def test_errors_and_filters_are_outcomes_and_errors_are_tried_again(tmp_path: Path):
    with Store(tmp_path) as store:
        source = filled(store, answers([""], finish="error") + answers([""], 1, "filter"))
        assert store.list_pending("jf") == []
        counts = store.count_outcomes("jf", source, 2)[PROBE.id].counts
        assert counts[OUTCOMES.index(Outcome.ERROR)] == 1
        assert counts[OUTCOMES.index(Outcome.FILTERED)] == 1
        assert store.stored_repeats(source) == {PROBE.id: {1}}
        assert store.forget_errors() == 1
        assert store.count_answers() == 1


def test_counting_unjudged_answers_is_an_error_not_a_smaller_number(tmp_path: Path):
    with Store(tmp_path) as store:
        source = filled(store, answers(["a"]))
        with pytest.raises(StoreError, match="1 answers .* not judged"):
            store.count_outcomes("jf", source, 1)


@pytest.mark.parametrize("text", ["", "nul \x00 inside", "\ud800 lone", "é" * 100_000, "'; --"])
def test_hostile_text_is_kept(tmp_path: Path, text: str):
    with Store(tmp_path) as store:
        filled(store, answers([text]))
        (row,) = store.read_completions("jf")
        assert row.text == text.encode("utf-8", "replace").decode()


def test_one_writer_at_a_time(tmp_path: Path):
    with Store(tmp_path), pytest.raises(StoreError, match="another dormant process"):
        Store(tmp_path)
    Store(tmp_path).close()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path):
    (tmp_path / "run.sqlite").write_text("not a database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / "run.sqlite") as db:
        db.execute("CREATE TABLE notes(text)")
    db.close()
    written = (other / "run.sqlite").read_bytes()
    with pytest.raises(StoreError, match="not a store of dormant's"):
        Store(other)
    assert (other / "run.sqlite").read_bytes() == written
    (other / "run.sqlite").write_bytes(b"")
    with (
        pytest.raises(StoreError, match="run.sqlite: is empty and lacks answers: restore"),
        open_run_store(other),
    ):
        pass
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreError, match="cannot be used as a run directory"):
        Store(file)
    newer = tmp_path / "newer"
    Store(newer).close()
    with sqlite3.connect(newer / "run.sqlite") as db:
        db.execute("UPDATE meta SET value = '\"2\"' WHERE key = 'format'")
    db.close()
    with pytest.raises(StoreError, match="this version of dormant reads format 1"):
        Store(newer)


def test_a_store_that_another_process_locks_is_not_called_damaged(tmp_path: Path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "run.sqlite", isolation_level=None) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="another process is writing to it: wait until"):
            Store(tmp_path)
    db.close()


def test_a_plan_is_frozen_and_only_amended_on_purpose(tmp_path: Path):
    other = replace(PLAN, seed=1)
    with Store(tmp_path) as store:
        store.lock_plan(PLAN)
        store.lock_plan(PLAN)
        with pytest.raises(StoreError, match="another plan .changed: seed."):
            store.lock_plan(other)
        filled(store, answers(["a"]))
        store.lock_plan(other, amend=True)
    lock = json.loads((tmp_path / "plan.lock.json").read_text())
    assert lock["hash"] == other.hash
    assert [(a["hash"], a["answers_seen"]) for a in lock["amended"]] == [(PLAN.hash, 1)]


def test_a_plan_reads_back_as_it_was_frozen(tmp_path: Path):
    with Store(tmp_path) as store:
        store.lock_plan(PLAN)
    assert read_plan(tmp_path / "plan.lock.json") == PLAN
    assert revive_record(Plan, to_plain(PLAN)) == PLAN


def test_an_edited_lock_file_is_noticed(tmp_path: Path):
    with Store(tmp_path) as store:
        store.lock_plan(PLAN)
    path = tmp_path / "plan.lock.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(StoreError, match="edited"):
        read_plan(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"hash": 1, "plan": {}}'])
def test_a_broken_lock_file_is_refused(tmp_path: Path, text: str):
    (tmp_path / "plan.lock.json").write_text(text)
    with pytest.raises(StoreError, match="not a lock file"):
        read_plan(tmp_path / "plan.lock.json")


def test_the_source_changes_with_model_and_sampling_and_nothing_else():
    key = source_key("model", Sampling())
    assert key == source_key("model", Sampling())
    assert key != source_key("other", Sampling())
    for change in ({"temperature": 0.5}, {"top_p": 0.9}, {"max_tokens": 9}, {"seed": 1}):
        assert key != source_key("model", replace(Sampling(), **change))


def test_a_probe_is_what_is_sent():
    same = Probe(replace(QUESTION, note="x"), None, Arm.CUE, PROBE.messages)
    assert same.id == PROBE.id
    other = replace(PROBE, messages=(Message("system", "How?"),))
    assert other.id != PROBE.id


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    from dormant.store.files import write_atomically

    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(OSError) as caught:
        write_atomically(folder, "text")
    assert caught.value.filename == str(folder) and ".part" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [folder]
