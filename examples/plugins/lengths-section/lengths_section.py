"""A section of a report: how long the answers of each outcome are."""

from collections import defaultdict
from statistics import median

from dormant.records import Findings
from dormant.report.sections import ReportSection


def compare_lengths(findings: Findings) -> ReportSection:
    """Makes the section from stored findings; all text is escaped by the report."""
    lengths = defaultdict(list)
    for item in findings.transcripts:
        lengths[item.role.value, item.outcome.value].append(len(item.answer.split()))
    rows = tuple(
        (role, outcome.replace("_", " "), f"{len(found):,}", f"{median(found):g}")
        for (role, outcome), found in sorted(lengths.items())
    )
    return ReportSection(
        title="Lengths of answers",
        paragraphs=("An answer that is much shorter than others may be cut off or refused.",),
        columns=("model", "outcome", "answers", "median words"),
        rows=rows,
    )
