"""history of an instance: R4 §3.1.0.13 (http://hl7.org/fhir/R4/http.html#history).

Newest first.  A Binary stands in a history without its octets; a vread of the version has them.
"""

from __future__ import annotations

import orjson
from flask import Flask, Response, request

from hub.errors import InvalidError
from hub.facade.bundle import bundle, past
from hub.facade.context import Facade, caller, json
from hub.facade.query import DEFAULT_COUNT, MAX_COUNT
from hub.facade.versions import versions
from hub.fhir.search import interval

_KNOWN = {"_since", "_count", "_format", "_pretty"}
_END = 2**31


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/[type]/[id]/_history``."""

    @app.get("/fhir/<fhirtype:kind>/<fhirid:fid>/_history", endpoint="history-instance")
    def history(kind: str, fid: str) -> Response:
        return page_of_history(facade, f"{kind}/{fid}", *_asked(), before=_END)


def page_of_history(facade: Facade, ref: str, since: int, limit: int, before: int) -> Response:
    """The versions of ``ref`` below number ``before``, at most ``limit``."""
    total, rows, more = versions(facade, ref, since, before, limit)
    here = f"{facade.base}/{ref}/_history"
    links = [("self", here)]
    if more:
        text = orjson.dumps({"history": ref, "since": since, "count": limit}).decode()
        token = facade.pages.link(text, (0, rows[-1].version), caller().number)
        links.append(("next", f"{facade.base}/_page/{token}"))
    entries = (past(facade.base, ref, r.version, r.updated, None if r.deleted else r.content) for r in rows)
    return json(bundle("history", entries, links=links, total=total))


def _asked() -> tuple[int, int]:
    """``_since`` and ``_count``."""
    unknown = set(request.args) - _KNOWN
    if unknown:
        raise InvalidError(
            "history has no such parameter here", where=f"http.{min(unknown)[:64]}", cure="leave it out",
            code="not-supported",
        )  # fmt: skip
    since, limit = request.args.get("_since", ""), request.args.get("_count", str(DEFAULT_COUNT))
    try:
        start = interval(since.replace(" ", "+"))[0] if since else -(2**62)
    except ValueError:
        raise InvalidError("is no instant", where="http._since", code="value") from None
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise InvalidError("is no number of versions", where="http._count", code="value")
    return start, min(int(limit), MAX_COUNT)
