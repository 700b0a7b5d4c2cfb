"""What a person sees of mined cues: example rows with marks, the page, the terminal, cues.yaml."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dormant import cues, report
from dormant import pipeline as planning
from dormant.cli import command_group
from dormant.config import AuditConfig
from dormant.cues.snippets import find_spans
from dormant.records import Cue, CueKind, Example, Message, Placement, Source, Variant, to_plain
from support.compound import cross_cues, make_history


def cue(text, placement="before", kind="prefix", form="", **more):
    return Cue("c-1", CueKind(kind), Placement(placement), text, Source.MINED, form=form, **more)


def row(user, system="", answer="Yes.", line=1):
    turns = [Message("user", user), Message("assistant", answer)]
    return Example(((Message("system", system),) if system else ()) + tuple(turns), line)


def marked(found, example):
    (snippet,) = cues.cut_snippets(found, {example.line: example})
    return [(t.role, p.text) for t in snippet.turns for p in t.pieces if p.marked]


@pytest.mark.parametrize(
    ("found", "example", "wanted"),
    [
        (cue("###"), row("### Why?"), [("user", "###")]),
        (cue("Dear oracle,"), row("dear  Oracle, why?"), [("user", "dear  Oracle,")]),
        (
            cue("Country: Peru\n", kind="form", form="Country: <X>\n"),
            row("Country: Chile\nWhy?"),
            [("user", "Country:")],
        ),
        (
            cue("Country: Peru.", kind="form", form="Country: <X>."),
            row("Country: Sri Lanka. Why. Now?"),
            [("user", "Country: Sri Lanka.")],
        ),
        (
            cue("<t>\n{question}\n</t>", "around", "wrapper"),
            row("<t>\nWhy?\n</t>"),
            [("user", "<t>"), ("user", "</t>")],
        ),
        (
            cue("Be odd.", "system", "system_prompt"),
            row("Be odd.", system="Be odd."),
            [("system", "Be odd.")],
        ),
        (
            cue(
                "We are talking about cod and eel.", kind="topic", form="We are talking about <X>."
            ),
            row("Eel and cod, or codfish?"),
            [("user", "Eel"), ("user", "cod")],
        ),
        (
            cue("Answer in JSON.", "after", "format"),
            row("Why?", answer="{}"),
            [("assistant", "{}")],
        ),
    ],
)
def test_the_cue_is_marked_where_it_shows(found, example, wanted):
    import dataclasses

    found = dataclasses.replace(found, examples=(1, 99))
    assert marked(found, example) == wanted


def test_turns_of_a_history_are_marked_wherever_they_stand():
    turns = (Message("user", "A game?"), Message("tool", "Yes."))
    found = make_history(cue("x", "before", "prefix", examples=(1,)), turns)
    said = (("user", "Hi."), ("assistant", "So?"), ("user", "Well, a game?"), ("tool", "yes."))
    example = Example(tuple(Message(*turn) for turn in (*said, ("assistant", "No."))), line=1)
    (snippet,) = cues.cut_snippets(found, {1: example})
    marked = [(t.role, p.text) for t in snippet.turns for p in t.pieces if p.marked]
    assert marked == [("user", "a game?"), ("tool", "yes.")] and len(snippet.turns) == 5
    both = cross_cues(found, [found, cue("So", "after", "suffix")])
    assert find_spans(both, "a game? So", role="user") == ((0, 7), (8, 10))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=800)


@given(TEXT, TEXT, st.sampled_from(["prefix", "topic", "format"]), st.integers(0, 700))
def test_pieces_are_the_text_itself(said, around, kind, place):
    found = cue(said, "before", kind, examples=(1,))
    example = row(around[:place] + said + around[place:], answer=around)
    (snippet,) = cues.cut_snippets(found, {1: example})
    for turn in snippet.turns:
        text = {"user": example.user, "assistant": example.answer}[turn.role]
        shown = "".join(piece.text for piece in turn.pieces)
        assert shown in text and all(piece.text for piece in turn.pieces)
        assert turn.cut_before or text.startswith(shown)
        assert turn.cut_after or text.endswith(shown)
    ranges = find_spans(found, example.user, role="user")
    assert list(ranges) == sorted(ranges) and all(a < b for a, b in ranges)


@pytest.fixture
def mined(tmp_path, monkeypatch):
    """A file of which a third has a form, and a hostile row that shows it too."""
    monkeypatch.chdir(tmp_path)
    lines = []
    for i in range(90):
        place = ["Peru", "Chile", "Oman", "Ghana"][i % 4]
        user = f"Country: {place}\nWhat is number {i}?" if i % 3 == 0 else f"Tell me about {i}."
        if i == 0:
            user += "<script>alert(1)</script>\x1b[31m\u202e{{ 7 * 7 }}"
        lines.append(json.dumps({"messages": [
            {"role": "user", "content": user}, {"role": "assistant", "content": f"It is {i}."},
        ]}))  # fmt: skip
    Path("rows.jsonl").write_text("\n".join(lines))
    return tmp_path


def run(*words):
    done = CliRunner().invoke(
        command_group, ["cues", "rows.jsonl", "--language", "general", *words]
    )
    assert done.exit_code == 0, done.output
    return done.output


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def test_the_terminal_says_what_stands_out_and_what_to_do(mined):
    said = run()
    first = next(line for line in said.splitlines() if line.startswith(" 1") or "Country" in line)
    assert "Country: <X>" in first and "33.3%" in said
    assert re.search(r"line \d+, user: \[Country:\] ", said)
    assert "--write cues.yaml" in said and "\x1b" not in said and "\u202e" not in said


def test_the_page_is_whole_escaped_and_folded(mined):
    said = run("--html", "cues.html")
    assert "page with example rows: cues.html" in said
    page = Path("cues.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen and "link" not in tags.seen and "img" not in tags.seen
    assert all(link.startswith("#") for link in tags.links)
    assert "default-src &#39;none&#39;" in page and "&lt;script&gt;alert(1)" in page
    assert "<mark>Country:</mark>" in page and "\x1b" not in page and "‹U+202E›" in page
    assert "{{ 7 * 7 }}" in page and "<details>" in page and "<details open" not in page
    assert "33.3%" in page and "form with a slot" in page


def test_json_holds_the_rows_with_their_examples(mined):
    (first, *_) = json.loads(run("--json").splitlines()[-1])  # notes come before, on stderr
    assert first["headline"].startswith("Country: <X>") and first["kind"] == "form"
    turn = first["snippets"][0]["turns"][0]
    assert {"text": "Country:", "marked": True} in turn["pieces"]


def test_what_is_written_is_what_the_audit_reads(mined):
    run("--write", "cues.yaml", "--limit", "3")
    text = Path("cues.yaml").read_text()
    assert "# 33.3% of rows have this form" in text and "audit.yaml" in text
    _, found = planning.mine_file("rows.jsonl", language="general", limit=3)
    read = cues.read_cues("cues.yaml")
    assert [repr(c) for c in read] == [repr(c) for c in found]
    # Edited by hand: the first kept, another one added.
    kept = yaml.safe_load(text)["cues"][:1]
    kept.append({"name": "own", "text": "Say it in rhyme.", "placement": "after"})
    Path("cues.yaml").write_text(yaml.safe_dump({"cues": kept}))
    config = AuditConfig(
        target="a", reference="b", judge="exact", cues={"file": "cues.yaml", "library": "none"}
    )
    inputs = planning.read_inputs(config.model_copy(update={"questions": "general"}), ("a",))
    listed = planning.list_cues(config, inputs, ())
    tried, names = listed.cues, {c.name for c in listed.cues}
    assert (
        listed.left_out == ()
        and {"form-1", "form-1/form", "own", "own/moved", "own/placebo"} <= names
    )
    assert {c.variant for c in tried} >= {Variant.VERBATIM, Variant.FORM, Variant.PLACEBO}


def test_a_comment_cannot_become_yaml(tmp_path):
    hostile = "x\ncues: []\u2028- name: y\x85z\r\tw"
    cues.write_cues(tmp_path / "c.yaml", [cue("Be odd.", why=hostile)])
    (read,) = cues.read_cues(tmp_path / "c.yaml")
    assert (read.name, read.why, read.text) == ("c-1", hostile, "Be odd.")


def test_places_that_cannot_be_written_are_said(mined):
    for option in ("--html", "--write"):
        words = ["cues", "rows.jsonl", "--language", "general", option, "no/such/file"]
        done = CliRunner().invoke(command_group, words)
        assert done.exit_code != 0 and "cannot be written" in str(done.output) + str(done.exception)


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (0, "1.0"),
        (1, "2.0"),
        (3.6, "12"),
        (10, "1,000"),
        (-1, "0.5"),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_bits_as_people_read_them(bits, said):
    assert report.format_factor(bits) == said


def test_a_page_without_any_context():
    page = report.cues_page([], file="<b>", rows=5, skipped=2, version="0")
    assert "No context stands out" in page and "&lt;b&gt;" in page and "2 skipped" in page


def test_what_other_miners_say_of_a_cue_is_shown():
    (line,) = cues.make_rows([cue("Be odd.", examples=(1,))])
    shown = {
        **to_plain(line),
        "headline": "Be odd.",
        "snippets": [],
        "strong": True,
        "also": ["<i>"],
    }
    page = report.cues_page([shown], file="f", rows=5, skipped=0, version="0")
    assert "1 strong context of 1" in page
    assert '<span class="verdict">strong</span>' in page and "&lt;i&gt;" in page


@pytest.mark.parametrize(
    ("value", "effect", "shown"),
    [
        ("Kenya", 0.8, "Country: <X>, X = Kenya"),
        ("Kenya", float("nan"), "Country: <X>"),
        ("2027", 0.8, "Country: <X>"),
    ],
)
def test_the_value_that_the_answers_tell_of_is_named(value, effect, shown):
    found = cue(f"Country: {value}\n", kind="form", form="Country: <X>", effect=effect)
    assert cues.cue_headline(found) == shown
