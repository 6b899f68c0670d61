"""What every interaction needs: the store, the settings, the pages, and how an answer is put together.

R4 §3.1.0.1 (general behaviour): ETag ``W/"version"``, Last-Modified, ``_format``, ``_pretty``, 406.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Response, g, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import http_date, parse_accept_header

from hub.errors import GoneError, NotFoundError
from hub.facade.pages import Pages
from hub.fhir.search import types
from hub.security.bearer import Caller
from hub.settings import Settings
from hub.store.handle import Store

FHIR_JSON = "application/fhir+json; charset=utf-8"
FORMATS = ("application/fhir+json", "application/json", "text/json")
NO_TYPES_OF_THEIR_OWN = ("Binary",)  # stored, but without search parameters of their own

_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
# Asked of the driver itself: this is the statement that is run more often than all others.
_CURRENT = "SELECT version, updated, deleted, content, octets FROM resource WHERE ref = ?"


class Current(NamedTuple):
    """A resource as it is now."""

    version: int
    updated: int
    deleted: bool
    content: bytes
    octets: bytes | None


@dataclass(frozen=True, slots=True)
class Facade:
    """The FHIR API of one hub.

    :ivar base: its public URL, without a slash at the end.
    """

    store: Store
    settings: Settings
    pages: Pages
    base: str

    def current(self, ref: str) -> Current:
        """The row of a resource as it is now.

        :raises NotFoundError: when it never was; GoneError when it was deleted.
        """
        with self.store.looking() as tx:
            found = tx.rows(_CURRENT, (ref,))
        if not found:
            raise NotFoundError("there is no such resource", cure="search for it")
        row = Current(*found[0])
        if row.deleted:
            raise GoneError("the resource was deleted", cure="its history shows what it was")
        return row


@lru_cache(maxsize=1)
def served() -> tuple[str, ...]:
    """Resource types that have URLs."""
    return tuple(sorted((*types(), *NO_TYPES_OF_THEIR_OWN)))


def base_url(settings: Settings) -> str:
    """The public URL of the API, as set or as it follows from the address of the server."""
    if settings.base_url:
        return settings.base_url.rstrip("/")
    host = "localhost" if settings.bind in ("0.0.0.0", "::") else settings.bind  # noqa: S104 - compared, not bound
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.http_port}/fhir"


def caller() -> Caller:
    """Who makes the present request."""
    found: Caller = g.caller
    return found


def whole(body: bytes, row: Any) -> Response:
    """One version of a resource, or 304 when the client has it (R4 §3.1.0.1.9)."""
    response = json(body)
    response.headers["ETag"] = f'W/"{row.version}"'
    response.headers["Last-Modified"] = http_date(row.updated // 1_000_000)
    response.make_conditional(request)
    return response


def json(body: bytes, status: int = 200) -> Response:
    """An answer of FHIR JSON, indented when ``_pretty=true``."""
    if request.args.get("_pretty") == "true":
        body = pretty(body)
    return Response(body, status, content_type=FHIR_JSON)


def pretty(body: bytes) -> bytes:
    """JSON with line breaks and nothing else changed: 5.270 stays 5.270."""
    out: list[bytes] = []
    depth = 0
    previous = b""
    for token in _JSON_TOKEN.findall(body):
        if token in b"}]":
            depth -= 1
            if previous not in (b"{", b"["):
                out.append(b"\n" + b"  " * depth)
        elif previous in (b"{", b"[", b","):
            out.append(b"\n" + b"  " * depth)
        out.append(b": " if token == b":" else token)
        if token in b"{[":
            depth += 1
        previous = token
    return b"".join(out) + b"\n"


@lru_cache(maxsize=256)
def acceptable(accept: str) -> bool:
    """Whether an Accept header takes FHIR R4 as JSON (RFC 9110 §12.5.1, R4 §3.1.0.1.8)."""
    if not accept:
        return True
    wanted = parse_accept_header(accept, MIMEAccept)
    for media, quality in wanted:
        name, _, parameters = media.partition(";")
        if quality <= 0 or ("fhirversion=" in parameters.lower() and "fhirversion=4.0" not in parameters.lower()):
            continue
        if name.strip().lower() in (*FORMATS, "*/*", "application/*", "text/*"):
            return True
    return False


def format_known(text: str) -> bool:
    """Whether ``_format`` names JSON; a + arrives as a space."""
    name = text.partition(";")[0].strip().lower().replace(" ", "+")
    return name == "json" or name in FORMATS
