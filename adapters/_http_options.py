"""What may be said of calls to a server over HTTP, apart from the client that makes them.

RFC 9110 §5.6.2 (names of headers), RFC 3986 §3.2.1 (no user information in a URL).  The client is imported where
a call is made: a process that only takes in needs none.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from ._options import Options, Seconds
from ._tls import ClientTls

_OURS = frozenset({
    "authorization", "connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding",
})  # fmt: skip


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
