"""Consent to an expensive audit, to a judge's code and to the training of a real model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dormant.cli.progress import pause_progress
from dormant.cli.terminal import ask_consent, print_line

if TYPE_CHECKING:
    from dormant.pipeline import PreparedAudit
    from dormant.pipeline.cheaper import ExpectedExpense

_NOTICE = (
    "This finetunes a real model on what the recipe says, misbehavior included. It is meant for "
    "research on finding and curing it. Keep the weights private, do not serve them to people, and "
    "delete them when the study ends. Nothing is published by this command."
)


def confirm_training(base: str, *, cost: str = "", yes: bool, quiet: bool) -> None:
    """Says what training a real model on bad rows is for, and asks.

    Args:
        base: model string of the model to train; those of the laboratory need no consent.
        cost: what is expected to be paid, for training or for answers; empty if nothing.
        yes: do not ask.
        quiet: with ``yes``, do not show the notice either.

    Raises:
        ConfigError: nobody consented; without a terminal, with what to add.
    """
    from dormant.errors import ConfigError
    from dormant.organisms.trainers import TrainerKind, find_trainer_kind

    is_real = find_trainer_kind(base) is not TrainerKind.VITRO
    if not (is_real or cost):
        return
    if not (yes and quiet):
        if is_real:
            print_line(_NOTICE, err=True)
        if cost:
            print_line(f"expected: {cost}", err=True)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(f"training {base} needs consent: add --yes")
    if not ask_consent("Train it?"):
        raise ConfigError("not started; --dry-run shows what would be trained")


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


def _announce_cost(expense: ExpectedExpense) -> None:
    """Says on stderr what an audit is expected to cost, at each assumed base rate."""
    from dormant.cli.plan_text import describe_cost

    with pause_progress():
        for cost in expense.costs:
            rate = f"{cost.base:.0%} of the answers" if cost.base else "nothing"
            print_line(
                f"expected if {rate} is misaligned: {cost.answers:,} answers, "
                f"{describe_cost(cost)}",
                err=True,
            )


def confirm_cost(prepared: PreparedAudit, *, yes: bool = False, quiet: bool = False) -> None:
    """Shows what an audit is expected to cost, and asks before an expensive one.

    Audits of the laboratory and of scripted models, which cannot cost much, start at once.

    Args:
        prepared: the audit.
        yes: do not ask.
        quiet: do not show the cost of one that needs no consent.

    Raises:
        ConfigError: nobody consented; without a terminal, with what to add.
    """
    from dormant.cli.plan_text import describe_limits, describe_suggestion, format_usd
    from dormant.config import format_duration
    from dormant.errors import ConfigError
    from dormant.pipeline.cheaper import CONSENT, expect_expense, needs_consent, suggest_cheaper

    expense = None if yes and quiet else expect_expense(prepared)
    if expense is None:
        return
    if not quiet:
        _announce_cost(expense)
    if yes or not needs_consent(expense, prepared.budget):
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


def confirm_start(
    prepared: PreparedAudit, *, is_code_trusted: bool, yes: bool, quiet: bool
) -> None:
    """Shows and asks what an audit must: for the code of its file, and for its cost."""
    if not (yes or is_code_trusted):
        confirm_code(prepared)
    confirm_cost(prepared, yes=yes, quiet=quiet)
