"""The sampling parameters with which answers were drawn, as their calls were sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


def write_settings(database: sqlite3.Connection, rows: Sequence[tuple[int, int, int, str]]) -> None:
    """Writes the parameters of completions, inside the caller's transaction.

    Args:
        database: an open ``run.sqlite``.
        rows: row of the source, row of the probe, repeat, and parameters as JSON; completions
            without (an empty text) are left out.
    """
    known = [row for row in rows if row[3]]
    database.executemany(
        "INSERT OR IGNORE INTO settings(value) VALUES (?)", {(row[3],) for row in known}
    )
    database.executemany(
        "INSERT OR REPLACE INTO completion_settings SELECT ?, ?, ?, id FROM settings"
        " WHERE value = ?",
        known,
    )


def count_settings(database: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Source key, sampling parameters as JSON, and how many answers were drawn with them.

    Answers whose parameters are not recorded are left out.
    """
    return database.execute(
        "SELECT s.key, v.value, count(*) FROM completions c"
        " JOIN completion_settings cs USING (source, probe, repeat)"
        " JOIN settings v ON v.id = cs.settings JOIN sources s ON s.id = c.source"
        " GROUP BY s.key, v.value ORDER BY s.key, count(*) DESC, v.value"
    ).fetchall()
