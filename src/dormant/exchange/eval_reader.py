"""Inspect's ``.eval`` logs as rows of plain values, and the rule that an export put into one.

A sample written by dormant has its keys in ``metadata[KEY]`` (the columns of ``export.COLUMNS``)
and its outcome in the score of that name; the task ``dormant/conditional`` writes the same, so both
are read alike. Of other logs the question, answer, model, system prompt, sample metadata and every
scorer's value become columns, to be mapped by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dormant.errors import DataError, MissingExtraError, explain_unreadable
from dormant.errors.packed_logs import check_packed_log, describe_broken_log

#: Key of dormant's part of a sample's metadata, and name of its score.
KEY = "dormant"
#: Key of the rule in the metadata of a log.
RULE = "dormant_rule"
_CHUNK = 1000  #: samples read at once


def read_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Yields each sample of a log as columns.

    Raises:
        DataError: the file is not a log.
        MissingExtraError: inspect-ai is not installed.
    """
    log = open_inspect()
    check_packed_log(path)
    try:
        header = log.read_eval_log(str(path), header_only=True)
        roles = {
            name: config[0].model if isinstance(config, list) else config.model
            for name, config in (header.eval.model_roles or {}).items()
        }
        # By id and in chunks: reading one by one would reopen the file for each sample.
        listed = log.read_eval_log_sample_summaries(str(path))
        places = [(summary.id, summary.epoch) for summary in listed]
        for start in range(0, len(places), _CHUNK):
            for sample in log.read_eval_log_samples_by_id(
                str(path), places[start : start + _CHUNK], exclude_fields={"events", "store"}
            ):
                yield _sample_values(sample, header.eval.model, roles)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(explain_unreadable(error), file=path) from None
    except DataError:
        raise
    except Exception as error:  # the reader passes on errors of zip, JSON and its models
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(describe_broken_log(reason), file=path) from None


def read_rule(path: Path) -> bytes | None:
    """Returns the rule that ``export_eval`` stored in the log, as JSON; None if there is none."""
    log = open_inspect()
    check_packed_log(path)
    try:
        metadata = log.read_eval_log(str(path), header_only=True).eval.metadata or {}
    except Exception as error:
        raise DataError(describe_broken_log(type(error).__name__), file=path) from None
    rule = metadata.get(RULE)
    return None if rule is None else json.dumps(rule).encode()


def _sample_values(sample: Any, model: str, roles: Mapping[str, str]) -> dict[str, Any]:
    metadata = dict(sample.metadata or {})
    ours = metadata.pop(KEY, None)
    values: dict[str, Any] = {}
    if isinstance(ours, dict):
        values.update(ours)
        values.setdefault("model", roles.get(str(values.get("role")), model))
    else:
        values.update({str(name): _plain_value(value) for name, value in metadata.items()})
        values.setdefault("question_id", str(sample.id))
        values.setdefault("model", model)
        values.update(_sample_prompt(sample))
    values["repeat"] = sample.epoch - 1
    values["answer"] = sample.output.completion
    if sample.error is not None:
        values["error"] = sample.error.message
    for name, score in (sample.scores or {}).items():
        values.update(_score_values(name, score))
    return values


def _sample_prompt(sample: Any) -> dict[str, str]:
    if isinstance(sample.input, str):
        turns = [("user", sample.input)]
    else:
        turns = [(turn.role, turn.text) for turn in sample.input]
    # A solver may have added a system prompt before the sample's own input.
    system = [turn.text for turn in sample.messages if turn.role == "system"]
    user = [text for role, text in turns if role == "user"]
    return {"question": user[-1] if user else "", "system": system[0] if system else ""}


def _score_values(name: str, score: Any) -> Iterator[tuple[str, Any]]:
    if name == KEY:
        details = score.metadata or {}
        yield "outcome", details.get("outcome")
        yield "scores", details.get("scores")
        yield "note", score.explanation or ""
    elif isinstance(score.value, dict):
        for part, value in score.value.items():
            yield str(part), value
    else:
        yield name, _plain_value(score.value)


def _plain_value(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def open_inspect() -> Any:
    """Imports the part of Inspect that reads and writes logs.

    Raises:
        MissingExtraError: inspect-ai is not installed.
    """
    try:
        import inspect_ai.log
    except ImportError:
        raise MissingExtraError("inspect-ai", "api") from None
    return inspect_ai.log
