"""One HTTP request a delivery, with a limit on the whole of it.

RFC 9110 §15 (status codes), RFC 6585 §4 (429) and §10.2.3 (Retry-After), RFC 6750 §2.1 (bearer tokens),
draft-ietf-httpapi-idempotency-key-header.  Redirects are not followed: a message goes where the channel
says, nowhere else.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field, SecretStr

from hub import __version__
from hub.engine.connector import Answer, DestinationContext, Outgoing
from hub.errors import HubError, NoAnswerError, RefusedError, UnavailableError

from ._options import Options, Seconds
from ._outcome import KEPT, told
from ._tls import ClientTls, client_context

_OURS = frozenset({
    "authorization", "connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding",
})  # fmt: skip
# What may pass by itself: the peer, or its view of us, is not ready. All others concern the message.
LATER = frozenset({401, 407, 408, 425, 429})
SILENT = frozenset({408, 504})  # of these, those where the peer may have the message


def http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://… or https://…")
    if parts.username or parts.password:
        raise ValueError("a secret does not stand in a URL: use bearer")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not text.isprintable() or not text.isascii():
            raise ValueError(f"{name!r} is no header")
        if name.lower() in _OURS:
            raise ValueError(f"{name} is set by the hub")
    return value


Url = Annotated[str, AfterValidator(http_url)]


class CallOptions(Options):
    """What all callers over HTTP have."""

    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(
        {}, description="headers sent with each request"
    )
    bearer: SecretStr | None = Field(None, description="token sent as Authorization: Bearer; write ${file:/path}")
    tls: ClientTls = Field(ClientTls(), description="certificates, when the URL is https")
    connect_timeout: Seconds = Field(10.0, gt=0, description="time to connect, TLS included")
    timeout: Seconds = Field(30.0, gt=0, description="time for the whole request and its answer")


class HttpDestinationOptions(CallOptions):
    """Options of ``http: …`` below ``deliver:``."""

    url: Url = Field(description="where messages are sent, http:// or https://")
    method: Literal["POST", "PUT"] = Field("POST", description="method of the request")


class Caller:
    """A client of one server, kept between messages."""

    def __init__(self, url: str, options: CallOptions, where: str) -> None:
        self.url, self.where = url, where
        self._options = options
        self._peer = urlsplit(url).netloc
        secure = url.startswith("https:")
        context = client_context(options.tls, f"{where}.tls") if secure else True
        headers = {"User-Agent": f"OncoHub/{__version__}", "Accept-Encoding": "identity", **options.headers}
        if options.bearer is not None:
            headers["Authorization"] = f"Bearer {options.bearer.get_secret_value()}"
        # trust_env would let a proxy variable or a .netrc file send messages elsewhere.
        self._client = httpx.Client(
            verify=context, headers=headers, trust_env=False, follow_redirects=False,
            timeout=httpx.Timeout(options.timeout, connect=options.connect_timeout),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )  # fmt: skip
        self._extensions: dict[str, Any] = {"trace": self._trace}
        if secure and options.tls.server_name:
            self._extensions["sni_hostname"] = options.tls.server_name
        self._stream: Any = None

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, httpx.Headers]:
        """Status, first 64 KiB of the body, and headers of the answer.

        :raises UnavailableError: the peer was not reached.
        :raises NoAnswerError: it was, and did not answer in time or at all.
        """
        limit = self._options.timeout + self._options.connect_timeout
        try:
            with self._within(limit), self._client.stream(
                method, url, content=body or None, headers={k.replace("_", "-"): v for k, v in headers.items()},
                extensions=self._extensions,
            ) as response:  # fmt: skip
                kept = bytearray()
                for piece in response.iter_raw():
                    kept += piece
                    if len(kept) >= KEPT:
                        break
                return response.status_code, bytes(kept[:KEPT]), response.headers
        except (httpx.ConnectError, httpx.ConnectTimeout) as e:
            what = f"cannot connect to {self._peer}: {_reason(e)}"
            raise UnavailableError(what, where=self.where, cure="see whether it runs, and its certificate") from None
        except (httpx.TimeoutException, TimeoutError):
            what = f"{self._peer} did not answer within {self._options.timeout:g} s"
            raise NoAnswerError(what, where=f"{self.where}.timeout", cure="see whether the peer is well") from None
        except httpx.TransportError as e:
            what = f"{self._peer} broke off before its answer ({type(e).__name__})"
            raise NoAnswerError(what, where=self.where, cure="see whether the peer is well") from None

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End the whole exchange after ``seconds``: httpx limits each read, so a peer that drips is slow for ever."""
        deadline = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except httpx.TransportError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _cut(self) -> None:
        sock = self._stream.get_extra_info("socket") if self._stream is not None else None
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                # Of the TCP socket: SSLSocket.shutdown would change state the sending thread works with.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def judge(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Raise what a status means for a delivery.

        :raises RefusedError, UnavailableError, NoAnswerError: for all but 2xx.
        """
        if 200 <= status < 300:
            return
        said = f"{self._peer} answered {status}"
        if details := told(body):
            said += f": {details}"
        if status in LATER or status >= 500:
            wait = headers.get("retry-after", "")
            if wait.isascii() and wait.isdigit() and len(wait) < 7:
                said += f"; it asks to wait {int(wait)} s"
            kind: type[HubError] = NoAnswerError if status in SILENT else UnavailableError
            cure = "renew the token or certificate" if status in (401, 407) else "the peer takes it later"
            raise kind(said, where=self.where, cure=cure, code=str(status))
        cure = "write the URL it redirects to" if 300 <= status < 400 else "correct the message or its mapping"
        raise RefusedError(said, where=self.where, cure=cure, code=str(status))

    def close(self) -> None:
        self._client.close()


class HttpDestination:
    """Sends each body as one request."""

    def __init__(self, options: HttpDestinationOptions, context: DestinationContext) -> None:
        self._options = options
        self._caller = Caller(options.url, options, f"{context.channel}: deliver.{context.name}.http")

    def send(self, item: Outgoing) -> Answer:
        """Send the body as it is.

        :raises RefusedError, UnavailableError, NoAnswerError: see :meth:`Caller.judge`.
        """
        caller, options = self._caller, self._options
        status, body, headers = caller.call(
            options.method, options.url, item.body, content_type=item.content_type, idempotency_key=item.idempotency_key
        )
        caller.judge(status, body, headers)
        return Answer(body, str(status))

    def close(self) -> None:
        self._caller.close()

    def probe(self) -> str:
        """Ask for the head of the URL; any status tells that the peer is there."""
        status, _, _ = self._caller.call("HEAD", self._options.url)
        return f"{self._options.url} answered {status} to HEAD"


def _reason(error: Exception) -> str:
    """Why there is no connection, without quoting what a peer sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "TLS failed").replace("_", " ").lower()
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
