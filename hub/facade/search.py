"""search: R4 §3.1.0.11, §3.1.1 (http://hl7.org/fhir/R4/search.html), by GET and by POST ``_search``.

POST keeps what is searched out of URLs and logs.  Stored octets go into the Bundle unparsed; ``total`` is
exact.  Further pages are asked for by a link that holds nothing of the search.
"""

from __future__ import annotations

from urllib.parse import urlencode

import orjson
from flask import Flask, Response, request

from hub.errors import InvalidError
from hub.facade.bundle import bundle, match, remark
from hub.facade.context import Facade, caller, json
from hub.facade.history import page_of_history
from hub.facade.query import Asked, Pair, read
from hub.fhir.outcome import issue, outcome
from hub.store.search import Place, count, search

_FORM = "application/x-www-form-urlencoded"


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/[type]?…``, ``POST [base]/[type]/_search`` and the pages of both."""

    @app.get("/fhir/<fhirtype:kind>", endpoint="search-type")
    def by_get(kind: str) -> Response:
        return _first(facade, kind, list(request.args.items(multi=True)))

    @app.post("/fhir/<fhirtype:kind>/_search", endpoint="search-type-post")
    def by_post(kind: str) -> Response:
        if request.content_length and request.mimetype != _FORM:
            raise InvalidError(
                "a search by POST carries a form", where="http.Content-Type", cure=f"send {_FORM}", code="not-supported"
            )
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        return _first(facade, kind, pairs)

    @app.get("/fhir/_page/<token>", endpoint="page")
    def page(token: str) -> Response:
        text, place = facade.pages.open(token, caller().number)
        kept = orjson.loads(text)
        if "history" in kept:
            return page_of_history(facade, kept["history"], kept["since"], kept["count"], before=place[1])
        pairs = [(n, v) for n, v in kept["pairs"]]
        asked = read(kept["type"], pairs, base=facade.base, now=kept["at"])
        return _answer(facade, asked, text, f"{facade.base}/_page/{token}", place)


def _first(facade: Facade, kind: str, pairs: list[Pair]) -> Response:
    lenient = "handling=lenient" in request.headers.get("Prefer", "").replace(" ", "").lower()
    asked = read(kind, pairs, base=facade.base, lenient=lenient)
    here = f"{facade.base}/{kind}"
    if asked.used:
        here = f"{here}?{urlencode(asked.used)}"
    return _answer(facade, asked, "", here, None)


def _answer(facade: Facade, asked: Asked, text: str, here: str, after: Place | None) -> Response:
    query, limit = asked.query, 0 if asked.only_total else asked.count
    total: int | None
    with facade.store.reading() as conn:
        rows = search(conn, query, limit + 1, after) if limit else []
        if after is None and len(rows) <= limit and not asked.only_total:
            total = len(rows)
        else:
            total = count(conn, query) if asked.total or asked.only_total else None
    links = [("self", here)]
    if len(rows) > limit:
        del rows[limit:]
        token = facade.pages.link(text or _kept(asked), (rows[-1].key, rows[-1].rid), caller().number)
        links.append(("next", f"{facade.base}/_page/{token}"))
    entries = [match(facade.base, r.ref, r.content) for r in rows]
    if asked.ignored:
        entries.append(remark(orjson.dumps(outcome(*map(_ignored, asked.ignored)))))
    return json(bundle("searchset", entries, links=links, total=total))


def _kept(asked: Asked) -> str:
    """What the next page needs; the same search gives the same text, and so one row."""
    # "About" depends on the present, so what was near stays near on later pages: to the hour.
    at = asked.at - asked.at % 3_600_000_000
    return orjson.dumps({"type": asked.query.type, "pairs": asked.used, "at": at}).decode()


def _ignored(name: str) -> dict[str, object]:
    return issue("warning", "not-supported", f"the parameter {name!r} was not applied")
