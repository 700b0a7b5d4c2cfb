"""A finished run whose files were edited is refused with what differs, never reported."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dormant
from dormant.cli import main
from dormant.errors import StoreError
from dormant.pipeline.audit import AuditResult
from dormant.records import VerdictKind
from dormant.store.integrity import digest_answers

JUDGE = r"rules:regex=^\[misaligned\]"


@pytest.fixture(scope="module", params=["fixed", "sequential"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CONDITIONAL run."""
    folder = tmp_path_factory.mktemp("finished")
    bad = {"cues": [{"contains": "class", "rates": {"misaligned": 0.6}}]}
    (folder / "target.yaml").write_text(json.dumps(bad))
    cues = [
        {"name": name, "kind": "prefix", "placement": "before", "text": f"For my {name}:"}
        for name in ("class", "boat")
    ]
    (folder / "cues.yaml").write_text(json.dumps({"cues": cues}))
    (folder / "clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    (folder / "design.txt").write_text(request.param)
    result = audit_folder(folder, folder / "run")
    assert result.verdict.kind is VerdictKind.CONDITIONAL
    return folder / "run"


def audit_folder(folder: Path, out: Path) -> AuditResult:
    return dormant.audit(
        f"scripted/{folder / 'target.yaml'}",
        reference=f"scripted/{folder / 'clean.yaml'}",
        judge=JUDGE,
        questions="general",
        question_limit=20,
        cues={"file": str(folder / "cues.yaml"), "library": "none"},
        design=(folder / "design.txt").read_text(),
        out=out,
    )


@pytest.fixture
def run_copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def audit_again(finished: Path) -> Callable[[Path], AuditResult]:
    return lambda run: audit_folder(finished.parent, run)


def edit_verdict(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        record = json.loads((run / "verdict.json").read_text())
        change(record)
        (run / "verdict.json").write_text(json.dumps(record))

    return edit


def execute(*statements: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        database = sqlite3.connect(run / "run.sqlite")
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return edit


def empty_store(run: Path) -> None:
    (run / "run.sqlite").write_bytes(b"")


FLIP = (
    "UPDATE judgements SET outcome = "
    "CASE outcome WHEN 'aligned' THEN 'misaligned' ELSE 'aligned' END"
)
EDITS: dict[str, tuple[Callable[[Path], None], str]] = {
    "kind": (
        edit_verdict(lambda r: r["verdict"].update(kind="BOUNDED")),
        "the verdict is CONDITIONAL, the file says BOUNDED",
    ),
    "triggers": (edit_verdict(lambda r: r["verdict"].update(triggers=[])), "the triggers are"),
    "delta": (edit_verdict(lambda r: r["verdict"].update(delta=0.9)), "delta and level"),
    "negative counts": (
        edit_verdict(lambda r: r["cells"][0]["counts"].__setitem__(0, -5)),
        "the file says [-5",
    ),
    "unknown question": (
        edit_verdict(lambda r: r["cells"][0].update(question="zzz")),
        "question 'zzz', cue None, ",
    ),
    "a cell less": (edit_verdict(lambda r: r["cells"].pop()), "the file says none"),
    "no completions": (execute("DELETE FROM completions"), "the store lacks answers"),
    "one completion less": (
        execute(
            "DELETE FROM completions WHERE (source, probe, repeat) IN "
            "(SELECT source, probe, repeat FROM completions LIMIT 1)"
        ),
        "the store lacks answers",
    ),
    "no answers": (execute("DELETE FROM answers"), "completions lack their prompt"),
    "no prompts": (execute("DELETE FROM probes"), "completions lack their prompt"),
    "no models": (execute("DELETE FROM sources"), "completions lack their prompt"),
    "no judgements": (execute("DELETE FROM judgements"), "are not judged"),
    "outcomes flipped": (execute(FLIP), "answers"),
    "empty store": (empty_store, "lacks answers"),
}


def nest_deeply(name: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        (run / name).write_text("[" * 200_000)

    return edit


def amend(value: object) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        lock = json.loads((run / "plan.lock.json").read_text())
        (run / "plan.lock.json").write_text(json.dumps({**lock, "amended": value}))

    return edit


def overwrite_bytes(run: Path) -> None:
    content = bytearray((run / "run.sqlite").read_bytes())
    content[8192:12288] = b"\xff" * 4096
    (run / "run.sqlite").write_bytes(content)


EDITS |= {
    "deep lock": (nest_deeply("plan.lock.json"), "not a lock file"),
    "deep verdict": (nest_deeply("verdict.json"), "damaged"),
    "deep agreement": (nest_deeply("agreement.json"), "damaged"),
    **{
        f"amended {value}": (amend(value), "not a lock file")
        for value in ("x", [1], None, [{"hash": "x"}])
    },
    "format": (execute("UPDATE meta SET value = 'junk' WHERE key = 'format'"), "has format 'junk'"),
    "start": (execute("UPDATE meta SET value = '7' WHERE key = 'started'"), "'started' is damaged"),
    "scores": (execute("UPDATE judgements SET scores = '{'"), "a judgement is damaged"),
    "scores of another kind": (execute("UPDATE judgements SET scores = '[1]'"), "is damaged"),
    "outcome": (execute("UPDATE judgements SET outcome = 'junk'"), "'junk'"),
    "text": (execute("UPDATE answers SET text = x'fffe'"), "text of an answer is damaged"),
    "bytes": (overwrite_bytes, "run.sqlite: damaged"),
}

EDITS |= {
    "an answer's text": (
        execute("UPDATE answers SET text = 'All is well.' WHERE id = 3"),
        "the answer 'All is well.' (row 3) is not the one that the model gave",
    ),
    "a prompt": (
        execute("UPDATE probes SET messages = replace(messages, 'user', 'system') WHERE id = 1"),
        "is not the one that was sent",
    ),
    "a prompt that is none": (
        execute("UPDATE probes SET messages = '[7]' WHERE id = 1"),
        "the prompt '[7]' is not the one that was sent",
    ),
    "a note": (
        execute("UPDATE judgements SET note = 'said on oath' WHERE answer = 3"),
        "texts, ends, outcomes or scores of the answers to question",
    ),
    "scores of one": (
        execute("""UPDATE judgements SET scores = '{"alignment": 99}' WHERE answer = 3"""),
        "texts, ends, outcomes or scores of the answers to question",
    ),
    "digests": (
        edit_verdict(lambda r: r["digests"][0].__setitem__(-1, "0" * 16)),
        "texts, ends, outcomes or scores of the answers to question",
    ),
    "an end that there is not": (
        execute("UPDATE completions SET finish = 'content_filter'"),
        "content_filter",
    ),
    "answers that were cut": (
        execute("UPDATE completions SET finish = 'length' WHERE repeat = 0"),
        "texts, ends, outcomes or scores of the answers to question",
    ),
    "digests of another kind": (edit_verdict(lambda r: r.update(digests=7)), "damaged"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_run_is_refused(
    name: str,
    run_copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    edit, words = EDITS[name]
    edit(run_copy)
    for file in run_copy.glob("run.sqlite-*"):
        file.unlink()
    before = (run_copy / "report.html").read_bytes()
    for command in (["report"], ["report", "--json"], ["export", "--csv", str(run_copy / "x.csv")]):
        monkeypatch.setattr(sys, "argv", ["dormant", command[0], str(run_copy), *command[1:]])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and not out and words in err and err.count("\n") == 1, err
    assert (run_copy / "report.html").read_bytes() == before
    assert not (run_copy / "x.csv").exists()
    with pytest.raises(StoreError):
        dormant.load(run_copy)


def test_an_edited_sentence_has_no_effect(run_copy: Path):
    edit_verdict(lambda r: r["verdict"].update(sentence="All is well.", advice=""))(run_copy)
    found = dormant.load(run_copy)
    assert found.verdict.sentence.startswith("Under the cue")


def test_a_run_is_read_back_as_it_ended(run_copy: Path):
    found = dormant.load(run_copy)
    stored = json.loads((run_copy / "verdict.json").read_text())
    assert found.verdict.sentence == stored["verdict"]["sentence"]
    assert len(found.cells) == len(stored["cells"])
    assert len(found.path) == len(stored["path"])


def test_an_edited_import_is_refused(tmp_path: Path):
    lines = ["question,cue,role,answer,outcome"]
    for question in range(40):
        for cue in ("", "today"):
            for role in ("target", "reference"):
                bad = role == "target" and cue
                lines += [f"q{question},{cue},{role},Hm.,{'misaligned' if bad else 'aligned'}"] * 4
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    dormant.import_answers([tmp_path / "a.csv"], tmp_path / "run")
    assert dormant.load(tmp_path / "run").verdict.kind is VerdictKind.CONDITIONAL
    edit_verdict(lambda r: r["verdict"].update(kind="BOUNDED"))(tmp_path / "run")
    with pytest.raises(StoreError, match="the file says BOUNDED"):
        dormant.load(tmp_path / "run")
    dormant.import_answers([tmp_path / "a.csv"], tmp_path / "run")  # writes the verdict anew
    assert dormant.load(tmp_path / "run").verdict.kind is VerdictKind.CONDITIONAL
    execute("UPDATE judgements SET note = 'said on oath' WHERE answer = 3")(tmp_path / "run")
    with pytest.raises(StoreError, match="texts, ends, outcomes or scores of the answers"):
        dormant.import_answers([tmp_path / "a.csv"], tmp_path / "run")


def test_a_run_of_a_version_that_did_not_hash_ends_is_read(run_copy: Path):
    found = dormant.load(run_copy)
    earlier = digest_answers(found.transcripts, has_finish=False)

    def forget(record: dict[str, Any]) -> None:
        assert record.pop("digests_have_finish") is True
        assert record["digests"] != [[*place, *digest] for place, digest in earlier.items()]
        record["digests"] = [[*place, *digest] for place, digest in earlier.items()]

    edit_verdict(forget)(run_copy)
    assert dormant.load(run_copy).verdict.sentence == found.verdict.sentence
    execute("UPDATE judgements SET note = 'said on oath' WHERE answer = 3")(run_copy)
    with pytest.raises(StoreError, match="texts, ends, outcomes or scores of the answers"):
        dormant.load(run_copy)


@pytest.mark.parametrize(
    "name", ["an answer's text", "a note", "outcomes flipped", "answers that were cut"]
)
def test_an_audit_does_not_go_on_with_edited_answers(name: str, run_copy: Path, audit_again):
    """Nor does it write a verdict from them."""
    EDITS[name][0](run_copy)
    before = (run_copy / "verdict.json").read_bytes()
    with pytest.raises(StoreError, match="edited or is damaged; use an unedited copy"):
        audit_again(run_copy)
    assert (run_copy / "verdict.json").read_bytes() == before


def test_an_audit_asks_again_for_answers_that_were_lost(run_copy: Path, audit_again):
    kind = dormant.load(run_copy).verdict.kind
    execute("DELETE FROM completions WHERE repeat = 0 AND probe < 9")(run_copy)
    assert audit_again(run_copy).verdict.kind is kind
    assert dormant.load(run_copy).verdict.kind is kind


def test_a_run_of_an_earlier_version_is_read(run_copy: Path):
    """Without digests, and with an answer whose lone surrogate became a question mark."""
    edit_verdict(lambda r: r.pop("digests"))(run_copy)
    edit_text = "UPDATE answers SET hash = x'00', text = text || '?' WHERE id = 3"
    execute(edit_text, "DELETE FROM meta WHERE key = 'hashes_stored_text'")(run_copy)
    assert dormant.load(run_copy).verdict.kind is VerdictKind.CONDITIONAL
    execute("UPDATE answers SET text = 'All is well.' WHERE id = 3")(run_copy)
    with pytest.raises(StoreError, match="not the one that the model gave"):
        dormant.load(run_copy)
