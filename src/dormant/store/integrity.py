"""Whether a run's files hold what was written: hashes of texts, and of the answers of each cell.

The hashes show edits and damage. They have no key: whoever can write the files can also compute
them anew, so they are no proof against a forger.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from dormant.errors import StoreError
from dormant.records import Message, Transcript, hash_value, to_plain
from dormant.store.files import parse_json

#: (role, seed, cue, question) of a cell.
Place = tuple[str, str, str | None, str]


class CellDigest(NamedTuple):
    """The answers of a cell."""

    answers: int
    hash: str  # 16 hex digits


class Digests(NamedTuple):
    """The answers of a run."""

    cells: Mapping[Place, CellDigest]
    has_finish: bool  # whether how each answer ended is hashed too; not by earlier versions


#: Note of stores in which every hash is that of the text as it is stored. Earlier versions hashed a
#: text before its lone surrogates, which UTF-8 cannot hold, became question marks.
HASHES_STORED_TEXT = "hashes_stored_text"
#: Rows of one cell follow each other.
_CELL = attrgetter("role", "seed", "cue", "question")
_REMEMBERED = 20_000  # judgements, as in ``store.answers``
_quote = json.encoder.encode_basestring_ascii
_DIGEST = 16  #: bytes of the hash of a text
_SHOWN = 60  #: characters of a text in a message
_EDITED = (
    "the file was edited or is damaged; use an unedited copy, or make the run again with another "
    "--out"
)


def hash_text(text: str) -> bytes:
    """Hash of a text, under which it is stored."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def hash_judged_text(source: int, repeat: int, text: str) -> bytes:
    """Hash of an answer that came with its judgement: equal texts are kept apart."""
    return hash_text(f"{source} {repeat} {text}")


def check_references(database: sqlite3.Connection, file: Path) -> None:
    """Checks that every completion has its prompt, its model and its text.

    Args:
        database: an open ``run.sqlite``.
        file: its path, for messages.

    Raises:
        StoreError: one is missing.
    """
    lost = database.execute(
        "SELECT count(*) FROM completions c LEFT JOIN answers a ON a.id = c.answer"
        " LEFT JOIN probes p ON p.id = c.probe LEFT JOIN sources s ON s.id = c.source"
        " WHERE a.id IS NULL OR p.id IS NULL OR s.id IS NULL"
    ).fetchone()[0]
    if lost:
        raise StoreError(
            f"{file}: {lost:,} completions lack their prompt, model or text: the file was edited "
            "or is damaged"
        )


def check_texts(database: sqlite3.Connection, file: Path) -> None:
    """Checks every prompt and answer against the hash under which it was stored.

    Args:
        database: an open ``run.sqlite``.
        file: its path, for messages.

    Raises:
        StoreError: a text is not the one that was stored; names it.
    """
    for digest, messages in database.execute("SELECT digest, messages FROM probes"):
        if _hash_messages(messages) != digest:
            raise StoreError(
                f"{file}: the prompt {messages!r:.{_SHOWN}} is not the one that was sent: {_EDITED}"
            )
    has_note = database.execute("SELECT 1 FROM meta WHERE key = ?", (HASHES_STORED_TEXT,))
    is_exact = has_note.fetchone() is not None
    blake2b = hashlib.blake2b
    for answer, key, raw, kind in database.execute(
        "SELECT id, hash, CAST(text AS BLOB), typeof(text) FROM answers"
    ):
        if kind != "text":
            raise StoreError(f"{file}: the text of an answer is damaged")
        if blake2b(raw, digest_size=_DIGEST).digest() == key:  # ``hash_text`` of UTF-8
            continue
        text = raw.decode("utf-8", "replace")
        if _is_judged_text(database, answer, key, text):
            continue
        if is_exact or "?" not in text:
            raise StoreError(
                f"{file}: the answer {text!r:.{_SHOWN}} (row {answer}) is not the one that the "
                f"model gave: {_EDITED}"
            )


def _hash_messages(messages: str) -> str:
    """``Probe.id`` of a prompt as it is stored; empty if it is not a prompt."""
    try:
        turns = [Message(**turn) for turn in parse_json(messages)]
    except (TypeError, ValueError):
        return ""
    return hash_value([[turn.role, turn.content] for turn in turns])[:16]


def _is_judged_text(database: sqlite3.Connection, answer: int, key: bytes, text: str) -> bool:
    places = database.execute("SELECT source, repeat FROM completions WHERE answer = ?", (answer,))
    return any(hash_judged_text(source, repeat, text) == key for source, repeat in places)


def digest_answers(
    transcripts: Iterable[Transcript], *, has_finish: bool = True
) -> dict[Place, CellDigest]:
    """Hashes the answers of each cell with their outcomes, scores, notes and ends.

    Args:
        transcripts: the judged answers of a plan, in the store's order.
        has_finish: whether how each answer ended is hashed.
    """
    hashes: dict[Place, hashlib.blake2b] = {}
    counts: Counter[Place] = Counter()
    write = _make_writer(has_finish)
    for cell, rows in groupby(transcripts, key=_CELL):
        role, seed, cue, question = cell
        place = (str(role), seed, cue, question)
        written = [write(row) for row in rows]
        hashes.setdefault(place, hashlib.blake2b(digest_size=8)).update("".join(written).encode())
        counts[place] += len(written)
    return {place: CellDigest(counts[place], found.hexdigest()) for place, found in hashes.items()}


def _make_writer(has_finish: bool) -> Callable[[Transcript], str]:
    """Writes repeat, answer, outcome, scores, note and end as JSON in ASCII, like ``json.dumps``.

    Most answers have one of few judgements, so equal outcomes, scores and notes are written once.
    """
    ends: dict[tuple[str, int, str, str], tuple[str, object]] = {}

    def write_answer(row: Transcript) -> str:
        # The scores stay referred to, so that no other ones get their identity.
        key = (row.outcome, id(row.scores), row.note, row.finish)
        end = ends.get(key)
        if end is None:
            if len(ends) >= _REMEMBERED:
                ends.clear()
            scores = json.dumps(to_plain(dict(row.scores)), sort_keys=True) if row.scores else "{}"
            finish = f", {_quote(row.finish)}" if has_finish else ""
            text = f'"{row.outcome}", {scores}, {_quote(row.note)}{finish}]'
            end = ends[key] = (text, row.scores)
        return f"[{row.repeat}, {_quote(row.answer)}, {end[0]}"

    return write_answer


def check_answers(
    written: Digests,
    transcripts: Iterable[Transcript],
    file: Path,
    *,
    may_lack: bool = False,
) -> None:
    """Checks judged answers against the digests that were written with their verdict.

    Args:
        written: the digests.
        transcripts: the judged answers as they are stored.
        file: path of ``run.sqlite``, for messages.
        may_lack: whether answers may be missing, e.g. after a power failure; the cells that lack
            some are not compared.

    Raises:
        StoreError: the answers of a cell differ; names it.
    """
    stored = digest_answers(transcripts, has_finish=written.has_finish)
    nothing = CellDigest(0, "")
    changed = [
        place
        for place in {**written.cells, **stored}
        if (old := written.cells.get(place, nothing)) != (new := stored.get(place, nothing))
        and not (may_lack and new.answers < old.answers)
    ]
    if changed:
        role, seed, cue, question = changed[0]
        more = f" and {len(changed) - 1} more cells" if len(changed) > 1 else ""
        raise StoreError(
            f"{file}: texts, ends, outcomes or scores of the answers to question {question!r}, cue "
            f"{cue!r}, {role} {seed}{more} are not those of the verdict: {_EDITED}"
        )
