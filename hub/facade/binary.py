"""Binary: R4 §2.43 (http://hl7.org/fhir/R4/binary.html): read, vread, and what makes one.

By default the document itself, octet for octet, with its own media type; the resource with its base64
when the client asks for FHIR.  A document is a stranger's: it is offered for saving, never sniffed, and runs
nothing should a browser open it.  What is sent in another media type than FHIR's is a document; who may
see it is what ``X-Security-Context`` refers to.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

import orjson
from flask import Flask, Request, Response, request
from werkzeug.http import http_date

from hub.errors import InvalidError, MediaTypeError
from hub.facade import body
from hub.facade.context import Facade, whole
from hub.facade.shape import JSON_TYPES, XML_TYPES
from hub.facade.versions import version
from hub.facade.writing import whole_binary
from hub.fhir.jsontext import Json
from hub.services.resources import rules
from hub.store.handle import Store
from hub.store.resources import Write

LETTERS = {"read-binary": "r", "vread-binary": "r"}
SAFE = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}
_FHIR = ("application/fhir+json", "application/fhir+xml")
_MEDIA = re.compile(r"[\w.+!#$&^-]{1,127}/[\w.+!#$&^-]{1,127}( ?;[ \w=\"'.,:/+-]*)?", re.ASCII)
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/Binary/[id]`` and its versions."""

    @app.get("/fhir/Binary/<fhirid:fid>", endpoint="read-binary", defaults={"kind": "Binary"})
    def read(kind: str, fid: str) -> Response:
        return _answer(facade, facade.current(f"{kind}/{fid}"))

    @app.get("/fhir/Binary/<fhirid:fid>/_history/<int:vid>", endpoint="vread-binary", defaults={"kind": "Binary"})
    def vread(kind: str, fid: str, vid: int) -> Response:
        return _answer(facade, version(facade, f"{kind}/{fid}", vid))


def as_resource() -> bool:
    """Whether the client wants the FHIR resource and not the document."""
    if request.args.get("_format"):
        return True
    best = request.accept_mimetypes.best or ""
    name = best.partition(";")[0].strip().lower()
    return name in _FHIR[:1] or (bool(XML_TYPES) and name in _FHIR)


def is_document(asked: Request) -> bool:
    """Whether the body is the document itself and not a resource."""
    return asked.mimetype not in (*_FHIR, *JSON_TYPES[:1])


def document(store: Store, asked: Request, fid: str) -> Write:
    """The Binary of a document that was sent as such.

    :raises MediaTypeError: when it does not say what it is; InvalidError: for a bad X-Security-Context.
    """
    media = asked.headers.get("Content-Type", "").strip()
    if not _MEDIA.fullmatch(media):
        raise MediaTypeError("what is it?", where="http.Content-Type", cure="send the media type of the document")
    made: dict[str, Any] = {"resourceType": "Binary", "contentType": media}
    context = asked.headers.get("X-Security-Context", "").strip()
    if context:
        if not _REFERENCE.fullmatch(context):
            cure = "write a relative reference, such as Patient/1"
            raise InvalidError("is no reference", where="http.X-Security-Context", cure=cure, code="value")
        made["securityContext"] = {"reference": context}
    octets = body.octets(asked, body.MAX_BINARY)
    return rules.writing(store, Json(made, orjson.dumps(made)), "Binary", fid, octets=octets)


def _answer(facade: Facade, row: Any) -> Response:
    resource = orjson.loads(row.content)
    if as_resource():
        response = whole(whole_binary(facade, row), row)
    else:
        response = Response(_octets(facade, row, resource), content_type=_media(resource.get("contentType")))
        response.headers.update(SAFE)
        # RFC 9110 §8.8.3: the two forms of one version are two representations.
        response.headers["ETag"] = f'W/"{row.version}"'
        response.headers["Last-Modified"] = http_date(row.updated // 1_000_000)
        response.make_conditional(request)
    context = (resource.get("securityContext") or {}).get("reference")
    if isinstance(context, str) and _REFERENCE.fullmatch(context):
        response.headers["X-Security-Context"] = context
    response.headers["Vary"] = "Accept"
    return response


def _octets(facade: Facade, row: Any, resource: dict[str, Any]) -> bytes:
    if row.octets is None:
        return b64decode(resource.get("data", ""))
    return facade.store.bodies.read(row.octets)


def _media(name: object) -> str:
    """The media type as a header may carry it."""
    good = isinstance(name, str) and name.isascii() and name.isprintable() and "/" in name
    return str(name) if good else "application/octet-stream"
