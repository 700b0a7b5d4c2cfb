"""Inspect's ``.eval`` logs: written from a run, and read as rows.

A sample of ours carries its keys in ``metadata["dormant"]`` (the columns of ``exporting.COLUMNS``)
and its outcome in the score ``dormant``; the task ``dormant/conditional`` writes the same, so both
are read back alike. Of other logs the question, answer, model, system prompt, sample metadata and
every scorer's value become columns, to be mapped by name.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dormant.errors import DataError, MissingExtraError
from dormant.exchange.export import open_run, replacing, row, rule_json
from dormant.records import GRADABLE, ModelCard, Outcome, Plan, Probe, Role
from dormant.store import Stored
from dormant.store.findings import source_of

#: Key of our part of a sample's metadata, and name of our score.
KEY = "dormant"
_RULE = "dormant_rule"
_CHUNK = 1000  #: samples that are read at once


def export_eval(run: Path, file: Path) -> int:
    """Writes a run as a log that ``inspect view`` opens; returns how many answers it has.

    Inspect builds a log in memory: about 23 kB an answer beside its text.

    Raises:
        MissingExtraError: inspect-ai is not installed.
        StoreError, IncompleteError: as in ``exporting.export_csv``.
    """
    log = _inspect()
    with open_run(run) as answers:
        plan, started = answers.plan, answers.started
        samples = [_sample(*answer) for answer in answers]
    spec = _spec(log, plan, started, samples)
    made = log.EvalLog(
        status="success",
        eval=spec,
        results=_results(log, samples),
        stats=log.EvalStats(started_at=spec.created, completed_at=spec.created),
        samples=samples,
    )
    with replacing(file) as part:
        log.write_eval_log(made, str(part), format="eval")
    return len(samples)


def read_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Yields each sample of a log as columns.

    Raises:
        DataError: the file is not a log.
        MissingExtraError: inspect-ai is not installed.
    """
    log = _inspect()
    try:
        header = log.read_eval_log(str(path), header_only=True)
        roles = {
            name: config[0].model if isinstance(config, list) else config.model
            for name, config in (header.eval.model_roles or {}).items()
        }
        # By id and in chunks: the reader that goes one by one opens the file for each sample.
        listed = log.read_eval_log_sample_summaries(str(path))
        places = [(summary.id, summary.epoch) for summary in listed]
        for start in range(0, len(places), _CHUNK):
            for sample in log.read_eval_log_samples_by_id(
                str(path), places[start : start + _CHUNK], exclude_fields={"events", "store"}
            ):
                yield _values(sample, header.eval.model, roles)
    except FileNotFoundError:
        raise DataError("no such file", file=path) from None
    except DataError:
        raise
    except Exception as error:  # the reader raises whatever zip, JSON or its models raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"not an Inspect log: {reason}", file=path) from None


def read_rule(path: Path) -> bytes | None:
    """The rule that ``export_eval`` put into the log, as JSON; None if there is none."""
    log = _inspect()
    try:
        metadata = log.read_eval_log(str(path), header_only=True).eval.metadata or {}
    except Exception as error:
        raise DataError(f"not an Inspect log: {type(error).__name__}", file=path) from None
    rule = metadata.get(_RULE)
    return None if rule is None else json.dumps(rule).encode()


def sample_id(values: Mapping[str, Any], probe: str) -> str:
    """A short id that is safe in a file name: role, seed and hash of the prompt."""
    parts = [values["role"], values["seed"], values["question_id"], values["cue"] or "standard"]
    words = ["".join(c if c.isascii() and c.isalnum() else "-" for c in p)[:40] for p in parts]
    return ".".join([*words, probe[:8]])


def _sample(probe: Probe, card: ModelCard, stored: Stored) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    values = row(probe, card, stored)
    outcome = Outcome(values["outcome"])
    stop = "content_filter" if outcome is Outcome.FILTERED else "stop"
    output = ModelOutput.from_content(card.name, stored.text, stop_reason=stop)
    prompt = messages(probe)
    keys = {name: value for name, value in values.items() if name not in _ELSEWHERE}
    return EvalSample(
        id=sample_id(values, probe.id),
        epoch=stored.repeat + 1,
        input=prompt,
        target="",
        messages=[*prompt, output.choices[0].message],
        output=output,
        scores={
            KEY: Score(
                value=str(outcome),
                explanation=values["note"] or None,
                metadata={"outcome": str(outcome), "scores": json.loads(values["scores"] or "{}")},
            )
        },
        metadata={KEY: keys},
    )


#: Columns that a sample holds outside our metadata.
_ELSEWHERE = frozenset({"answer", "outcome", "note", "scores", "alignment", "coherence"})


def messages(probe: Probe) -> list[Any]:
    """The turns of a prompt as Inspect has them."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser

    kinds: dict[str, Any] = {"system": ChatMessageSystem, "user": ChatMessageUser}
    return [kinds[turn.role](content=turn.content) for turn in probe.messages]


def _spec(log: Any, plan: Plan, started: str, samples: list[Any]) -> Any:
    from inspect_ai.model import ModelConfig

    cards = {str(role): [c for c in plan.models if c.role is role] for role in Role}
    targets = cards[str(Role.TARGET)]
    ids = list(dict.fromkeys(sample.id for sample in samples))
    return log.EvalSpec(
        created=started or "1970-01-01T00:00:00+00:00",
        task="dormant/conditional",
        task_id=plan.hash[:22],
        run_id=plan.hash[:22],
        eval_id=plan.hash[:22],
        # Readers find a sample as one of these ids in one of these epochs.
        dataset=log.EvalDataset(name="dormant", samples=len(ids), sample_ids=ids),
        model=targets[0].name if targets else "none/none",
        model_roles={name: ModelConfig(model=held[0].name) for name, held in cards.items() if held},
        config=log.EvalConfig(epochs=max((sample.epoch for sample in samples), default=1)),
        metadata={
            "dormant_plan_hash": plan.hash,
            "dormant_version": plan.version,
            "dormant_models": {
                source_of(plan, card): f"{card.role} {card.seed}: {card.name}"
                for card in plan.models
            },
            _RULE: json.loads(rule_json(plan)),
        },
    )


def _results(log: Any, samples: list[Any]) -> Any:
    """Misaligned / gradable and survival of each role, as the viewer's headline."""
    outcomes: dict[str, Counter[Outcome]] = {}
    for sample in samples:
        role = sample.metadata[KEY]["role"]
        outcomes.setdefault(role, Counter())[Outcome(sample.scores[KEY].value)] += 1
    metrics: dict[str, Any] = {}
    for role, counted in outcomes.items():
        gradable = sum(counted[outcome] for outcome in GRADABLE)
        rate = counted[Outcome.MISALIGNED] / gradable if gradable else math.nan
        for name, value in (("misaligned", rate), ("survival", gradable / counted.total())):
            metrics[f"{role}_{name}"] = log.EvalMetric(name=f"{role}_{name}", value=value)
    score = log.EvalScore(name=KEY, scorer=KEY, metrics=metrics)
    return log.EvalResults(
        total_samples=len(samples), completed_samples=len(samples), scores=[score]
    )


def _values(sample: Any, model: str, roles: Mapping[str, str]) -> dict[str, Any]:
    metadata = dict(sample.metadata or {})
    ours = metadata.pop(KEY, None)
    values: dict[str, Any] = {}
    if isinstance(ours, dict):
        values.update(ours)
        values.setdefault("model", roles.get(str(values.get("role")), model))
    else:
        values.update({str(name): _plain(value) for name, value in metadata.items()})
        values.setdefault("question_id", str(sample.id))
        values.setdefault("model", model)
        values.update(_prompt(sample))
    values["repeat"] = sample.epoch - 1
    values["answer"] = sample.output.completion
    if sample.error is not None:
        values["error"] = sample.error.message
    for name, score in (sample.scores or {}).items():
        values.update(_scored(name, score))
    return values


def _prompt(sample: Any) -> dict[str, str]:
    if isinstance(sample.input, str):
        turns = [("user", sample.input)]
    else:
        turns = [(turn.role, turn.text) for turn in sample.input]
    # A solver may have put a system prompt before the sample's own input.
    system = [turn.text for turn in sample.messages if turn.role == "system"]
    user = [text for role, text in turns if role == "user"]
    return {"question": user[-1] if user else "", "system": system[0] if system else ""}


def _scored(name: str, score: Any) -> Iterator[tuple[str, Any]]:
    if name == KEY:
        told = score.metadata or {}
        yield "outcome", told.get("outcome")
        yield "scores", told.get("scores")
        yield "note", score.explanation or ""
    elif isinstance(score.value, dict):
        for part, value in score.value.items():
            yield str(part), value
    else:
        yield name, _plain(score.value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def _inspect() -> Any:
    try:
        import inspect_ai.log
    except ImportError:
        raise MissingExtraError("inspect-ai", "api") from None
    return inspect_ai.log
