"""Consent to an expensive audit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dormant.cli.progress import pause_progress
from dormant.cli.terminal import ask_consent

if TYPE_CHECKING:
    from dormant.pipeline import PreparedAudit


def confirm_code(prepared: PreparedAudit) -> None:
    """Asks before code that a configuration file names is run; without a terminal refuses it.

    Raises:
        ConfigError: nobody consented.
    """
    from dormant.cues import make_printable
    from dormant.errors import ConfigError

    code = prepared.judge.code
    if not code:
        return
    warning = make_printable(
        f"the judge of this file runs code on this machine: {code}", longest=300
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(f"{warning}; add --yes if you trust it, or name it yourself with --judge")
    with pause_progress():
        is_wanted = ask_consent(f"{warning}. Run it?")
    if not is_wanted:
        raise ConfigError("not started: the judge's code was not to be run")


def confirm_cost(prepared: PreparedAudit) -> None:
    """Asks before an expensive audit; without a terminal refuses it, with what to add."""
    from dormant.cli.plan_text import describe_limits, describe_suggestion, format_usd
    from dormant.config import format_duration
    from dormant.errors import ConfigError
    from dormant.pipeline.cheaper import CONSENT, expect_expense, needs_consent, suggest_cheaper

    expense = expect_expense(prepared)
    if expense is None or not needs_consent(expense, prepared.budget):
        return
    cost = [format_usd(expense.usd)] if expense.usd > 0 else []
    cost += [format_duration(expense.seconds)] if expense.seconds > 1 else []
    warning = (
        f"this audit is expected to take {' and '.join(cost)}, above {describe_limits(CONSENT)}"
    )
    cheaper = suggest_cheaper(prepared, expense.speeds, CONSENT)
    fixes = f"{describe_suggestion(cheaper)} {'stays below' if cheaper.fits else 'is cheaper'}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(
            f"{warning}: add --yes, or a --budget-usd or --budget-time that covers it; {fixes}"
        )
    with pause_progress():
        is_wanted = ask_consent(f"{warning} ({fixes}). Start it?")
    if not is_wanted:
        raise ConfigError("not started; `dormant plan` with the same options shows the cost")


def confirm_start(prepared: PreparedAudit) -> None:
    """Asks what an audit of a configuration file must ask: for its code and for its cost."""
    confirm_code(prepared)
    confirm_cost(prepared)
