"""create: R4 §3.1.0.8 (http://hl7.org/fhir/R4/http.html#create), and create by condition, §3.1.0.8.1.

The server gives the id; one in the body is ignored.  With ``If-None-Exist`` nothing is created when
something fits: one that fits is answered with (200), several are refused (412).
"""

from __future__ import annotations

import uuid

from flask import Flask, Response, request
from sqlalchemy import Connection

from hub.facade import body
from hub.facade.binary import document, is_document
from hub.facade.context import Facade, caller
from hub.facade.matching import matcher, only
from hub.facade.writing import answer
from hub.security.scopes import demand
from hub.services.documents import publish
from hub.services.resources import rules
from hub.store import changes
from hub.store.changes import Change, Changed
from hub.store.resources import Write

LETTERS = {"create": "c"}  # and s, with a condition
_WHERE = "http.If-None-Exist"


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``POST [base]/[type]``."""

    @app.post("/fhir/<fhirtype:kind>", endpoint="create")
    def create(kind: str) -> Response:
        fid = new_id()
        if kind == "Binary" and is_document(request):
            write = document(facade.store, request, fid)
        else:
            given = body.resource(request)
            if kind == "DocumentReference" and publish.asked(given.value):
                from hub.facade.documents import published  # which needs transactions, and they this

                return published(facade, given)
            rules.check(given.value, kind)
            write = rules.writing(facade.store, given, kind, fid)
        criteria = request.headers.get("If-None-Exist")
        if criteria is None:
            (done,) = changes.change(facade.store, [Change(write, fresh=True)])
        else:
            done = unless(facade, kind, criteria, write)
        return answer(facade, done, write)


def new_id() -> str:
    """An id that nobody has."""
    return str(uuid.uuid4())


def unless(facade: Facade, kind: str, criteria: str, write: Write) -> Changed:
    """Create the resource unless one fits; then that one."""
    demand(caller().scopes, kind, "s")  # the answer tells whether something fits
    find = matcher(facade, kind, criteria.rpartition("?")[2], _WHERE)
    there: list[str] = []

    def resolve(conn: Connection) -> list[Change]:
        there[:] = [ref for ref in [only(find(conn, 2), _WHERE)] if ref]
        return [] if there else [Change(write, fresh=True)]

    made = changes.change_found(facade.store, resolve, [kind])
    if made:
        return made[0]
    row = facade.current(there[0])
    return Changed(there[0], row.version, row.updated, "there")
