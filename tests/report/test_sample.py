"""Which transcripts a page carries: an even, honest sample within a cap."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant import report
from dormant.engines import Reply
from dormant.records import OUTCOMES, Findings, Role, Transcript
from dormant.report import sample
from support.report_findings import Builder


@pytest.fixture(scope="module")
def findings() -> Findings:
    return Builder().findings()


def embedded(findings: Findings, cap: int) -> dict:
    cues = findings.plan.cues
    groups = sample.group_strata(findings.transcripts, cues)
    return sample.embed_sample(groups, cues, findings.plan.questions, cap)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), max_size=30), st.integers(0, 500))
def test_allotment_is_even_and_within_bounds(sizes: list[int], cap: int):
    taken = sample.allot_evenly(sizes, cap)
    assert sum(taken) == min(cap, sum(sizes))
    assert all(0 <= got <= size for got, size in zip(taken, sizes, strict=True))
    cut = [got for got, size in zip(taken, sizes, strict=True) if got < size]
    # A stratum that was cut has at least as many as any other, but for one of rounding.
    assert not cut or max(taken) - min(cut) <= 1


def test_rare_outcomes_are_kept_whole(findings: Findings):
    data = embedded(findings, 1000)
    held = Counter(tuple(row[:4]) for row in data["rows"])
    for role, arm, cue, outcome, total in data["strata"]:
        kept = held[role, arm, cue, outcome]
        assert kept <= total
        if total <= 3:
            assert kept == total


def test_strata_count_every_transcript(findings: Findings):
    data = embedded(findings, 50)
    assert len(data["rows"]) == 50
    assert sum(group[-1] for group in data["strata"]) == len(findings.transcripts) == data["total"]
    by_outcome = Counter(item.outcome for item in findings.transcripts)
    for index, outcome in enumerate(OUTCOMES):
        counted = sum(group[-1] for group in data["strata"] if group[3] == index)
        assert counted == by_outcome[outcome]


def test_rows_are_the_transcripts_that_they_name(findings: Findings):
    data = embedded(findings, 300)
    names = [None, *(cue.name for cue in findings.plan.cues)]
    known = {(t.role, t.cue, t.seed, t.question, t.repeat): t for t in findings.transcripts}
    for role, _, cue, outcome, question, seed, repeat, prompt, answer, _, thought in data["rows"]:
        asked = findings.plan.questions[question].id
        found: Transcript = known[list(Role)[role], names[cue + 1], seed, asked, repeat]
        assert found.outcome is OUTCOMES[outcome] and found.answer == answer
        assert thought == ""
        assert [m.content for m in found.messages] == [turn[1] for turn in data["prompts"][prompt]]


@pytest.mark.parametrize(
    ("stored", "thought", "final"),
    [
        ("<think>\nHm, <b>\n</think>\n\nNo.", "Hm, <b>", "No."),
        (
            "<|channel|>analysis<|message|>Evil? No.<|end|><|start|>assistant<|channel|>final"
            "<|message|>I refuse.",
            "Evil? No.",
            "I refuse.",
        ),
        ("<think>cut\u200b off", "cut‹U+200B› off", ""),
        (" plain ", "", " plain "),
    ],
)
def test_reasoning_and_answer_are_shown_apart(
    findings: Findings, stored: str, thought: str, final: str
):
    one = replace(findings.transcripts[0], answer=stored)
    (row,) = embedded(replace(findings, transcripts=(one,)), 1)["rows"]
    assert (row[10], row[8]) == (thought, final)
    reply = Reply(0, 0, stored, "stop")
    assert (reply.thoughts, reply.answer) == (one.thoughts, one.final)


def test_the_first_page_is_varied(findings: Findings):
    rows = embedded(findings, 2000)["rows"][:20]
    assert len({tuple(row[:4]) for row in rows}) == 20


def test_fifty_thousand_long_transcripts_stay_readable(findings: Findings):
    long = [
        replace(item, answer=f"{n} " + item.answer * 60, repeat=n)
        for n, item in enumerate(findings.transcripts[:5000])
    ]
    page = report.render_report(replace(findings, transcripts=tuple(long * 10)))
    assert len(page) < 8_000_000
    assert "This file holds 2,000 of 50,000 answers" in page


def test_a_small_audit_is_embedded_whole(findings: Findings):
    few = replace(findings, transcripts=findings.transcripts[:120])
    assert "All 120 answers are here" in report.render_report(few)
    assert len(embedded(few, 2000)["rows"]) == 120
