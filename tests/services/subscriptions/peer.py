"""An endpoint on loopback, over real HTTP, that answers as it is told to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass
class Got:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def parameters(self) -> dict[str, Any]:
        """The status of a notification Bundle: name, value (the parts of an event)."""
        listed = self.json["entry"][0]["resource"]["parameter"]
        return {p["name"]: next(v for k, v in p.items() if k != "name") for p in listed}


@dataclass
class Peer:
    """``answers``: what is done to the next requests (a status, ``hang``, ``close``, ``drip``, or a URL to redirect
    to); then ``usual``."""

    usual: Any = 200
    answers: deque[Any] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                what = peer.answers.popleft() if peer.answers else peer.usual
                peer.got.append(Got(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if what == "hang":
                    peer.ended.wait(30)
                if what in ("hang", "close"):
                    self.close_connection = True
                    return
                if what == "drip":
                    while not peer.ended.wait(0.1):
                        self.wfile.write(b"H")
                        self.wfile.flush()
                    return
                self.send_response(what if isinstance(what, int) else 307)
                if isinstance(what, str):
                    self.send_header("Location", what)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = do_GET = answer  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def paths(self) -> list[str]:
        return [f"{g.method} {g.path}" for g in list(self.got)]

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
