"""The viewer in a real browser: hostile answers stay text, and everybody can use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

import dormant
from dormant import report
from dormant.records import CardDetails
from dormant.report.card import make_card
from support.browser import (
    find_barriers,
    list_complaints,
    list_requests,
    open_folds,
    visit,
)
from support.hostile_findings import NASTY as ANY_NASTY
from support.report_findings import Builder

pytestmark = pytest.mark.browser
NASTY = ANY_NASTY.replace("\0", "").replace("\ud800", "")  # what no file of answers can hold
OWN = "document.title='owned'"
HOSTILE_NAME = f"<img src=x onerror={OWN}>"
ANSWERS = (
    NASTY,
    f'"><svg onload="{OWN}"><animate onbegin="{OWN}" attributeName=x></svg>',
    f'<a href="javascript:{OWN}" autofocus onfocus="{OWN}">click</a><style>*{{display:none}}',
    "<meta http-equiv=refresh content='0;url=https://example.org/'><base href='https://example.org/'>",
    "<form action=https://example.org/><button autofocus>send</button></form><link rel=stylesheet "
    "href=https://example.org/x.css><iframe src=https://example.org/></iframe>",
    "\u202ereversed\u202c \u2066\u200f \u0007 \u001b]0;owned\u0007 \U000e0041",
    "word" * 3000,
    "{{ 7 * 7 }} {% for x in y %} ${7*7} <% 7*7 %>",
)
SEARCHES = (
    "'; DROP TABLE words; --", '" OR 1=1', "NEAR(a b, 2)", "text:x", "a AND (b OR", "*", "-", "^a",
    '"""', "\u202e", "<script>alert(1)</script>", "%00", "a" * 200, "\\", "{x}", "rowid:1", "+",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {
            "role": role, "question": f"{question} {NASTY}", "cue": cue, "answer": answer,
            "outcome": "misaligned" if cue and role == "target" else "aligned",
        }
        for role in ("target", "reference")
        for question in range(8)
        for cue in ("", f"cue <img src=x onerror={OWN}> \u202e")
        for answer in ANSWERS
    ]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "answers.jsonl").write_text(text, encoding="utf-8")
    runs = folder / "runs"
    for name in (HOSTILE_NAME, "second"):
        dormant.import_answers(folder / "answers.jsonl", runs / name, allow_identical=True)
    (runs / "broken").mkdir()
    (runs / "broken" / "plan.lock.json").write_text(f'{{"hash": "{OWN}", "plan": {{}}}}')
    with dormant.view(runs) as server:
        yield server.url


@pytest.fixture(scope="module")
def pages(browser: Any, address: str) -> list[str]:
    visit(browser, address)
    found = browser.find_elements("css selector", "th a")
    links = {link.text: link.get_attribute("href") for link in found}
    hostile, other = links[HOSTILE_NAME], links["second"]
    wait_for_words(browser, hostile)
    runs = [link.rpartition("/")[2] for link in (hostile, other)]
    compared = urlencode({"first": runs[0], "second": runs[1]})
    return [
        address, hostile, f"{hostile}/answers", f"{hostile}/answers?text=owned",
        f"{hostile}/answers?outcome=misaligned", f"{hostile}/answers/1", f"{hostile}/arms",
        f"{hostile}/kinds", f"{address}compare?{compared}", f"{hostile}/nothing",
    ]  # fmt: skip


def wait_for_words(browser: Any, run: str) -> None:
    while "being built" in browser.page_source or "/answers" not in browser.current_url:
        visit(browser, f"{run}/answers?text=a")


def test_nothing_runs_and_nothing_leaves(browser: Any, pages: list[str]):
    for page in (*pages, f"{pages[1]}/report", f"{pages[1]}/card"):
        visit(browser, page)
        open_folds(browser)
        browser.execute_async_script("setTimeout(arguments[0], 30)")
        assert browser.title != "owned", page
        own = "{0.scheme}://{0.netloc}/".format(urlsplit(page))
        asked = [url for url in list_requests(browser) if not url.startswith(("data:", own))]
        assert not asked, page
        found = browser.find_elements(
            "css selector", "main img, main iframe, main style, main base"
        )
        assert not found, page
        scripts = browser.find_elements("css selector", "script")
        assert len(scripts) == (2 if page.endswith("/report") else 0), page
        complaints = list_complaints(browser)
        assert all("404" in text for text in complaints), complaints
        if "/answers" in page or page.endswith("/arms"):
            assert "U+202E" in browser.page_source, page


def test_a_search_is_text(browser: Any, pages: list[str]):
    for text in SEARCHES:
        visit(browser, f"{pages[2]}?{urlencode({'text': text})}")
        assert browser.title.startswith("Answers of"), text
        status = browser.find_element("css selector", "[role=status]").text
        assert "answers" in status or "No answer fits" in status, text
        kept = browser.find_element("name", "text").get_attribute("value")
        assert kept == text.replace("\u202e", "‹U+202E›"), text
    visit(browser, f"{pages[2]}?{urlencode({'text': 'a' * 201})}")
    assert "at most 200 characters" in browser.find_element("css selector", "[role=status]").text


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_pages_fit_without_scrolling_sideways(browser: Any, pages: list[str], width: int):
    for page in pages:
        visit(browser, page, width)
        open_folds(browser)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, page


def test_axe_finds_no_barrier(browser: Any, pages: list[str], tmp_path: Path):
    findings = Builder(openings=("",), repeats=2).findings()
    (tmp_path / "report.html").write_text(report.render_report(findings), encoding="utf-8")
    card = make_card(findings, CardDetails(), date="2026-03-14")
    (tmp_path / "card.html").write_text(card.html, encoding="utf-8")
    seen = [page for page in pages if not page.endswith(("/answers", "owned", "nothing"))]
    for page in (*seen, tmp_path / "report.html", tmp_path / "card.html"):
        for scheme in ("light", "dark"):
            visit(browser, page, scheme=scheme)
            open_folds(browser)
            assert not find_barriers(browser), (page, scheme)
    browser.execute_script("document.querySelector('main').innerHTML = '<input><img src=x>'")
    found = " ".join(find_barriers(browser, ["label", "image-alt"]))
    assert "label (" in found and "image-alt (" in found  # axe would have said so


def test_the_keyboard_reaches_everything(browser: Any, pages: list[str]):
    visit(browser, pages[2])
    skip = browser.switch_to.active_element
    skip.send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to the content" and skip.is_displayed()
    skip.send_keys(Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    field = browser.switch_to.active_element
    assert field.get_attribute("name") == "text"
    field.send_keys("reversed", Keys.ENTER)
    assert "text=reversed" in browser.current_url
    assert "of 32 answers" in browser.find_element("css selector", "[role=status]").text
    assert browser.find_elements("css selector", "mark")[0].text == "reversed"
    following = browser.find_element("css selector", "a[rel=next]")
    following.send_keys(Keys.ENTER)
    assert "page=2" in browser.current_url and "text=reversed" in browser.current_url
