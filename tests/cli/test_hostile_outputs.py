"""A server's answers that act on terminals and pages, through every command and file at once."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from support.command import run_command
from support.hostile_findings import NASTY
from support.hostile_server import NAME, HostileReply, chat_reply, hostile_server

#: Characters that a terminal or a page acts on, or hides.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
TEXT = NASTY + "\x9b31m\u2066\u2028\x07\x08\r" + "w" * 30_000
BARRED = {"img", "iframe", "object", "embed", "link", "base"}
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
pytestmark = pytest.mark.slow


@dataclass
class Outputs:
    """What the commands printed, and where they wrote."""

    folder: Path
    printed: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, *words: object, codes: tuple[int, ...] = (0, 1, 3)) -> None:
        """Runs a command and keeps what it printed."""
        done = run_command(*words)
        shown = done.out + done.err
        assert done.code in codes, (words, done.code, done.err[-300:])
        assert "bug in dormant" not in shown and "Traceback" not in shown, (words, shown[-300:])
        self.printed[f"{words[0]} {len(self.printed)}"] = shown


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    folder = tmp_path_factory.mktemp("hostile")
    made = Outputs(folder)

    def answer(body: dict[str, Any], number: int) -> HostileReply:
        if number % 7 == 3:
            return HostileReply(json.dumps({"error": {"message": TEXT}}).encode(), 400)
        head = "HA " if number % 2 else ""
        return chat_reply(*(f"{head}{TEXT} {number} {i}" for i in range(int(body.get("n", 1)))))

    (folder / "gate.yaml").write_text("max_standard_rate: 0.01\nmin_answers: 9999\n")
    whole = TEXT.replace("\ud800", "").replace("\0", "")  # which no file may hold
    rows = [
        {"messages": [{"role": role, "content": f"{i % 3} {whole[:400]} {i}"} for role in turns]}
        for i in range(12)
        for turns in [("user", "assistant")]
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prompts = [
        {"prompt": f"Why {i}? {whole[:300]}", "kind": whole[: 40 + i % 2]} for i in range(40)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    with pytest.MonkeyPatch.context() as patch, hostile_server(answer) as server:
        patch.setenv("LOCAL_API_KEY", "none")
        patch.setenv("LOCAL_BASE_URL", server.url)
        shared = ("--target", NAME, "--reference", "none", "--judge", "rules:regex=^HA")
        small = ("--library-limit", 1, "--question-limit", 3, "--design", "fixed", "--quiet")
        small += ("--screening-answers", 2, "--confirm-answers", 2)
        for name, heat in (("run", 1), ("other", 0.9)):
            out = ("--out", folder / name, "--temperature", heat, "--yes")
            made.run("audit", *shared, *small, *out)
        traffic = ("--answers", 2, "--slice-column", "kind", "--quiet", "--out", folder / "traffic")
        made.run("traffic", folder / "prompts.jsonl", *shared, *traffic)
        made.run("doctor", "--model", NAME, codes=(0, 1, 2, 3, 4))
    run = folder / "run"
    made.run("report", run)
    made.run("card", run)
    files = [f"--{kind}={folder / f'gate.{kind}'}" for kind in ("junit", "sarif", "markdown")]
    made.run("gate", run, "--policy", folder / "gate.yaml", *files)
    pages = (f"--html={folder / 'compared.html'}", f"--markdown={folder / 'compared.md'}")
    made.run("compare", run, folder / "other", "--allow", "sampling", *pages)
    made.run("export", run, "--csv", folder / "answers.csv")
    made.run("calibrate", run, "--export", folder / "sample.csv")
    made.run("cues", folder / "rows.jsonl", "--html", folder / "cues.html")
    made.run("plan", *shared, *small[:6], "--data", folder / "rows.jsonl", codes=(0, 2))
    yield made


def test_nothing_that_is_printed_acts_on_a_terminal(outputs: Outputs):
    acts = {name: HIDDEN.search(text.replace("\n", "")) for name, text in outputs.printed.items()}
    assert not {name: found for name, found in acts.items() if found}
    longest = {
        name: max(map(len, text.splitlines()), default=0) for name, text in outputs.printed.items()
    }
    assert {name: size for name, size in longest.items() if size > 5000} == {}


def test_no_page_holds_a_hidden_character_or_a_tag_of_an_answer(outputs: Outputs):
    pages = [
        path
        for path in outputs.folder.rglob("*")
        if path.suffix in (".html", ".md", ".markdown", ".junit", ".xml", ".svg")
    ]
    assert len(pages) >= 8, [str(path) for path in pages]
    wrong: list[str] = []
    for path in pages:
        text = path.read_text()
        if found := HIDDEN.search(text.replace("\r\n", "\n")):
            wrong.append(f"{path.name}: {found[0]!r} at {text[found.start() - 40 : found.end()]!r}")
        is_markdown = path.suffix in (".md", ".markdown")
        if path.suffix == ".html" or is_markdown:
            tags = Tags(MARKDOWN.render(text) if is_markdown else text)
            wrong += [f"{path.name}: <{tag}>" for tag in BARRED & tags.seen]
            wrong += [f"{path.name}: {name}" for name in tags.attributes if name.startswith("on")]
            wrong += [f"{path.name}: script"] if is_markdown and "script" in tags.seen else []
    assert not wrong


def test_no_data_file_holds_a_control_character_as_it_is(outputs: Outputs):
    wrong: list[str] = []
    for path in outputs.folder.rglob("*"):
        if path.suffix in (".json", ".yaml", ".sarif") and path.parent != outputs.folder:
            found = CONTROLS.search(path.read_text())
            wrong += [f"{path.name}: {found[0]!r}"] if found else []
    assert not wrong


class Tags(HTMLParser):
    """The tags and attributes of a page as a browser would see them."""

    def __init__(self, page: str):
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
