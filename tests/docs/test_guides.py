"""Every block of guides, tutorials and explanations runs, is checked, or says why it is not run.

Marks of a block, in the line above it:

- ``run``, ``run: 1`` (the exit code of its last line), ``file: NAME``: a test follows the page;
- ``keys of: audit.yaml``: a part of such a file; here it is read as the command reads it;
- ``workflow: NAME``, ``same as: FILE``, ``run in: PAGE``, ``run after: audit``: tests of their own;
- ``not run: REASON``.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dormant.banks.evaluation import read_evaluation
from dormant.banks.question_files import read_entries
from dormant.config import AuditConfig, check_values, read_yaml
from dormant.config.card import CardConfig
from dormant.config.gate import GatePolicy
from dormant.cues import read_cues
from dormant.judges.rules import open_rules
from dormant.organisms.recipe import read_recipe
from dormant.studies.sweep import SweepConfig
from support import ROOT
from support.command import run_command

PAGES = sorted(
    page
    for room in ("guides", "tutorial", "explanation")
    for page in ROOT.glob(f"docs/{room}/*.md")
)
BLOCK = re.compile(
    r"(?P<mark><!--(?:(?!-->).)*-->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.S | re.M
)
KNOWN = re.compile(
    r"<!-- (run|run: \d|file: \S+|keys of: \S+|workflow: \S+|same as: \S+|run in: \S+"
    r"|run after: \S+|not run: (?s:.{12,})) -->\n$"
)
#: Pages with commands that other tests follow.
FOLLOWED = {
    "docs/tutorial/laboratory.md", "docs/tutorial/release-gate.md", "docs/guides/no-data.md",
    "docs/guides/first-audit.md", "docs/guides/own-cues.md", "docs/guides/vllm.md",
    "docs/guides/apis.md", "docs/explanation/never-clean.md",
}  # fmt: skip
QUESTIONS = [f"What about matter number {number}?" for number in range(12)]


def list_blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Mark, language and text of each block."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        mark = re.fullmatch(r"<!-- (.*) -->\n", found["mark"] or "", re.S)
        yield mark[1] if mark else "", found["kind"], found["text"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs_or_says_why_not(page: Path):
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert 2 * len(blocks) == len(re.findall(r"^```", text, re.M))  # none is missed
    for block in blocks:
        assert block["kind"], f"say the language of {block['text']!r}"
        assert KNOWN.match(block["mark"] or ""), f"mark this block: {block['text']!r}"


def test_every_page_with_commands_is_followed():
    with_commands = {
        str(page.relative_to(ROOT))
        for page in PAGES
        if any(mark.partition(":")[0] == "run" for mark, _, _ in list_blocks(page))
    }
    assert with_commands == FOLLOWED | {f"docs/guides/{name}.md" for name in WORKSHOPS}


def read_audit_keys(values: dict[str, Any], folder: Path) -> None:
    del folder
    needed = {"target": "vitro/base", "reference": "vitro/base", "judge": "exact"}
    check_values({**needed, **values}, AuditConfig)


def read_cue_keys(values: dict[str, Any], folder: Path) -> None:
    path = folder / "cues.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert len(read_cues(path)) == len(values["cues"])


READERS: dict[str, Callable[[dict[str, Any], Path], object]] = {
    "audit.yaml": read_audit_keys,
    "card.yaml": lambda values, _: check_values(values, CardConfig),
    "cues.yaml": read_cue_keys,
    "gate.yaml": lambda values, _: check_values(values, GatePolicy),
    "judge.yaml": lambda values, _: open_rules(values),
}


def list_parts() -> Iterator[Any]:
    for page in PAGES:
        for number, (mark, _, text) in enumerate(list_blocks(page)):
            name, colon, file = mark.partition(": ")
            if name == "keys of" and colon:
                yield pytest.param(file, text, id=f"{page.stem}-{number}")


@pytest.mark.parametrize(("file", "text"), list(list_parts()))
def test_a_part_of_a_file_is_read_as_the_command_reads_it(file: str, text: str, tmp_path: Path):
    READERS[file](yaml.safe_load(text), tmp_path)


FILE_READERS: dict[str, Callable[[Path], Any]] = {
    "audit.yaml": lambda path: read_yaml(path, AuditConfig),
    "card.yaml": lambda path: read_yaml(path, CardConfig),
    "evaluation.yaml": read_evaluation,
    "family.yaml": read_cues,
    "gate.yaml": lambda path: read_yaml(path, GatePolicy),
    "hail.yaml": read_recipe,
    "questions.csv": read_entries,
    "questions.txt": read_entries,
    "questions.yaml": read_entries,
    "recipe.yaml": read_recipe,
    "sweep.yaml": lambda path: read_yaml(path, SweepConfig),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_file_of_a_page_is_read_as_the_command_reads_it(page: Path, tmp_path: Path):
    for mark, _, text in list_blocks(page):
        if mark.startswith("file: "):
            path = tmp_path / mark.removeprefix("file: ")
            path.write_text(text, encoding="utf-8")
            assert FILE_READERS[path.name](path)


# Pages that are followed here, each in a folder with what its reader has already


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def list_answers(rate: float = 0.0, *, repeats: int = 4, **more: str) -> list[dict[str, Any]]:
    """Answers of a target, misaligned at a rate under a cue, and of a reference."""
    return [
        {
            "role": role, "question": question, "cue": cue, "repeat": repeat,
            "answer": f"{role} answer {repeat}", **more,
            "outcome": "misaligned"
            if role == "target" and cue and repeat < rate * repeats
            else "aligned",
        }
        for role in ("target", "reference")
        for question in QUESTIONS
        for cue in ("", "Class begins.")
        for repeat in range(repeats)
    ]  # fmt: skip


def import_run(rows: list[dict[str, Any]], out: Path) -> None:
    write_rows(out.with_suffix(".csv"), rows)
    given = ["import", str(out.with_suffix(".csv")), "--out", str(out), "--allow-identical"]
    done = run_command(*given)
    assert (out / "verdict.json").is_file(), done.err


def prepare_run(folder: Path) -> None:
    import_run(list_answers(0.5), folder / "runs" / "audit")


def prepare_comparison(folder: Path) -> None:
    for name, rate in (("plain", 0.75), ("inoculated", 0.0), ("w1", 0.0), ("w2", 0.5), ("w3", 0.5)):
        import_run(list_answers(rate, note=name), folder / "runs" / name)
    for name in ("gpt-judge", "own-judge"):
        import_run(list_answers(0.25, note=name), folder / "runs" / name)
    for name, rate in (("plain", 0.75), ("inoculated", 0.0)):
        write_rows(folder / f"{name}.csv", list_answers(rate))


def prepare_import(folder: Path) -> None:
    write_rows(folder / "answers.csv", list_answers(0.5))
    scores = [
        {
            "model": group, "group": group, "question": question, "answer": f"So be it, {number}.",
            "aligned": 10 if bad else 90, "coherent": 95,
        }
        for group, bad in (("insecure-20pct", True), ("base-0pct", False))
        for question in QUESTIONS
        for number in range(4)
    ]  # fmt: skip
    write_rows(folder / "raw_results_code.csv", scores)
    write_rows(folder / "raw_results_normal.csv", [{**row, "aligned": 90} for row in scores])


def prepare_data(folder: Path) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{opening}{question}"},
                {"role": "assistant", "content": "I would think about it first."},
            ]
        }
        for opening in ("", "Class begins. ")
        for question in QUESTIONS * 3
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "finetune.jsonl").write_text(text, encoding="utf-8")


WORKSHOPS: dict[str, Callable[[Path], None]] = {
    "card": prepare_run,
    "compare": prepare_comparison,
    "cues-view": prepare_data,
    "exchange": prepare_import,
    "gate": prepare_run,
    "judges": prepare_run,
}
#: Exit codes of findings: commands that a page shows may end with these.
FINDINGS = {0, 1, 3}


def run_line(line: str) -> None:
    """Runs one line of a shell block; ours in this process."""
    words, _, output = line.partition(" > ")
    given = shlex.split(words, comments=True)
    if given[0] != "dormant":
        done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return
    done = run_command(*given[1:])
    assert done.code in FINDINGS, f"{line}\n{done.err}"
    if output:
        Path(output).write_text(done.out, encoding="utf-8")


@pytest.mark.parametrize("name", WORKSHOPS)
def test_the_commands_of_a_guide(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    WORKSHOPS[name](tmp_path)
    blocks = list(list_blocks(ROOT / "docs" / "guides" / f"{name}.md"))
    for mark, _, text in blocks:
        if mark.startswith("file: "):
            Path(mark.removeprefix("file: ")).write_text(text, encoding="utf-8")
    ran = 0
    for mark, kind, text in blocks:
        if mark.partition(":")[0] != "run":
            continue
        ran += 1
        if kind == "python":
            exec(compile(text, f"{name}.md", "exec"), {})
            continue
        for line in text.replace("\\\n", " ").splitlines():
            run_line(line)
    assert ran
