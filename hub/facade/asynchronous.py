"""respond-async: R4 §3.1.6 (http://hl7.org/fhir/R4/async.html), RFC 7240 §4.1.

The answer is 202 with the URL at which the outcome will be: 202 while the hub works, then a Bundle of type
batch-response whose entry is what would have been answered.  DELETE there gives the request up: one that has
not begun is not begun, of one that has nothing is kept.
"""

from __future__ import annotations

import logging
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from flask import Flask, Request, Response, request

from hub import clock
from hub.errors import GoneError, NotFoundError, UnavailableError
from hub.facade import body
from hub.facade.asked import prefer
from hub.facade.context import Facade, caller, json
from hub.fhir.outcome import issue, outcome
from hub.logs import event
from hub.store import jobs
from hub.store.handle import Store

LETTERS = {"async-status": "", "async-cancel": ""}
_AT_ONCE = 2  # threads
_WAITING = 64
_EXPORTS = (f"operation-{level}-export" for level in ("system", "type", "instance"))  # which have jobs of their own
_NEVER = {*LETTERS, *_EXPORTS, "capabilities", "openapi", None}

log = logging.getLogger("hub.facade")


class _Runner:
    """The threads of this process, and the lock that says that it lives."""

    def __init__(self, store: Store) -> None:
        self.name = f"jobs-{uuid.uuid4().hex}"
        self.lock = store.locks.take(self.name)
        self.pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="respond-async")
        self.futures: dict[int, Future[None]] = {}


_runners: WeakKeyDictionary[Store, _Runner] = WeakKeyDictionary()
_mutex = threading.Lock()


def mount(app: Flask, facade: Facade) -> None:
    """Serve the URLs of outcomes."""

    @app.get("/fhir/_async/<job>", endpoint="async-status")
    def status(job: str) -> Response:
        found = jobs.find(facade.store, _number(job), caller().number)
        if found is None:
            raise _unknown()
        if found.lost:
            raise GoneError("the process that worked on it ended", cure="see whether it was done, and ask again")
        if found.answer is None:
            response = Response(b"", 202)
            response.headers["X-Progress"] = "the hub works on it"
            response.headers["Retry-After"] = "1"
            return response
        head = {"resourceType": "Bundle", "type": "batch-response"}
        return json(orjson.dumps(head)[:-1] + b',"entry":[' + found.answer + b"]}")

    @app.delete("/fhir/_async/<job>", endpoint="async-cancel")
    def cancel(job: str) -> Response:
        number = _number(job)
        if not jobs.forget(facade.store, number, caller().number):
            raise _unknown()
        runner = _runners.get(facade.store)
        future = runner.futures.get(number) if runner is not None else None
        if future is not None:
            future.cancel()
        said = issue("information", "informational", "the request was given up")
        return json(orjson.dumps(outcome(said)), 202)


def _number(job: str) -> int:
    try:
        return clock.read_id(job)
    except ValueError:
        raise _unknown() from None


def _unknown() -> NotFoundError:
    return NotFoundError("there is no such request of this caller", cure="they are kept for a day")


def wanted(asked: Request) -> bool:
    """Whether the client wants its answer later."""
    return asked.endpoint not in _NEVER and prefer(asked.headers.get("Prefer", "")).asynchronous


def start(app: Flask, facade: Facade) -> Response:
    """Begin to work on the present request; the answer that tells where the outcome will be.

    :raises UnavailableError: when too many wait already.
    """
    with _mutex:
        runner = _runners.get(facade.store) or _runners.setdefault(facade.store, _Runner(facade.store))
    if len(runner.futures) >= _WAITING:
        raise UnavailableError("too many requests wait already", cure="ask again later", code="throttled")
    octets = body.octets(request, body.MAX_BINARY)
    environ = {k: v for k, v in request.environ.items() if not k.startswith(("werkzeug.", "flask."))}
    for name in ("HTTP_PREFER", "HTTP_AUTHORIZATION", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"):
        environ.pop(name, None)
    returns = prefer(request.headers.get("Prefer", "")).returns
    environ |= {
        "hub.caller": caller(), "wsgi.input": BytesIO(octets), "CONTENT_LENGTH": str(len(octets)),
        "HTTP_PREFER": f"return={returns}" if returns else "", "HTTP_ACCEPT": "application/fhir+json",
    }  # fmt: skip
    number = jobs.begin(facade.store, caller().number, runner.name)
    runner.futures[number] = runner.pool.submit(_work, app, facade, environ, number)
    runner.futures[number].add_done_callback(lambda _: runner.futures.pop(number, None))
    response = Response(b"", 202)
    response.headers["Content-Location"] = f"{facade.base}/_async/{clock.show_id(number)}"
    return response


def _work(app: Flask, facade: Facade, environ: dict[str, Any], number: int) -> None:
    from hub.facade.batch import entry

    try:
        with app.request_context(environ):
            response = app.full_dispatch_request()
            answer = entry(response)
        jobs.end(facade.store, number, answer)
    except Exception as error:
        event(log, logging.ERROR, "a request that is answered later failed", error=type(error).__name__)
        failed = outcome(issue("fatal", "exception", "the hub has a fault; see its log"))
        jobs.end(facade.store, number, orjson.dumps({"response": {"status": "500", "outcome": failed}}))
