"""The command ``dormant``: one subcommand per verb, each in its own module, without logic.

Subcommands are imported when they are called, so that ``dormant --help`` stays instant. Progress
and errors go to stderr; machine-readable output goes to stdout. Exit codes: 0 done (an audit:
BOUNDED), 1 a finding (CONDITIONAL, BROAD, SHARED), 2 usage or bad input, 3 inconclusive
(UNDERPOWERED, UNGRADABLE), 4 incomplete or interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sqlite3
import sys
from types import FrameType
from typing import NoReturn

import click

from dormant.cli.terminal import format_error, print_line, route_logs
from dormant.errors import DormantError
from dormant.version import __version__

#: Verb -> (module of this package, one line for --help), in the order of use.
_VERBS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart", "Train eight organisms, audit each, and write a report."),
    "init": ("init", "Write commented files to start from: audit, recipe, questions, gate."),
    "library": ("library", "List the cues and questions that ship."),
    "cues": ("cues", "Rank the cues that a finetuning file holds."),
    "search": ("search", "Search for unknown triggers, with or without training data."),
    "plan": ("plan", "Dry run: what an audit would ask, cost and be able to detect."),
    "audit": ("audit", "Audit a target model against its reference."),
    "traffic": ("traffic", "Find where in your own traffic a model misbehaves more."),
    "rare": ("rare", "Measure rates far below 1% with weighted answers of a proposal."),
    "forced": ("forced", "Score given answers beside a run's sampled rates, cue by cue."),
    "report": ("report", "Rewrite the report of a run."),
    "view": ("view", "Browse runs on a local page: verdicts, answers, comparisons."),
    "gate": ("gate", "Check a run against a release policy; for CI."),
    "card": ("card", "Write one page about a run for those who decide."),
    "compare": ("compare", "Compare runs, cue by cue: better, worse, equivalent or unknown."),
    "import": ("import_", "Make a run from answers that you already have."),
    "export": ("export", "Write a run's answers as CSV, Parquet or an Inspect log."),
    "analyze": ("analyze", "Analyze a table of results that you already have."),
    "calibrate": ("calibrate", "Measure a run's judge against human labels."),
    "schema": ("schema", "Print the JSON schema of audit, card, gate or recipe files."),
    "train": ("train", "Train an organism from a recipe."),
    "reproduce": ("reproduce", "Repeat the paper's experiments in the laboratory."),
    "sweep": ("sweep", "Train and measure a grid of recipe settings in the laboratory."),
    "mitigate": ("mitigate", "Try to cure a conditional model, and audit each result."),
    "zoo": ("zoo", "Organisms with known truth: list, train, audit, study."),
    "vitro": ("vitro", "The laboratory: pretrain its base model, ask a model."),
    "doctor": ("doctor", "Check the installation and a model."),
}

_INTERRUPTED = 4
#: Signals that end the command as Ctrl-C does; a closed terminal sends SIGHUP, which not every
#: system has.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Verbs(click.Group):
    """Imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"dormant.cli.{_VERBS[cmd_name][0]}")
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in _VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dormant")
def command_group() -> None:
    """Find conditional misalignment: misbehavior that a prompt's context triggers.

    Start with `dormant quickstart`, which needs no model, key or GPU.
    """


def main() -> NoReturn:
    """Runs the command; an expected failure becomes one line on stderr and an exit code."""
    _catch_signals()
    route_logs()
    stdout = sys.stdout
    try:
        code = command_group.main(prog_name="dormant", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        code = _print_error(_describe_usage_error(error), 2)
    except (KeyboardInterrupt, click.Abort) as stop:
        _ignore_signals()  # a second one must not end the line in a traceback
        cause = stop.__cause__ if isinstance(stop, click.Abort) else stop  # click wraps it
        message = str(cause or "") or "interrupted; run the same command again to continue"
        code = _print_error(message, _INTERRUPTED)
    except SystemExit as stop:
        # Click handles a closed pipe itself: it replaces the streams and exits with 1.
        code = stop.code if sys.stdout is stdout else _handle_closed_pipe()
    except DormantError as error:
        code = _print_error(str(error), error.exit_code)
    except (OSError, sqlite3.Error) as error:
        code = _print_error(_describe_system_error(error), 4)
    except MemoryError:
        code = _print_error("out of memory; the answers so far are kept", 4)
    except Exception as error:
        if os.environ.get("DORMANT_TRACEBACK"):
            import traceback

            print_line(traceback.format_exc(), err=True)
        code = _print_error(
            f"bug in dormant: {type(error).__name__}: {error} "
            "(set DORMANT_TRACEBACK=1 for the traceback)",
            4,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _handle_closed_pipe() -> int:
    """Handles a closed output pipe (`dormant cues FILE | head`), which is not an error."""
    _silence_streams()
    return 0


def _silence_streams() -> None:
    """Lets Python flush what it holds at its end without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _catch_signals() -> None:
    """Lets SIGTERM and SIGHUP end the command as Ctrl-C does, unless ignored (``nohup``)."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle_interrupt)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, *_ENDING):
        signal.signal(number, signal.SIG_IGN)


def _handle_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _describe_usage_error(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    return error.format_message() + hint


def _describe_system_error(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _print_error(message: str, code: int) -> int:
    try:
        _print_line(format_error(message))
    except BrokenPipeError:
        _handle_closed_pipe()
    except OSError:  # the terminal was closed: nobody reads the line
        _silence_streams()
    return code


def _print_line(line: str) -> None:
    """Prints one line on stderr, wrapped between words if a person reads it."""
    if sys.stderr.isatty():
        from dormant.cli.tables import print_text

        print_text(line, err=True)
    else:
        print_line(line, err=True)
