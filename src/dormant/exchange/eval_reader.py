"""Inspect's ``.eval`` logs as rows of plain values, and the rule that an export put into one.

A sample written by dormant has its keys in ``metadata[KEY]`` (the columns of ``export.COLUMNS``)
and its outcome in the score of that name; the task ``dormant/conditional`` writes the same, so both
are read alike. Of other logs the question, answer, model, system prompt, sample metadata and every
scorer's value become columns, to be mapped by name.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dormant.errors import DataError, MissingExtraError, explain_unreadable

#: Key of dormant's part of a sample's metadata, and name of its score.
KEY = "dormant"
#: Key of the rule in the metadata of a log.
RULE = "dormant_rule"
_CHUNK = 1000  #: samples read at once
#: Largest log, sample and other part once unpacked, in bytes, and most parts (one a sample).
_LARGEST_LOG, _LARGEST_SAMPLE, _LARGEST_PART, _MOST_PARTS = 8 << 30, 32 << 20, 1 << 30, 1_000_000
_MOST_PACKED = 200  #: how much smaller a large part may be packed
#: Keeps the brackets of JSON alone, and hundreds of them opened without one closed in between.
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"{}[]"))
_DEEP = b"[" * 500


def read_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Yields each sample of a log as columns.

    Raises:
        DataError: the file is not a log.
        MissingExtraError: inspect-ai is not installed.
    """
    log = open_inspect()
    _check_sizes(path)
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
        raise DataError(_describe_broken(reason), file=path) from None


def _check_sizes(path: Path) -> None:
    """Refuses a log that takes more memory than it seems, before anything of it is built.

    Raises:
        DataError: names the part that is too large, or nested too deeply.
    """
    if not zipfile.is_zipfile(path):
        return  # a log in JSON, or none: its reader says so
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS or sum(p.file_size for p in parts) > _LARGEST_LOG:
                raise DataError(
                    f"unpacks to more than {_LARGEST_LOG >> 30} GiB or {_MOST_PARTS:,} parts, too "
                    "large for a log",
                    file=path,
                )
            for part in parts:
                is_sample = part.filename.startswith("samples/")
                most = _LARGEST_SAMPLE if is_sample else _LARGEST_PART
                if part.file_size > _LARGEST_SAMPLE:  # zeros in a row, not summaries
                    most = min(most, _MOST_PACKED * part.compress_size)
                if part.file_size > most:
                    raise DataError(
                        f"its part {part.filename!r:.80} unpacks to {part.file_size:,} bytes, more "
                        f"than the {most:,} that are read of such a part",
                        file=path,
                    )
                _check_depth(archive.read(part), part.filename, path)
    except (DataError, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        return  # packed in a way that only Inspect's own reader knows
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(_describe_broken(type(error).__name__), file=path) from None


def _check_depth(raw: bytes, name: str, path: Path) -> None:
    """Raises ``DataError`` for JSON that is nested deeper than any log: it may take gigabytes.

    Brackets inside texts count too, so only a run of opening brackets as in a hostile file fails.
    """
    if _DEEP in raw.translate(_BRACKETS, _OTHERS):
        raise DataError(f"its part {name!r:.80} is nested too deeply for a log", file=path)


def _describe_broken(reason: str) -> str:
    return (
        f"not an Inspect log ({reason}): copy it again if the run that wrote it has ended, or "
        "rename it to the suffix of what it is"
    )


def read_rule(path: Path) -> bytes | None:
    """Returns the rule that ``export_eval`` stored in the log, as JSON; None if there is none."""
    log = open_inspect()
    _check_sizes(path)
    try:
        metadata = log.read_eval_log(str(path), header_only=True).eval.metadata or {}
    except Exception as error:
        raise DataError(_describe_broken(type(error).__name__), file=path) from None
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
