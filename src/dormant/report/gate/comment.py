"""The result of a gate as Markdown, for a pull request: short, and nobody is mentioned by it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from dormant.records import CheckState, GateCheck, GateResult
from dormant.report.escape import escape_hidden, markdown_text, one_line
from dormant.report.gate.text import (
    MEANINGS,
    count_states,
    describe_cue,
    describe_run,
    group_answers,
    write_transcript,
)

#: Rows of the table, and checks whose answers are shown: a comment has at most 65,536 characters.
_ROWS, _DETAILS = 40, 6
_MOST_CHARACTERS = 60_000
_STATES = {
    CheckState.FAIL: "**fail**",
    CheckState.INCONCLUSIVE: "**inconclusive**",
    CheckState.ERROR: "**error**",
}


def write_comment(result: GateResult) -> str:
    """The result as GitHub-flavoured Markdown, within the length of a comment."""
    head = [
        f"## Release gate: {result.state}",
        f"**{_inline(result.sentence, 1200)}**",
        f"Exit code {result.exit_code}: {MEANINGS[result.state]}; {count_states(result)}.",
    ]
    if result.verdict:
        head.append(
            f"Verdict of the audit: {result.verdict}. {_inline(result.verdict_sentence, 1200)}"
        )
    parts = [*head, _write_table(result), *_write_notes(result)]
    facts = "\n".join(f"- {_inline(line, 400)}" for line in describe_run(result))
    end = [facts, f"Repeat: {_code(result.command)}"]
    left = _MOST_CHARACTERS - sum(map(len, (*parts, *end)))
    shown = group_answers(result)
    for number, (title, check) in enumerate(shown):
        text = _write_details(title, check)
        left -= len(text)
        if number >= _DETAILS or left < 0:
            parts.append(
                f"Answers behind {len(shown) - number} more checks are in the JSON result."
            )
            break
        parts.append(text)
    return "\n\n".join(filter(None, (*parts, *end))) + "\n"


def _write_table(result: GateResult) -> str:
    rows = ["| check | cue | result | found |", "|---|---|---|---|"]
    for check in result.checks[:_ROWS]:
        cue = _inline(describe_cue(check, 80), 120)
        state = _STATES.get(check.state, str(check.state))
        found = "; ".join(filter(None, (check.waiver, check.message)))
        rows.append(f"| {_inline(check.name, 40)} | {cue} | {state} | {_inline(found, 400)} |")
    rest = len(result.checks) - _ROWS
    return "\n".join(rows) + (
        f"\n\n{rest:,} more checks are in the JSON result." if rest > 0 else ""
    )


def _write_notes(result: GateResult) -> Iterator[str]:
    for note in result.notes[:_ROWS]:
        yield f"> Note: {_inline(note, 600)}"
    if len(result.notes) > _ROWS:
        yield f"> {len(result.notes) - _ROWS:,} more notes are in the JSON result."


def _write_details(title: str, check: GateCheck) -> str:
    """The answers behind a check, folded, in a block that no answer can end."""
    lines: list[str] = []
    for transcript in check.transcripts:
        lines += [*write_transcript(transcript), ""]
    text = "\n".join(lines).rstrip()
    fence = _fence_for(text, least=3)
    # This line is an HTML block, in which Markdown's escapes mean nothing.
    shown = html.escape(one_line(title, 240)).replace("@", "@<!-- -->")
    command = f"\n\nReproduce: {_code(check.command)}" if check.command else ""
    return (
        f"<details><summary>Answers behind {shown}</summary>\n\n{fence}text\n{text}\n{fence}"
        f"{command}\n\n</details>"
    )


def _inline(text: str, limit: int) -> str:
    """Inert inline Markdown; a comment after each @ keeps it from mentioning anybody."""
    return markdown_text(text, limit).replace("@", "@<!-- -->")


def _code(text: str) -> str:
    """A code span that its text cannot end."""
    shown = escape_hidden(" ".join(text.split("\n")))
    fence = _fence_for(shown, least=1)
    return f"{fence} {shown} {fence}"


def _fence_for(text: str, *, least: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
