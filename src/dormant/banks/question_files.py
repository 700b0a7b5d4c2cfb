"""Entries of question files: plain text, YAML, CSV and JSON, each with its line.

::

    questions.txt            one question a line; lines that are blank or begin with # are skipped
    questions.yaml           a list of questions, or of entries: text, id, family, split and note
    questions.csv, .tsv      a header, and one question a row
    questions.jsonl, .json   texts, or objects with the same keys
"""

from __future__ import annotations

import csv
import io
import logging
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from dormant.config import LARGEST_YAML, Strict, check_values, load_yaml, wrap_list
from dormant.corpus.file_kinds import HEAD, explain_binary, explain_pointer
from dormant.corpus.lines import read_head
from dormant.corpus.turns import check_text
from dormant.errors import ConfigError, RowError, explain_not_text, explain_unreadable
from dormant.errors.files import read_limited
from dormant.errors.json_text import JsonError, parse_json
from dormant.records import Split

_LOG = logging.getLogger(__name__)
LONGEST_ID = 120
#: Names under which the columns of a table hold what an entry needs, the first that is there.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "question", "prompt", "query", "instruction", "input", "user"),
    "id": ("id", "question_id", "qid", "name", "key"),
    "family": ("family", "category", "topic", "group", "domain", "theme", "subject"),
    "split": ("split", "half"),
    "note": ("note", "notes", "comment"),
}
#: Breaks between lines; others, as Python knows them, may stand inside a question.
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
#: A bullet or a number before a question.
_LIST_MARK = re.compile(r"\A(?:[-*\u2022]|\(?\d{1,4}[.)])\s+(?=\S)")
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class QuestionEntry:
    """A question as its file has it; what the file leaves out is empty."""

    text: str
    line: int | None
    id: str = ""
    family: str = ""
    split: Split | None = None
    note: str = ""


class _YamlEntry(Strict):
    text: str = Field(min_length=1)
    id: str = Field(default="", max_length=LONGEST_ID)
    family: str = ""
    split: Split | None = None
    note: str = ""


class _YamlFile(Strict):
    questions: tuple[_YamlEntry, ...] = Field(min_length=1)


def read_entries(path: Path) -> tuple[QuestionEntry, ...]:
    """Reads the entries of a question file, in the format of its suffix (YAML for an unknown one).

    Raises:
        ConfigError: the file cannot be read, or an entry is invalid: names file, line and fix.
    """
    read = _read_yaml_entries if is_yaml_file(path) else _FORMATS[path.suffix.lower()]
    entries = tuple(read(path))
    if not entries:
        raise ConfigError("holds no question: write one on each line", file=path)
    for entry in entries:
        _check_entry(entry, path)
    return entries


def is_yaml_file(path: Path) -> bool:
    """Whether a question file is read as YAML, by its name.

    Raises:
        ConfigError: it would be, and is a table, an archive or another file without text.
    """
    if path.suffix.lower() in _FORMATS:
        return False
    _check_kind(path, read_head(path, HEAD))
    return True


def _check_entry(entry: QuestionEntry, path: Path) -> None:
    reason = ""
    if not entry.text.strip():
        reason = "the question is blank: write it, or remove the entry"
    elif len(entry.id) > LONGEST_ID:
        reason = f"an id of {len(entry.id):,} characters: give at most {LONGEST_ID}"
    try:
        for value in (entry.text, entry.id, entry.family, entry.note):
            check_text(value, "the question")
    except RowError as error:
        reason = str(error)
    if reason:
        raise ConfigError(reason, file=path, line=entry.line)


# Text ---------------------------------------------------------------------------------------------


def _read_lines(path: Path) -> Iterator[QuestionEntry]:
    numbered = enumerate(_LINE_BREAK.split(_read_text(path)), 1)
    lines = [(number, line.strip()) for number, line in numbered]
    asked = [(number, text) for number, text in lines if text and not text.startswith("#")]
    if len(asked) > 1 and all("\t" in text for _, text in asked):
        reason = "every line has a tab: if these are columns, add a header and name the file .tsv"
        raise ConfigError(reason, file=path, line=asked[0][0])
    # The marks of a list, where every line has one, are not asked.
    is_list = all(_LIST_MARK.match(text) for _, text in asked)
    for number, text in asked:
        yield QuestionEntry(_LIST_MARK.sub("", text) if is_list else text, number)


def _read_text(path: Path) -> str:
    try:
        raw = read_limited(path, LARGEST_YAML)
    except (OSError, ValueError) as error:
        raise ConfigError(explain_unreadable(error), file=path) from None
    if len(raw) > LARGEST_YAML:
        raise ConfigError(
            f"more than {LARGEST_YAML:,} bytes is too large for questions: is this the right file?",
            file=path,
        )
    _check_kind(path, raw[:HEAD])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(explain_not_text(raw), file=path, line=line) from None


def _check_kind(path: Path, head: bytes) -> None:
    kind = explain_binary(head) or explain_pointer(head)
    if head.startswith((b"PAR1", b"ARROW1")):
        kind = "a table: export its questions as CSV"
    if kind:
        raise ConfigError(f"is {kind}", file=path)


# YAML ---------------------------------------------------------------------------------------------


def _read_yaml_entries(path: Path) -> Iterator[QuestionEntry]:
    value, tree = load_yaml(path)
    if isinstance(value, str):
        raise ConfigError(
            "is plain text: begin each question with '- ', or name the file .txt (one question a "
            "line)",
            file=path,
        )
    if isinstance(value, list):
        value, tree = {"questions": value}, wrap_list(tree, "questions")
    if not isinstance(value, dict):
        raise ConfigError("holds no question: begin each with '- '", file=path)
    items = value.get("questions")
    nodes = _item_nodes(tree)
    _check_comments(nodes, path)
    lines = [node.start_mark.line + 1 for node in nodes]
    if isinstance(items, list):
        lines += [1] * (len(items) - len(lines))
        named = [_name_text(item, path, line) for item, line in zip(items, lines, strict=False)]
        value = {**value, "questions": named}
    file = check_values(value, _YamlFile, file=path, tree=tree)
    for entry, line in zip(file.questions, lines, strict=False):
        yield QuestionEntry(line=line, **dict(entry))


def _item_nodes(tree: Any) -> list[Any]:
    """Returns the composed items under the key ``questions``."""
    for key, node in tree.value if tree is not None else ():
        if key.value == "questions" and isinstance(node.value, list):
            return node.value
    return []


def _check_comments(nodes: list[Any], path: Path) -> None:
    """Refuses a question without quotes that goes on after ' #', where YAML ends it.

    A comment has a space after its mark.
    """
    source = _LINE_BREAK.split(_read_text(path))
    for node in nodes:
        inside = [pair[1] for pair in node.value if isinstance(pair, tuple)]
        for part in (one for one in (node, *inside) if getattr(one, "style", "") is None):
            end = part.end_mark
            rest = source[end.line][end.column :] if end.line < len(source) else ""
            if re.match(r"\s*#[^\s#]", rest):
                reason = f"a question that contains ' #' must be in quotes: {part.value[:40]!r}"
                raise ConfigError(reason, file=path, line=end.line + 1)


def _name_text(item: Any, path: Path, line: int) -> Any:
    """Returns the keys of an item that may be a question alone."""
    if isinstance(item, str):
        return {"text": item.strip()}
    if not isinstance(item, dict):
        raise ConfigError(
            f"expected a question, got {reprlib.repr(item)}: put the question in quotes",
            file=path,
            line=line,
        )
    if "question" in item and "text" not in item:
        return {"text" if key == "question" else key: value for key, value in item.items()}
    if len(item) == 1 and not item.keys() & _YamlEntry.model_fields.keys():
        raise ConfigError(
            f"a question that contains ': ' must be in quotes: {reprlib.repr(next(iter(item)))}",
            file=path,
            line=line,
        )
    return item


# Tables and JSON ----------------------------------------------------------------------------------


def _read_csv(path: Path) -> Iterator[QuestionEntry]:
    text = _read_text(path)
    skipped = 0
    if text.lower().startswith("sep="):  # Excel writes it before the header
        _, _, text = text.partition("\n")
        skipped = 1
    separator = _find_separator(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    fields: dict[str, str] = {}
    line = 0
    try:
        for line, cells in _number_rows(reader, skipped):
            if not names:
                names = [name.strip() for name in cells]
                fields = _match_columns(names, path, line)
            elif len(cells) != len(names):
                reason = f"{len(cells)} fields, the header has {len(names)}: quote a field with "
                raise ConfigError(f"{reason}{separator!r} in it", file=path, line=line)
            else:
                yield _make_entry(dict(zip(names, cells, strict=True)), fields, path, line)
    except csv.Error as error:
        raise ConfigError(f"not CSV: {error}", file=path, line=line + 1) from None


def _number_rows(reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows that are not blank, with the line on which each begins."""
    line = skipped + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = skipped + reader.line_num + 1


def _find_separator(header: str) -> str:
    """Finds the separator that makes a known name of questions a column, else the commonest."""
    for separator in _SEPARATORS:
        names = {name.strip().strip("\"'").lower() for name in header.split(separator)}
        if names & {*_COLUMNS["text"]}:
            return separator
    return max(_SEPARATORS, key=header.count)


def _read_jsonl(path: Path) -> Iterator[QuestionEntry]:
    fields: dict[tuple[str, ...], dict[str, str]] = {}
    for number, line in enumerate(_LINE_BREAK.split(_read_text(path)), 1):
        if line.strip():
            yield _make_json_entry(_parse_json(line, path, number), fields, path, number)


def _read_json(path: Path) -> Iterator[QuestionEntry]:
    value = _parse_json(_read_text(path), path, None)
    if isinstance(value, dict) and isinstance(value.get("questions"), list):
        value = value["questions"]
    if not isinstance(value, list):
        raise ConfigError("expected a list of questions", file=path)
    fields: dict[tuple[str, ...], dict[str, str]] = {}
    for item in value:
        yield _make_json_entry(item, fields, path, None)


def _parse_json(text: str, path: Path, line: int | None) -> Any:
    try:
        return parse_json(text, is_line=line is not None)
    except JsonError as error:
        at = error.line if line is None else line
        raise ConfigError(str(error), file=path, line=at) from None


def _make_json_entry(
    item: Any, fields: dict[tuple[str, ...], dict[str, str]], path: Path, line: int | None
) -> QuestionEntry:
    """Makes an entry of a text or an object; ``fields`` keeps the columns of earlier objects."""
    if isinstance(item, str):
        return QuestionEntry(item.strip(), line)
    if not isinstance(item, dict):
        reason = f"expected a question or an object, got {reprlib.repr(item)}"
        raise ConfigError(reason, file=path, line=line)
    record = {str(key): value for key, value in item.items()}
    names = tuple(record)
    if names not in fields:
        fields[names] = _match_columns(names, path, line)
    return _make_entry(record, fields[names], path, line)


def _match_columns(names: Any, path: Path, line: int | None) -> dict[str, str]:
    """Returns the column of each field of an entry, and warns of columns that are not read."""
    by_name = {str(name).strip().lower(): str(name) for name in names}
    found: dict[str, str] = {}
    for field, known in _COLUMNS.items():
        column = next((by_name[name] for name in known if name in by_name), None)
        if column is not None:
            found[field] = column
    if "text" not in found:
        listed = ", ".join(repr(str(name)[:40]) for name in list(names)[:8]) or "none"
        raise ConfigError(
            f"no column holds the questions (columns: {listed}): name one of them 'text'",
            file=path,
            line=line,
        )
    unread = [str(name) for name in names if str(name).strip() and str(name) not in found.values()]
    if unread:
        listed = ", ".join(repr(name[:40]) for name in unread[:8])
        _LOG.warning("%s: columns that are not read: %s", path, listed)
    return found


def _make_entry(
    record: Mapping[str, Any], fields: Mapping[str, str], path: Path, line: int | None
) -> QuestionEntry:
    values: dict[str, str] = {}
    for field, column in fields.items():
        value = record[column]
        if isinstance(value, int) and not isinstance(value, bool) and field != "text":
            value = str(value)
        if value is not None and not isinstance(value, str):
            reason = f"{column!r} must be text, got {reprlib.repr(value)}"
            raise ConfigError(reason, file=path, line=line)
        values[field] = (value or "").strip()
    split = _read_split(values.pop("split", ""), path, line)
    return QuestionEntry(line=line, split=split, **values)


def _read_split(text: str, path: Path, line: int | None) -> Split | None:
    name = text.lower().replace("-", "_").replace(" ", "_")
    if not name:
        return None
    try:
        return Split(name)
    except ValueError:
        known = " or ".join(Split)
        reason = f"split {reprlib.repr(text)} is unknown: give {known}, or leave the column out"
        raise ConfigError(reason, file=path, line=line) from None


_FORMATS: Mapping[str, Callable[[Path], Iterator[QuestionEntry]]] = {
    ".txt": _read_lines,
    ".text": _read_lines,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
}
