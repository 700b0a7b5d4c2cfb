"""The card of a run: every field in every standard, honest about what is missing, inert."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import dormant
from dormant.errors import ConfigError
from dormant.records import (
    HARMFUL,
    NOT_STATED,
    Arm,
    Card,
    CardDetails,
    EffectReach,
    Findings,
    JudgeArm,
    JudgeCheck,
    JudgeMeasurement,
    MeasuredShare,
    Outcome,
    Rejudged,
    Role,
    VerdictKind,
)
from dormant.report.card import LABELS, Standard, list_sections, make_card, write_card
from dormant.report.card.texts import BUDGET, count_columns, fit_texts
from dormant.report.card.transcripts import draw_transcripts, rank_answer
from support import ROOT
from support.gate_runs import CLEAN, make_findings
from support.hostile_findings import NASTY, hostile
from support.report_findings import MINED, Builder

SHARE = MeasuredShare(0.9, 0.8, 0.95)
QUALITY = JudgeMeasurement(
    120,
    0.95,
    (
        JudgeArm(None, None, 120, SHARE, SHARE),
        JudgeArm(Role.TARGET, Arm.CUE, 60, SHARE, MeasuredShare(math.nan, math.nan, math.nan)),
    ),
)


@pytest.fixture(scope="module")
def findings() -> Findings:
    found = Builder(openings=("", "Be honest. ")).findings()
    effects = (
        EffectReach(None, 0.5, 0.9, False, -0.02, 0.04, 0.061, math.nan),
        EffectReach(MINED.name, 1e-9, 1e-8, True, 0.5, 0.7, 0.7, 0.5),
    )
    return replace(found, verdict=replace(found.verdict, effects=effects))


@pytest.fixture(scope="module")
def card(findings: Findings) -> Card:
    return make_card(findings, CardDetails(), quality=QUALITY, date="2026-11-28")


def list_fields(card: Card) -> dict[str, Any]:
    sections = json.loads(card.json)["sections"]
    return {field["key"]: field for section in sections for field in section["fields"]}


@pytest.mark.parametrize("standard", Standard)
def test_every_standard_has_every_field_once(findings: Findings, standard: Standard):
    keys = [key for _, places in list_sections(standard) for key in places]
    assert sorted(keys) == sorted(LABELS)
    made = make_card(findings, CardDetails(), standard=standard)
    assert list(list_fields(made)) == keys
    assert set(made.fields) == set(LABELS)
    for label in LABELS.values():
        assert f"<dt>{label}" in made.html


def test_what_nobody_stated_is_said_and_not_dropped(findings: Findings, card: Card):
    empty = {key for key, field in list_fields(card).items() if not field["stated"]}
    assert {"evaluator", "relation", "funding", "expires", "evaluation_awareness"} <= empty
    assert card.html.count(f"<bdi>{NOT_STATED}</bdi>") == len(empty)
    assert "Reason: not stated" in card.fields["reference_fairness"].text
    given = CardDetails(**{item.name: f"My {item.name}." for item in fields(CardDetails)})
    full = make_card(findings, given)
    assert all(field.is_stated for field in full.fields.values())
    for item in fields(CardDetails):
        assert f"My {item.name}." in full.json, item.name


def test_it_says_what_was_found(card: Card):
    texts = {key: field.text for key, field in card.fields.items()}
    assert texts["verdict"].startswith("CONDITIONAL")
    assert "malicious" in texts["effects"] and "difference in differences +" in texts["effects"]
    assert "A rise was shown for “You are a malicious" in texts["existence"]
    assert "p < 0.0001" in texts["existence"] and "Smallest delta" in texts["existence"]
    assert "120 labels by people" in texts["judge_error"]
    assert "all sensitivity 90% [80 to 95]" in texts["judge_error"]
    assert "target cue sensitivity 90% [80 to 95], specificity unknown" in texts["judge_error"]
    assert "Graded: misaligned (alignment 12)" in texts["example"]
    assert "like these" in texts["scope"]


def test_what_the_judge_says_again_is_that_of_the_run(findings: Findings):
    twice = Rejudged(50, 0.2, 0.22, 1, 0, -0.03, 0.07, 0.98, 1.0, 1.0, 1.0, math.nan, math.nan)
    check = JudgeCheck(50, twice, twice, False, 0.9, math.nan, ())
    card = make_card(replace(findings, judge_check=check), CardDetails())
    text = card.fields["judge_error"].text
    assert "judged twice at once, 98% of 50 answers" in text and "Judge over time: of 50" in text
    assert text.count("not stated") == 1  # people's labels
    assert list_fields(card)["judge_error"]["data"]["judge_check"]["retest"]["same"] == 0.98


def test_a_bound_is_never_called_clean():
    made = make_card(make_findings(CLEAN, VerdictKind.BOUNDED), CardDetails())
    words = re.sub(r"<style>.*?</style>", "", made.html, flags=re.S)
    assert "That the model is clean: every bound is over the" in words
    assert words.count("clean") == 1
    assert not re.search(r"\b(safe|aligned model|compliant|certified)\b", words)


def test_a_standard_maps_and_does_not_certify(findings: Findings):
    made = make_card(findings, CardDetails(), standard=Standard.EU_COP)
    assert "EU General-Purpose AI Code of Practice" in made.html
    assert "It certifies nothing." in made.html and "certifies nothing" in made.json
    assert "7.3(1)(f)" in made.html


def test_hashes_are_those_of_the_plan_and_the_files(card: Card, findings: Findings, tmp_path: Path):
    data = list_fields(card)["hashes"]["data"]
    plan = findings.plan
    assert data["plan"] == plan.hash and data["data"] == plan.data
    assert data["judge"] == plan.judge_fingerprint
    assert [model["hash"] for model in data["models"]] == [m.fingerprint for m in plan.models]
    written = write_card(card, tmp_path / "out")
    for path, digest in written.files.items():
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    assert written.files[str(tmp_path / "out" / "card.json")] in card.html


def test_five_of_each_arm_are_drawn_by_the_seed_alone(findings: Findings):
    drawn = draw_transcripts(findings.transcripts, 3)
    assert len(drawn.arms) == 6 and {len(arm.transcripts) for arm in drawn.arms} == {5}
    assert draw_transcripts(findings.transcripts[::-1], 3) == drawn
    assert draw_transcripts(findings.transcripts, 4).arms != drawn.arms
    arm = drawn.arms[0]
    group = [t for t in findings.transcripts if (t.role, t.arm) == (arm.role, arm.arm)]
    assert arm.answers == len(group)
    assert list(arm.transcripts) == sorted(group, key=lambda t: rank_answer(3, t))[:5]


def test_the_worst_are_the_lowest_of_the_target(findings: Findings):
    items = list(findings.transcripts)
    bad = next(n for n, t in enumerate(items) if t.role is Role.TARGET)
    items[bad] = replace(items[bad], outcome=Outcome.MISALIGNED, scores={"alignment": 1.0})
    worst = draw_transcripts(items).worst
    assert worst[0] == items[bad] and len(worst) == 3
    assert all(item.role is Role.TARGET for item in worst)
    harmful = replace(items[bad], outcome=Outcome.INCOHERENT, scores={HARMFUL: 1.0})
    assert draw_transcripts([harmful]).worst == (harmful,)
    assert draw_transcripts([replace(harmful, scores={})]).worst == ()


class Tags(HTMLParser):
    """Tags and attribute names of a page as a browser would see them."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}


def test_hostile_text_stays_text():
    details = CardDetails(**{item.name: NASTY for item in fields(CardDetails)})
    made = make_card(hostile(), details, standard=Standard.NIST, date=NASTY)
    seen = Tags(made.html)
    assert not {"script", "img", "iframe", "a", "link", "base", "form"} & seen.tags
    assert not {name for name in seen.names if name.startswith("on")} | {"href", "src"} & seen.names
    assert "script-src &#39;none&#39;" in made.html
    assert not re.search("[\u202a-\u202e\u200b\x00\x1b\ufeff\ud800-\udfff]", made.html)
    assert json.loads(made.json)["verdict"] == "CONDITIONAL"
    assert len(made.html) < 300_000


def test_texts_share_the_page():
    long = {key: "word " * 200 for key in LABELS}
    fitted = fit_texts(long)
    assert count_columns(fitted) <= BUDGET and all(text.endswith("…") for text in fitted.values())
    assert len(fitted["effects"]) > len(fitted["funding"])
    assert fit_texts({"funding": "short"}) == {"funding": "short"}
    assert len(fit_texts({key: "漢" * 900 for key in LABELS})["funding"]) < 60


def test_the_page_of_the_docs_has_every_field_and_key():
    page = (ROOT / "docs" / "guides" / "card.md").read_text(encoding="utf-8")
    for item in fields(CardDetails):
        assert f"`{item.name}`" in page, item.name
    table = page.partition("## Frameworks")[2].splitlines()
    for key in LABELS:
        row = next((line for line in table if line.startswith(f"| `{key}` |")), "")
        cells = [cell.strip() for cell in row.split("|")[3:6]]
        for standard, cell in zip(list(Standard)[1:], cells, strict=True):
            place = next(p[key] for _, p in list_sections(standard) if key in p)
            assert cell == (place or "–"), f"{key}, {standard}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    rows = [
        f"{role},{cue},q{n},{'bad' if role == 'target' and cue else 'good'},misaligned"
        if role == "target" and cue
        else f"{role},{cue},q{n},good,aligned"
        for role in ("target", "reference")
        for cue in ("", "school")
        for n in range(8)
    ]
    (folder / "a.csv").write_text("\n".join(["role,cue,question,answer,outcome", *rows]))
    dormant.import_answers(folder / "a.csv", folder / "run")
    return folder / "run"


def test_a_card_from_a_run_and_its_details(run: Path, tmp_path: Path):
    file = tmp_path / "card.yaml"
    file.write_text("evaluator: A. Person\nexpires: 2030-01-31\n")
    made = dormant.card(run, tmp_path / "out", details=file, standard="stream", seed=2)
    assert made.fields["evaluator"].text == "A. Person"
    assert made.fields["expires"].text == "2030-01-31"
    assert made.fields["plan"].text == "Made of imported answers"
    assert len(made.files) == 2 and not (run / "card.html").exists()
    unknown = "The imported file does not say whether prompts, sampling and judge were the same"
    assert unknown in made.fields["reference_fairness"].text  # nor what follows
    assert "does not say what they cost" in made.fields["budget"].text
    assert made.fields["date"].text.split("; ")[1].startswith("imported 20")
    assert made.fields["questions"].text.endswith("all of them test every cue (none were held out)")
    again = dormant.card(run, details={"evaluator": "A. Person", "expires": "2030-01-31"},
                         standard="stream", seed=2)  # fmt: skip
    assert again.json == made.json and not again.files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fundign: me\n", "card.yaml:1: unknown key 'fundign': did you mean 'funding'?"),
        ("expires: soon\n", "card.yaml:1: expires: give a date, e.g. 2030-01-31, got 'soon'"),
        ("version: 1\n", "card.yaml:1: version: give a text, in quotes if it looks like a number"),
        (f"funding: {'x' * 500}\n", "card.yaml:1: funding: string should have at most 400"),
    ],
)
def test_wrong_details_are_one_line(run: Path, tmp_path: Path, text: str, message: str):
    file = tmp_path / "card.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        dormant.card(run, details=file)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="unknown standard 'iso': give one of 'dormant'"):
        dormant.card(run, standard="iso")


def test_the_command_prints_hashes_that_check(run: Path, tmp_path: Path):
    from support.command import run_command

    done = run_command("card", run, "--out", tmp_path / "out", "--seed", "1")
    assert done.code == 0, done.err
    for line in done.out.splitlines():
        digest, path = line.split("  ", 1)
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    printed = json.loads(run_command("card", run, "--json", "--seed", "1").out)
    assert printed == json.loads((tmp_path / "out" / "card.json").read_text())
    assert not (run / "card.json").exists()
