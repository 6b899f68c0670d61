"""patch: R4 §3.1.0.6 (http://hl7.org/fhir/R4/http.html#patch), with versions and by condition.

JSON Patch, XML Patch and FHIRPath Patch.  The patch is worked out on what was read and written only if that is still
the present version; when somebody else was faster, it is worked out again on what they wrote.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, request

from hub.errors import ConflictError, NotFoundError, PreconditionError
from hub.facade import body
from hub.facade.asked import guards
from hub.facade.context import Facade
from hub.facade.matching import matcher, only
from hub.facade.writing import answer, whole_binary
from hub.services.resources import patching, rules
from hub.services.resources.patching import JSON_PATCH, XML_PATCH, Patched
from hub.store import changes
from hub.store.changes import Change, Changed
from hub.store.resources import Write

LETTERS = {"patch": "u", "patch-conditional": "us"}
_TRIES = 5


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``PATCH [base]/[type]/[id]`` and ``PATCH [base]/[type]?…``."""

    @app.patch("/fhir/<fhirtype:kind>/<fhirid:fid>", endpoint="patch")
    def patch(kind: str, fid: str) -> Response:
        given = sent()
        return answer(facade, *patched(facade, lambda: f"{kind}/{fid}", given))

    @app.patch("/fhir/<fhirtype:kind>", endpoint="patch-conditional")
    def conditional(kind: str) -> Response:
        given = sent()
        find = matcher(facade, kind, request.query_string.decode("utf-8", "replace"), "http.query")

        def which() -> str:
            with facade.store.reading() as conn:
                ref = only(find(conn, 2), "http.query")
            if not ref:
                raise NotFoundError("nothing fits", where="http.query", cure="search for it")
            return ref

        return answer(facade, *patched(facade, which, given))


def sent() -> Patched:
    """The patch in the body of the request."""
    if request.mimetype == JSON_PATCH:
        return patching.by_json(body.octets(request, body.MAX_RESOURCE))
    if request.mimetype == XML_PATCH:
        return patching.by_xml(body.octets(request, body.MAX_RESOURCE))
    return patching.by_parameters(body.resource(request))


def patched(facade: Facade, which: Callable[[], str], given: Patched) -> tuple[Changed, Write]:
    """Patch the resource that ``which`` names; what became of it."""
    for _ in range(_TRIES):
        ref = which()
        versions, _, _ = guards(facade, request.headers, ref)
        row = facade.current(ref)
        if versions is not None and row.version not in versions:
            raise PreconditionError(
                f"its version is {row.version}", where="http.If-Match", cure="read it again and repeat the change"
            )
        kind, _, fid = ref.partition("/")
        write = rules.writing(facade.store, patching.after(given, whole_binary(facade, row), kind, fid), kind, fid)
        try:
            return changes.change(facade.store, [Change(write, frozenset([row.version]))])[0], write
        except PreconditionError:
            if versions is not None:
                raise
    raise ConflictError("others change this resource all the time", cure="patch it again in a moment")
