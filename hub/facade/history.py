"""history of an instance, a type and the whole system: R4 §3.1.0.13
(http://hl7.org/fhir/R4/http.html#history), with ``_since``, ``_at`` and ``_count``.

Newest first; a deletion is an entry without resource.  A Binary stands in a history without its octets; a
vread of the version has them.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import orjson
from flask import Flask, Response, request

from hub.errors import InvalidError, NotFoundError
from hub.facade import bundle
from hub.facade.context import Facade, caller, json
from hub.fhir.search import interval
from hub.store import past
from hub.store.past import FOREVER, Past

LETTERS = {"history-instance": "r", "history-type": "rs", "history-system": "rs"}
DEFAULT_COUNT, MAX_COUNT = 20, 500
_KNOWN = {"_since", "_at", "_count", "_format", "_pretty"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``_history`` at its three levels."""

    @app.get("/fhir/<fhirtype:kind>/<fhirid:fid>/_history", endpoint="history-instance")
    def of_instance(kind: str, fid: str) -> Response:
        if facade.known(f"{kind}/{fid}") is None:
            raise NotFoundError("there is no such resource", cure="search for it")
        return _first(facade, f"{kind}/{fid}")

    @app.get("/fhir/<fhirtype:kind>/_history", endpoint="history-type")
    def of_type(kind: str) -> Response:
        return _first(facade, kind)

    @app.get("/fhir/_history", endpoint="history-system")
    def of_system() -> Response:
        return _first(facade, "")


def _first(facade: Facade, of: str) -> Response:
    since, at, limit = _asked()
    return _page(facade, of, since, at, limit, FOREVER, 0)


def page_of_history(facade: Facade, text: str, since: int, limit: int, before: int) -> Response:
    """A further page, as its link tells it.

    :param text: what :func:`_next` wrote.
    :param before: not used; the place stands in the text.
    """
    del before
    kept = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    at = (int(kept["low"]), int(kept["high"]))
    return _page(facade, kept["of"], since, at, limit, int(kept["until"]), int(kept["skip"]))


def _page(facade: Facade, of: str, since: int, at: tuple[int, int], limit: int, until: int, skip: int) -> Response:
    asked = Past(of if "/" in of else "", "" if "/" in of else of, since, *at)
    with facade.store.reading() as conn:
        rows = past.page(conn, asked, limit + 1, until, skip) if limit else []
        total = past.count(conn, asked)
    links = [("self", f"{facade.base}/{of}/_history" if of else f"{facade.base}/_history")]
    if len(rows) > limit:
        del rows[limit:]
        last = rows[-1].updated
        given = sum(r.updated == last for r in rows) + (skip if last == until else 0)
        links.append(("next", _next(facade, of, since, at, limit, last, given)))
    entries = (bundle.past(facade.base, r.ref, r.version, r.updated, None if r.deleted else r.content) for r in rows)
    return json(bundle.bundle("history", entries, links=links, total=total))


def _next(facade: Facade, of: str, since: int, at: tuple[int, int], limit: int, until: int, skip: int) -> str:
    text = urlencode({"of": of, "low": at[0], "high": at[1], "until": until, "skip": skip})
    kept = orjson.dumps({"history": text, "since": since, "count": limit}).decode()
    return f"{facade.base}/_page/{facade.pages.link(kept, (0, 0), caller().number)}"


def _asked() -> tuple[int, tuple[int, int], int]:
    """``_since``, ``_at`` and ``_count``."""
    unknown = set(request.args) - _KNOWN
    if unknown:
        raise InvalidError(
            "history has no such parameter here", where=f"http.{min(unknown)[:64]}", cure="leave it out",
            code="not-supported",
        )  # fmt: skip
    limit = request.args.get("_count", str(DEFAULT_COUNT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise InvalidError("is no number of versions", where="http._count", code="value")
    since = _time("_since")
    return since[0] if since else -FOREVER, _time("_at") or (-FOREVER, FOREVER), min(int(limit), MAX_COUNT)


def _time(name: str) -> tuple[int, int] | None:
    text = request.args.get(name, "")
    try:
        return interval(text.replace(" ", "+")) if text else None
    except ValueError:
        raise InvalidError("is no instant", where=f"http.{name}", code="value") from None
