"""search: R4 §3.1.0.11, §3.1.1 (http://hl7.org/fhir/R4/search.html), by GET and by POST ``_search``.

Of one type, of several, of a compartment.  POST keeps what is searched out of URLs and logs.  Stored octets go
into the Bundle unparsed.  Further pages are asked for by a link that holds nothing of the search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import orjson
from flask import Flask, Response, request
from sqlalchemy import Connection

from hub.errors import InvalidError
from hub.facade.bundle import bundle, entry, remark
from hub.facade.context import Facade, caller, json
from hub.facade.history import page_of_history
from hub.facade.query import Asked, Pair, Within, read
from hub.fhir.outcome import issue, outcome
from hub.fhir.search.compartments import compartments
from hub.services.identity.links import PATIENTS, widened
from hub.store.includes import Along, included
from hub.store.query import Restriction
from hub.store.search import Place, Row, count, explain, search

_FORM = "application/x-www-form-urlencoded"
COUNTED = 10_000  # hits are counted up to here when the client does not say how exact the total must be
# Their clients rely on the total (IHE MHD, ITI-66 and ITI-67: Bundle.total 1..1).
EXACT = {"DocumentReference", "DocumentManifest", "List"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/[type]?…``, ``POST [base]/[type]/_search``, the same of all types and of
    compartments, and the pages of them."""

    @app.get("/fhir/<fhirtype:kind>", endpoint="search-type")
    def by_get(kind: str) -> Response:
        return first(facade, kind, kind, list(request.args.items(multi=True)))

    @app.post("/fhir/<fhirtype:kind>/_search", endpoint="search-type-post")
    def by_post(kind: str) -> Response:
        return first(facade, kind, kind, _posted())

    @app.get("/fhir", endpoint="search-system")
    def all_by_get() -> Response:
        return first(facade, "", "", list(request.args.items(multi=True)))

    @app.post("/fhir/_search", endpoint="search-system-post")
    def all_by_post() -> Response:
        return first(facade, "", "", _posted())

    @app.get("/fhir/<fhirtype:of>/<fhirid:fid>/<fhirtype:member>", endpoint="search-compartment")
    @app.get("/fhir/<fhirtype:of>/<fhirid:fid>/*", endpoint="search-compartment-all", defaults={"member": ""})
    def part_by_get(of: str, fid: str, member: str) -> Response:
        return _part(facade, of, fid, member, list(request.args.items(multi=True)))

    @app.post("/fhir/<fhirtype:of>/<fhirid:fid>/<fhirtype:member>/_search", endpoint="search-compartment-post")
    def part_by_post(of: str, fid: str, member: str) -> Response:
        return _part(facade, of, fid, member, _posted())

    @app.get("/fhir/_page/<token>", endpoint="page")
    def page(token: str) -> Response:
        text, place = facade.pages.open(token, caller().number)
        kept = orjson.loads(text)
        if "history" in kept:
            return page_of_history(facade, kept["history"], kept["since"], kept["count"], before=place[1])
        pairs = [(n, v) for n, v in kept["pairs"]]
        within = Within(*kept["within"]) if kept["within"] else None
        asked = read(kept["type"], pairs, base=facade.base, now=kept["at"], within=within)
        return _answer(facade, asked, text, f"{facade.base}/_page/{token}", place)


def _posted() -> list[Pair]:
    if request.content_length and request.mimetype != _FORM:
        raise InvalidError(
            "a search by POST carries a form", where="http.Content-Type", cure=f"send {_FORM}", code="not-supported"
        )
    return [*request.args.items(multi=True), *request.form.items(multi=True)]


def _part(facade: Facade, of: str, fid: str, kind: str, pairs: list[Pair]) -> Response:
    if of not in compartments():
        known = ", ".join(compartments())
        raise InvalidError(f"{of} is no compartment", where="http.url", cure=f"known: {known}", code="not-supported")
    return first(facade, kind, f"{of}/{fid}/{kind or '*'}", pairs, Within(of, fid))


def first(facade: Facade, kind: str, path: str, pairs: list[Pair], within: Within | None = None) -> Response:
    """The first page of a search.

    :param path: of the search, below the base: what its self link says.
    """
    lenient = "handling=lenient" in request.headers.get("Prefer", "").replace(" ", "").lower()
    if any(name in PATIENTS for name, _ in pairs):  # of a patient that was merged, all that is of either record
        with facade.store.reading() as conn:
            pairs = widened(conn, pairs, facade.base)
    asked = read(kind, pairs, base=facade.base, lenient=lenient, within=within)
    here = f"{facade.base}/{path}".rstrip("/")
    if asked.used:
        here = f"{here}?{urlencode(asked.used)}"
    return _answer(facade, asked, "", here, None, kept=(kind, within))


def _answer(facade: Facade, asked: Asked, text: str, here: str, after: Place | None,
            kept: tuple[str, Within | None] = ("", None)) -> Response:  # fmt: skip
    query, limit = asked.query, 0 if asked.only_total else asked.count
    visible = seen()
    issues = [_ignored(name) for name in asked.ignored]
    with facade.store.reading() as conn:
        rows = search(conn, query, limit + 1, after, visible) if limit else []
        more = len(rows) > limit
        rows = rows[:limit]
        total = len(rows) if after is None and not more and not asked.only_total else _total(conn, asked, visible)
        along: list[Along] = []
        if asked.includes and rows:
            along, whole = included(conn, [(r.rid, r.ref) for r in rows], asked.includes, visible)
            issues += [] if whole else [issue("warning", "too-costly", "not all included resources are here")]
        if asked.explain:
            plan = explain(conn, query, limit + 1, visible)
            issues.append(issue("information", "informational", "\n".join(plan)))
    links = [("self", here)]
    if more:
        token = facade.pages.link(text or _kept(asked, *kept), rows[-1].place, caller().number)
        links.append(("next", f"{facade.base}/_page/{token}"))
    entries = list(_entries(facade.base, asked, rows, along))
    if issues:
        entries.append(remark(orjson.dumps(outcome(*issues))))
    return json(bundle("searchset", entries, links=links, total=total))


def seen() -> Restriction | None:
    """What the caller may see at all; None is everything that a token with this scope may."""
    return None


def _total(conn: Connection, asked: Asked, visible: Restriction | None) -> int | None:
    """The number of hits; None when it is not wanted or would take too long to count."""
    if asked.total == "none" and not asked.only_total:
        return None
    if asked.total in ("accurate", "estimate") or asked.only_total or EXACT.issuperset(asked.query.types or ("",)):
        return count(conn, asked.query, visible=visible)
    found = count(conn, asked.query, COUNTED + 1, visible)
    return found if found <= COUNTED else None


def _entries(base: str, asked: Asked, rows: Sequence[Row], along: Sequence[Along]) -> Iterator[bytes]:
    shaped = _shaped(asked)
    for row in rows:
        yield entry(base, row.ref, shaped(row.content), "match")
    for one in along:
        yield entry(base, one.ref, shaped(one.content), "include")


def _shaped(asked: Asked):  # type: ignore[no-untyped-def] # a function of octets to octets
    if not asked.summary and not asked.elements:
        return lambda content: content
    from hub.fhir import elements

    if asked.elements:
        return lambda content: elements.only(content, list(asked.elements))
    return lambda content: elements.summary(content, asked.summary)


def _kept(asked: Asked, kind: str, within: Within | None) -> str:
    """What the next page needs; the same search gives the same text, and so one row."""
    # "About" depends on the present, so what was near stays near on later pages: to the hour.
    at = asked.at - asked.at % 3_600_000_000
    place = [within.type, within.id] if within else None
    return orjson.dumps({"type": kind, "pairs": asked.used, "at": at, "within": place}).decode()


def _ignored(name: str) -> dict[str, object]:
    return issue("warning", "not-supported", f"the parameter {name!r} was not applied")
