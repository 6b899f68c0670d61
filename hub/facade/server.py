"""The WSGI application of the hub's HTTP server: one dispatch by path, before any framework.

PEP 3333.  ``/fhir`` is the FHIR API, ``/in/…`` the hosted sources, ``/metrics`` the Prometheus text
(scope ``metrics``, or from this host), ``/health`` is public.  What reads a body bounds it: Flask the
forms of a search, a hosted source its messages.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from hub.errors import (
    HTTP_STATUS,
    ForbiddenError,
    HubError,
    NotFoundError,
    UnauthenticatedError,
    UnsupportedError,
)
from hub.facade import quick
from hub.facade.app import create_app
from hub.facade.health import health
from hub.fhir.outcome import issue, of_error, outcome
from hub.logs import event
from hub.security.bearer import authorize, challenge
from hub.settings import Settings
from hub.store.handle import Store, open_store
from hub.store.tokens import METRICS

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
Mounts = Mapping[str, Wsgi]

ONLY = "HUB_SERVE_ONLY"  # names of the channels to run, when not all
log = logging.getLogger("hub.facade")
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Application:
    """Sends each request where it belongs."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        mounts: Mounts,
        metrics: Callable[[], bytes] | None = None,
        closing: Iterable[Callable[[], None]] = (),
    ) -> None:
        self._store, self._settings = store, settings
        self._mounts = mounts  # alive: channels come and go
        self._metrics, self._closing = metrics, tuple(closing)
        self._fhir = create_app(store, settings).wsgi_app
        self._quick = quick.make(store)

    def close(self) -> None:
        """Let go of what was opened for it."""
        for close in self._closing:
            close()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith("/fhir/"):
            answer = self._quick(environ)
            if answer is None:
                return self._fhir(environ, start)
            start("200 OK", answer[0])
            return [answer[1]]
        try:
            return self._other(path, environ, start)
        except HubError as e:
            headers = []
            if isinstance(e, UnauthenticatedError | ForbiddenError):
                headers.append(("WWW-Authenticate", challenge(e)))
            if isinstance(e, UnsupportedError):
                headers.append(("Allow", "GET, HEAD"))
            return _say(environ, start, HTTP_STATUS[e.category], "application/fhir+json", of_error(e), headers)
        except Exception as e:
            event(log, logging.ERROR, "fault", error=type(e).__name__)
            body = orjson.dumps(outcome(issue("fatal", "exception", "the hub has a fault; see its log")))
            return _say(environ, start, 500, "application/fhir+json", body)

    def _other(self, path: str, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        if path == "/fhir":
            return self._fhir(environ, start)
        if path == "/health":
            _only_get(environ)
            status, facts = health(self._store)
            return _say(environ, start, status, "application/json", orjson.dumps(facts))
        if path == "/metrics" and self._metrics is not None:
            _only_get(environ)
            if not self._local(environ):
                authorize(self._store, environ, METRICS)
            return _say(environ, start, 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics())
        prefix = path
        while prefix:
            app = self._mounts.get(prefix)
            if app is not None:
                environ["hub.authorize"] = self._authorize
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                environ["PATH_INFO"] = path[len(prefix) :]
                return app(environ, start)
            prefix = prefix.rpartition("/")[0]
        raise NotFoundError("there is nothing at this path", cure="the FHIR API is at /fhir")

    def _authorize(self, environ: Environ, scope: str) -> Any:
        return authorize(self._store, environ, scope)

    def _local(self, environ: Environ) -> bool:
        """Whether the request comes from this host itself; behind a proxy everything seems to."""
        if self._settings.behind_proxy or "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
            return False
        return str(environ.get("REMOTE_ADDR", "")).startswith(_LOOPBACK)


def _only_get(environ: Environ) -> None:
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        raise UnsupportedError("only GET is meant here")


def _say(
    environ: Environ,
    start: StartResponse,
    status: int,
    media: str,
    body: bytes,
    more: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    headers = [
        ("Content-Type", media),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *more,
    ]
    start(f"{status} {HTTPStatus(status).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def make_app(home: str, mounts: Mounts | None = None) -> Application:
    """Open the hub in ``home`` and build its application.

    :param mounts: hosted sources by path; default: those of the channels of the hub, as they come and go.
    """
    from hub.engine.metrics import render
    from hub.store.customs import Indexer

    settings = Settings.load(home)
    settings.check_profile()
    store = open_store(settings, role="http")
    closing: list[Callable[[], None]] = [Indexer(store).stop, store.close]
    if mounts is None:
        from hub.channel.watch import Watcher
        from hub.engine import engine

        only = tuple(filter(None, os.environ.get(ONLY, "").split(",")))
        hosted = engine.hosted(settings, store, Watcher(settings, only).scan)
        hosted.start()
        mounts = hosted.host.mounts
        closing.insert(0, hosted.stop)
    return Application(store, settings, mounts, lambda: render(store), closing)


def worker() -> Application:
    """The application of one process of the server; ``hub.facade.serve`` put the home in the environment."""
    from multiprocessing.util import Finalize

    from hub.process import die_with_parent

    die_with_parent()
    made = make_app(os.environ["HUB_HOME"])
    Finalize(None, made.close, exitpriority=10)  # a forked process runs these at its end, and no atexit
    # The server copies the environment into every request; what only the settings needed goes.
    for name in [n for n in os.environ if n.startswith("HUB_")]:
        del os.environ[name]
    return made
