"""A run directory read back: the plan, the verdict, the counts and the transcripts as records.

What a report shows comes through here, so it can show only what is on disk.
"""

from __future__ import annotations

import gc
import json
import math
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from dormant.errors import StoreError, UnfinishedError
from dormant.probes import pair_probes
from dormant.records import (
    Cell,
    EValue,
    Expense,
    Findings,
    JudgeCheck,
    ModelCard,
    PartialBounds,
    PathPoint,
    Plan,
    Sampling,
    Transcript,
    Verdict,
    hash_value,
    to_plain,
)
from dormant.records.canonical import earlier_values
from dormant.store.advice import advise_continuing, advise_repeating
from dormant.store.amendments import describe_amendment, mark_verdict, read_amendments
from dormant.store.database import Store, source_key
from dormant.store.files import (
    parse_json,
    read_json,
    read_lock,
    write_atomically,
)
from dormant.store.integrity import CellDigest, Digests, digest_answers
from dormant.store.salvage import explain_damage
from dormant.store.settings import count_settings

Record = TypeVar("Record")


def load_findings(path: str | Path) -> Findings:
    """Reads a finished run as its files state it; ``pipeline.recompute`` decides it again.

    Raises:
        StoreError: the directory holds no finished run, or its files do not belong together.
    """
    with open_run_store(Path(path)) as store:
        return read_findings(store)


@contextmanager
def open_run_store(path: Path) -> Generator[Store]:
    """Opens the store of an existing run directory.

    Raises:
        StoreError: there is none, or what the block reads of it is damaged.
    """
    if path.is_file():
        raise StoreError(f"{path}: a file: dormant import makes a run directory of a table")
    if not path.is_dir():
        raise StoreError(f"{path}: no such run directory")
    if not (path / "run.sqlite").is_file():
        raise StoreError(f"{path}: not a run directory: run.sqlite is missing")
    if not (path / "run.sqlite").stat().st_size and not (path / "run.sqlite-wal").exists():
        raise StoreError(f"{path / 'run.sqlite'}: is empty and lacks answers: restore it")
    with Store(path, is_read=True) as store, explain_damage(store):
        yield store


def read_findings(store: Store, *, has_transcripts: bool = True) -> Findings:
    """Reads a finished run from its open store.

    Args:
        store: of the run.
        has_transcripts: whether the answers are read as well.

    Raises:
        StoreError: as in ``load_findings``.
    """
    plan = read_plan(store.path / "plan.lock.json")
    decided = _read_verdict_file(store.path, plan)
    amendments = read_amendments(store.path / "plan.lock.json")
    return Findings(
        plan=plan,
        verdict=mark_verdict(decided.verdict, amendments),
        cells=decided.cells,
        transcripts=_list_transcripts(plan, store) if has_transcripts else (),
        started=store.read_note("started", ""),
        seconds=store.read_note("seconds", 0.0),
        amended=tuple(map(describe_amendment, amendments)),
        second_judge=_second_judge(store.path / "agreement.json", plan),
        path=decided.path,
        e_values=decided.e_values,
        bounds=decided.bounds,
        spending=decided.spending,
        judge_check=decided.judge_check,
        server_notes=(
            *map(str, store.read_note("server_notes", [])),
            *describe_settings(plan, count_settings(store.database)),
        ),
    )


#: Parameters of a call that change no answer's distribution: how many answers it asks for, whether
#: they can be drawn again.
_HARMLESS = frozenset({"n", "num_choices", "seed", "logprobs", "top_logprobs"})


def describe_settings(plan: Plan, counts: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    """Says where a model's answers were drawn with several sets of sampling parameters.

    Args:
        plan: the frozen audit.
        counts: source key, parameters as JSON, answers (``count_settings``).

    Raises:
        StoreError: the parameters are damaged.
    """
    labels = {source_of(plan, model): f"{model.role} {model.name}" for model in plan.models}
    found: dict[str, Counter[str]] = {}
    for source, text, answers in counts:
        try:
            values = dict(parse_json(text))
        except (TypeError, ValueError):
            raise StoreError(f"run.sqlite: sampling parameters are damaged: {text!r:.60}") from None
        shown = ", ".join(f"{k} {v}" for k, v in sorted(values.items()) if k not in _HARMLESS)
        found.setdefault(source, Counter())[shown] += answers
    for source, kinds in found.items():
        if len(kinds) > 1 and source in labels:
            listed = "; ".join(
                f"{answers:,} with {shown}" for shown, answers in kinds.most_common()
            )
            yield (
                f"the sampling parameters of {labels[source]} changed during the run, as its "
                f"server refused some of them: answers drawn {listed}"
            )


def _second_judge(path: Path, plan: Plan) -> tuple[str, ...]:
    """Reads how far the run's second judge, if any, agrees with the first."""
    try:
        record = read_json(path)
        if record["plan_hash"] != plan.hash:
            return ()  # of an earlier plan of this directory
        return tuple(str(sentence) for sentence in record["sentences"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{path}: damaged; {advise_repeating(plan)}") from None


@dataclass(frozen=True, slots=True)
class _VerdictFile:
    """What ``verdict.json`` holds."""

    verdict: Verdict
    cells: tuple[Cell, ...]
    path: tuple[PathPoint, ...]
    e_values: tuple[EValue, ...]
    bounds: tuple[PartialBounds, ...]
    spending: tuple[Expense, ...]
    judge_check: JudgeCheck | None


def _read_verdict_file(run: Path, plan: Plan) -> _VerdictFile:
    path = run / "verdict.json"
    record = read_verdict(path, plan)
    try:
        return _VerdictFile(
            verdict=revive_record(Verdict, record["verdict"]),
            cells=tuple(revive_record(Cell, cell) for cell in record["cells"]),
            path=tuple(revive_record(PathPoint, point) for point in record.get("path", ())),
            e_values=tuple(revive_record(EValue, item) for item in record.get("e_values", ())),
            bounds=tuple(revive_record(PartialBounds, item) for item in record.get("bounds", ())),
            spending=tuple(revive_record(Expense, row) for row in record.get("spending", ())),
            judge_check=_revive_value(JudgeCheck | None, record.get("judge_check")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: damaged: {error}") from None


def read_digests(run: Path, plan: Plan) -> Digests | None:
    """The digests of ``verdict.json``, by cell; None where it has none.

    Raises:
        StoreError: as in ``load_findings``.
    """
    record = read_verdict(run / "verdict.json", plan)
    if "digests" not in record:
        return None  # written by an earlier version
    try:
        cells = {
            (role, seed, cue, question): CellDigest(answers, found)
            for role, seed, cue, question, answers, found in record["digests"]
        }
        return Digests(cells, has_finish=record.get("digests_have_finish", False) is True)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{run / 'verdict.json'}: damaged: {error}") from None


def write_verdict(
    store: Store,
    plan: Plan,
    verdict: Verdict,
    cells: Sequence[Cell],
    path: Sequence[PathPoint] = (),
    e_values: Sequence[EValue] = (),
    bounds: Sequence[PartialBounds] = (),
    judge_check: JudgeCheck | None = None,
) -> None:
    """Writes ``verdict.json``: every number behind the verdict, as ``findings`` reads it.

    ``digests`` has number and hash of the answers of each cell: an edit of ``run.sqlite`` shows.
    """
    digests = digest_answers(read_transcripts(plan, store))
    verdict = mark_verdict(verdict, read_amendments(store.path / "plan.lock.json"))
    record = {
        "plan_hash": plan.hash,
        "version": plan.version,
        "verdict": to_plain(verdict),
        "cells": [to_plain(cell) for cell in cells],
        "path": [to_plain(point) for point in path],
        "e_values": [to_plain(item) for item in e_values],
        "bounds": [to_plain(item) for item in bounds],
        "judge_check": to_plain(judge_check) if judge_check is not None else None,
        "digests": [[*place, *digest] for place, digest in digests.items()],
        "digests_have_finish": True,
        "answers": store.count_answers(),
        "seconds": store.read_note("seconds", 0.0),
        "spending": store.read_note("spending", []),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_atomically(store.path / "verdict.json", text)


def read_plan(path: Path) -> Plan:
    """The frozen plan of a lock file, checked against its hash.

    Raises:
        StoreError: the file is absent, damaged, or was edited after it was frozen.
    """
    lock = read_lock(path)
    if lock is None:
        raise UnfinishedError(f"{path}: no such file: the run has no plan yet; run the audit first")
    try:
        plan = revive_record(Plan, lock["plan"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: damaged: {error}") from None
    if plan.hash != lock["hash"]:
        raise StoreError(
            f"{path}: the plan does not match its hash: it was edited after it was frozen"
        )
    return plan


def sampling_of(plan: Plan, model: ModelCard) -> Sampling:
    """The sampling settings of one model of a plan.

    Each model draws with a seed of its own: two models that shared one would give answers that
    rise and fall together, and the statistics take them as independent.
    """
    own = int(hash_value([plan.seed, str(model.role), model.seed])[:15], 16)
    base = plan.sampling
    return Sampling(
        temperature=base.temperature, top_p=base.top_p, max_tokens=base.max_tokens, seed=own
    )


def source_of(plan: Plan, model: ModelCard) -> str:
    """The key under which the store keeps a model's answers."""
    return source_key(model.fingerprint, sampling_of(plan, model))


def _list_transcripts(plan: Plan, store: Store) -> tuple[Transcript, ...]:
    """``read_transcripts`` as a tuple, with garbage collection paused."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return tuple(read_transcripts(plan, store))
    finally:
        if was_enabled:
            gc.enable()


def read_transcripts(plan: Plan, store: Store) -> Iterator[Transcript]:
    """Every judged answer of a plan, ordered by prompt, model and repeat."""
    # Several cues may give the same prompt: the first of them names it.
    probes = {
        probe.id: (
            probe.cue.name if probe.cue else None,
            probe.arm,
            probe.question.id,
            probe.messages,
        )
        for probe in reversed(pair_probes(plan.questions, plan.cues))
    }
    models = {source_of(plan, model): (model.role, model.seed) for model in plan.models}
    for source, digest, repeat, text, judgement, finish in store.read_rows(plan.judge_fingerprint):
        asked, model = probes.get(digest), models.get(source)
        if asked is None or model is None or judgement is None:
            continue  # stored under an earlier plan of the same directory
        (role, seed), (cue, arm, question, messages) = model, asked
        given = judgement.outcome, judgement.scores, judgement.note, finish
        # By position: names take a third longer, a million times.
        yield Transcript(role, seed, cue, arm, question, repeat, messages, text, *given)


def read_verdict(path: Path, plan: Plan) -> dict[str, Any]:
    """Reads ``verdict.json`` as it stands.

    Raises:
        StoreError: it is absent, damaged or of another plan.
    """
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise UnfinishedError(
            f"{path}: no such file: the run is not finished; {advise_continuing(plan)}"
        ) from None
    except (OSError, ValueError):
        raise StoreError(f"{path}: damaged; {advise_repeating(plan)}") from None
    if not isinstance(record, dict) or record.get("plan_hash") != plan.hash:
        raise UnfinishedError(f"{path}: belongs to another plan; {advise_continuing(plan)}")
    return record


@cache
def _type_hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def revive_record(kind: type[Record], value: Any) -> Record:
    """Turns what ``records.to_plain`` made back into a record.

    Args:
        kind: the record's class.
        value: plain JSON values.

    Raises:
        TypeError, ValueError, KeyError: the value is not a record of that class.
    """
    hints = _type_hints(kind)
    names = [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]
    given = {name: _revive_value(hints[name], value[name]) for name in names if name in value}
    return kind(**{**earlier_values(kind), **given})


def _revive_value(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        return _revive_value(next(a for a in get_args(hint) if a is not NoneType), value)
    if origin is tuple:
        return tuple(_revive_value(get_args(hint)[0], item) for item in value)
    if hint is float:
        return math.nan if value is None else float(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return revive_record(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    return value
