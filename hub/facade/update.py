"""update: R4 §3.1.0.4 (http://hl7.org/fhir/R4/http.html#update), also as create (§3.1.0.4.1), with versions
(§3.1.0.5) and by condition (§3.1.0.4.3).

The id of the body is that of the URL.  Content that is there already makes no new version.
"""

from __future__ import annotations

from flask import Flask, Response, request
from sqlalchemy import Connection

from hub.errors import UnsupportedError
from hub.facade import body
from hub.facade.asked import guards
from hub.facade.binary import document, is_document
from hub.facade.context import Facade
from hub.facade.create import new_id
from hub.facade.matching import matcher, only
from hub.facade.writing import answer
from hub.services.resources import rules
from hub.store import changes
from hub.store.changes import Change

LETTERS = {"update": "u", "update-conditional": "us"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``PUT [base]/[type]/[id]`` and ``PUT [base]/[type]?…``."""

    @app.put("/fhir/<fhirtype:kind>/<fhirid:fid>", endpoint="update")
    def update(kind: str, fid: str) -> Response:
        versions, absent, present = guards(facade, request.headers, f"{kind}/{fid}")
        if kind == "Binary" and is_document(request):
            write = document(facade.store, request, fid)
        else:
            given = body.resource(request)
            rules.check(given.value, kind, fid)
            write = rules.writing(facade.store, given, kind, fid)
        only_there = not facade.settings.update_create
        if only_there and facade.known(f"{kind}/{fid}") is None:
            raise UnsupportedError("an update creates nothing here", cure=f"create it: POST {kind}")
        (done,) = changes.change(facade.store, [Change(write, versions, absent, present)])
        return answer(facade, done, write)

    @app.put("/fhir/<fhirtype:kind>", endpoint="update-conditional")
    def conditional(kind: str) -> Response:
        versions, absent, present = guards(facade, request.headers)
        given = body.resource(request)
        rules.check(given.value, kind)
        find = matcher(facade, kind, request.query_string.decode("utf-8", "replace"), "http.query")
        write = rules.writing(facade.store, given, kind, "")

        def resolve(conn: Connection) -> list[Change]:
            write.entry.id = rules.settled(given.value, only(find(conn, 2), "http.query")) or new_id()
            return [Change(write, versions, absent, present)]

        (done,) = changes.change_found(facade.store, resolve, [kind])
        return answer(facade, done, write)
