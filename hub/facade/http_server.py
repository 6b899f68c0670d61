"""The HTTP server as ``hub run`` sees it: a child process that it starts, watches and ends."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from hub.errors import UnavailableError
from hub.facade.serve import Listening
from hub.process import Child
from hub.settings import Settings

_READY = 20.0  # seconds until a server that does not answer is given up
_TRIES = 5


class HttpServer:
    """The server as its parent sees it.

    :param port: to listen on; 0 for any that is free; default ``http_port``.
    :param only: names of the channels whose hosted sources run; default all.
    """

    def __init__(self, settings: Settings, port: int | None = None, only: Sequence[str] = ()) -> None:
        self._settings, self._only = settings, tuple(only)
        self._wanted = settings.http_port if port is None else port
        self._child = Child(settings, "hub.facade.serve")
        self.port = self._wanted

    def start(self) -> int:
        """Start it, or start it anew where it was; return its port.  It may not answer yet.

        :raises UnavailableError: when the port cannot be had.
        """
        self.stop()
        self.port = _free_port(self._settings.bind, self.port)
        self._child.start([
            "--port", str(self.port), "--only", ",".join(self._only),
            "--listening", json.dumps(asdict(listening(self._settings, self.port))),
        ])  # fmt: skip
        return self.port

    def wait_ready(self, within: float = _READY) -> int:
        """Wait until it answers; return its port.

        :raises UnavailableError: when it does not.
        """
        for _ in range(_TRIES):
            if self._answers(within):
                return self.port
            ended = not self.alive()
            self.stop(within=1.0)
            if self._wanted or not ended:
                break
            # The free port was taken by somebody else in between: take another.
            self.port = 0
            self.start()
        raise UnavailableError(
            "the HTTP server did not come up", where=f"http_port {self.port}", cure="see its log, and hub doctor"
        )

    @property
    def url(self) -> str:
        """Where it answers, for people."""
        scheme = "https" if self._settings.tls_certificate else "http"
        host = self._settings.bind
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._child.alive()

    @property
    def pid(self) -> int:
        """Number of its process; 0 when it does not run."""
        return self._child.pid

    def stop(self, within: float = 5.0) -> None:
        """End it; requests under way have ``within`` seconds."""
        self._child.stop(within)

    def _answers(self, within: float) -> bool:
        until = time.monotonic() + within
        while time.monotonic() < until and self.alive():
            if self._ask():
                return True
            time.sleep(0.01)
        return False

    def _ask(self) -> bool:
        host = _reachable(self._settings.bind)
        conn: HTTPConnection
        if self._settings.tls_certificate:
            # Only whether our own child answers is asked; nothing is sent and its name may be any.
            context = ssl._create_unverified_context()  # noqa: S323 - see above
            conn = HTTPSConnection(host, self.port, timeout=2, context=context)
        else:
            conn = HTTPConnection(host, self.port, timeout=2)
        try:
            conn.request("GET", "/health")
            return conn.getresponse().status in (200, 503)
        except (OSError, HTTPException):
            return False
        finally:
            conn.close()


def listening(settings: Settings, port: int) -> Listening:
    """What the server's own process needs of the settings."""
    return Listening(
        settings.bind, port, settings.http_workers, str(settings.tls_certificate or ""),
        str(settings.tls_key or ""), settings.verbosity,
    )  # fmt: skip


def _reachable(bind: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not bound


def _free_port(bind: str, port: int) -> int:
    """The port, after a look whether it can be had; 0 gives one that is free."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as e:
            raise UnavailableError(
                f"cannot listen on {bind}:{port} ({e.strerror})", where="http_port",
                cure="end what holds the port, or set http_port",
            ) from None  # fmt: skip
        return int(probe.getsockname()[1])
