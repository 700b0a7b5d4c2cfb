"""A local page over the runs below a directory."""

from __future__ import annotations

from pathlib import Path

from dormant.exchange.run_library import RunLibrary
from dormant.report.viewer import ViewerServer


def view(folder: str | Path = ".", *, host: str = "127.0.0.1", port: int = 0) -> ViewerServer:
    """Serves a page over the runs at or below a directory: verdicts, reports, answers, comparisons.

    It changes nothing in the runs, and only this machine can read it. The server runs in a thread
    until it is closed or the process ends::

        with dormant.view("runs") as viewer:
            print(viewer.url)
            viewer.wait()

    Args:
        folder: the directory.
        host: a loopback address: ``"127.0.0.1"``, ``"::1"`` or ``"localhost"``.
        port: where to listen; 0 takes a free one.

    Returns:
        The server: ``.url`` holds its secret token.

    Raises:
        dormant.errors.ConfigError: there is no such directory.
        dormant.errors.InputError: the host is another machine's, or the port is taken.
        dormant.errors.MissingExtraError: the extra ``view`` is not installed.
    """
    return ViewerServer(RunLibrary(folder), host=host, port=port)
