"""delete: R4 §3.1.0.7 (http://hl7.org/fhir/R4/http.html#delete), and by condition, §3.1.0.7.1.

The versions stay in the history; a read is answered with 410.  To delete what is not there changes nothing
and is no error.  How many resources a condition may end at once is a setting; by default one.
"""

from __future__ import annotations

from flask import Flask, Response, request
from sqlalchemy import Connection

from hub.errors import PreconditionError
from hub.facade.asked import guards, prefer
from hub.facade.context import Facade, json
from hub.facade.matching import matcher
from hub.facade.writing import said, tagged
from hub.store import changes
from hub.store.changes import Change, Changed

LETTERS = {"delete": "d", "delete-conditional": "ds"}
_WHERE = "http.query"


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``DELETE [base]/[type]/[id]`` and ``DELETE [base]/[type]?…``."""

    @app.delete("/fhir/<fhirtype:kind>/<fhirid:fid>", endpoint="delete")
    def delete(kind: str, fid: str) -> Response:
        versions, _, present = guards(facade, request.headers, f"{kind}/{fid}")
        gone = changes.removal(facade.store, kind, fid)
        return _answer(changes.change(facade.store, [Change(gone, versions, present=present)]))

    @app.delete("/fhir/<fhirtype:kind>", endpoint="delete-conditional")
    def conditional(kind: str) -> Response:
        find = matcher(facade, kind, request.query_string.decode("utf-8", "replace"), _WHERE)
        most = max(facade.settings.delete_many, 1)

        def resolve(conn: Connection) -> list[Change]:
            found = find(conn, most + 1)
            if len(found) > most:
                what = "several resources fit" if most == 1 else f"more than {most} resources fit"
                raise PreconditionError(what, where=_WHERE, cure="ask for fewer", code="multiple-matches")
            return [Change(changes.removal(facade.store, kind, ref.partition("/")[2])) for ref in found]

        return _answer(changes.change_found(facade.store, resolve, [kind]))


def _answer(done: list[Changed]) -> Response:
    how = "deleted" if any(one.how == "deleted" for one in done) else "absent"
    if prefer(request.headers.get("Prefer", "")).returns == "OperationOutcome":
        response = json(said(how))
    else:
        response = Response(b"", 204)
        del response.headers["Content-Type"]
    return tagged(response, done[0]) if len(done) == 1 and how == "deleted" else response
