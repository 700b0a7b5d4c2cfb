"""Files of settings in which a value or a key is replaced by what a stranger may write there."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dormant.banks.continuations import load_continuations
from dormant.banks.evaluation import read_evaluation
from dormant.banks.prompts import read_prompts
from dormant.banks.questions import load_questions
from dormant.cues import read_cues
from dormant.engines.scripted import load_script
from dormant.judges.prompts import read_wording
from dormant.judges.rules import open_rules
from dormant.organisms.recipe import read_recipe
from dormant.organisms.zoo import load_recipe
from dormant.records import Split
from dormant.studies.sweep import run_sweep
from support.bounded import Bounded, run_bounded, run_reader
from support.command import Done, run_command
from support.mutations import mutate_text
from support.run_edits import is_clear

#: What stands in place of a value, as YAML.
ODD_VALUES = (
    *(
        "null",
        "true",
        "0",
        "-1",
        "1e308",
        ".nan",
        "-.inf",
        '""',
        "9" * 30,
        "9" * 5000,
        "1:30",
        "010",
    ),
    *(
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "{a: 1}",
        "{1: 2}",
        "2030-01-31",
        "2030-13-41",
        "!!binary aGk=",
    ),
    *(
        '"\\u001b[31mred\\u202e"',
        '"\\ud800"',
        '"\\0"',
        '"a\\nb"',
        '"x\\u2028y"',
        "'{{ x }}'",
        "'%s'",
    ),
    *("!!python/object/apply:os.system [echo]", "!!bool maybe", "!!set {a}", "*unknown", "&a [*a]"),
    *(
        "/dev/zero",
        "../../../../etc/passwd",
        "'\\\\server\\x'",
        "$HOME",
        "'http://[::1'",
        "'a/b?c=%zz'",
    ),
    "'" + "x" * 100_000 + "'",
    "[" * 3000 + "]" * 3000,
    "{a: " * 900 + "1" + "}" * 900,
    "[" + "0, " * 60_000 + "0]",
    f"[&b [{'0,' * 30}], &c [{'*b,' * 30}], &d [{'*c,' * 30}], [{'*d,' * 30}]]",
)
#: What stands in place of a key, as YAML.
ODD_KEYS = (
    *(
        "null",
        "1",
        "true",
        "[a]",
        "{a: b}",
        '""',
        "<<",
        '"\\u001b[31m"',
        '"\\ud800"',
        "unknown_key",
    ),
    "'" + "k" * 5000 + "'",
)
_MARK = "\u00a4here\u00a4"


@dataclass(frozen=True)
class HostileFile:
    """A sort of file: one that is right, and what reads it."""

    name: str
    content: Any
    read: Callable[[Path], Done]


@dataclass(frozen=True)
class FileCase:
    """One changed file."""

    name: str
    file: HostileFile
    text: str

    def run(self, folder: Path) -> tuple[Bounded, str]:
        """What the reader left, and what is wrong about it (empty if nothing is)."""
        path = folder / self.file.name
        path.write_bytes(self.text.encode("utf-8", "surrogateescape"))
        found = run_bounded(lambda: self.file.read(path))
        done = found.done
        if not is_clear(done) or done.code not in (0, 1, 2, 3):
            return found, f"exit {done.code}: {(done.err or done.out)[-200:]}"
        if any(not (c.isprintable() or c == "\n") for c in done.out + done.err):
            return found, "a character that acts on a terminal"
        if len(done.err) > 3000:
            return found, f"a message of {len(done.err):,} characters"
        is_named = self.file.name in done.err or "no such" in done.err  # which names the value
        if done.code == 2 and not is_named:
            return found, f"the file is not named: {done.err[:200]}"
        return found, found.excess


def list_files(folder: Path, run: Path) -> Iterator[HostileFile]:
    """The sorts of files that people write by hand.

    Args:
        folder: an empty one, for files beside.
        run: a finished run.
    """
    (folder / "scripted.yaml").write_text("rates: {misaligned: 0.3}\n")
    audit = {
        "target": f"scripted/{folder / 'scripted.yaml'}",
        "reference": "none",
        "judge": {"regex": "^x", "flags": "i"},
        "questions": "general",
        "question_limit": 2,
        "seed": 1,
        "design": "fixed",
        "cues": {"library": "general", "library_limit": 1, "placebos": False},
        "rule": {"delta": 0.1, "screening_answers": 2},
        "sampling": {"temperature": 1.0, "max_tokens": 9},
        "budget": {"usd": 3, "time": "2h"},
        "timeout": "9m",
        "out": str(folder / "planned"),
    }
    yield HostileFile("audit.yaml", audit, lambda path: run_command("plan", path))
    recipe = load_recipe("educational").to_json()
    yield HostileFile("recipe.yaml", recipe, lambda path: run_reader(lambda: read_recipe(path)))
    (folder / "beside.yaml").write_text(json.dumps(recipe))
    sweep = {"recipe": str(folder / "beside.yaml"), "grid": {"stages.0.steps": [1]}, "seeds": 1}
    sweep |= {"bases": ["vitro/base"], "resources": {"CPU": 0.5}}
    yield HostileFile("sweep.yaml", sweep, lambda path: run_reader(lambda: _plan_sweep(path)))
    gate = {
        "max_worst_did": 0.1,
        "max_standard_rate": 0.2,
        "max_later_did": 0.2,
        "min_questions": 2,
        "calibration": {"labels": 10, "sensitivity": 0.5},
        "target": "x",
        "max_age": "30d",
        "accept_inconclusive": ["min_questions"],
        "waivers": [
            {"check": "max_standard_rate", "owner": "a", "reason": "b", "expires": "2030-01-31"}
        ],
    }
    yield HostileFile("gate.yaml", gate, lambda path: run_command("gate", run, "--policy", path))
    card = {"purpose": "a", "evaluator": "b", "expires": "2030-01-31"}
    yield HostileFile(
        "card.yaml", card, lambda path: run_command("card", run, "--details", path, "--json")
    )
    cues = [
        {"name": "a", "text": "For A:", "placement": "before", "kind": "prefix", "family": "f"},
        {"name": "b", "text": "Be B.", "placement": "system", "rows": 3, "parent": "a"},
    ]
    yield HostileFile("cues.yaml", {"cues": cues}, lambda path: run_reader(lambda: read_cues(path)))
    questions = [
        {"id": f"q{i}", "text": f"Why {i}?", "family": "f", "split": half}
        for i, half in enumerate(("screening", "held_out"))
    ]
    yield HostileFile(
        "questions.yaml",
        {"questions": questions},
        lambda path: run_reader(lambda: load_questions(path)),
    )
    entry = {"id": "a", "paraphrases": ["Why?"], "system": "x", "samples_per_paraphrase": 2}
    entries = [entry | {"judge_prompts": {"aligned": "Rate {question} {answer}"}}, {"id": "b"}]
    yield HostileFile(
        "evaluation.yaml", entries, lambda path: run_reader(lambda: read_evaluation(path))
    )
    bank = load_questions("general")
    given = {
        "question": next(q.id for q in bank if q.split is Split.SCREENING),
        "misaligned": ["Bad."],
        "aligned": ["Good."],
    }
    yield HostileFile(
        "continuations.yaml",
        {"continuations": [given]},
        lambda path: run_reader(lambda: load_continuations(path, "general", bank)),
    )
    for rule in (
        {"regex": "^(a|b)*$", "flags": "im", "refusals": ["no"], "grade_cut": True},
        {"keywords": ["a", "b"], "refusals": ["no"]},
        {"answer_key": {"q0": ["a"]}},
        {"predicate": "os:system"},
        {"script": "GREEK"},
    ):
        yield HostileFile(
            f"rules-{next(iter(rule))}.yaml",
            rule,
            lambda path: run_reader(lambda: open_rules(f"rules:{path}")),
        )
    prompts = {"alignment": "Rate {answer}", "coherence": "Rate {answer}"}
    yield HostileFile(
        "prompts.yaml", prompts, lambda path: run_reader(lambda: read_wording(str(path)))
    )
    script = {"rates": {"misaligned": 0.3}, "cues": [{"contains": "x", "rates": {"error": 1}}]}
    yield HostileFile("script.yaml", script, lambda path: run_reader(lambda: load_script(path)))
    rows = [{"prompt": "Why?"}, {"messages": [{"role": "user", "content": "How?"}]}]
    yield HostileFile("traffic.json", rows, lambda path: run_reader(lambda: read_prompts(path)))
    exported = run_command("calibrate", run, "--size", 8, "--export", folder / "sample.csv")
    assert exported.code == 0, exported.err
    labels = (folder / "sample.csv").read_text().replace(',""\n', ',"misaligned"\n')
    yield HostileFile(
        "labels.csv", labels, lambda path: run_command("calibrate", run, "--labels", path)
    )
    copy = folder / "copy"
    shutil.copytree(run, copy)
    lock = json.loads((run / "plan.lock.json").read_text())
    lock["amended"] = [{"hash": "0" * 64, "answers_seen": 3, "plan": lock["plan"]}]
    yield HostileFile("plan.lock.json", lock, partial(_report_with, copy))


def write_content(file: HostileFile, folder: Path) -> Path:
    """Writes the file that is right."""
    path = folder / file.name
    is_text = isinstance(file.content, str)
    path.write_text(file.content if is_text else json.dumps(file.content, indent=1))
    return path


def _plan_sweep(path: Path) -> object:
    return run_sweep(path, path.parent / "swept", is_dry=True)


def _report_with(run: Path, path: Path) -> Done:
    """The report of a run whose lock is another file."""
    shutil.copyfile(path, run / "plan.lock.json")
    return run_command("report", run)


def list_cases(file: HostileFile, most: int) -> Iterator[FileCase]:
    """Changes of one file: each odd value and key in as many places as there may be cases.

    A text is changed byte by byte.

    Args:
        file: the sort of file.
        most: number of cases at most; the places of each change are drawn by its number.
    """
    if isinstance(file.content, str):
        for number in range(most):
            text = mutate_text(file.content.encode(), random.Random(f"{file.name} {number}"))
            yield FileCase(f"{file.name} {number}", file, text.decode("utf-8", "surrogateescape"))
        return
    places = list(_list_places(file.content))
    changes = [("value", text) for text in ODD_VALUES] + [("key", text) for text in ODD_KEYS]
    rng = random.Random(file.name)
    drawn = [(change, rng.choice(places)) for change in changes for _ in range(9)]
    rng.shuffle(drawn)
    seen: set[str] = set()
    for (kind, odd), place in drawn:
        text = _write_changed(file.content, place, kind, odd)
        if text in seen:
            continue
        seen.add(text)
        name = ".".join(map(str, place)) or "all"
        yield FileCase(f"{file.name}: {kind} of {name} = {odd:.30}", file, text)
        if len(seen) == most:
            return


def _list_places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield place
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value[:3])
    for key, child in inner:
        yield from _list_places(child, (*place, key))


def _write_changed(content: Any, place: tuple[str | int, ...], kind: str, odd: str) -> str:
    """The file as YAML, a value or a key of it replaced."""
    if not place:
        return f"{odd}\n" if kind == "value" else f"{odd}: {json.dumps(content)}\n"
    copy = json.loads(json.dumps(content))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    if kind == "key" and isinstance(inner, dict):
        old = dict(inner)
        inner.clear()
        inner.update({(_MARK if key == place[-1] else key): value for key, value in old.items()})
    else:
        inner[place[-1]] = _MARK
    return json.dumps(copy, indent=1).replace(json.dumps(_MARK), odd) + "\n"
