"""The result of a gate as JUnit XML: one test case for each check, in one suite.

A failure is a ``failure``, what is inconclusive or could not be checked is an ``error``, and what
was waived or accepted is ``skipped`` with its reason: none of them counts as passed.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from dormant.records import CheckState, GateCheck, GateResult
from dormant.report.escape import escape_hidden
from dormant.report.gate.text import (
    describe_run,
    listed_checks,
    sentence_of,
    title_of,
    write_transcript,
)

_ELEMENTS = {
    CheckState.FAIL: "failure",
    CheckState.INCONCLUSIVE: "error",
    CheckState.ERROR: "error",
    CheckState.WAIVED: "skipped",
    CheckState.ACCEPTED: "skipped",
}


def write_junit(result: GateResult) -> str:
    """The result as JUnit XML; failures come first, and a very long list is cut with a count."""
    shown, rest = listed_checks(result)
    elements = [_ELEMENTS.get(check.state) for check in shown]
    totals = {
        "name": "dormant gate",
        "tests": str(len(shown)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
        "time": "0",
    }
    root = ET.Element("testsuites", {k: v for k, v in totals.items() if k != "skipped"})
    stamp = {"timestamp": result.evaluated.removesuffix("+00:00")}
    suite = ET.SubElement(root, "testsuite", totals | stamp)
    for check in shown:
        _add_case(suite, check)
    lines = [sentence_of(result.sentence), *describe_run(result)]
    lines += [f"{rest:,} more checks are in the JSON result"] * bool(rest)
    lines += map(sentence_of, result.notes)
    ET.SubElement(suite, "system-out").text = "\n".join(lines)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_case(suite: ET.Element, check: GateCheck) -> None:
    names = {"classname": f"dormant.gate.{check.name}", "name": title_of(check), "time": "0"}
    case = ET.SubElement(suite, "testcase", names)
    tag = _ELEMENTS.get(check.state)
    message = sentence_of(check.message)
    if tag is None:
        ET.SubElement(case, "system-out").text = message
    elif tag == "skipped":
        ET.SubElement(
            case, tag, {"message": f"{sentence_of(check.waiver) or check.state}: {message}"}
        )
    else:
        found = ET.SubElement(case, tag, {"message": message, "type": str(check.state)})
        found.text = "\n".join(_write_body(check))


def _write_body(check: GateCheck) -> list[str]:
    lines = [sentence_of(check.message)]
    for transcript in check.transcripts:
        lines += ["", *write_transcript(transcript)]
    if check.command:
        lines += ["", "reproduce:", escape_hidden(check.command)]
    return lines
