"""Binary: R4 §2.43 (http://hl7.org/fhir/R4/binary.html), read and vread.

By default the document itself, octet for octet, with its own media type; the resource with its base64
when the client asks for ``application/fhir+json``.  A document is a stranger's: it is offered for saving,
never sniffed, and runs nothing should a browser open it.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson
import pybase64
from flask import Flask, Response, request
from werkzeug.http import http_date

from hub.facade.context import Facade, whole
from hub.facade.versions import version

SAFE = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/Binary/[id]`` and its versions."""

    @app.get("/fhir/Binary/<fhirid:fid>", endpoint="read-binary")
    def read(fid: str) -> Response:
        return _answer(facade, facade.current(f"Binary/{fid}"))

    @app.get("/fhir/Binary/<fhirid:fid>/_history/<int:vid>", endpoint="vread-binary")
    def vread(fid: str, vid: int) -> Response:
        return _answer(facade, version(facade, f"Binary/{fid}", vid))


def as_resource() -> bool:
    """Whether the client wants the FHIR resource and not the document."""
    if request.args.get("_format"):
        return True
    best = request.accept_mimetypes.best or ""
    return best.partition(";")[0].strip().lower() == "application/fhir+json"


def _answer(facade: Facade, row: Any) -> Response:
    if as_resource():
        response = whole(_with_data(facade, row), row)
    else:
        resource = orjson.loads(row.content)
        response = Response(_octets(facade, row, resource), content_type=_media(resource.get("contentType")))
        response.headers.update(SAFE)
        # RFC 9110 §8.8.3: the two forms of one version are two representations.
        response.headers["ETag"] = f'W/"{row.version}"'
        response.headers["Last-Modified"] = http_date(row.updated // 1_000_000)
        response.make_conditional(request)
    response.headers["Vary"] = "Accept"
    return response


def _octets(facade: Facade, row: Any, resource: dict[str, Any]) -> bytes:
    if row.octets is None:
        return b64decode(resource.get("data", ""))
    return facade.store.bodies.read(row.octets)


def _with_data(facade: Facade, row: Any) -> bytes:
    content: bytes = row.content
    if row.octets is None:
        return content
    data = pybase64.b64encode(facade.store.bodies.read(row.octets))
    return content.rstrip()[:-1] + b',"data":"' + data + b'"}'


def _media(name: object) -> str:
    """The media type as a header may carry it."""
    good = isinstance(name, str) and name.isascii() and name.isprintable() and "/" in name
    return str(name) if good else "application/octet-stream"
