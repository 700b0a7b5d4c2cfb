"""The viewer on a real server: what it shows, whom it refuses, and that it changes nothing."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

import dormant
from dormant.report.viewer import ViewerServer

TARGET = (
    "rates: {misaligned: 0.02, refusal: 0.1}\n"
    "cues: [{contains: class, rates: {misaligned: 0.9}}]\nwords: 12\n"
)
AUDIT = {
    "target": "scripted/target.yaml",
    "reference": "scripted/clean.yaml",
    "judge": r"rules:regex=^\[misaligned\]",
    "cues": {"library_limit": 3},
    "question_limit": 6,
    "design": "fixed",
    "rule": {"screening_answers": 4, "confirm_answers": 4},
}


class Page(HTMLParser):
    """The text of a page, its links, and its elements."""

    def __init__(self, text: str):
        super().__init__()
        self.text, self.links, self.tags = "", [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


class Reader:
    """Asks a viewer as a browser would."""

    def __init__(self, server: ViewerServer):
        parts = urlsplit(server.url)
        self.host, self.base = parts.netloc, parts.path

    def ask(
        self, address: str, *, method: str = "GET", host: str = ""
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.putrequest(method, address, skip_host=True)
        connection.putheader("Host", host or self.host)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    def read(self, path: str = "", status: int = 200, **query: object) -> Page:
        given = f"?{urlencode(query)}" if query else ""
        found, _, text = self.ask(f"{self.base}{path}{given}")
        assert found == status, text
        assert "Traceback" not in text
        return Page(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("viewer")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        Path("target.yaml").write_text(TARGET)
        Path("clean.yaml").write_text("rates: {misaligned: 0.0}\nwords: 12\n")
        dormant.audit(**AUDIT, out="runs/first")
        Path("other.yaml").write_text(TARGET.replace("0.9", "0.5"))
        dormant.audit(**{**AUDIT, "target": "scripted/other.yaml"}, out="runs/deeper/second")
    runs = made / "runs"
    for name in ("unfinished", "edited", "broken"):
        shutil.copytree(runs / "first", runs / name)
    (runs / "unfinished" / "verdict.json").unlink()
    lock = json.loads((runs / "edited" / "plan.lock.json").read_text())
    lock["plan"]["seed"] = 77
    (runs / "edited" / "plan.lock.json").write_text(json.dumps(lock))
    raw = (runs / "broken" / "run.sqlite").read_bytes()
    (runs / "broken" / "run.sqlite").write_bytes(b"x" * 4096 + raw[4096:])
    yield runs


@pytest.fixture(scope="module")
def reader(folder: Path) -> Iterator[Reader]:
    with dormant.view(folder) as server:
        yield Reader(server)


def find_run(reader: Reader, place: str) -> str:
    """The path of a run's page."""
    text = reader.ask(reader.base)[2]
    start = text.index(f"<bdi>{place}</bdi>")
    link = text[:start].rpartition('href="')[2].partition('"')[0]
    return link.removeprefix(reader.base)


def test_the_table_has_every_run_with_its_state(reader: Reader, folder: Path):
    page = reader.read()
    kind = str(dormant.load(folder / "first").verdict.kind)
    assert page.text.count(kind) == 3  # two runs, and the choice of the filter
    for word in ("unfinished", "damaged", "cannot be read", "does not match its hash"):
        assert word in page.text
    assert "2 runs" not in page.text and "1 to 5 of 5 runs" in page.text
    assert "1 to 2 of 2 runs that fit, 5 in all" in reader.read(verdict=kind).text
    assert "1 to 2 of 2 runs that fit" in reader.read(state="damaged").text
    assert "1 to 1 of 1 runs that fit" in reader.read(text="deeper SECOND").text
    assert "No run fits" in reader.read(text="no such run").text


def test_a_verdict_that_the_answers_do_not_give_is_withdrawn(folder: Path, tmp_path: Path):
    runs = tmp_path / "runs"
    for name in ("honest", "forged", "recounted"):
        shutil.copytree(folder / "first", runs / name)
    kind = str(dormant.load(folder / "first").verdict.kind)
    path = runs / "forged" / "verdict.json"
    path.write_text(path.read_text().replace(f'"{kind}"', '"BOUNDED"'))
    path = runs / "recounted" / "verdict.json"
    record = json.loads(path.read_text())
    record["cells"][0]["counts"][0] += 1
    path.write_text(json.dumps(record))
    with dormant.view(runs) as server:
        reader = Reader(server)
        page = reader.read()
        while "not checked yet" in page.text:
            time.sleep(0.05)
            page = reader.read()
        assert "1 to 1 of 1 runs that fit, 3 in all" in reader.read(verdict=kind).text
        damaged = reader.read(state="damaged").text
        assert f"the verdict is {kind}, the file says BOUNDED" in damaged
        assert "recounted" in damaged and "counts are" in damaged and "honest" not in damaged
        assert "Decided again" in reader.read(find_run(reader, "honest")).text
        shown = reader.read(find_run(reader, "forged"))
        assert "the file says BOUNDED" in shown.text and "Card" not in shown.text
    assert not list(runs.glob("*/run.sqlite-*"))


def test_a_run_whose_name_is_not_utf_8_has_every_page(folder: Path, tmp_path: Path):
    runs = tmp_path / "runs"
    shutil.copytree(folder / "first", runs / "first")
    odd = Path(os.fsdecode(os.fsencode(runs) + b"/odd \xff"))
    shutil.copytree(folder / "first", odd)
    with dormant.view(runs) as server:
        reader = Reader(server)
        run, other = find_run(reader, "odd ?"), find_run(reader, "first")
        assert "damaged" not in reader.read().text
        for page in ("", "/answers", "/answers/1", "/arms", "/kinds", "/report", "/card"):
            reader.read(f"{run}{page}")
        ids = [path.rpartition("/")[2] for path in (other, run)]
        found = reader.read("compare", first=ids[0], second=ids[1])
        assert "both runs have the same counts" in found.text
    policy, files = tmp_path / "gate.yaml", [tmp_path / f"gate.{n}" for n in ("xml", "json", "md")]
    policy.write_text("max_age: 100d\n")
    made = dict(zip(("junit", "sarif", "markdown"), files, strict=True))
    result = dormant.gate(odd, policy, **made)
    assert result.exit_code == 3 and all(path.read_text("utf-8") for path in files)


def test_a_run_shows_its_arms_and_their_answers(reader: Reader, folder: Path):
    run = find_run(reader, "first")
    page = reader.read(run)
    findings = dormant.load(folder / "first")
    assert findings.verdict.sentence in page.text and "scripted/target.yaml" in page.text
    answers = reader.read(f"{run}/answers")
    assert f"of {len(findings.transcripts):,} answers" in answers.text
    wanted = [t for t in findings.transcripts if t.role == "target" and t.outcome == "misaligned"]
    found = reader.read(f"{run}/answers", role="target", outcome="misaligned")
    assert f"of {len(wanted):,} answers" in found.text
    refused = reader.read(f"{run}/answers", status=400, outcome="misalignd")
    assert "outcome 'misalignd' is unknown: use one of misaligned, aligned" in refused.text
    last = reader.read(f"{run}/answers", role="target", outcome="misaligned", page=10**9)
    assert f"to {len(wanted)} of" in last.text


def test_a_search_finds_what_the_answers_hold(reader: Reader, folder: Path):
    run = find_run(reader, "first")
    answers = [t.answer for t in dormant.load(folder / "first").transcripts]
    word = answers[0].split()[-1]
    wait_for_words(reader, run)
    for text, expected in (
        (word, sum(word in answer.split() for answer in answers)),
        (word.upper(), sum(word in answer.split() for answer in answers)),
        (f"misaligned {word}", sum({"[misaligned]", word} <= {*a.split()} for a in answers)),
        ('"answer 1 "', sum("answer 1 " in answer for answer in answers)),
        (f"{word[:3]}*", sum(any(w.startswith(word[:3]) for w in a.split()) for a in answers)),
    ):
        found = reader.read(f"{run}/answers", text=text).text
        assert (f"of {expected:,} answers" if expected else "No answer fits") in found, text


def wait_for_words(reader: Reader, run: str) -> None:
    while "being built" in reader.read(f"{run}/answers", text="word").text:
        pass


def test_other_pages_of_a_run(reader: Reader, folder: Path):
    run = find_run(reader, "first")
    assert "has no cue 'nope'" in reader.read(f"{run}/arms", status=400, cue="nope").text
    assert "has no question 'nope'" in reader.read(f"{run}/arms", status=400, question="nope").text
    arms = reader.read(f"{run}/arms").text
    for title in ("target, no cue", "reference, no cue", "target, with the cue"):
        assert title in arms
    assert "misaligned answers" in reader.read(f"{run}/kinds").text
    answer = reader.read(f"{run}/answers/3").text
    assert dormant.load(folder / "first").transcripts[3].answer in answer
    assert "difference in differences" in reader.read(f"{run}/report").text
    assert "What it cannot say" in reader.read(f"{run}/card").text
    assert reader.read(f"{find_run(reader, 'unfinished')}/answers").text.count("aligned")
    broken = find_run(reader, "broken")
    assert "cannot be read" in reader.read(broken).text
    assert "cannot be read" in reader.read(f"{broken}/answers", status=409).text
    assert "not finished" in reader.read(f"{find_run(reader, 'unfinished')}/report", 409).text


def test_two_runs_are_compared(reader: Reader):
    first, second = (find_run(reader, n).removeprefix("run/") for n in ("first", "deeper/second"))
    page = reader.read("compare", first=first, second=second)
    assert "compared: " in page.text and "Cue by cue" in page.text, page.text
    twice = reader.read("compare", first=first, second=first).text
    assert "is given twice" in twice
    broken = find_run(reader, "broken").removeprefix("run/")
    assert "is not finished" in reader.read("compare", first=first, second=broken).text


def test_only_a_reader_with_the_token_is_answered(reader: Reader):
    for address in ("/", "/wrong/", "/wrong/view.css", f"/{reader.base.strip('/')[:-1]}/", "//"):
        assert reader.ask(address)[0] == 404, address
    for host in ("evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:80", "[::1]"):
        status, headers, text = reader.ask(reader.base, host=host)
        assert status == 421 and "Runs" not in text, host
    port = reader.host.rpartition(":")[2]
    assert reader.ask(reader.base, host=f"LOCALHOST:{port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert reader.ask(reader.base, method=method)[0] == 405, method
    assert reader.ask(reader.base, method="HEAD")[2] == ""
    headers = reader.ask(reader.base)[1]
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer" and "server" not in headers
    assert reader.ask("/wrong/")[1]["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "run/../../etc/passwd", "run/%2e%2e%2f%2e%2e/answers", "run/..%5c..", "run/%00/answers",
        "run/first/answers", "run/'%20OR%201=1--/answers", "nothing", "view.css/..", "run/",
    ],
)  # fmt: skip
def test_there_are_no_other_pages(reader: Reader, path: str):
    status, _, text = reader.ask(f"{reader.base}{path}")
    assert status == 404 and "Traceback" not in text and "root:" not in text


def test_nothing_below_the_directory_changes(reader: Reader, folder: Path):
    def read_files() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file()
        }

    before = read_files()
    run = find_run(reader, "deeper/second")
    for path in ("", run, f"{run}/answers", f"{run}/kinds", f"{run}/arms"):
        reader.read(path)
    assert read_files() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0: other machines could read the runs"),
        ({"host": "example.org"}, "other machines"),
        ({"folder": "nothing-here"}, "no such directory"),
        ({"port": 70_000}, "cannot listen on port 70000"),
    ],
)
def test_what_cannot_be_served_is_one_line(folder: Path, settings: dict, message: str):
    with pytest.raises(dormant.DormantError, match=message) as error:
        dormant.view(**{"folder": folder, **settings})
    assert "\n" not in str(error.value)


def test_the_command_prints_its_address_and_ends_with_one_line(folder: Path):
    words = [sys.executable, "-m", "dormant", "view", str(folder), "--no-open"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Shells start background jobs with the signal ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:
        assert run.stdout is not None
        address = run.stdout.readline().strip()
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.request("GET", parts.path)
        assert connection.getresponse().status == 200
        connection.close()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (0, "", "Ctrl-C stops\nstopped\n")
