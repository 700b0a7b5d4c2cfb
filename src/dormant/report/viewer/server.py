"""The viewer's server: uvicorn in a thread, on the loopback interface."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Self

from dormant.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from dormant.report.viewer.library import RunSource

_SLOWEST_START = 30.0  # seconds


class ViewerServer:
    """A local page over the runs of a directory; use it as a context manager, or close it.

    Args:
        runs: the runs to show.
        host: a loopback address: ``"127.0.0.1"``, ``"::1"`` or ``"localhost"``.
        port: the port to listen on; 0 picks a free one.

    Raises:
        InputError: the host is not a loopback address, or the port is taken or not allowed.
        MissingExtraError: starlette or uvicorn is not installed.
    """

    def __init__(self, runs: RunSource, *, host: str = "127.0.0.1", port: int = 0):
        try:
            import uvicorn

            from dormant.report.viewer.app import make_app
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "starlette", "view") from None
        self._runs = runs
        self._socket = _open_socket(_check_host(host), port)
        self.port: int = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self._name = f"[{host}]" if ":" in host else host
        self.url = f"http://{self._name}:{self.port}/{token}/"  #: the page, token included
        names = {"localhost", "127.0.0.1", "[::1]"}
        app = make_app(runs, token=token, hosts={f"{name}:{self.port}" for name in names})
        config = uvicorn.Config(
            app, log_config=None, log_level="critical", access_log=False, server_header=False,
            lifespan="off", ws="none", proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ViewerServer({self.url!r})"

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the server has stopped; returns False on a timeout."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stops the server and removes its indices."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._runs.close()


def _check_host(host: str) -> str:
    """The IP address of a loopback host.

    Raises:
        InputError: the host is not a loopback address.
    """
    try:
        is_own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_own = False
    if not is_own or host not in ("localhost", "127.0.0.1", "::1"):
        raise InputError(
            f"--host {host}: other machines could read the runs; use 127.0.0.1, ::1 or localhost, "
            "and an SSH tunnel from elsewhere"
        )
    return "127.0.0.1" if host == "localhost" else host


def _open_socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        found.listen()  # early requests wait until the server has started
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on port {port}: {reason}") from None
    return found
