"""``dormant view``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.terminal import print_line


@click.command(
    "view",
    epilog="""\b
Example:
  dormant view runs
  dormant view runs --no-open --port 8899   # from elsewhere: ssh -L 8899:127.0.0.1:8899 HOST""",
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=".")
@click.option("--host", default="127.0.0.1", help="A loopback address; others are refused.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page.")
@click.option("--no-open", is_flag=True, help="Print the address; do not open a browser.")
def command(folder: Path, host: str, port: int, no_open: bool) -> None:
    """Browse the runs at or below DIR on a local page, until Ctrl-C.

    Verdicts, reports, all answers with full-text search, the arms of one question side by side,
    kinds of misaligned answers, and two runs compared. Runs are only read. The page is served to
    this machine alone, at an address with a secret token, and asks nothing of the network.
    """
    from dormant.exchange.run_library import RunLibrary
    from dormant.report.viewer import ViewerServer

    with ViewerServer(RunLibrary(folder), host=host, port=port) as server:
        print_line(server.url)
        print_line("Ctrl-C stops", err=True)
        if not no_open:
            click.launch(server.url)
        try:
            while not server.wait(0.5):
                pass
        except KeyboardInterrupt:
            print_line("stopped", err=True)
