"""Exit codes for scripts and CI: a finding is not success."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dormant.records import VerdictKind

EXIT_CODES = """\b
Exit codes: 0 BOUNDED; 1 CONDITIONAL, BROAD or SHARED; 2 usage or bad input;
3 UNDERPOWERED or UNGRADABLE; 4 incomplete: interrupted, failed, or out of budget.
With --exit-zero, 0 stands for every verdict; 2 and 4 stay."""


def exit_code_of(kind: VerdictKind) -> int:
    """The exit code of a verdict."""
    from dormant.records import VerdictKind

    if kind is VerdictKind.BOUNDED:
        return 0
    findings = (VerdictKind.CONDITIONAL, VerdictKind.BROAD, VerdictKind.SHARED)
    return 1 if kind in findings else 3  # the others settle nothing
