"""One HTTP request a delivery, with a limit on the whole of it.

RFC 9110 §15 (status codes), RFC 6585 §4 (429) and §10.2.3 (Retry-After), RFC 6750 §2.1 (bearer tokens),
draft-ietf-httpapi-idempotency-key-header.  Redirects are not followed: a message goes where the channel
says, nowhere else.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from hub import __version__
from hub.errors import HubError, NoAnswerError, RefusedError, UnavailableError

from ._http_options import CallOptions
from ._outcome import KEPT, told
from ._tls import client_context

# What may pass by itself: the peer, or its view of us, is not ready. All others concern the message.
LATER = frozenset({401, 407, 408, 425, 429})
SILENT = frozenset({408, 504})  # of these, those where the peer may have the message


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
