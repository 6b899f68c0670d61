"""$export: FHIR Bulk Data Access 2.0 (https://hl7.org/fhir/uv/bulkdata/STU2/export.html), of the system, of all
patients and of a Group.

It is always answered later: 202 with the URL of the job (:mod:`hub.facade.bulk`).  Documents (Binary) are not in
it: DocumentReference tells where they are.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request

from hub import clock
from hub.errors import InvalidError, UnsupportedError
from hub.facade.context import Facade, caller
from hub.facade.operations import INSTANCE, SYSTEM, TYPE, Call, Operation, Parameter

FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")
LEFT_OUT = ("Binary",)
MEMBERS = 10_000  # of a Group
_NAMES = ("_outputFormat", "_since", "_type", "_typeFilter")


def run(facade: Facade, call: Call) -> Response:
    """Put the job down."""
    from hub.facade.operations import _given, _terms
    from hub.services.export.jobs import Job, Jobs
    from hub.services.export.writing import query

    if (call.kind, bool(call.fid)) not in (("", False), ("Patient", False), ("Group", True)):
        cure = "call it at [base], Patient or Group/[id]"
        raise UnsupportedError("$export is not for this", cure=cure)
    if "handling=lenient" not in request.headers.get("Prefer", "").replace(" ", "").lower():
        _given.only(call, *_NAMES)
        if "_elements" in request.args:  # which is no parameter of other operations
            cure = "leave it out"
            raise InvalidError("whole resources are exported", where="http._elements", cure=cure, code="not-supported")
    # A + in a URL arrives as a space.
    if _terms.text(call, "_outputFormat", default=FORMATS[0]).replace(" ", "+") not in FORMATS:
        cure = f"ask for {FORMATS[0]}"
        raise InvalidError("the hub does not write that", where="http._outputFormat", cure=cure, code="not-supported")
    since = _given.span(call, "_since")
    types = _types(call)
    more: dict[str, Any] = {"since": since[0] if since else None, "filters": _filters(call, types)}
    if call.fid:
        more["members"] = _members(facade, call.fid)
    asked = Job("", caller().number, request.url, clock.now(), call.kind or "system", types, **more)
    for kind in asked.filters:
        try:
            query(asked, kind, facade.base)
        except InvalidError as error:
            error.where = "http._typeFilter"
            raise
    job = Jobs(facade.settings.data).ask(asked)
    response = Response(b"", 202)
    response.headers["Content-Location"] = f"{facade.base}/_export/{job.id}"
    return response


def _types(call: Call) -> tuple[str, ...]:
    from hub.fhir.search import types
    from hub.services.export.writing import of_patients

    there = [t for t in (of_patients() if call.kind else types()) if t not in LEFT_OUT]
    named = tuple(dict.fromkeys(t for v in call.all("_type") for t in str(v).split(",") if t))
    if not set(named) <= set(there):
        cure = "write Patient,Observation,…" if not call.kind else "name types that belong to patients"
        raise InvalidError("a type is not exported here", where="http._type", cure=cure, code="not-supported")
    return named or tuple(there)


def _filters(call: Call, types: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in call.all("_typeFilter"):
        kind, mark, criteria = str(one).partition("?")
        if not mark or kind not in types or kind in found:
            cure = "write Type?name=value, once for each type, and have it among _type"
            raise InvalidError("is no filter of a type", where="http._typeFilter", cure=cure, code="value")
        found[kind] = criteria
    return found


def _members(facade: Facade, fid: str) -> tuple[str, ...]:
    """The patients of a Group, and the records they were merged with."""
    from hub.services.identity import links

    group = orjson.loads(facade.current(f"Group/{fid}").content)
    refs = [m.get("entity", {}).get("reference", "") for m in group.get("member", ()) if not m.get("inactive")]
    patients = list(dict.fromkeys(r.removeprefix(f"{facade.base}/") for r in refs))
    patients = [r for r in patients if r.startswith("Patient/")]
    if len(patients) > MEMBERS:
        raise InvalidError(f"the group has more than {MEMBERS} patients", cure="export all patients", code="too-costly")
    with facade.store.reading() as conn:
        return tuple(links.everybody(conn, patients))


OPERATION = Operation(
    name="export",
    definition="http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
    types=("Patient", "Group"),
    levels=(SYSTEM, TYPE, INSTANCE),
    run=run,
    letters="rs",
    parameters=(
        Parameter("_outputFormat", "string", text=FORMATS[0]),
        Parameter("_since", "instant", text="only what was written since"),
        Parameter("_type", "string", most="*", text="only these types, with commas"),
        Parameter("_typeFilter", "string", most="*", text="Type?criteria, one a type"),
    ),
    text="All resources as files of NDJSON, made in the background (FHIR Bulk Data Access 2.0).",
)
