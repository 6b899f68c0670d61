"""$html: a CDA document as a page that people read, in French (:mod:`hub.services.documents.html`).

An operation of the hub's own.  The page runs nothing and loads nothing, and its Content-Security-Policy says so.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request
from werkzeug.http import http_date

from hub.errors import NotFoundError, ParseError, UnprocessableError
from hub.facade.context import Facade, caller
from hub.facade.operations import INSTANCE, Call, Operation, Parameter
from hub.security.scopes import demand

_XML = ("text/xml", "application/xml", "application/hl7-cda+xml", "application/cda+xml")


def run(facade: Facade, call: Call) -> Response:
    """The page of a Binary, or of the Binary of a DocumentReference."""
    from hub.services.documents import guide, html
    from hub.services.documents.content import media
    from hub.services.documents.links import Links

    ref = f"{call.kind}/{call.fid}"
    row = facade.current(ref)
    if call.kind == "DocumentReference":
        urls = guide.values(orjson.loads(row.content), "content.attachment.url")
        links = Links((), facade.base)
        ref = next((r for r in (links.local(str(u)) for u in urls) if r.startswith("Binary/")), "")
        if not ref:
            raise NotFoundError("its document is not kept here", where="DocumentReference.content.attachment.url")
        demand(caller().scopes, "Binary", "r")
        row = facade.current(ref)
    kind = media(orjson.loads(row.content).get("contentType"))
    if row.octets is None or kind not in _XML:
        raise _none(kind)
    try:
        page = html.render(facade.store.bodies.read(row.octets))
    except ParseError as error:
        raise _none(error.what) from None
    response = Response(page.octets, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = page.policy
    response.headers["ETag"] = f'W/"{row.version}"'
    response.headers["Last-Modified"] = http_date(row.updated // 1_000_000)
    made: Any = response.make_conditional(request)
    return made  # type: ignore[no-any-return] # the same Response


def _none(why: str) -> UnprocessableError:
    return UnprocessableError(f"this is no CDA document: {why[:100]}", cure="read the Binary itself", where="Binary")


OPERATION = Operation(
    name="html",
    definition="https://hub.example.org/fhir/OperationDefinition/html",
    types=("Binary", "DocumentReference"),
    levels=(INSTANCE,),
    run=run,
    parameters=(Parameter("return", "Binary", "out", 1, text="text/html"),),
    text="A CDA document as a page that people read.",
)
