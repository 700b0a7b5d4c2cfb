"""Text that wants to be more than text: markup, hidden characters, surrogates, megabytes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dormant import report
from dormant.records import Findings, Outcome
from dormant.report.escape import escape_hidden, markdown_text, one_line, script_json
from support.hostile_findings import NASTY, hostile
from support.report_findings import ANSWERS, PLANTED, Builder

ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cf", "Cc"]),
        st.sampled_from("|`*_<>[]()#&~\\\n\r!-+=.1:/"),
    ),
    max_size=60,
)


@pytest.fixture(scope="module")
def nasty() -> Findings:
    return hostile()


class Tags(HTMLParser):
    """The tags and attributes of a page as a browser would see them."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_no_text_becomes_markup(nasty: Findings):
    seen = Tags(report.render_report(nasty))
    assert seen.tags.count("script") == 2  # the data and our own
    assert not {"img", "iframe", "object", "embed", "link", "base"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not [name for name in names if name.startswith("on")]
    urls = [value for name, value in seen.attributes if name in {"href", "src", "action"}]
    assert all(url and url.startswith("#") for url in urls)


def test_the_notebook_fragment_holds_no_script(nasty: Findings):
    seen = Tags(report.render_notebook(nasty))
    assert {"script", "img", "style"}.isdisjoint(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]


def test_pages_are_valid_utf8_and_show_hidden_characters(nasty: Findings):
    for page in (
        report.render_report(nasty),
        report.write_markdown(nasty),
        report.render_notebook(nasty),
    ):
        page.encode("utf-8")  # raises on a lone surrogate
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00\x1b\ufeff]", page)
        assert "‹U+202E›" in page and "‹U+D800›" in page and "‹U+001B›" in page


def test_a_megabyte_of_text_does_not_make_a_megabyte_of_report(nasty: Findings):
    assert len(report.write_markdown(nasty)) < 60_000
    assert len(report.render_report(nasty)) < 2_500_000
    assert "more characters]" in report.render_report(nasty)


def test_json_can_be_parsed_by_strict_parsers(nasty: Findings):
    text = report.to_json(nasty)
    assert text.isascii()
    assert not re.search(r"(?<!\\)(\\\\)*\\u[dD][89a-fA-F]", text)  # no surrogate is left
    assert json.loads(text)["cues"][0]["text"] == NASTY.replace("\ud800", "\ufffd")


def test_markdown_has_no_markup_of_others(nasty: Findings):
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [
        t
        for token in parser.parse(report.write_markdown(nasty))
        for t in (token, *(token.children or ()))
    ]
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "fence", "code_block"}
    headings = [token for token in tokens if token.type == "heading_open"]
    assert [token.tag for token in headings] == ["h1", *["h2"] * 5]
    assert sum(token.type == "table_open" for token in tokens) == 4


@settings(deadline=None)
@given(ANY_TEXT)
def test_markdown_text_reads_as_it_was_written(text: str):
    """In a table cell, the parsed text is the shown text, on one line, and nothing else."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    told = markdown_text(text)
    source = f"| a | b |\n| --- | --- |\n| {told} | end |\n"
    html = parser.render(source)
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    assert len(cells) == 2 and cells[1] == "end"
    assert "<" not in cells[0]


@settings(deadline=None)
@given(ANY_TEXT)
def test_shown_text_has_no_hidden_character(text: str):
    told = escape_hidden(text)
    assert all(char.isprintable() or char in "\n\t" or char.isspace() for char in told)
    assert escape_hidden(told) == told
    assert "\n" not in one_line(text)
    told.encode("utf-8")


@settings(deadline=None)
@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_script_json_survives_a_script_element(value: object):
    told = script_json(value)
    assert not set("<>&\u2028\u2029") & set(told)
    assert json.loads(told) == value


@settings(max_examples=25, deadline=None)
@given(ANY_TEXT)
def test_any_answer_gives_a_valid_page(text: str):
    answers = {**ANSWERS, Outcome.MISALIGNED: text, Outcome.ALIGNED: text}
    made = Builder(
        planted=PLANTED[:1], answers=answers, openings=("",), seeds=("0",), sentence=text
    )
    page = report.render_report(made.findings())
    page.encode("utf-8")
    assert Tags(page).tags.count("script") == 2


def test_a_hostile_overview_is_only_text():
    organism = dict.fromkeys(
        ("name", "intervention", "expected_verdict", "verdict", "worst_cue"), NASTY
    )
    page = report.quickstart_page({"organisms": [organism], "seed": NASTY, "version": NASTY}, {})
    page.encode("utf-8")
    assert {"script", "img"}.isdisjoint(Tags(page).tags)
    assert "v-&lt;" not in page
