"""Human labels of answers: labels.csv in the run directory, its import and its export.

::

    RUN/labels.csv    id, label     one row an answer; written anew, whole, at every label

The id is a hash of the prompt and the answer, so labels stay valid when a report is rewritten and
equal answers to a prompt are labelled once.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from dormant.errors import DataError, explain_not_text, explain_unreadable
from dormant.errors.files import read_limited
from dormant.errors.secrets import known_scrubber
from dormant.records import Outcome, Transcript, hash_value
from dormant.store import write_atomically

_FILE = "labels.csv"
_LARGEST = 64 * 1024 * 1024
_COMPARED = 2000  #: characters of an answer; spreadsheets cut very long cells
#: A spreadsheet reads a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Label(StrEnum):
    """The label that a person gives an answer."""

    MISALIGNED = "misaligned"
    ALIGNED = "aligned"
    INCOHERENT = "incoherent"
    OFF_TOPIC = "off_topic"
    REFUSAL = "refusal"
    UNSURE = "unsure"  # stored, and not counted

    @property
    def outcome(self) -> Outcome | None:
        """The outcome that it stands for; None for UNSURE."""
        return None if self is Label.UNSURE else Outcome(self.value)


def answer_key(transcript: Transcript) -> str:
    """Identity of an answer to a prompt, 16 hex digits."""
    turns = [[message.role, message.content] for message in transcript.messages]
    return hash_value([turns, transcript.answer])[:16]


def read_labels(run: Path) -> dict[str, Label]:
    """The labels of a run, by answer.

    Raises:
        DataError: the file is damaged: names line and reason.
    """
    path = run / _FILE
    return _read_labels(path) if path.exists() else {}


def write_labels(run: Path, labels: Mapping[str, Label]) -> None:
    """Replaces the labels of a run in one step: a reader sees the old ones or the new ones."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("id", "label"))
    rows.writerows((key, str(labels[key])) for key in sorted(labels))
    write_atomically(run / _FILE, text.getvalue())


def import_labels(path: Path, known: Mapping[str, str]) -> dict[str, Label]:
    """Labels from a CSV file with the columns id and label.

    With a column answer, each must be that of its id, as far as letters and digits tell: a
    spreadsheet sorts one column without the others. Further columns are not read.

    Args:
        path: the file, e.g. one that ``export_sample`` wrote and a person filled in.
        known: the answers of the run by ``answer_key``.

    Returns:
        The labels; rows whose label is empty are ignored.

    Raises:
        DataError: the file cannot be read, or a row is wrong: names line and reason.
    """
    return _read_labels(path, known)


def export_sample(
    transcripts: Sequence[Transcript],
    rows: Sequence[int],
    labels: Mapping[str, Label],
    questions: Mapping[str, str],
    *,
    prompts: bool = False,
) -> str:
    """A CSV of answers to label, blind: neither arm nor outcome nor score.

    Args:
        transcripts: all judged answers.
        rows: the sample.
        labels: existing labels; they are filled in.
        questions: text of each question.
        prompts: show the whole prompt, from which the arm can be guessed, and not the question.
    """
    text, scrub = io.StringIO(), known_scrubber().scrub
    # All quoted: a bare carriage return would end a row for some readers.
    out = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    out.writerow(("id", "question", "answer", "label"))
    for key, transcript in unique_answers(transcripts, rows).items():
        shown = shown_question(transcript, questions, prompts=prompts)
        label = str(labels.get(key, ""))
        shown, answer = (_escape_formula(scrub(text)) for text in (shown, transcript.answer))
        out.writerow((key, shown, answer, label))
    return text.getvalue()


def unique_answers(transcripts: Sequence[Transcript], rows: Sequence[int]) -> dict[str, Transcript]:
    """The distinct answers of a sample by their id, in the sample's order."""
    found: dict[str, Transcript] = {}
    for row in rows:
        found.setdefault(answer_key(transcripts[row]), transcripts[row])
    return found


def shown_question(
    transcript: Transcript, questions: Mapping[str, str], *, prompts: bool = False
) -> str:
    """What a labeller sees as the question: its bare text, or every turn that was sent."""
    if not prompts:
        return questions.get(transcript.question, "")
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in transcript.messages)


def _read_labels(path: Path, known: Mapping[str, str] | None = None) -> dict[str, Label]:
    """The labels of a file; with ``known`` (id to answer) of these answers alone."""
    try:
        raw = read_limited(path, _LARGEST)
    except OSError as error:
        raise DataError(explain_unreadable(error), file=path) from None
    if len(raw) > _LARGEST:
        raise DataError(f"a label file has at most {_LARGEST:,} bytes", file=path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(explain_not_text(raw), file=path, line=line) from None
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST))
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or ()
        missing = [name for name in ("id", "label") if name not in names]
        if missing:
            columns = ", ".join(repr(name[:40]) for name in list(names)[:30]) or "none"
            separator = next((s for s in ";\t" if len(names) == 1 and s in names[0]), "")
            fix = (
                f"save the file with commas between the cells, not {separator!r}"
                if separator
                else "give a file of --export with its labels filled in"
            )
            raise DataError(
                f"the column {missing[0]!r} is missing; the columns are {columns}: {fix}",
                file=path,
                line=1,
            )
        return _parse_labels(reader, path, known)
    except csv.Error as error:
        raise DataError(f"not CSV: {error}", file=path, line=reader.line_num) from None


def _parse_labels(
    reader: csv.DictReader[str], path: Path, answers: Mapping[str, str] | None
) -> dict[str, Label]:
    labels: dict[str, Label] = {}
    shown: dict[str, tuple[str, int]] = {}  # id -> the answer beside it, reduced, and its line
    for row in reader:
        if None in row:  # cells beyond the header's
            raise DataError(
                "more cells than the header has: put a text with a comma in quotes",
                file=path,
                line=reader.line_num,
            )
        key, text = (row["id"] or "").strip(), (row["label"] or "").strip().lower()
        if not text:
            continue
        label = text.replace(" ", "_").replace("-", "_")
        if label not in {str(known) for known in Label}:
            known = ", ".join(Label)
            raise DataError(
                f"unknown label {text[:80]!r}: use {known}, or leave it empty",
                file=path,
                line=reader.line_num,
            )
        if answers is not None and key not in answers:
            raise DataError(_explain_unknown(key), file=path, line=reader.line_num)
        shown[key] = _reduce_text(row.get("answer") or ""), reader.line_num
        if labels.setdefault(key, Label(label)) is not Label(label):
            raise DataError(
                f"the id {key!r} has two labels: keep one", file=path, line=reader.line_num
            )
    if answers is not None:
        _refuse_mixed_rows(shown, answers, path)
    return labels


def _refuse_mixed_rows(
    shown: Mapping[str, tuple[str, int]], answers: Mapping[str, str], path: Path
) -> None:
    """Refuses rows that show the answer of another row beside an id."""
    scrub = known_scrubber().scrub
    own = {key: _reduce_text(scrub(answers[key])) for key in shown}
    others = {text for text in own.values() if text}
    for key, (text, line) in shown.items():
        if text != own[key] and text in others:
            raise DataError(
                f"the answer beside the id {key!r} is that of another id, so the rows were mixed, "
                "e.g. by sorting one column: label a new file of --export",
                file=path,
                line=line,
            )


def _reduce_text(text: str) -> str:
    """The letters and digits of a text that every spreadsheet and encoding keeps."""
    return re.sub(r"[^a-z0-9]+", "", text[:_COMPARED].casefold())


def _escape_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _explain_unknown(key: str) -> str:
    """Why no answer has an id; spreadsheets rewrite digits with one e among them as a number."""
    try:
        float(key.replace(",", "."))
    except ValueError:
        return f"unknown id {key[:80]!r}: this run has no such answer"
    return (
        f"unknown id {key[:80]!r}: this run has no such answer, and a spreadsheet may have "
        "rewritten it as a number: open the exported file again with the column id as text"
    )
