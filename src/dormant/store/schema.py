"""``run.sqlite``: the tables of a run directory, and how the file is opened.

::

    run.sqlite
      meta         key, value             seconds spent, start, stage notes
      sources      id, key                a model's fingerprint with its sampling settings
      probes       id, digest, messages   what was sent
      answers      id, probe, hash, text  each distinct answer to a probe, once
      completions  source, probe, repeat  one row per answer of a model; points to answers
      judgements   judge, answer          one row per distinct (prompt, answer, judge)
      replies      key, reply             what a judge's model replied, before it is a judgement
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from dormant.errors import StoreError
from dormant.errors.files import make_private
from dormant.store.integrity import HASHES_STORED_TEXT

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources(id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS probes(
  id INTEGER PRIMARY KEY, digest TEXT UNIQUE NOT NULL, messages TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers(
  id INTEGER PRIMARY KEY, probe INTEGER NOT NULL, hash BLOB NOT NULL, text TEXT NOT NULL,
  UNIQUE(probe, hash));
CREATE TABLE IF NOT EXISTS completions(
  source INTEGER NOT NULL, probe INTEGER NOT NULL, repeat INTEGER NOT NULL,
  answer INTEGER NOT NULL, finish TEXT NOT NULL, tokens INTEGER NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY(source, probe, repeat)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings(id INTEGER PRIMARY KEY, value TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS completion_settings(
  source INTEGER NOT NULL, probe INTEGER NOT NULL, repeat INTEGER NOT NULL,
  settings INTEGER NOT NULL, PRIMARY KEY(source, probe, repeat)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS judgements(
  judge TEXT NOT NULL, answer INTEGER NOT NULL, outcome TEXT NOT NULL, scores TEXT NOT NULL,
  note TEXT NOT NULL, PRIMARY KEY(judge, answer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replies(key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS completions_by_answer ON completions(answer, finish);
"""

_FORMAT = "1"


def open_database(path: Path) -> sqlite3.Connection:
    """Opens a run's database in WAL mode, its tables made if it is new.

    Raises:
        StoreError: it cannot be opened, is no store of dormant's, or has the format of another
            version.
    """
    try:
        make_private(path)
        db = sqlite3.connect(path)
        is_new = db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        if not is_new:
            check_objects(db, path)  # before anything is written to a file of someone else
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (json.dumps(_FORMAT),))
        if is_new:
            db.execute("INSERT INTO meta VALUES (?, 'true')", (HASHES_STORED_TEXT,))
        db.commit()
        version = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0]
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:  # damage is quoted in messages
        if "database is locked" in str(error):
            raise StoreError(
                f"{path}: another process is writing to it: wait until it has ended, and try again"
            ) from None
        raise StoreError(
            f"{path}: cannot be opened as a run's store ({error}): restore it from a copy, or "
            "start anew with another --out"
        ) from None
    if version != json.dumps(_FORMAT):
        raise StoreError(
            f"{path}: has format {version!r:.40}; this version of dormant reads format {_FORMAT}"
        )
    return db


def check_objects(db: sqlite3.Connection, path: Path) -> None:
    """Checks that a database holds tables only, and those of a store.

    A view can yield rows without end, and a trigger changes what a later step writes.

    Raises:
        StoreError: it holds something else.
        sqlite3.Error: it cannot be read.
    """
    kinds = dict(db.execute("SELECT name, type FROM sqlite_master").fetchall())
    for name, kind in kinds.items():
        if kind not in ("table", "index"):
            raise StoreError(
                f"{path}: holds a {kind} ({name!r:.40}), which dormant never makes: the file was "
                "edited; use an unedited copy"
            )
    if kinds.get("meta") != "table":
        raise StoreError(f"{path}: not a store of dormant's (no table 'meta'): move it away")
