"""Attacks everything that reads what others wrote, and counts what held: the table of the log.

::

    memory     100 connections with replies of up to 20 MB: the audit stays under 1 GB
    browser    reports whose every text is markup, opened in Chromium
    kills      an audit is killed (SIGKILL) at random numbers of answers and continued: the same
               counts, and no answer that was kept is bought again
    disks      an audit whose disk is full at thirty sizes, continued: the same
    together   two commands at once on one run directory
    configs    every sort of file that people write, each value and key replaced
    faults     replies of a server that are wrong in every part: one line, no money lost, bounds
    files      runs, YAML, cue files, rows, logs and labels with bytes, values and parts changed
    sandbox    chat templates that loop, grow and look for a way out
    leaks      a key, or a proxy's password, echoed in every place and every form

``python benchmarks/attacks.py [PART ...] [--limit N]`` prints a row for each part, and each
case that failed; with a limit the first N cases of each part are tried.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dormant.corpus.reader import read_examples
from dormant.corpus.sandbox import ExcessError, InvalidTemplate, Sandbox, TemplateRefusal
from dormant.cues import read_cues
from dormant.engines import Job
from dormant.engines.api import ApiEngine, Budget, Price, retries
from dormant.engines.api.diagnostics import diagnose
from dormant.errors import DormantError
from dormant.records import Message, Sampling
from dormant.report import write_report
from support import hostile_findings, run_edits
from support.bounded import run_bounded, run_within
from support.command import Done, run_command
from support.hostile_configs import list_cases, list_files
from support.hostile_server import (
    NAME,
    HostileReply,
    chat_reply,
    error_reply,
    hostile_server,
    pack_spaces,
)
from support.kills import count_sold, kill_at_answer
from support.mutations import mutate_text
from support.sold_audits import count_kept, list_words, read_cells

MOST_LOST = 8  # answers to one prompt, which a kill may lose

Case = tuple[str, str]  # name, what went wrong (empty if it held)


def measure(name: str, attack: Callable[[], str]) -> Case:
    """Runs a case in a process of its own, within its bounds; it says what went wrong."""
    found = run_bounded(lambda: Done(0, try_attack(attack), ""))
    problem = found.done.out or ("" if found.done.code == 0 else found.done.err)
    return name, problem or found.excess


def try_attack(attack: Callable[[], str]) -> str:
    """What went wrong with a case: its own words, or an exception."""
    try:
        return attack()
    except DormantError as error:
        return "" if "\n" not in str(error) else "an error of several lines"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


# Kills


def kill_audits(folder: Path) -> Iterator[Case]:
    """Twenty audits, each killed at three random numbers of answers and then finished."""
    whole, sold = audit_undisturbed(folder)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    rng = random.Random(1)
    for number in range(20):
        place = folder / f"killed-{number}"
        place.mkdir()
        words = list_words(place, place / "run")
        command = [sys.executable, "-m", "dormant", *words]
        lost = 0
        for kill, moment in enumerate(sorted(rng.sample(range(sold), 3))):
            before = lost
            if kill_at_answer(command, place, moment):
                lost = count_sold(place) - count_kept(place / "run")
                is_held = lost - before <= MOST_LOST
                yield f"kill {number}.{kill}", "" if is_held else f"{lost - before} answers lost"
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        held = done.returncode in (0, 1, 3) and read_cells(place / "run") == whole
        again = count_sold(place) - sold
        problem = "" if held else f"{done.returncode} {done.stderr[-200:]}"
        problem = problem or ("" if again == lost else f"{again} bought again, {lost} lost")
        yield f"after the kills of {number}", problem


def audit_undisturbed(folder: Path) -> tuple[Any, int]:
    """The counts of an audit that nothing disturbs, and how many answers it buys."""
    (folder / "whole").mkdir()
    done = run_command(*list_words(folder / "whole", folder / "whole" / "run"))
    assert done.code in (0, 1, 3), done.err
    return read_cells(folder / "whole" / "run"), count_sold(folder / "whole")


def fill_disks(folder: Path) -> Iterator[Case]:
    """Audits whose disk is full at thirty sizes, twice each; then finished."""
    whole, sold = audit_undisturbed(folder)
    largest = max(path.stat().st_size for path in (folder / "whole" / "run").iterdir())
    for number in range(30):
        place = folder / f"full-{number}"
        place.mkdir()
        words = list_words(place, place / "run")
        size = int(largest * (number + 0.5) / 30)
        found = run_within(size, lambda words=words: run_command(*words))
        is_named = str(place / "run") in found.err and found.code in (2, 4)
        problem = "" if is_named and run_edits.is_clear(found) else f"{found.code} {found.err}"
        lost = count_sold(place) - count_kept(place / "run")
        done = run_command(*words)
        if done.code not in (0, 1, 3) or read_cells(place / "run") != whole:
            problem = problem or f"not the same: {done.code} {done.err[-200:]}"
        again = count_sold(place) - sold
        yield f"disk of {size:,} bytes", problem or ("" if again == lost else f"{again} again")


def run_together(folder: Path) -> Iterator[Case]:
    """Two commands at once on one run directory: one works, the other is refused in one line."""
    whole, sold = audit_undisturbed(folder)
    (folder / "gate.yaml").write_text("min_answers: 1\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    verbs = ("audit", "audit", "report", "gate", "card", "export")
    for number, verb in enumerate(verbs * 3):
        place = folder / f"together-{number}"
        place.mkdir()
        run = place / "run"
        words = list_words(place, run)
        others = {
            "audit": words,
            "gate": ["gate", str(run), "--policy", str(folder / "gate.yaml")],
            "export": ["export", str(run), "--csv", str(place / "answers.csv")],
        }
        first = start_command(words, environment)
        while count_sold(place) < sold * (number % 5) / 5 and first.poll() is None:
            time.sleep(0.002)
        second = start_command(others.get(verb, [verb, str(run)]), environment)
        wrong: list[str] = []
        for process in (first, second):
            _, errors = process.communicate()
            lines = errors.strip().splitlines()
            is_refused = process.returncode in (2, 4) and len(lines) == 1 and str(place) in errors
            if not (is_refused or process.returncode in (0, 1, 3)) or "bug in" in errors:
                wrong.append(f"{process.returncode} {errors[-200:]}")
        done = run_command(*words)
        if done.code not in (0, 1, 3) or read_cells(run) != whole or count_sold(place) != sold:
            wrong.append(f"not the same: {done.err[-200:]} {count_sold(place)} of {sold} answers")
        yield f"{verb} beside an audit, {number}", "; ".join(wrong)


def start_command(words: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Starts ``dormant WORDS``."""
    command = [sys.executable, "-m", "dormant", *words]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def attack_configs(folder: Path) -> Iterator[Case]:
    """Settings, recipes, policies, cues, rules, labels and plans with values and keys replaced."""
    for name in ("made", "beside", "changed"):
        (folder / name).mkdir()
    run_edits.make_run(folder / "made")
    for file in list_files(folder / "beside", folder / "made" / "run"):
        for case in list_cases(file, 40):
            yield case.name, case.run(folder / "changed")[1]


# Faults

ODD_VALUES = [
    None,
    True,
    0,
    -1,
    1e300,
    "x",
    "",
    [],
    {},
    [[]],
    "\ud800",
    "[" * 500,
    math.nan,
    math.inf,
]


def list_faults() -> Iterator[tuple[str, HostileReply]]:
    """Replies that are wrong in one part."""
    yield from list_wrong_values()
    yield from list_wrong_replies()


def list_wrong_values() -> Iterator[tuple[str, HostileReply]]:
    """Chat completions with a value that is none."""
    good = json.loads(chat_reply("fine").body)
    places = [
        ("choices",),
        ("choices", 0),
        ("choices", 0, "message"),
        ("choices", 0, "message", "content"),
        ("choices", 0, "finish_reason"),
        ("choices", 0, "index"),
        ("usage",),
        ("usage", "prompt_tokens"),
        ("usage", "completion_tokens"),
    ]
    for place, value in itertools.product(places, ODD_VALUES):
        body = json.loads(json.dumps(good))
        inner = body
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        yield (
            f"{'.'.join(map(str, place))} = {value!r:.20}",
            HostileReply(json.dumps(body).encode()),
        )
    for cost in ("NaN", "1e999", "-1", "-1e308", '"x"', "[]", "true", "9" * 400):
        usage = f'{{"prompt_tokens": 20, "completion_tokens": 5, "cost": {cost}}}'
        yield f"cost {cost:.10}", chat_reply("fine", usage=usage)
    for logprob in ("1000", "1e308", "NaN", "-1e999", '"x"', "null"):
        body = chat_reply("80").body.replace(
            b'"finish_reason"',
            b'"logprobs": {"content": [{"token": "80", "logprob": %b}]}, "finish_reason"'
            % logprob.encode(),
        )
        yield f"log-probability {logprob}", HostileReply(body)


def list_wrong_replies() -> Iterator[tuple[str, HostileReply]]:
    """Waits, depths, packings and statuses that are none."""
    for wait in (
        *("0", "-5", "1e9", "1e400", "nan", "x", ""),
        *("Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ):
        for status in (429, 503):
            yield f"{status} Retry-After {wait}", error_reply(status, Retry_After=wait)
    for status, depth in itertools.product(
        (200, 400, 401, 422, 429, 500, 503), (900, 1100, 200_000)
    ):
        body = b'{"error": {"message": ' + b"[" * depth + b"]" * depth + b"}}"
        yield f"{status} nested {depth} deep", HostileReply(body, status)
    bomb = pack_spaces(64 << 20)
    for status in (200, 400, 500):
        yield f"{status} bomb", HostileReply(bomb, status, {"Content-Encoding": "gzip"})
        for encoding in ("br", "zstd", "gzip", "deflate", "x" * 500):
            reply = HostileReply(b"junk", status, {"Content-Encoding": encoding})
            yield f"{status} packed as {encoding:.8}", reply
    for status in (201, 204, 206, 301, 302, 304, 400, 402, 404, 408, 409, 418, 425, 451, 507, 599):
        for body in (b"", b"null", b"\xff\xfe", b'{"error": null}'):
            yield f"{status} {body!r:.20}", HostileReply(body, status)


def attack_engine(folder: Path) -> Iterator[Case]:
    """Every fault, answered to every call."""
    del folder
    os.environ["LOCAL_API_KEY"] = "sk-canary-4f7a91c2e8"
    for name, reply in list_faults():

        def attack(reply: HostileReply = reply) -> str:
            budget = Budget(usd=10.0)
            with hostile_server(lambda *_: reply) as server:
                os.environ["LOCAL_BASE_URL"] = server.url
                engine = ApiEngine(NAME, budget=budget, price=Price(1, 1), connections=2, timeout=5)
                jobs = [Job((Message("user", f"question {i}"),), range(2)) for i in range(2)]
                got: list[tuple[int, int]] = []
                try:
                    for batch in engine.sample(jobs, Sampling()):
                        got += [(reply.job, reply.repeat) for reply in batch]
                finally:
                    if not (math.isfinite(engine.usd) and 0 <= budget.spent < 10):
                        return f"spent {budget.spent}, {engine.usd}"  # noqa: B012
                    if len(server.bodies) > 200:
                        return f"{len(server.bodies)} calls"  # noqa: B012
            return "" if len(set(got)) == len(got) == 4 else f"answers {sorted(got)}"

        yield measure(name, attack)


# Files


def attack_readers(folder: Path) -> Iterator[Case]:
    """Changed files, each through the reader or the command that takes it."""
    words = run_edits.make_run(folder)
    for name, edit in {**run_edits.LIES, **run_edits.DAMAGE}.items():
        found = run_edits.try_edit(edit, folder / "run", words, folder)
        bad = [verb for verb, done in found.items() if not run_edits.is_clear(done)]
        if name in run_edits.LIES and found["report"].code != 2:
            bad.append("report took it for the truth")
        yield f"run: {name}", ", ".join(bad)
    run_command("export", folder / "run", "--csv", folder / "answers.csv")
    rows = [
        {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]}
        for i in range(6)
    ]
    audit = {
        "target": "vitro/base",
        "reference": "none",
        "judge": "rules:regex=^HA",
        "seed": 1,
        "cues": {"mine": 2},
        "rule": {"delta": 0.1},
        "budget": {"usd": 3, "time": "2h"},
    }
    cue_file = b"cues:\n" + b"".join(
        b"- {name: c%d, text: Text %d., placement: before, rows: 3}\n" % (i, i) for i in range(4)
    )
    sources: dict[str, tuple[bytes, Callable[[Path], object]]] = {
        "audit.yaml": (json.dumps(audit, indent=1).encode(), read_audit),
        "cues.yaml": (cue_file, read_cues),
        "rows.jsonl": (b"\n".join(json.dumps(row).encode() for row in rows), read_rows),
        "answers.csv": ((folder / "answers.csv").read_bytes()[:4000], import_file),
        "rules.yaml": (b"regex: '^(a|b)*$'\nflags: im\nrefusals: [no]\n", open_rule),
        "questions.yaml": (
            b"questions:\n- {id: a, text: Why?}\n- {id: b, text: How?}\n",
            read_bank,
        ),
    }
    for place, (text, read) in sources.items():
        for number in range(60 if read is import_file else 280):
            path = folder / f"changed-{place}"
            path.write_bytes(mutate_text(text, random.Random(f"{place} {number}")))
            yield measure(f"{place} {number}", lambda read=read, path=path: read(path) and "" or "")
    for number in range(40):
        path = folder / "changed.eval"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            rng = random.Random(number)
            for part in ("header.json", "summaries.json", "samples/q_epoch_1.json"):
                archive.writestr(part, mutate_text(b'{"version": 2, "samples": [{"id": 1}]}', rng))
        yield measure(f"log {number}", lambda path=path: import_file(path) and "" or "")


def read_audit(path: Path) -> object:
    """Reads ``audit.yaml``."""
    from dormant.config import AuditConfig, read_yaml

    return read_yaml(path, AuditConfig)


def read_rows(path: Path) -> object:
    """Reads finetuning rows."""
    return read_examples(path)


def read_bank(path: Path) -> object:
    """Reads questions."""
    from dormant.banks.question_files import read_questions

    return read_questions(path)


def open_rule(path: Path) -> object:
    """Opens a rules judge."""
    from dormant.judges.rules import open_rules

    return open_rules(f"rules:{path}")


def import_file(path: Path) -> object:
    """Imports answers with the command."""
    with tempfile.TemporaryDirectory() as out:
        done = run_command("import", path, "--out", Path(out) / "run")
    if not run_edits.is_clear(done):
        raise RuntimeError(done.err[-200:])
    return done


# Sandbox

GROWTH = (
    "{% set ns = namespace(x=['a'], y=['a']) %}{% for i in range(40) %}"
    "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
)
SINKS = (
    "ns.x == ns.y",
    "ns.x < ns.y",
    "ns.x",
    "ns.x|string|length",
    "('%s' % [ns.x])|length",
    "ns.x|tojson|length",
    "ns.x|join|length",
    "ns.y in [ns.x]",
    "[ns.x, ns.y]|sort|length",
    "[ns.x, ns.y]|unique|list|length",
    "[ns.x, ns.y]|max",
    "ns.x|pprint|length",
    "ns.x ~ ns.y",
    "'{}'.format(ns.x)|length",
    "'{!r:>9}'.format(ns.x)",
    "[ns.x].index(ns.y)",
    "[ns.x].count(ns.y)",
    "ns.x|list|string|upper|length",
    "{'a': ns.x}|tojson",
    "(ns.x, ns.x)|string",
    "ns.x|urlize",
    "ns.x|e|length",
    "ns.x|forceescape|length",
    "ns.x|indent|length",
    "ns.x|wordcount",
    "ns.x|trim|length",
    "ns.x|xmlattr",
    "ns.x|sum(start=[])|length",
    "ns.x|map('string')|list|length",
    "ns.x|selectattr('a')|list",
    "ns.x|groupby('a')|list",
    "{ns.x|string: 1}",
)
SIZES = (
    "'a' * (3*10**9)",
    "'a'.encode() * (3*10**9)",
    "['a'] * (10**9)",
    "(1,) * (10**9)",
    "'a'.center(3*10**9)",
    "'a'.ljust(3*10**9)",
    "'a'.zfill(3*10**9)",
    "'a'.rjust(3*10**9)",
    "'%3000000000d' % 1",
    "'{:3000000000}'.format(1)",
    "10**10**8",
    "2**(2**40)",
    "9**9**9",
    "range(10**12)|list",
    "range(10**9)|sum",
    "range(10**9)|join",
    "'\\t'.expandtabs(3*10**9)",
    "('a' * 10**6).replace('', 'b' * 10**4)",
    "('a' * 10**6).translate({97: 'b' * 10**4})",
    "('a ' * 10**6).split()",
    "('a' * 10**7).encode('utf-32')",
    "'a'|center(3*10**9)",
    "lipsum(10**6)",
    "'a'.join('b' * 10**8)",
    "('a' * 10**6).title() * 10**4",
    "('\\n' * 10**7).splitlines()",
    "[[]] * 10**8",
    "dict.fromkeys(range(10**8))",
    "'x'|indent(10**9)",
    "('a' * 10**5)|wordwrap(1)",
    "('a\\n' * 10**6)|indent(10**4)",
    "range(10**8)|batch(2)|list",
    "range(10**8)|slice(10**7)|list",
    "'a' * 10**8 ~ 'a' * 10**8",
    "('a' * 10**6)|format(*range(10**7))",
    "joiner('a' * 10**9)()",
    "range(10**9)|random",
    "'aaaa' in ('a' * 10**8)",
    "('ab' * 10**7).count('ba')",
    "('a' * 10**7 + 'b').find('b' * 10**6)",
    "1.0|round(10**9)",
    "(10**4000)|string * 10**6",
    "'a'|filesizeformat * 10**9",
)
LOOPS = (
    "{% for i in range(10**9) %}{% endfor %}",
    "{% for i in range(10**5) %}{% for j in range(10**5) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% for i in range(9) %}{{ m(n - 1) }}{% endfor %}{% endmacro %}{{ m(99) }}",
    "{% for i in range(10**7) %}aaaaaaaaaaaaaaaa{% endfor %}",
    "{% set x = 'a' * 400000 %}{% for a in range(9999) %}{% set y = 'ab' in x %}{% endfor %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
)
DOUBLES = ("ns.x + ns.x", "ns.x * 2", "ns.x ~ ns.x", "(ns.x, ns.x)", "[ns.x] + [ns.x]", "{0: ns.x}")
STARTS = ("'a'", "'a'.encode()", "['a']", "('a',)", "1", "'\\ud7ff'")
ESCAPES = (
    "''.__class__",
    "''.__class__.__mro__",
    "''['__class__']",
    "''|attr('__class__')",
    "cycler.__init__.__globals__",
    "joiner.__init__.__globals__.os",
    "namespace.__init__",
    "lipsum.__globals__",
    "lipsum['__globals__']",
    "self.__init__",
    "self._TemplateReference__context",
    "range.__self__",
    "dict.__base__",
    "dict.mro()",
    "dict.fromkeys.__self__",
    "raise_exception.__code__",
    "strftime_now.__self__",
    "strftime_now.__func__.__globals__",
    "messages.__class__",
    "loop.__class__",
    "caller.__globals__",
    "varargs.__class__",
    "'{0.__class__}'.format(1)",
    "'{0.__init__.__globals__}'.format(cycler)",
    "'%(a)s'.__mod__",
    "''.format_map({'a': 1}).__class__",
    "[].append.__self__.__class__",
    "(1).__class__",
    "True.__class__",
    "none.__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "request.application.__globals__",
    "config.items()",
    "get_flashed_messages.__globals__",
    "url_for.__globals__",
    "namespace(__class__=1)",
    "namespace(_x=1)",
    "dict(__class__=1).__class__",
    "messages.append(1)",
    "messages.clear()",
    "messages[0].update(a=1)",
    "{}.setdefault('a', 1)",
    "[].extend([1])",
    "''|map(attribute='__class__')|list",
    "['']|map(attribute='__class__')|list",
    "['']|map('attr', '__class__')|list",
    "['']|selectattr('__class__')|list",
    "['']|groupby('__class__')|list",
    "['']|sort(attribute='__class__')",
    "['']|sum(attribute='__class__')",
    "['']|unique(attribute='__class__')|list",
    "['']|max(attribute='__class__')",
    "(messages|first)['__class__']",
    "''.__getattribute__('__class__')",
    "''.__reduce_ex__(2)",
)


def list_templates() -> Iterator[tuple[str, str]]:
    """Names and texts of hostile templates."""
    for sink in SINKS:
        yield f"grown: {sink}", f"{GROWTH}{{{{ {sink} }}}}"
    for size in SIZES:
        yield f"size: {size}", f"{{% set x = {size} %}}{{{{ x|string|length }}}}"
        yield (
            f"kept: {size}",
            (
                "{% set ns = namespace(x=[]) %}{% for i in range(50) %}"
                f"{{% set ns.x = [ns.x, {size}] %}}{{% endfor %}}ok"
            ),
        )
    for loop in LOOPS:
        yield f"loop: {loop:.40}", loop
    for double, start in itertools.product(DOUBLES, STARTS):
        yield (
            f"doubled: {start} {double}",
            (
                f"{{% set ns = namespace(x={start}) %}}{{% for i in range(60) %}}"
                f"{{% set ns.x = {double} %}}{{% endfor %}}{{{{ ns.x|string|length }}}}"
            ),
        )
    for escape in ESCAPES:
        yield f"escape: {escape}", f"{{{{ {escape} }}}}"


def attack_sandbox(folder: Path) -> Iterator[Case]:
    """Every template: none may reach an object of Python's, or pass the limits."""
    del folder
    chat = [{"role": "user", "content": "hi"}]
    for name, text in list_templates():

        def attack(text: str = text, name: str = name) -> str:
            sandbox = Sandbox("2025-01-01")
            begun = os.times()
            try:
                index = sandbox.compile_template(text)
                [found] = sandbox.render([(index, {"messages": chat})])
            except (ExcessError, InvalidTemplate):
                found = ""
            del sandbox
            used = os.times().children_user - begun.children_user
            if used > 10:
                return f"{used:.0f} s in the child"
            is_object = isinstance(found, str) and ("<class" in found or "object at 0x" in found)
            if name.startswith("escape") and is_object and not isinstance(found, TemplateRefusal):
                return f"reached {found[:80]}"
            return ""

        yield measure(name, attack)


# Leaks

KEY = 'sk-canary/"4f7a+91c2'


def list_forms(secret: str) -> dict[str, str]:
    """Forms of a secret as a server may write them inside a JSON text."""
    inner = json.dumps(secret)[1:-1]
    return {
        "plain": inner,
        "slashes": inner.replace("/", "\\/"),
        "code points": "".join(f"\\u{ord(c):04x}" for c in secret),
        "capitals": "".join(f"\\u{ord(c):04X}" for c in secret),
        "mixed": "".join(
            f"\\u{ord(c):04x}" if i % 2 else json.dumps(c)[1:-1] for i, c in enumerate(secret)
        ),
        "JSON in JSON": json.dumps(inner)[1:-1],
        "deep code points": "".join(f"\\\\u{ord(c):04x}" for c in secret),
        "URL": quote(secret, safe=""),
        "URL, all": "".join(f"%{ord(c):02x}" for c in secret),
        "HTML": "".join(f"&#{ord(c)};" for c in secret),
        "HTML, hex": "".join(f"&#x{ord(c):X};" for c in secret),
        "base64": base64.b64encode(secret.encode()).decode(),
    }


def find_secret(text: str, secret: str) -> str:
    """The form in which a secret stands in a text; empty if it does not."""
    plain = {name: json.loads(f'"{form}"') for name, form in list_forms(secret).items()}
    for name, form in {**list_forms(secret), **plain, "middle": "4f7a+91c2"}.items():
        if form in text:
            return f"leaked: {name}"
    return ""


def echo_secret(place: str, raw: bytes, plain: str) -> HostileReply:
    """A reply that holds a secret in one place."""
    if place == "answer":
        return HostileReply(chat_reply("@@").body.replace(b"@@", raw))
    if place.startswith("error"):
        body = b'{"error": {"message": "%b", "code": "%b"}}' % (raw, raw)
        return HostileReply(body, int(place[-3:]), {"Retry-After": "1e6"})
    words = "".join(c for c in plain if c.isprintable())
    if place == "reason":
        return HostileReply(b"", 500, {}, reason=words)
    headers = {"x-ratelimit-a": words}
    if place == "header's name":
        headers = {f"x-ratelimit-{words.replace(':', '').replace(' ', '')}": "1"}
    return HostileReply(chat_reply("pineapple").body, 200, headers)


def attack_secrets(folder: Path) -> Iterator[Case]:
    """A key in answers, errors, headers and status lines; a proxy's login in its refusals."""
    del folder
    os.environ["LOCAL_API_KEY"] = KEY
    places = ("answer", "error 400", "error 429", "error 500", "header", "header's name", "reason")
    for place, (form, text) in itertools.product(places, list_forms(KEY).items()):
        raw = text.encode()
        plain = json.loads(f'"{text}"')

        def answer(_: dict, number: int, place=place, raw=raw, plain=plain) -> HostileReply:
            del number
            return echo_secret(place, raw, plain)

        def attack(answer=answer, place=place) -> str:
            with hostile_server(answer) as server:
                os.environ["LOCAL_BASE_URL"] = server.url
                engine = ApiEngine(NAME, connections=1)
                shown = list(engine.notes)
                try:
                    for batch in engine.sample(
                        [Job((Message("user", "q"),), range(1))], Sampling()
                    ):
                        shown += [reply.text + reply.error for reply in batch]
                except DormantError as error:
                    shown.append(str(error))
                if place == "header":
                    shown += [check.found + check.advice for check in diagnose(engine)]
            return find_secret("".join(shown), KEY)

        yield measure(f"{place}, {form}", attack)
    yield from attack_proxy()


def attack_proxy() -> Iterator[Case]:
    """A proxy that refuses and repeats who logs in; and addresses of proxies that are none."""
    secret = KEY
    quoted = quote(secret, safe="")
    os.environ["no_proxy"] = ""
    for scheme, status in itertools.product(("https", "http"), (407, 403, 502)):

        def answer(body: dict, number: int, status=status) -> HostileReply:
            del number
            words = f"no {body.get('authorization')} {secret} {quoted}"
            return HostileReply(words.encode(), status, {"X-Echo": words}, reason=words)

        def attack(answer=answer, scheme=scheme) -> str:
            with hostile_server(answer) as server:
                os.environ["LOCAL_BASE_URL"] = f"{scheme}://service.invalid/v1"
                os.environ[f"{scheme}_proxy"] = f"http://user:{quoted}@127.0.0.1:{server.port}"
                return find_secret(sample_once(), secret)

        yield measure(f"proxy {scheme} {status}", attack)
    for text in (
        f"http://user:{quoted}@[::1",
        f"http://user:{quoted}@h:99999",
        f"user:{quoted}@h",
        f"socks5://user:{quoted}@h:1",
        f"http://user:{quoted}@",
    ):

        def malformed(text=text) -> str:
            os.environ["LOCAL_BASE_URL"] = "http://service.invalid/v1"
            os.environ["http_proxy"] = text
            return find_secret(sample_once(), secret)

        yield measure(f"proxy {text[:12]}", malformed)
    for name in ("http_proxy", "https_proxy"):
        os.environ.pop(name, None)


def sample_once() -> str:
    """What is shown of one answer, or of why there is none."""
    try:
        engine = ApiEngine(NAME, connections=1)
        batches = engine.sample([Job((Message("user", "q"),), range(1))], Sampling())
        return "".join(reply.text + reply.error for batch in batches for reply in batch)
    except DormantError as error:
        return str(error)


# Memory


def flood_audit(folder: Path) -> Iterator[Case]:
    """A whole audit over 100 connections whose replies are large stays within 1 GB."""
    environment = {**os.environ, "LOCAL_API_KEY": "none", "OMP_NUM_THREADS": "1"}
    words = ["--target", NAME, "--reference", "none", "--judge", "rules:regex=^HA"]
    words += ["--questions", "general", "--question-limit", "20", "--library-limit", "4", "--quiet"]
    megabyte = 1 << 20
    for name, reply in (
        ("20 MB of answer", chat_reply("x" * (20 * megabyte))),
        ("20 MB of error", HostileReply(b'{"error": "%b"}' % (b"x" * (20 * megabyte)), 400)),
        ("20 MB of usage", chat_reply("fine", usage="[" + "1," * (10 * megabyte) + "1]")),
        ("15 MB of list", HostileReply(b'{"choices": [%b[]]}' % (b"[]," * (5 * megabyte)))),
        ("240 kB of answer", chat_reply("x" * 240_000)),
    ):
        with hostile_server(lambda *_, reply=reply: reply) as server:
            environment["LOCAL_BASE_URL"] = server.url
            command = [
                sys.executable,
                "-c",
                _MEASURED,
                "audit",
                *words,
                "--out",
                str(folder / name),
            ]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        last = done.stdout.strip().splitlines()[-1:] or ["0"]
        peak = int(last[0]) / 1000
        problem = "" if done.returncode in (0, 1, 3, 4) else done.stderr[-200:]
        print(f"{name}: {peak:,.0f} MB at most, {len(server.bodies):,} calls", flush=True)
        yield name, problem or ("" if 0 < peak < 1000 else f"{peak:,.0f} MB")


#: Runs the command and prints its largest memory, kB.
_MEASURED = """
import resource, sys
from dormant.cli import main
from dormant.engines.api import retries
real = retries.draw_backoff
retries.draw_backoff = lambda *a, **k: real(*a, **k) / 1000
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


# Browser

OWN = "document.title='owned'"
#: Markup that runs a script or asks for something where it is not escaped.
PAYLOADS = (
    *(f"<{tag} src=//owned.invalid/{tag} onerror={OWN}>" for tag in ("img", "video", "audio")),
    *(f"<{tag} onload={OWN}>" for tag in ("svg", "body", "style", "svg/", "sVg\t")),
    *(f"<{tag} src=//owned.invalid/{tag}></{tag}>" for tag in ("script", "iframe", "embed")),
    *(
        f"{end}<script>{OWN}</script>"
        for end in ("</script>", "</title>", "</style>", "</textarea>")
    ),
    *(f"{end}<script>{OWN}</script>" for end in ("-->", "]]>", "'>", '">', "`>", "</SCRIPT\n>")),
    *(f"{quote} onfocus={OWN} autofocus tabindex=1 x={quote}" for quote in ("'", '"', "`", " ")),
    *(f"{quote} onmouseover={OWN} style=position:fixed;inset:0 x={quote}" for quote in ("'", '"')),
    *(
        f"<a href='{scheme}:{OWN}'>"
        for scheme in ("javascript", "JaVaScRiPt", "java\tscript", "data")
    ),
    *(f"[x]({scheme}:{OWN})" for scheme in ("javascript", "vbscript", "data:text/html,")),
    "<object data=//owned.invalid/o></object>",
    "<link rel=stylesheet href=//owned.invalid/l>",
    "<link rel=prefetch href=//owned.invalid/p>",
    "<meta http-equiv=refresh content='0;url=//owned.invalid/m'>",
    "<base href=//owned.invalid/>",
    "<form action=//owned.invalid/f><input type=submit autofocus>",
    "<style>@import '//owned.invalid/s';</style>",
    "<div style='background:url(//owned.invalid/b)'>x",
    "</style><style>body{background:url(//owned.invalid/c)}",
    "<math><mtext><table><mglyph><style><img src onerror=document.title='owned'>",
    "<noscript><p title='</noscript><img src=x onerror=document.title=1>'>",
    "<template><script>document.title='owned'</script></template>",
    "<details open ontoggle=document.title='owned'>",
    "<marquee onstart=document.title='owned'>",
    "<input onfocus=document.title='owned' autofocus>",
    "<select onfocus=document.title='owned' autofocus>",
    "<iframe srcdoc='<script>parent.document.title=1</script>'>",
    "<svg><script>document.title='owned'</script></svg>",
    "<svg><animate onbegin=document.title='owned' attributeName=x dur=1s>",
    "<svg><use href='//owned.invalid/u#x'>",
    "<img srcset='//owned.invalid/r 1x'>",
    "<video poster=//owned.invalid/v>",
    "{{ constructor.constructor('document.title=1')() }}",
    "${document.title='owned'}",
    "\\u003cscript\\u003edocument.title='owned'\\u003c/script\\u003e",
    "&lt;script&gt;document.title='owned'&lt;/script&gt;",
    "&#60;img src=x onerror=document.title=1&#62;",
    "\u2028document.title='owned'\u2029//",
    '"});document.title="owned";({"',
    "*/document.title='owned'/*",
    "<!--<script>",
    "__proto__",
    "constructor",
    "\ufeff<script>document.title='owned'</script>",
    "<\u0000script>document.title='owned'</script>",
    "![x](https://owned.invalid/i.png) https://owned.invalid/a",
)
_SEEN = """
document.querySelectorAll('details').forEach(d => d.open = true);
return document.querySelectorAll('img,iframe,object,embed,link,video,audio,base,form[action],'
  + 'math,svg script,meta[http-equiv=refresh],[onload],[onerror],[onfocus],[onmouseover]').length
"""


def attack_browser(folder: Path) -> Iterator[Case]:
    """Reports in which every text is a payload, in Chromium: no script runs, no request leaves."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-sync"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    for number, payload in enumerate(PAYLOADS):
        hostile_findings.NASTY = payload
        out = folder / f"page-{number}"

        def attack(out: Path = out) -> str:
            write_report(hostile_findings.hostile(), out)
            page = (out / "report.html").as_uri()
            driver.get_log("performance")
            driver.get(page)
            elements = driver.execute_script(_SEEN)
            messages = [
                json.loads(row["message"])["message"] for row in driver.get_log("performance")
            ]
            asked = [
                message["params"]["request"]["url"]
                for message in messages
                if message["method"] == "Network.requestWillBeSent"
            ]
            asked = [url for url in asked if not url.startswith(("data:", page))]
            if driver.title != "CONDITIONAL · dormant audit":
                return f"title {driver.title!r}"
            return f"{elements} elements, requests {asked}" if elements or asked else ""

        yield f"payload {payload[:40]!r}", try_attack(attack)  # the browser is another process
        shutil.rmtree(out, ignore_errors=True)
    driver.quit()


PARTS: dict[str, Callable[[Path], Iterator[Case]]] = {
    "leaks": attack_secrets,
    "faults": attack_engine,
    "files": attack_readers,
    "sandbox": attack_sandbox,
    "configs": attack_configs,
    "kills": kill_audits,
    "disks": fill_disks,
    "together": run_together,
    "memory": flood_audit,
    "browser": attack_browser,
}


def shorten_waits() -> None:
    """Waits a thousandth of the time between two calls."""
    real = retries.draw_backoff
    retries.draw_backoff = lambda *a, **k: real(*a, **k) / 1000
    retries._SECOND_LOOK, retries._LONGEST_WAIT = 0.001, 0.5


def main() -> None:
    """Prints a row for each part."""
    shorten_waits()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--limit", type=int, help="the first so many cases of each part")
    options = parser.parse_args()
    failed: list[str] = []
    print("| attack | cases | held | minutes |\n|---|---|---|---|", flush=True)
    for part in options.parts or PARTS:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            cases = list(itertools.islice(PARTS[part](Path(folder)), options.limit))
        wrong = [f"{part}: {name}: {problem}" for name, problem in cases if problem]
        failed += wrong
        minutes = (time.monotonic() - begun) / 60
        print(f"| {part} | {len(cases)} | {len(cases) - len(wrong)} | {minutes:.0f} |", flush=True)
    print("\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
