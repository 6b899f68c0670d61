"""HTTP: bodies taken under a path of the hub's own server, and bodies sent to one of a peer.

RFC 9110 (methods, status codes), RFC 6750 (bearer tokens), FHIR R4 §2.35 (OperationOutcome as the
wording of an error), draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

import orjson
from pydantic import Field

from hub.clock import show_id
from hub.engine.connector import Connector, Receipt, SourceContext, Verdict
from hub.errors import (
    HTTP_STATUS,
    HubError,
    ParseError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)  # fmt: skip
from hub.logs import event

from ._http_sender import HttpDestination, HttpDestinationOptions
from ._options import Octets, Options
from ._outcome import outcome

EXCERPT = 64 * 1024
SCOPE = "ingest"  # what a token must allow
_PIECE = 256 * 1024

log = logging.getLogger("hub.http")
_NAME = re.compile(r"[A-Za-z0-9._:^|/-]{1,199}")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class HttpSourceOptions(Options):
    """Options of ``source: {http: …}``."""

    path: str = Field(
        pattern=r"^/in/[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$", description="path of the hub's HTTP server, below /in/"
    )
    auth: Literal["token", "none"] = Field(
        "token", description="who may post: holders of a token of scope ingest, or all"
    )
    answer: Literal["commit", "application"] = Field(
        "commit", description="answer once the message is stored, or only once it is mapped"
    )
    content_types: tuple[str, ...] = Field((), description="media types taken, such as text/xml; none given: all")
    max_size: Octets = Field(64 << 20, ge=1024, description="largest body; of a larger one 64 KiB are kept in hold")


class HttpSource:
    """A WSGI application; the hub's HTTP server runs it."""

    def __init__(self, options: HttpSourceOptions, context: SourceContext) -> None:
        self._options, self._context = options, context
        self._types = frozenset(t.lower() for t in options.content_types)
        self._running = False
        self._received = 0
        self._last = 0.0

    def start(self) -> None:
        self._running = True
        self._context.mount(self._options.path, self)

    def stop(self, within: float = 5.0) -> None:  # noqa: ARG002 - nothing of its own is running
        """Answer 503 from now on; requests under way end as they would."""
        self._running = False

    @property
    def address(self) -> str:
        return f"http:{self._options.path}"

    def status(self) -> Mapping[str, Any]:
        return {"listening": self._running, "received": self._received, "last": self._last}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        try:
            self._check(environ)
            status, body, headers = self._take(environ)
        except HubError as error:
            status, body, headers = _status(error), outcome(error), _refusal_headers(error)
        except Exception as e:  # whatever fails, the peer must hear that its body was not taken
            event(log, logging.ERROR, "a request failed", channel=self._context.channel, error=type(e).__name__)
            status, body, headers = 500, outcome(HubError("the hub failed", cure="send again; see its log")), []
        headers += [
            ("Content-Type", "application/fhir+json" if status >= 400 else "application/json"),
            ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ]  # fmt: skip
        if (asked := environ.get("HTTP_X_REQUEST_ID")) and _NAME.fullmatch(asked):
            headers.append(("X-Request-Id", asked))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _check(self, environ: Environ) -> None:
        if not self._running:
            raise UnavailableError("this channel is stopped", cure="send again later")
        if environ["REQUEST_METHOD"] != "POST":
            raise UnsupportedError("only POST is known here", where=self._options.path, cure="POST the body")
        if self._options.auth == "token":
            authorize = environ.get("hub.authorize")
            if authorize is None:
                raise UnauthenticatedError("a bearer token is required", cure="send Authorization: Bearer …")
            authorize(environ, SCOPE)
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if self._types and kind not in self._types:
            cure = f"send {' or '.join(sorted(self._types))}"
            raise UnsupportedError(
                "the media type is not taken here", where="Content-Type", cure=cure, code="media-type"
            )

    def _take(self, environ: Environ) -> tuple[int, bytes, list[tuple[str, str]]]:
        peer = str(environ.get("REMOTE_ADDR", ""))
        body, error = self._read(environ)
        self._received += 1
        self._last = time.time()
        if error is not None:
            receipt = self._context.broken(body, error, peer=peer, answer=_word)
        else:
            wait = self._options.answer == "application"
            receipt = self._context.receive_now(body, peer=peer, answer=_word, wait=wait)
        control = receipt.verdict.envelope.control_id
        headers = [("X-Control-Id", control)] if _NAME.fullmatch(control) else []
        if not receipt.duplicate and receipt.verdict.message_id:
            headers.append(("X-Message-Id", show_id(receipt.verdict.message_id)))
        status = _answered(receipt)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("Retry-After", "5"))
        return status, receipt.answer, headers

    def _read(self, environ: Environ) -> tuple[bytes, HubError | None]:
        """The body, or its first piece and what is wrong with it."""
        most = self._options.max_size
        length = environ.get("CONTENT_LENGTH") or ""
        if length and not (length.isascii() and length.isdigit()):
            raise ParseError("Content-Length is no number", where="Content-Length")
        if not length and not _self_ending(environ):
            raise ParseError("the length of the body is not told", where="Content-Length", code="length-required")
        expected = int(length) if length else None
        body = bytearray()
        # Of a body whose length says that it is too large only the first piece is read.
        wanted = most + 1 if expected is None else expected if expected <= most else EXCERPT
        while piece := environ["wsgi.input"].read(min(_PIECE, wanted - len(body))):
            body += piece
        if (expected or len(body)) > most:
            what = f"a body beyond the limit of {most} octets"
            return bytes(body[:EXCERPT]), TooLargeError(
                what, where="source.http.max_size", cure="raise it or send less"
            )
        if expected is not None and len(body) < expected:
            what = f"only {len(body)} of {expected} octets came"
            return bytes(body), ParseError(what, where="Content-Length", cure="send the whole body")
        if not body:
            raise ParseError("the body is empty", cure="send the message as the body of the request")
        return bytes(body), None


def _self_ending(environ: Environ) -> bool:
    """Whether the server tells the end of a body without Content-Length (chunked, HTTP/2)."""
    return bool(
        environ.get("wsgi.input_terminated")
        or "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        or environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
    )


def _word(verdict: Verdict) -> bytes:
    """The body of the answer."""
    if verdict.error is not None and verdict.status in ("rejected", "failed"):
        return outcome(verdict.error)
    return orjson.dumps({"id": show_id(verdict.message_id), "status": verdict.status})


def _answered(receipt: Receipt) -> int:
    verdict = receipt.verdict
    if verdict.status == "failed":
        return HTTPStatus.SERVICE_UNAVAILABLE
    if verdict.status == "rejected":
        return _status(verdict.error) if verdict.error else HTTPStatus.BAD_REQUEST
    if receipt.answer.startswith(b'{"resourceType":"OperationOutcome"'):
        return HTTPStatus.BAD_REQUEST  # a duplicate of what was refused when it first came
    return HTTPStatus.CREATED if verdict.status == "accepted" and not receipt.duplicate else HTTPStatus.OK


_STATUS_OF_CODE = {
    "media-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "length-required": HTTPStatus.LENGTH_REQUIRED,
    # The method is fine; what the message is, is not for this channel (table 0357).
    **dict.fromkeys(("200", "201", "202", "203"), HTTPStatus.UNPROCESSABLE_ENTITY),
}  # fmt: skip


def _status(error: HubError) -> int:
    return _STATUS_OF_CODE.get(error.code, HTTP_STATUS[error.category])


def _refusal_headers(error: HubError) -> list[tuple[str, str]]:
    status = _status(error)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return [("Allow", "POST")]
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        from hub.security.bearer import challenge

        return [("WWW-Authenticate", challenge(error, SCOPE))]
    return [("Retry-After", "5")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []


CONNECTOR = Connector(
    name="http",
    summary="bodies POSTed to the hub, and sent to a peer, over HTTP",
    source=HttpSource,
    source_options=HttpSourceOptions,
    destination=HttpDestination,
    destination_options=HttpDestinationOptions,
    format="raw",
    hosted=True,
    capabilities=frozenset({"answers", "tls", "secure"}),
)
