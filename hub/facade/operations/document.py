"""$document: R4 §2.43.12 (http://hl7.org/fhir/R4/composition-operation-document.html)."""

from __future__ import annotations

from flask import request
from sqlalchemy import false, select

from hub.errors import InvalidError, UnsupportedError
from hub.facade.context import Facade, caller
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter
from hub.facade.operations._terms import flag, text
from hub.facade.writing import with_data
from hub.fhir import jsontext
from hub.security.scopes import demand
from hub.services.resources import rules
from hub.store import changes
from hub.store.changes import Change
from hub.store.tables import resource as table


def run(facade: Facade, call: Call) -> bytes:
    """The document; with ``persist`` it is stored as a Bundle as well."""
    from hub.services.documents import assemble

    fid = call.fid or text(call, "id").removeprefix(f"{facade.base}/").removeprefix("Composition/")
    if not rules.good_id(fid):
        raise InvalidError("which Composition?", where="http.id", cure="give its id", code="required")
    if call.first("graph") is not None:
        raise UnsupportedError("the hub follows no GraphDefinition", where="http.graph", cure="leave it out")
    persist = flag(call, "persist")
    if persist and request.method != "POST":
        raise InvalidError("a GET stores nothing", where="http.persist", cure="send POST", code="not-supported")

    def find(refs: list[str]) -> dict[str, assemble.Held]:
        for kind in {ref.partition("/")[0] for ref in refs}:
            demand(caller().scopes, kind, "r")
        found = {}
        t = table.c
        for at in range(0, len(refs), 500):
            wanted = t.ref.in_(refs[at : at + 500])
            query = select(t.ref, t.content, t.version, t.updated, t.octets).where(
                wanted, t.deleted == false(), t.version > 0
            )
            with facade.store.reading() as conn:
                rows = conn.execute(query).all()
            for row in rows:
                octets = None if row.octets is None else facade.store.bodies.read(bytes(row.octets))
                whole = bytes(row.content) if octets is None else with_data(bytes(row.content), octets)
                found[row.ref] = assemble.Held(whole, row.version, row.updated)
        return {ref: found[ref] for ref in refs if ref in found}

    ref = f"Composition/{fid}"
    facade.current(ref)  # 404 or 410
    name, made = assemble.assemble(ref, find, facade.base)
    if not persist:
        return made
    demand(caller().scopes, "Bundle", "c")
    given = jsontext.read(made)
    rules.check(given.value, "Bundle")
    write = rules.writing(facade.store, given, "Bundle", name)
    changes.change(facade.store, [Change(write)])
    return facade.current(f"Bundle/{name}").content


OPERATION = Operation(
    name="document",
    definition="http://hl7.org/fhir/OperationDefinition/Composition-document",
    types=("Composition",),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("id", "uri", text="The Composition, at type level."),
        Parameter("persist", "boolean", text="Whether the document is stored as a Bundle; by POST."),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="A Composition with all it refers to, as a document.",
)
