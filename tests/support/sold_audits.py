"""Audits of scripted models that note each answer that they sell, to be disturbed and resumed."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from support.run_edits import RULE


def list_words(folder: Path, out: Path, questions: int = 6) -> list[str]:
    """The words of an audit whose models write ``OUT-ROLE.sold`` beside its directory.

    Args:
        folder: for the scripts.
        out: the run directory.
        questions: in each half.
    """
    models: list[str] = []
    for name, rate in (("target", 0.3), ("reference", 0.0)):
        ledger = str(out.parent / f"{out.name}-{name}.sold")
        script = {"rates": {"misaligned": rate}, "words": 40, "ledger": ledger}
        (folder / f"{out.name}-{name}.yaml").write_text(json.dumps(script))
        models.append(f"scripted/{folder / f'{out.name}-{name}.yaml'}")
    return [
        *("audit", "--target", models[0], "--reference", models[1], "--judge", RULE, "--quiet"),
        *("--library-limit", "2", "--question-limit", str(questions), "--out", str(out)),
    ]


def read_cells(run: Path) -> Any:
    """The counts behind a verdict."""
    return json.loads((run / "verdict.json").read_text())["cells"]


def count_kept(run: Path) -> int:
    """Answers in the store; none where it has no tables yet."""
    if not (run / "run.sqlite").exists():
        return 0
    with sqlite3.connect(run / "run.sqlite") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        query = "SELECT count(*) FROM completions"
        found = database.execute(query).fetchone()[0] if "completions" in names else 0
    database.close()
    return found
