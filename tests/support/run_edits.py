"""Edits of a finished run's files: each must be refused, or end in one clear line."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.command import Done, run_command

Edit = Callable[[Path], None]
RULE = r"rules:regex=^\[misaligned\]"


def make_run(folder: Path) -> list[str]:
    """Audits a scripted model in ``folder/run``; gives the words of the command."""
    (folder / "target.yaml").write_text("rates: {misaligned: 0.3}\n")
    (folder / "clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    words = [
        *("audit", "--target", f"scripted/{folder / 'target.yaml'}"),
        *("--reference", f"scripted/{folder / 'clean.yaml'}", "--judge", RULE, "--quiet"),
        *("--library-limit", "2", "--question-limit", "4", "--out", str(folder / "run")),
    ]
    done = run_command(*words)
    assert done.code in (0, 1, 3), done.err
    return words


def change_json(name: str, change: Callable[[Any], Any]) -> Edit:
    """Changes a JSON file; what the function returns replaces it, unless that is None."""

    def edit(run: Path) -> None:
        value = json.loads((run / name).read_text())
        changed = change(value)
        (run / name).write_text(json.dumps(value if changed is None else changed))

    return edit


def write(name: str, content: bytes) -> Edit:
    """Replaces a file."""
    return lambda run: (run / name).write_bytes(content) and None


def sql(*statements: str) -> Edit:
    """Runs statements on the store."""

    def edit(run: Path) -> None:
        with sqlite3.connect(run / "run.sqlite") as db:
            for statement in statements:
                db.execute(statement)
        db.close()

    return edit


def flip_bytes(seed: int) -> Edit:
    """Replaces bytes in the middle of the store."""

    def edit(run: Path) -> None:
        path = run / "run.sqlite"
        raw = bytearray(path.read_bytes())
        rng = random.Random(seed)
        for _ in range(rng.choice((1, 20, 2000))):
            raw[rng.randrange(100, len(raw))] = rng.randrange(256)
        path.write_bytes(raw)

    return edit


def _set(key: str, value: Any) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        *path, last = key.split(".")
        for step in path:
            record = record[int(step) if step.isdigit() else step]
        record[int(last) if last.isdigit() else last] = value

    return change


#: What ``report`` must refuse.
LIES: dict[str, Edit] = {
    "another verdict": change_json("verdict.json", _set("verdict.kind", "BOUNDED")),
    "a negative count": change_json("verdict.json", _set("cells.0.counts.0", -5)),
    "an unknown question": change_json("verdict.json", _set("cells.0.question", "zzz")),
    "another delta": change_json("verdict.json", _set("verdict.delta", 0.5)),
    "no completions": sql("DELETE FROM completions"),
    "no answers": sql("DELETE FROM answers"),
    "no probes": sql("DELETE FROM probes"),
    "no sources": sql("DELETE FROM sources"),
    "some completions": sql("DELETE FROM completions WHERE repeat = 1"),
    "flipped outcomes": sql(
        "UPDATE judgements SET outcome = CASE outcome WHEN 'aligned' THEN 'misaligned'"
        " ELSE 'aligned' END"
    ),
    "other texts": sql("UPDATE answers SET text = text || '!'"),
    "other prompts": sql("UPDATE probes SET messages = replace(messages, 'user', 'system')"),
    "an empty store": write("run.sqlite", b""),
    "a store of another kind": write("run.sqlite", b"SQLite format 3\0" + b"x" * 5000),
}

#: What must end in one clear line.
DAMAGE: dict[str, Edit] = {
    "a deep lock": write("plan.lock.json", b"[" * 200_000),
    "a deep calibration": write("calibration.json", b"[" * 100_000),
    "a deep verdict": write("verdict.json", b"[" * 200_000),
    "an empty lock": write("plan.lock.json", b""),
    "a lock of another kind": write("plan.lock.json", b"[1, 2]"),
    "a lock of bytes": write("plan.lock.json", bytes(range(256))),
    "meta.format junk": sql("UPDATE meta SET value = 'junk' WHERE key = 'format'"),
    "meta.format blob": sql("UPDATE meta SET value = x'00ff' WHERE key = 'format'"),
    "meta.format absent": sql("DELETE FROM meta WHERE key = 'format'"),
    "meta.started 7": sql("UPDATE meta SET value = '7' WHERE key = 'started'"),
    "meta.seconds text": sql("UPDATE meta SET value = '\"x\"' WHERE key = 'seconds'"),
    "meta.seconds blob": sql("UPDATE meta SET value = x'ff' WHERE key = 'seconds'"),
    "meta.spending junk": sql("INSERT OR REPLACE INTO meta VALUES ('spending', '[[1]]')"),
    "meta.server_notes junk": sql("INSERT OR REPLACE INTO meta VALUES ('server_notes', '{}')"),
    "scores {": sql("UPDATE judgements SET scores = '{'"),
    "scores [1]": sql("UPDATE judgements SET scores = '[1]'"),
    "scores of text": sql("""UPDATE judgements SET scores = '{"a": "b"}'"""),
    "scores deep": sql(f"UPDATE judgements SET scores = '{'[' * 100_000}'"),
    "a note that is a blob": sql("UPDATE judgements SET note = x'ff'"),
    "an unknown outcome": sql("UPDATE judgements SET outcome = 'good'"),
    "an outcome that is a blob": sql("UPDATE judgements SET outcome = x'ff'"),
    "a repeat that is text": sql("UPDATE completions SET repeat = 'x' WHERE repeat = 0"),
    "a finish that is a blob": sql("UPDATE completions SET finish = x'ff'"),
    "an error that is a number": sql("UPDATE completions SET finish = 'error', error = 7"),
    "a text that is a blob": sql("UPDATE answers SET text = x'ff'"),
    "a text that is no UTF-8": sql("UPDATE answers SET text = CAST(x'ffff' AS TEXT)"),
    "a source that is a blob": sql("UPDATE sources SET key = x'ff' WHERE id = 1"),
    "a probe of no JSON": sql("UPDATE probes SET messages = '{'"),
    "no table": sql("DROP TABLE judgements"),
    "another table": sql("DROP TABLE judgements", "CREATE TABLE judgements(x)"),
    "settings junk": sql(
        "INSERT INTO settings(value) VALUES ('[')",
        "INSERT INTO completion_settings SELECT source, probe, repeat, 1 FROM completions",
    ),
    **{
        f"amended {value!r:.20}": change_json("plan.lock.json", _set("amended", value))
        for value in ("x", [1], None, [{"hash": "x"}], {}, [None], 5)
    },
    **{
        f"plan {value!r:.20}": change_json("plan.lock.json", _set("plan", value))
        for value in ("x", [1], None, {}, 5)
    },
    **{
        f"verdict {key}={value!r:.20}": change_json("verdict.json", _set(key, value))
        for key, value in (
            ("verdict", None),
            ("verdict.kind", "GOOD"),
            ("verdict.estimates", 7),
            ("verdict.triggers", "abc"),
            ("verdict.sentence", 5),
            ("cells", None),
            ("cells.0", []),
            ("cells.0.counts", "x"),
            ("cells.0.counts.0", "x"),
            ("digests", 5),
            ("digests", [[1]]),
            ("spending", 5),
            ("path", 5),
        )
    },
    **{f"flipped bytes {seed}": flip_bytes(seed) for seed in range(12)},
    # A finish, the schema, a note and another finish are no UTF-8 then.
    **{f"flipped bytes {seed}": flip_bytes(seed) for seed in (111, 119, 124, 133)},
}


def try_edit(
    edit: Edit, made: Path, words: list[str], folder: Path, *, asked: str = "report export audit"
) -> dict[str, Done]:
    """What ``report``, ``export`` and the same audit say of a copy of a run that was edited."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(made, copy)
    edit(copy)
    out = words.index("--out")
    again = [*words[: out + 1], str(copy), *words[out + 2 :]]
    commands = {
        "report": ("report", copy),
        "export": ("export", copy, "--csv", folder / "x.csv"),
        "audit": again,
    }
    return {name: run_command(*commands[name]) for name in asked.split()}


def is_clear(done: Done) -> bool:
    """Whether a command ended as it should: no defect, no traceback, one line of an error."""
    lines = [line for line in done.err.splitlines() if line.startswith("dormant: ")]
    text = done.err + done.out
    is_bug = "bug in dormant" in text or "Traceback" in text
    return not is_bug and (done.code in (0, 1, 3) or len(lines) == 1)
