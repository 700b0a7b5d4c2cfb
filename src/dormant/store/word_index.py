"""A full-text index of a run's answers, built in the background in a temporary directory."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import threading
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dormant.errors import InputError, StoreError
from dormant.store.snapshots import Snapshot

LONGEST_SEARCH = 200  #: characters of a search
_CHUNK = 20_000  # rows that are indexed at once; building can stop between chunks
_TERM = re.compile(r'"([^"]*)"?|(\S+)')
_WORD = re.compile(r"[^\W_]+")
#: Scripts without spaces between words: such texts are searched character by character.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class _Query:
    """The parts of a search; all must match, in any order."""

    words: tuple[str, ...]  # case-insensitive; a final star matches any ending
    literals: tuple[str, ...]  # verbatim; ASCII letters are case-insensitive


def parse_search(text: str) -> _Query:
    """Parses a search: words, ``prefix*``, and ``"a literal phrase"``.

    No character is an error: anything that is neither a word nor an operator is searched verbatim.

    Raises:
        InputError: it has more than ``LONGEST_SEARCH`` characters.
    """
    if len(text) > LONGEST_SEARCH:
        raise InputError(f"a search has at most {LONGEST_SEARCH} characters, got {len(text):,}")
    words: list[str] = []
    literals: list[str] = []
    normal = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    for phrase, term in _TERM.findall(normal.replace("\0", " ")):
        found = _WORD.findall(phrase or term)
        if phrase or not found or _UNSPACED.search(term):
            literals += [part for part in (phrase or term,) if part.strip()]
        if not _UNSPACED.search(phrase or term):
            words += found
        if not phrase and found and term.endswith("*") and words:
            words[-1] += "*"
    return _Query(tuple(words), tuple(literals))


class WordIndex:
    """Finds answers and prompts by their words.

    Args:
        snapshot: the run's database.
        prompts: text of each prompt, by the id of its row in ``probes``.
    """

    def __init__(self, snapshot: Snapshot, prompts: Mapping[int, str]):
        self._uri, self._prompts = snapshot.uri, prompts
        self._folder = tempfile.TemporaryDirectory(prefix="dormant-view-")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure = ""
        self.share = 0.0  #: share of the answers that are indexed, 0 to 1
        self._thread = threading.Thread(target=self._build, name="dormant-words", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether words can be searched."""
        return self._ready.is_set() and not self._failure

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the index is built or has failed; returns False on a timeout."""
        return self._ready.wait(seconds)

    def close(self) -> None:
        """Stops building and removes the index."""
        self._stop.set()
        self._thread.join()
        self._folder.cleanup()

    def find_rows(self, text: str, *, in_prompts: bool = False) -> NDArray[np.int64]:
        """Finds the row ids of the answers, or of the prompts, that match a search.

        Args:
            text: the search; see ``parse_search``.
            in_prompts: search prompts instead of answers.

        Raises:
            InputError: the search is too long.
            StoreError: the index is not ready, cannot be built, or the search failed.
        """
        query = parse_search(text)
        if in_prompts:
            held = [row for row, prompt in self._prompts.items() if _holds(prompt, query)]
            return np.array(held, np.int64)
        if not self._ready.is_set():
            raise StoreError(
                f"the index of words is being built ({self.share:.0%}); search again in a moment"
            )
        if self._failure:
            raise StoreError(f"the index of words cannot be built: {self._failure}")
        try:
            with self._lock:
                return self._find_answers(query)
        except sqlite3.Error as error:
            raise StoreError(f"the search failed: {error}") from None

    def _find_answers(self, query: _Query) -> NDArray[np.int64]:
        try:
            return _find_answers(self._database, query)
        except sqlite3.OperationalError:
            # SQLite, whose Unicode tables are older, may split what is one word here.
            every = (*query.literals, *(word.removesuffix("*") for word in query.words))
            return _find_answers(self._database, _Query((), every))

    def _build(self) -> None:
        try:
            self._database = _open_index(Path(self._folder.name) / "words.sqlite", self._uri)
            last = self._database.execute("SELECT max(id) FROM run.answers").fetchone()[0] or 0
            for start in range(0, last + 1, _CHUNK):
                if self._stop.is_set():
                    break
                self._database.execute(
                    "INSERT INTO words(rowid, text) SELECT id, text FROM run.answers"
                    " WHERE id >= ? AND id < ?",
                    (start, start + _CHUNK),
                )
                self.share = min(1.0, (start + _CHUNK) / (last + 1))
            self._database.commit()
        except sqlite3.Error as error:
            self._failure = str(error)
        self._ready.set()


def _open_index(path: Path, run: str) -> sqlite3.Connection:
    database = sqlite3.connect(path.as_uri(), uri=True, check_same_thread=False)
    # A temporary file, of no use after this process: durability is not needed.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("ATTACH ? AS run", (run,))
    database.execute(
        "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, detail=none)"
    )
    return database


def _find_answers(database: sqlite3.Connection, query: _Query) -> NDArray[np.int64]:
    """Row ids of the answers that contain all words and literals."""
    # One concatenated text of ids is read ten times as fast as one row per id.
    tests = ["instr(lower(a.text), ?)"] * len(query.literals)
    literals = [_lower_ascii(literal) for literal in query.literals]
    words = " ".join(_quote_word(word) for word in query.words)
    if words and tests:
        source, values = "words w JOIN run.answers a ON a.id = w.rowid", [words, *literals]
        tests.insert(0, "words MATCH ?")
    elif words:
        source, values, tests = "words", [words], ["words MATCH ?"]
    else:
        source, values = "run.answers a", literals
    row = "rowid" if source == "words" else "a.id"
    found = database.execute(
        f"SELECT group_concat({row}) FROM {source} WHERE {' AND '.join(tests) or '0'}",  # noqa: S608
        values,
    ).fetchone()[0]
    return np.fromstring(str(found or ""), np.int64, sep=",")


def _quote_word(word: str) -> str:
    """A word as a quoted FTS5 string, in which nothing is an operator."""
    return f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"'


def _lower_ascii(text: str) -> str:
    """Lowercases ASCII letters only, as SQLite does."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _holds(text: str, query: _Query) -> bool:
    """Whether a text matches a search."""
    lower = _lower_ascii(text)
    if not all(_lower_ascii(literal) in lower for literal in query.literals):
        return False
    words = set(_WORD.findall(text.casefold()))
    return bool(query.words or query.literals) and all(
        _has_word(words, word.casefold()) for word in query.words
    )


def _has_word(words: Collection[str], word: str) -> bool:
    if word.endswith("*"):
        return any(other.startswith(word[:-1]) for other in words)
    return word in words


def list_terms(text: str) -> Sequence[str]:
    """The terms that a page highlights in the found texts, longest first, without stars."""
    query = parse_search(text)
    terms = {word.removesuffix("*") for word in query.words} | set(query.literals)
    return sorted(terms, key=len, reverse=True)
