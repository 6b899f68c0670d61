"""The HTTP server as a process of its own: granian and its workers.

``python -m hub.facade.serve --home HOME --port PORT``, started by :mod:`hub.facade.http_server`; it ends
with its parent (:mod:`hub.process`), and its workers with it.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from hub import logs
from hub.process import end_with

_THREADS = 8


def main(arguments: list[str] | None = None) -> None:
    """Run the server until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m hub.facade.serve")
    parser.add_argument("--home", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--parent", type=int, default=0, help="end with the process of this number")
    parser.add_argument("--listening", default="", help="JSON of Listening; default: read the settings")
    parser.add_argument("--only", default="", help="names of channels, with commas")
    given = parser.parse_args(arguments)
    end_with(given.parent)
    os.environ["HUB_HOME"] = given.home
    os.environ["HUB_SERVE_ONLY"] = given.only
    if given.port is not None:
        os.environ["HUB_HTTP_PORT"] = str(given.port)
    serve(Listening(**json.loads(given.listening)) if given.listening else _listening(given.home))


@dataclass(frozen=True, slots=True)
class Listening:
    """What of the settings this process itself needs: it stays small when it does not read them all."""

    bind: str
    port: int
    workers: int = 1
    certificate: str = ""
    key: str = ""
    log_level: str = "info"


def _listening(home: str) -> Listening:
    from hub.facade.http_server import listening
    from hub.settings import Settings

    settings = Settings.load(home)
    settings.check_profile()
    return listening(settings, settings.http_port)


def serve(at: Listening) -> None:
    """Run granian; returns when it was told to end."""
    from granian import Granian
    from granian.constants import Interfaces, SSLProtocols
    from granian.http import HTTP1Settings

    logs.set_up(at.log_level)
    if at.workers > 1:
        import hub.facade.server  # noqa: F401 - imported once here, shared by the workers that are forked

    Granian(
        "hub.facade.server:worker",
        factory=True,
        address=at.bind,
        port=at.port,
        interface=Interfaces.WSGI,
        workers=at.workers,
        blocking_threads=_THREADS,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        respawn_failed_workers=True,
        workers_kill_timeout=5,
        log_enabled=False,
        ssl_protocol_min=SSLProtocols.tls12,  # many hospital systems speak no 1.3 yet
        ssl_cert=Path(at.certificate) if at.certificate else None,
        ssl_key=Path(at.key) if at.key else None,
    ).serve()


if __name__ == "__main__":
    main()
