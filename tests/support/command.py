"""The command line inside the test's process: exit code, screen, errors."""

import contextlib
import io
import sys
from dataclasses import dataclass

from dormant.cli import main


@dataclass
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


def run_command(*words: object) -> Done:
    """Runs ``dormant WORDS`` as the shell would."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["dormant", *map(str, words)]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue())
