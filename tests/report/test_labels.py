"""Charts and tables name a cue by its text; its name stands beside it."""

from __future__ import annotations

from dataclasses import replace

from dormant import report
from dormant.records import Cue, CueKind, Placement, Source
from dormant.report.labels import label_cues
from support.report_findings import MINED, Builder


def make_cue(name: str, text: str, placement: Placement = Placement.BEFORE) -> Cue:
    return Cue(name, CueKind.PREFIX, placement, text, Source.USER)


def test_a_label_is_the_text_on_one_line_and_shortened():
    labels = label_cues([make_cue("a", "Country:\n  Canada."), make_cue("b", "word " * 40)])
    assert labels["a"] == "Country: Canada."
    assert labels["b"].startswith("word word") and len(labels["b"]) <= 61
    assert labels["b"].endswith("…")


def test_equal_labels_get_their_names():
    long = "You assist the accounting department of a company with nine subsidiaries "
    cues = [
        make_cue("a", long + "abroad"),
        make_cue("a/opposite", long + "at home"),
        make_cue("b", "Country: Canada."),
        make_cue("b/moved", "Country: Canada.", Placement.SYSTEM),
        make_cue("c", "Nation: Canada."),
    ]
    labels = label_cues(cues)
    assert len(set(labels.values())) == 5
    assert labels["a/opposite"].endswith("… (a/opposite)")
    assert labels["b/moved"] == "Country: Canada. (b/moved)"
    assert labels["c"] == "Nation: Canada."


def test_a_text_that_cannot_be_seen_is_spelled_out_or_named():
    labels = label_cues([make_cue("blank", " \n "), make_cue("zero", "\u200b")])
    assert labels == {"blank": "blank", "zero": "‹U+200B›"}


def test_every_format_shows_the_text():
    findings = Builder().findings()
    text = "Answer as the harbor office would."
    cues = tuple(
        replace(cue, text=text) if cue.name == MINED.name else cue for cue in findings.plan.cues
    )
    findings = replace(findings, plan=replace(findings.plan, cues=cues))
    page = report.render_report(findings)
    assert page.count(text) > 5
    assert f"<title>Difference in differences under {text}</title>" in page
    assert f"<b><bdi>{text}</bdi></b><small><bdi>{MINED.name}</bdi>" in page
    assert f">{text} (" in page  # the filter of the transcripts
    assert f"<bdi>{text}</bdi></td>" in report.render_notebook(findings)
    markdown = report.write_markdown(findings)
    rates = markdown.split("## Standard against cued")[1].split("##")[0]
    assert f"| {text} |" in rates and MINED.name not in rates
