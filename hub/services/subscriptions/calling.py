"""One call to an endpoint: no redirect, no proxy, a limit on the whole of it, and an address that was judged.

RFC 9110 §15 (status codes), RFC 6585 §4 (429); draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from hub import __version__
from hub.errors import HubError, NoAnswerError, RefusedError, UnavailableError
from hub.services.subscriptions import endpoints

KEPT: Final = 4096  # octets of an answer; a notification is answered with nothing
_LATER = frozenset({401, 407, 408, 425, 429})  # what may pass by itself
_WHERE = "Subscription.channel.endpoint"


@dataclass(frozen=True, slots=True)
class Call:
    """One request; ``data``: it holds something of a resource."""

    method: str
    url: str
    body: bytes = b""
    content_type: str = ""
    key: str = ""
    data: bool = False


class Caller:
    """Calls one endpoint, over a connection that is kept.  One thread uses it at a time."""

    def __init__(self, headers: Mapping[str, str], timeout: float, *, private: bool) -> None:
        import httpx  # not before somebody is to be told something

        self._httpx: Any = httpx
        self._timeout, self._private = timeout, private
        self._client = httpx.Client(
            headers={"User-Agent": f"OncoHub/{__version__}", "Accept-Encoding": "identity", **headers},
            trust_env=False, follow_redirects=False, timeout=timeout,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )  # fmt: skip
        self._call = Call("", "")
        self._stream: Any = None

    def send(self, call: Call) -> bytes:
        """Make a call; the first octets of its answer.

        :raises RefusedError: the endpoint will not have it, or may not have it.
        :raises UnavailableError, NoAnswerError: it is tried again.
        """
        httpx, peer = self._httpx, urlsplit(call.url).hostname
        headers = {"Idempotency-Key": call.key} if call.key else {}
        if call.content_type:
            headers["Content-Type"] = call.content_type
        self._call = call
        deadline = time.monotonic() + self._timeout
        # httpx limits each read, so that a peer that drips would hold a thread for ever.
        timer = threading.Timer(self._timeout, self._cut)
        timer.daemon = True
        timer.start()
        try:
            with self._client.stream(
                call.method, call.url, content=call.body, headers=headers, extensions={"trace": self._trace}
            ) as response:
                kept = bytearray()
                for piece in response.iter_raw(KEPT):
                    kept += piece
                    if len(kept) >= KEPT:
                        break
                status = response.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise UnavailableError(f"{peer} was not reached", where=_WHERE, cure="see whether it runs") from None
        except httpx.TransportError as error:
            late = isinstance(error, httpx.TimeoutException) or time.monotonic() >= deadline
            said = f"did not answer within {self._timeout:g} s" if late else "broke off before its answer"
            raise NoAnswerError(f"{peer} {said}", where=_WHERE, cure="see whether it is well") from None
        finally:
            timer.cancel()
        _judge(status, str(peer))
        return bytes(kept[:KEPT])

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            stream = self._stream = info["return_value"]
            address = str(stream.get_extra_info("server_addr")[0])
            secure = self._call.url.startswith("https:")
            try:
                endpoints.judge(address, private=self._private, secure=secure, data=self._call.data)
            except HubError:
                stream.close()
                raise
        elif name == "connection.start_tls.complete":
            self._stream = info["return_value"]

    def _cut(self) -> None:
        sock = self._stream.get_extra_info("socket") if self._stream is not None else None
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._client.close()


def _judge(status: int, peer: str) -> None:
    if 200 <= status < 300:
        return
    said = f"{peer} answered {status}"
    if status in _LATER or status >= 500:
        raise UnavailableError(said, where=_WHERE, cure="the endpoint takes it later", code=str(status))
    cure = "redirects are not followed: write where it leads" if 300 <= status < 400 else "see the endpoint"
    raise RefusedError(said, where=_WHERE, cure=cure, code=str(status))
