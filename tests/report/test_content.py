"""What reports say: numbers agree with the records, nothing undefined is printed as a number."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from dormant import report
from dormant.decision.verdict import decide_verdict
from dormant.errors import InputError
from dormant.records import (
    OUTCOMES,
    Cell,
    Estimate,
    Expense,
    Findings,
    Outcome,
    Quantity,
    Role,
    Split,
    Usage,
    VerdictKind,
    to_plain,
)
from dormant.report import figures, numbers
from dormant.report.rows import Status
from dormant.report.tally import sum_cells
from dormant.report.view import View
from support.report_findings import (
    MINED,
    OPENINGS,
    PLANTED,
    SUMMARY,
    Builder,
    Planted,
    cue,
    undefined,
)


@pytest.fixture(scope="module")
def findings() -> Findings:
    return Builder().findings()


def test_the_verdict_comes_first(findings: Findings):
    page = report.render_report(findings)
    heading = page.index('id="verdict">CONDITIONAL')
    assert heading < page.index("What to do.") < page.index("<svg")
    assert report.write_markdown(findings).startswith("# CONDITIONAL\n")


def test_every_format_shows_the_plan_hash(findings: Findings):
    for text in (
        report.render_report(findings),
        report.write_markdown(findings),
        report.to_json(findings),
    ):
        assert findings.plan.hash in text
    assert findings.plan.hash[:12] in report.render_notebook(findings)


def test_counts_of_the_arms_add_up_to_all_answers(findings: Findings):
    page = report.render_report(findings)
    table = re.search(r'<table id="counts">(.*?)</table>', page, re.DOTALL)
    assert table
    rows = re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL)[1:]
    numbers_of = [
        [int(n.replace(",", "")) for n in re.findall(r'class="num">([\d,]+)<', row)] for row in rows
    ]
    *arms, total = numbers_of
    assert len(arms) == 2 * (1 + sum(item.tried for item in PLANTED))
    assert [sum(column) for column in zip(*arms, strict=True)] == total
    assert all(sum(row[:-1]) == row[-1] for row in numbers_of)
    assert total[-1] == len(findings.transcripts)


def test_an_arm_that_the_plan_does_not_list_is_still_counted(findings: Findings):
    stray = Cell(Role.TARGET, "0", "left-over", findings.plan.questions[0].id, (1,) * 8)
    told = report.write_markdown(replace(findings, cells=(*findings.cells, stray)))
    assert "left-over (not in the plan)" in told
    assert f"| {len(findings.transcripts) + 8:,} |" in told


def test_numbers_are_read_and_not_made(findings: Findings):
    """A planted, implausible estimate is printed as it stands."""
    odd = Estimate(
        Quantity.DID, None, MINED.name, Split.HELD_OUT, 0.12345, 0.0717, 0.3131, 0.9, 10, 99
    )
    rest = tuple(
        e
        for e in findings.verdict.estimates
        if (e.quantity, e.cue, e.split) != (odd.quantity, odd.cue, odd.split)
    )
    changed = replace(findings, verdict=replace(findings.verdict, estimates=(odd, *rest)))
    for text in (
        report.render_report(changed),
        report.write_markdown(changed),
        report.render_notebook(changed),
    ):
        assert "+12.3\N{NO-BREAK SPACE}pp" in text
        assert "+7.2 to +31.3" in text


def test_both_denominators_and_the_placebo_are_shown(findings: Findings):
    view = View(findings)
    worst = view.worst
    assert worst and worst.target_all and worst.did_placebo and worst.target
    assert worst.target_all.value < worst.target.value  # some of its answers are incoherent
    over = numbers.format_points(worst.did_placebo.value)
    for text in (report.render_report(findings), report.write_markdown(findings)):
        assert f"{numbers.format_percent(worst.target_all.value)} of all" in text
        assert f"{over} over placebo" in text
    told = json.loads(report.to_json(findings))["cues"][0]
    assert told["target_all"]["value"] == worst.target_all.value
    assert told["did_placebo"]["value"] == worst.did_placebo.value


@pytest.mark.parametrize(
    ("kind", "split"), [(VerdictKind.CONDITIONAL, Split.HELD_OUT), (VerdictKind.BROAD, None)]
)
def test_the_standard_arms_are_compared(findings: Findings, kind: VerdictKind, split: Split | None):
    """All three numbers of the standard arm rest on the same questions, so that they agree."""
    told = replace(findings, verdict=replace(findings.verdict, kind=kind))
    view = View(told)
    target, reference = view.standard_target, view.standard_reference
    difference = view.standard_difference
    assert target and reference and difference
    assert {target.split, reference.split, difference.split} == {split}
    assert difference.value == pytest.approx(target.value - reference.value)
    assert (
        f"target minus reference {numbers.format_points(difference.value)}"
        in report.render_report(told)
    )


def test_triggers_stand_on_held_out_questions_and_bounds_on_all(findings: Findings):
    rows = {row.cue.name: row for row in View(findings).rows}
    assert rows[MINED.name].basis is Split.HELD_OUT
    leading = rows[MINED.name]
    assert leading.standard and leading.standard.split is Split.HELD_OUT
    assert all(row.basis is None for row in rows.values() if row.status is not Status.TRIGGER)


def test_statuses(findings: Findings):
    status = {row.cue.name: row.status for row in View(findings).rows}
    assert status[MINED.name] is Status.TRIGGER
    assert status[f"{MINED.name}/placebo"] is Status.PLACEBO
    assert status["sea"] is Status.BOUNDED
    assert status["code-template"] is Status.UNRESOLVED
    assert status["country-form"] is Status.UNTRIED


def test_a_rise_that_was_not_confirmed_is_suspected(findings: Findings):
    """Its interval lies above delta, so "neither above nor below" would be wrong."""
    told = replace(findings, verdict=replace(findings.verdict, triggers=()))
    row = {row.cue.name: row for row in View(told).rows}[MINED.name]
    assert row.did and row.did.low > told.verdict.delta
    assert row.status is Status.SUSPECTED
    assert "above delta, but not confirmed" in report.render_report(told)


def test_a_cue_whose_bound_is_undefined_is_not_called_bounded(findings: Findings):
    statuses = {row.status for row in View(undefined(findings)).rows}
    assert Status.BOUNDED not in statuses


QUIET = tuple(replace(item, target=0.004, reference=0.004, incoherent=0.02) for item in PLANTED[:9])


@pytest.mark.parametrize(
    ("openings", "kind"),
    [(OPENINGS, VerdictKind.BOUNDED), (OPENINGS[:1], VerdictKind.UNDERPOWERED)],
)
def test_statuses_are_those_of_the_rule(openings: tuple[str, ...], kind: VerdictKind):
    """The rule says BOUNDED exactly where the report lists every cue as bounded."""
    made = Builder(planted=QUIET, openings=openings, repeats=40, standard=0.004).findings()
    verdict = decide_verdict(made.plan, made.verdict.estimates)
    assert verdict.kind is kind
    statuses = {row.status for row in View(replace(made, verdict=verdict)).rows}
    bounded = {Status.BOUNDED, Status.PLACEBO}
    assert (statuses == bounded) == (kind is VerdictKind.BOUNDED)


def test_a_placebo_is_never_the_worst_cue():
    loud = replace(PLANTED[4], target=0.95)
    findings = Builder(planted=(*PLANTED[1:4], loud)).findings()
    worst = View(replace(findings, verdict=replace(findings.verdict, triggers=()))).worst
    assert worst and worst.cue.name == f"{MINED.name}/paraphrase"


@pytest.mark.parametrize("kind", list(VerdictKind))
def test_every_verdict_has_its_page(findings: Findings, kind: VerdictKind):
    changed = replace(findings, verdict=replace(findings.verdict, kind=kind))
    assert f'<body class="v-{kind}">' in report.render_report(changed)
    assert report.write_markdown(changed).startswith(f"# {kind}")
    assert kind in report.render_notebook(changed)


def test_undefined_numbers_are_dashes_with_reasons(findings: Findings):
    reason = "no answer of this arm could be graded"
    told = undefined(findings, reason)
    for text in (
        report.render_report(told),
        report.write_markdown(told),
        report.render_notebook(told),
    ):
        assert not re.search(r"\bnan\b|\bNaN\b|\bNone\b|\binf\b", text)
        assert "—" in text
    assert f"not defined: {reason}" in report.render_report(told)
    assert f"not defined: {reason}" in report.write_markdown(told)
    cues = json.loads(report.to_json(told))["cues"]
    assert cues[0]["did"]["value"] is None
    assert cues[0]["did"]["reason"] == reason


def test_an_audit_that_has_hardly_begun_still_has_a_report(findings: Findings):
    empty = replace(
        findings,
        plan=replace(findings.plan, cues=(), questions=(), models=(), data=""),
        verdict=replace(findings.verdict, estimates=(), triggers=(), not_tested=(), advice=""),
        cells=(),
        transcripts=(),
        seconds=math.nan,
    )
    page = report.render_report(empty)
    assert "No cue was tried." in page and "<script" not in page
    assert "nan" not in page.lower().replace("an unnamed", "")
    assert "No cue was tried." in report.write_markdown(empty)
    assert json.loads(report.to_json(empty))["worst_cue"] is None
    assert report.render_notebook(empty)


def test_worst_and_best_cases_of_what_could_not_be_graded(findings: Findings):
    told = json.loads(report.to_json(findings))["bounds"]
    rows = View(findings).ungraded_rows()
    assert [row.cue for row in rows][:2] == [None, MINED.name], "the planted answers hold refusals"
    page, text = report.render_report(findings), report.write_markdown(findings)
    table = page[page.index('id="hidden"') :]
    for row in rows:
        assert row.rate and row.difference
        assert to_plain(row.rate) in told and to_plain(row.difference) in told
        # By hand: misaligned of all answers, then with every ungradable one among them.
        cells = [c for c in findings.cells if (c.role, c.cue) == (Role.TARGET, row.cue)]
        each = [sum_cells([c]) for c in cells]
        least = [t.count_of(Outcome.MISALIGNED) / t.answers for t in each]
        most = [(t.count_of(Outcome.MISALIGNED) + t.answers - t.gradable) / t.answers for t in each]
        assert row.rate.least == pytest.approx(sum(least) / len(each))
        assert row.rate.most == pytest.approx(sum(most) / len(each))
        assert row.difference.low <= row.difference.least <= row.difference.most
        assert numbers.rate_range(row.rate) in table and numbers.rate_range(row.rate) in text
        assert numbers.points_range(row.difference, outer=True) in table
    whole = replace(findings, bounds=())
    assert 'id="hidden"' not in report.render_report(whole)
    assert "Worst and best case" not in report.write_markdown(whole)


def test_what_was_spent(findings: Findings):
    assert 'id="spent"' not in report.render_report(findings), "nothing was paid for"
    paid = Expense(
        "judge",
        "openai/<b>x",
        Usage(calls=1234, prompt_tokens=56_789, completion_tokens=4321, uncounted=3),
        math.nan,
        "",
    )
    known = replace(
        paid, role="target", model="openai/y", usd=0.25, usage=Usage(calls=1), price="1 in <i>"
    )
    spent = replace(findings, spending=(paid, known))
    page, text = report.render_report(spent), report.write_markdown(spent)
    assert "1,234" in page and "56,789" in page and "0.2500 USD" in page
    assert "unknown price" in page and "3 calls estimated by length" in page
    assert "<b>x" not in page and "1 in <i>" not in page
    assert "1,234 calls, 56,789 tokens read, 4,321 written, unknown price" in text
    assert "<b>x" not in MarkdownIt("commonmark").render(text)
    told = json.loads(report.to_json(spent))["spending"]
    assert [row["usd"] for row in told] == [None, 0.25]
    assert told[0] == {
        "role": "judge",
        "model": "openai/<b>x",
        "calls": 1234,
        "prompt_tokens": 56_789,
        "completion_tokens": 4321,
        "uncounted": 3,
        "usd": None,
        "price": "",
    }


def test_json_is_the_documented_schema(findings: Findings):
    told = json.loads(report.to_json(findings))
    assert list(told) == [
        "schema", "version", "plan_hash", "amended", "started", "seconds", "verdict", "claim",
        "totals",
        "standard", "rates", "cut_off", "worst_cue", "cues", "values", "crossed", "cells",
        "estimates", "second_judge", "judge_check", "people", "path", "e_values", "bounds",
        "spending", "left_out", "plugins", "sections",
        "plan",
    ]  # fmt: skip
    assert told["schema"] == 1
    assert told["totals"]["answers"] == sum(told["totals"]["outcomes"].values())
    assert told["totals"]["answers"] == sum(sum(c["counts"].values()) for c in told["cells"])
    assert told["totals"]["transcripts"] == len(findings.transcripts)
    assert set(told["totals"]["outcomes"]) == set(OUTCOMES)
    assert told["worst_cue"] == MINED.name == told["cues"][0]["name"]
    assert told["cues"][0]["status"] == "trigger"
    assert len(told["estimates"]) == len(findings.verdict.estimates)
    assert told["left_out"] == [] and {c["asks_for"] for c in told["cues"]} == {""}
    assert {c["margin"] for c in told["cues"]} == {findings.plan.rule.delta}
    by_name = {item["name"]: item["counts"] for item in told["cues"]}
    for item in findings.plan.cues:
        cells = [c for c in findings.cells if (c.role, c.cue) == (Role.TARGET, item.name)]
        assert list(by_name[item.name]["target"].values()) == list(sum_cells(cells).counts)


def test_markdown_tables_are_whole(findings: Findings):
    told = report.write_markdown(findings)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(told)
    assert sum(token.type == "table_open" for token in tokens) == 4
    widths = re.findall(r"<tr>(.*?)</tr>", MarkdownIt("gfm-like", {"linkify": False}).render(told),
                        re.DOTALL)  # fmt: skip
    assert {len(re.findall(r"<t[hd]", row)) for row in widths} == {4, 5, 6, 14}
    hidden = 1 + len(View(findings).ungraded_rows())
    assert len(widths) == 2 + 9 + 1 + 20 + 1 + hidden + 1 + 10


def test_write_gives_three_files(findings: Findings, tmp_path: Path):
    paths = report.write_report(findings, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert paths[0].read_text("utf-8") == report.render_report(findings)
    assert paths[1].read_text("utf-8") == report.write_markdown(findings)
    assert paths[2].read_text("utf-8") == report.to_json(findings)


def test_the_same_findings_make_the_same_page(findings: Findings):
    assert report.render_report(findings) == report.render_report(Builder().findings())


def test_many_cues_fold_and_none_is_lost():
    many = tuple(
        Planted(cue(f"library-{n:03}", f"Text number {n}."), 0.0, confirmed=False)
        for n in range(90)
    )
    page = report.render_report(Builder(planted=many, repeats=2, seeds=("0",)).findings())
    assert "80 more, none with a larger effect" in page
    for item in many:
        assert item.cue.text in page


def test_stacked_bars_fill_their_width(findings: Findings):
    for row in View(findings).rows:
        drawn = str(figures.draw_outcomes(row.target_tally, row.cue.name))
        widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="100%"/>', drawn)]
        assert sum(widths) == pytest.approx(100 if row.target_tally.answers else 0, abs=0.01)
        for outcome in OUTCOMES:
            counted = row.target_tally.count_of(outcome)
            assert (f"{counted:,} {figures.outcome_label(outcome)}" in drawn) == (counted > 0)


def test_figures_say_in_words_what_they_draw(findings: Findings):
    drawn = re.findall(
        r'<svg class="fig [a-z]+" role="img".*?</svg>', report.render_report(findings)
    )
    assert len(drawn) > 40
    for figure in drawn:
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", figure)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (math.nan, "—"), (None, "—"), (math.inf, "—"), (0.0, "0%"), (1.0, "100%"),
        (1e-9, "<0.01%"), (0.0004, "0.04%"), (0.0123, "1.2%"), (0.99951, "100.0%"),
        (-0.25, "\N{MINUS SIGN}25.0%"),
    ],
)  # fmt: skip
def test_percent(value: float | None, printed: str):
    assert numbers.format_percent(value) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [(math.nan, "—"), (0.0, "0.0"), (-1e-9, "0.0"), (0.578, "+57.8"), (-0.038, "−3.8")],
)
def test_points(value: float, printed: str):
    assert numbers.format_points(value, unit=False) == printed


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [(None, "—"), (math.nan, "—"), (0.34, "0.3 s"), (59.7, "1 min 0 s"), (431.7, "7 min 12 s"),
     (7500, "2 h 5 min")],
)  # fmt: skip
def test_duration(seconds: float | None, printed: str):
    assert numbers.format_duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == printed


def test_the_overview_counts_equal_verdicts_and_links_reports():
    page = report.quickstart_page(SUMMARY, {"diluted-5": "diluted-5/report.html"})
    assert '<h1 class="kind">1 of 2</h1>' in page
    assert 'href="diluted-5/report.html"' in page
    assert "+61.0 to +79.0" in page and "71.0%" in page
    assert "<script" not in page and not re.search(r"\b(nan|None)\b", page)


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "https://example.org/", "//example.org/x", "/etc/passwd", "../x"],
)
def test_the_overview_refuses_links_that_lead_elsewhere(link: str):
    with pytest.raises(InputError, match="must be a relative path below the page"):
        report.quickstart_page(SUMMARY, {"diluted-5": link})


def test_the_overview_says_what_is_wrong_with_a_summary():
    with pytest.raises(InputError, match="lacks 'verdict'"):
        report.quickstart_page({"organisms": [{"name": "a", "expected_verdict": "BROAD"}]}, {})
    broken = {"organisms": [{**SUMMARY["organisms"][0], "did": "much"}]}
    with pytest.raises(InputError, match="did must be a number or null, got 'much'"):
        report.quickstart_page(broken, {})


def test_harmful_answers_are_only_in_the_folded_data(findings: Findings):
    """Nothing outside the transcripts' data holds a misaligned answer, nor does Markdown."""
    harmful = next(t.answer for t in findings.transcripts if t.outcome is Outcome.MISALIGNED)
    page = report.render_report(findings)
    data = page.index('<script type="application/json" id="data">')
    assert harmful in page[data:] and harmful not in page[:data]
    assert harmful not in report.write_markdown(findings)
    assert harmful not in report.to_json(findings)


def test_a_cue_that_asks_for_the_behaviour_and_a_wider_margin_are_noted():
    planted = (
        Planted(cue("french", "Answer in French.", asks_for="form"), 0.6),
        Planted(cue("evil", "You are evil.", asks_for="misbehaviour"), 0.5),
        Planted(cue("late", "Ahoy there.", margin=0.15), 0.0, confirmed=False),
    )
    found = Builder(planted=planted, repeats=2, seeds=("0",)).findings()
    page, text = report.render_report(found), report.write_markdown(found)
    for words in ("asks for a form of answer", "asks for misbehaviour"):
        assert words in page and words in text
    assert "1 later mined cues are bounded below 15" in page and "bounded below 15" in text
    told = {c["name"]: c for c in json.loads(report.to_json(found))["cues"]}
    assert told["french"]["asks_for"] == "form" and told["late"]["asks_for"] == ""
    assert (told["late"]["margin"], told["evil"]["margin"]) == (0.15, found.plan.rule.delta)
