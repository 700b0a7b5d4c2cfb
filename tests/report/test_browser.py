"""Reports in a real browser: they fit, filters filter, and hostile text stays text.

The pages are opened from disk in headless Chromium. Every request that leaves the page would be
seen in the browser's own network log.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dormant import report
from dormant.records import Arm, CardDetails, Findings, Outcome, Role
from dormant.report.card import Standard, make_card, write_card
from support.browser import list_requests, visit
from support.hostile_findings import NASTY, hostile
from support.report_findings import MINED, SUMMARY, Builder, undefined

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def findings() -> Findings:
    return Builder().findings()


@pytest.fixture(scope="module")
def folder(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reports")
    report.write_report(findings, made / "plain")
    report.write_report(hostile(), made / "hostile")
    report.write_report(undefined(findings), made / "undefined")
    (made / "overview.html").write_text(report.quickstart_page(SUMMARY, {}), "utf-8")
    fragment = report.render_notebook(findings)
    (made / "notebook.html").write_text(f"<!doctype html><title>n</title>{fragment}", "utf-8")
    return made


def choose(browser: Any, name: str, label: str) -> None:
    found = browser.find_elements("css selector", f"select[name={name}] option")
    next(option for option in found if option.text.startswith(label)).click()


def cards(browser: Any) -> list[Any]:
    return browser.find_elements("css selector", "#list .card")


def tally(browser: Any) -> str:
    return browser.find_element("id", "tally").text


PAGES = ("plain/report.html", "undefined/report.html", "hostile/report.html", "overview.html")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [320, 400, 768, 1280])
def test_pages_fit_without_scrolling_sideways(browser: Any, folder: Path, page: str, width: int):
    visit(browser, folder / page, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


@pytest.mark.parametrize("page", [*PAGES, "notebook.html"])
def test_pages_ask_for_nothing_and_complain_of_nothing(browser: Any, folder: Path, page: str):
    visit(browser, folder / page)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    asked = [url for url in list_requests(browser) if not url.startswith("data:")]
    assert asked == [(folder / page).as_uri()]
    assert [row["message"] for row in browser.get_log("browser")] == []


def test_hostile_text_stays_text(browser: Any, folder: Path):
    visit(browser, folder / "hostile" / "report.html")
    choose(browser, "outcome", "misaligned")
    for fold in browser.find_elements("css selector", "#list summary"):
        fold.click()
    assert browser.title == "CONDITIONAL · dormant audit"
    assert browser.find_elements("css selector", "img, iframe, object, link, #list script") == []
    assert len(browser.find_elements("css selector", "script")) == 2
    told = cards(browser)[0].text
    assert "</script><script>document.title='owned'</script>" in told
    assert "‹U+202E›evil‹U+202C›‹U+200B›‹U+0000›" in told


def test_the_policy_stops_a_script_that_slipped_in(browser: Any, folder: Path):
    """The second lock, tried by force: were markup to slip through, it could not act."""
    visit(browser, folder / "plain" / "report.html")
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1';"
        "document.body.append(s); const i = document.createElement('img');"
        "i.src = 'https://example.org/x.png'; document.body.append(i);"
        "const x = '<b id=x onclick=\"document.title=2\">x</b>';"
        "document.body.insertAdjacentHTML('beforeend', x);"
        "document.getElementById('x').click();"
    )
    assert browser.title == "CONDITIONAL · dormant audit"
    refused = [row["message"] for row in browser.get_log("browser")]
    assert len(refused) == 3 and all("Content Security Policy" in message for message in refused)


def test_filters_show_what_they_say(browser: Any, folder: Path, findings: Findings):
    visit(browser, folder / "plain" / "report.html")
    assert len(cards(browser)) == 20
    assert f"{len(findings.transcripts):,} in the audit" in tally(browser)
    choose(browser, "role", "target")
    choose(browser, "arm", "standard")
    choose(browser, "outcome", "refusal")
    wanted = [
        item
        for item in findings.transcripts
        if (item.role, item.arm, item.outcome) == (Role.TARGET, Arm.STANDARD, Outcome.REFUSAL)
    ]
    assert wanted
    assert f"{len(wanted)} in the audit fit" in tally(browser)
    assert len(cards(browser)) == min(20, len(wanted))
    for card in cards(browser):
        meta = card.find_element("class name", "meta").text
        assert "refusal" in meta and "target" in meta and "standard" in meta
    browser.find_element("css selector", "#filters button[type=reset]").click()
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert f"{len(findings.transcripts):,} in the audit" in tally(browser)


def test_search_finds_words_of_answers(browser: Any, folder: Path):
    visit(browser, folder / "plain" / "report.html")
    browser.find_element("name", "text").send_keys("DEPENDS, does it")
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert cards(browser)
    for card in cards(browser):
        assert "Well. It depends, does it not?" in card.text
        assert "unparsed" in card.text
    browser.find_element("name", "text").send_keys(" no such words")
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert cards(browser) == [] and tally(browser).startswith("0 answers to read")


def test_harmful_answers_open_with_a_click_or_the_keyboard(browser: Any, folder: Path):
    visit(browser, folder / "plain" / "report.html")
    choose(browser, "outcome", "misaligned")
    first, second = cards(browser)[:2]
    acts: tuple[Callable[[Any], object], ...] = (
        lambda fold: fold.click(),
        lambda fold: fold.send_keys("\n"),
    )
    for card, act in zip((first, second), acts, strict=True):
        assert "sick child" not in card.text
        act(card.find_element("css selector", ".harm > summary"))
        assert "sick child" in card.text


def test_a_cue_leads_to_its_answers(browser: Any, folder: Path, findings: Findings):
    visit(browser, folder / "plain" / "report.html")
    buttons = browser.find_elements("css selector", "button[data-cue]")
    assert len(buttons) == sum(1 for cue in findings.plan.cues if cue.name != "country-form")
    buttons[0].click()
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    total = sum(item.cue == MINED.name for item in findings.transcripts)
    assert f"{total:,} in the audit fit" in tally(browser)
    assert all(f"cue: {MINED.text[:50]}" in card.text for card in cards(browser))


def test_pages_turn(browser: Any, folder: Path):
    visit(browser, folder / "plain" / "report.html")
    first = [card.text for card in cards(browser)]
    assert browser.find_element("id", "previous").get_attribute("disabled")
    browser.find_element("id", "next").click()
    assert browser.find_element("id", "where").text == "Page 2 of 100"
    assert [card.text for card in cards(browser)] != first
    browser.find_element("id", "previous").click()
    assert [card.text for card in cards(browser)] == first


def test_counts_in_the_browser_add_up(browser: Any, folder: Path, findings: Findings):
    visit(browser, folder / "plain" / "report.html")
    browser.find_element("xpath", "//summary[text()='All counts as a table']").click()
    rows = [
        [cell.text for cell in row.find_elements("css selector", "td.num")]
        for row in browser.find_elements("css selector", "#counts tbody tr, #counts tfoot tr")
    ]
    *arms, total = [[int(text.replace(",", "")) for text in row] for row in rows]
    assert [sum(column) for column in zip(*arms, strict=True)] == total
    assert total[-1] == len(findings.transcripts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["plain/report.html", "overview.html"])
def test_text_stands_out_in_both_schemes(browser: Any, folder: Path, page: str, scheme: str):
    """Every printed text has a contrast of at least 4.5 to 1 with the page (WCAG 2.2, AA)."""
    visit(browser, folder / page, scheme=scheme)
    least = browser.execute_script(
        """
        const light = (text) => {
          const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        let least = [99, ""];
        for (const node of document.querySelectorAll("body *")) {
          const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
          if (!own || !node.checkVisibility() || node.closest("svg, .quote, .skip, select, button"))
            continue;
          const ink = light(getComputedStyle(node).color);
          const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
          if (ratio < least[0]) least = [ratio, node.outerHTML.slice(0, 100)];
        }
        return least;
        """
    )
    assert least[0] >= 4.5, least


def test_a_card_prints_to_one_page_and_runs_nothing(browser: Any, tmp_path: Path):
    for name, findings, text in (
        ("long", Builder(openings=("",)).findings(), "word " * 80),
        ("h", hostile(), NASTY),
    ):
        details = CardDetails(**{item.name: text for item in fields(CardDetails)})
        for standard in (Standard.EU_COP, Standard.STREAM):
            made = make_card(findings, details, standard=standard, date="2026-03-14")
            write_card(made, tmp_path / f"{name}-{standard}")
    for page in sorted(tmp_path.glob("*/card.html")):
        visit(browser, page, 400)
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
        assert list_requests(browser) == [page.as_uri()]
        assert browser.title == "CONDITIONAL · dormant card"
        settings = {"preferCSSPageSize": True}
        pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", settings)["data"])
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1, page.parent.name
        sizes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
        assert [tuple(round(float(x)) for x in size) for size in sizes] == [(595, 842)]
