"""What every interaction needs: the store, the settings, the pages, and how an answer is put together.

R4 §3.1.0.1 (general behaviour): ETag ``W/"version"``, Last-Modified, 304.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Response, g, request
from werkzeug.http import http_date

from hub.errors import GoneError, NotFoundError
from hub.facade.pages import Pages
from hub.facade.parts import part
from hub.facade.shape import FHIR_JSON
from hub.fhir.search import types
from hub.security.bearer import Caller
from hub.settings import Settings
from hub.store.handle import Store

NO_TYPES_OF_THEIR_OWN = ("Binary", "CodeSystem", "ConceptMap", "ValueSet")  # without search parameters of their own

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
        row = self.known(ref)
        if row is None:
            raise NotFoundError("there is no such resource", cure="search for it")
        if row.deleted:
            raise GoneError("the resource was deleted", cure="its history shows what it was")
        return row

    def known(self, ref: str) -> Current | None:
        """The row of a resource that is there, or was before it was deleted."""
        with self.store.looking() as tx:
            found = tx.rows(_CURRENT, (ref,))
        if not found or not found[0][0]:  # version 0: only statements are known of it
            return None
        return Current(*found[0])


@lru_cache(maxsize=1)
def served() -> tuple[str, ...]:
    """Resource types that have URLs."""
    return tuple(sorted({*types(), *NO_TYPES_OF_THEIR_OWN}))


def base_url(settings: Settings) -> str:
    """The public URL of the API."""
    return settings.fhir_base


def caller() -> Caller:
    """Who makes the present request."""
    found: Caller = g.caller
    return found


def whole(body: bytes, row: Any) -> Response:
    """One version of a resource, or 304 when the client has it (R4 §3.1.0.1.9)."""
    response = json(part(body, request) if request.query_string else body)
    response.headers["ETag"] = f'W/"{row.version}"'
    response.headers["Last-Modified"] = http_date(row.updated // 1_000_000)
    response.make_conditional(request)
    return response


def json(body: bytes, status: int = 200) -> Response:
    """An answer of FHIR JSON; :mod:`hub.facade.shape` gives it the form that was asked for."""
    return Response(body, status, content_type=FHIR_JSON)
