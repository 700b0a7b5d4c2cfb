"""Every exception that dormant raises on purpose.

::

    DormantError                      one line for the user, an exit code for the shell
    ├── InputError (ValueError)       exit 2: some input is wrong
    │   ├── ConfigError               a YAML file or an option: names file, line, value and fix
    │   ├── DataError                 a finetuning file: names file, line and reason
    │   └── ModelError                a model string or a checkpoint that cannot be used
    ├── MissingExtraError (ImportError)  exit 2: an optional dependency is absent; names the extra
    ├── StoreError (RuntimeError)     exit 2: a run directory belongs to another plan or is damaged
    │   └── UnfinishedError           exit 2: a run has no verdict yet
    ├── EngineError (RuntimeError)    exit 4: a model stopped answering
    └── IncompleteError (RuntimeError)  exit 4: counts do not reconcile or a run was interrupted
        └── BudgetError               exit 4: the budget is used up before the run's end

A child inherits the standard exception it stands for, so callers that do not
know dormant still catch it. ``RowError`` stands outside the tree: it never leaves the readers; so
does ``InterruptedRun``, which is a ``KeyboardInterrupt``.
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class DormantError(Exception):
    """Base of the tree. ``str()`` is one clear line; ``exit_code`` is what the command returns."""

    exit_code = 4


class InputError(DormantError, ValueError):
    """Some input is wrong, and the user can fix it."""

    exit_code = 2


class _LocatedError(InputError):
    """An input error with a place: ``FILE:LINE: reason``."""

    def __init__(self, reason: str, *, file: str | Path | None = None, line: int | None = None):
        self.reason, self.file, self.line = reason, file, line
        name = str(file)
        if not name.strip() or not name.isprintable():
            name = repr(name)  # as it is, it would be shown as a blank
        place = "" if file is None else f"{name}: " if line is None else f"{name}:{line}: "
        super().__init__(f"{place}{reason}")


class ConfigError(_LocatedError):
    """A configuration file or option is wrong."""


class DataError(_LocatedError):
    """A finetuning file (or one of its rows) cannot be read."""


class RowError(ValueError):
    """Why a row cannot be read, and the fix; the reader of the file adds file and line."""


class ModelError(InputError):
    """A model string does not name a model that can be loaded."""


class MissingExtraError(DormantError, ImportError):
    """An optional dependency is not installed."""

    exit_code = 2

    def __init__(self, package: str, extra: str):
        super().__init__(
            f"{package} is not installed: pip install 'dormant[{extra}]' adds what this needs"
        )


class StoreError(DormantError, RuntimeError):
    """A run directory belongs to another plan, is locked by a live process, or is damaged."""

    exit_code = 2


class UnfinishedError(StoreError):
    """A run has no verdict of its plan yet; the audit's command continues it."""


class EngineError(DormantError, RuntimeError):
    """A model stopped answering; the answers so far are kept."""


class IncompleteError(DormantError, RuntimeError):
    """A run ended before its counts reconcile; the same command continues it."""


class BudgetError(IncompleteError):
    """The next answer would exceed the run's budget; the answers so far are kept."""


class InterruptedRun(KeyboardInterrupt):
    """The user or the system ends a run (Ctrl-C, SIGTERM, SIGHUP); says what is stored."""


def explain_unreadable(error: Exception, *, expected: str = "a file") -> str:
    """Says why an input cannot be read, in one wording for every reader.

    Args:
        error: what opening or reading raised.
        expected: what should be at the path, where a directory is.
    """
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return f"is a directory, expected {expected}"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def explain_not_text(raw: bytes) -> str:
    """Says why bytes that are not UTF-8 are no text, with the fix."""
    if raw.startswith(b"\x1f\x8b"):
        return "a gzip file, expected plain text: unpack it first (gunzip)"
    return "not UTF-8 text: save it as UTF-8"


@contextmanager
def name_output(path: str | Path) -> Generator[None]:
    """Names an output that cannot be written, with the fix, in place of the system's error.

    A full disk stays an ``OSError``: the path is not wrong.

    Args:
        path: the file or directory that the user gave.

    Raises:
        ConfigError: the path cannot be written to.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise ConfigError("is a file or below one: choose a directory", file=path) from None
    except IsADirectoryError:
        raise ConfigError("is a directory: give a file", file=path) from None
    except FileNotFoundError:
        raise ConfigError(
            "cannot be written: its folder does not exist; make it first", file=path
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise ConfigError(f"cannot be written: {error.strerror or error}", file=path) from None
    except UnicodeEncodeError as error:
        raise ConfigError(f"cannot be written: {error}", file=path) from None


def shorten_value(value: object, longest: int = 60) -> str:
    """Formats any value for an error message, in at most ``longest`` characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = type(value).__name__
    return text if len(text) <= longest else text[: longest - 3] + "..."
