"""How an interaction that wrote is answered.

R4 §3.1.0.1.6 (Prefer: return), §3.1.0.8 (201, Location, ETag, Last-Modified), RFC 9110 §8.7
(Content-Location).
"""

from __future__ import annotations

from typing import Any

import orjson
import pybase64
from flask import Response, request
from werkzeug.http import http_date

from hub.facade.asked import prefer
from hub.facade.context import Facade, caller, json
from hub.fhir.canonical import content
from hub.fhir.outcome import issue, outcome
from hub.security.scopes import permits
from hub.store.changes import Changed
from hub.store.resources import Write

_SAID = {
    "created": "the resource was created",
    "updated": "the resource was updated",
    "same": "nothing changed: the resource is as it was",
    "deleted": "the resource was deleted; its versions stay",
    "absent": "there was nothing to delete",
    "there": "there is such a resource already; nothing was created",
}


def answer(facade: Facade, done: Changed, write: Write | None) -> Response:
    """The answer to a create, update or patch."""
    wanted = returned(done.ref)
    status = 201 if done.how == "created" else 200
    url = f"{facade.base}/{done.ref}/_history/{done.version}"
    if wanted == "minimal":
        response = Response(b"", status)
        del response.headers["Content-Type"]
    elif wanted == "OperationOutcome":
        response = json(said(done.how), status)
    else:
        response = json(representation(facade, done, write), status)
        response.headers["Content-Location"] = url
    if request.method == "POST" or status == 201:
        response.headers["Location"] = url
    return tagged(response, done)


def returned(ref: str, default: str = "representation") -> str:
    """What is to come back of a write: who may not read is not shown what a patch left, or what was there."""
    kind = ref.partition("/")[0]
    wanted = prefer(request.headers.get("Prefer", "")).returns or ("minimal" if kind == "Binary" else default)
    return "minimal" if wanted == "representation" and not permits(caller().scopes, kind, "r") else wanted


def tagged(response: Response, done: Changed) -> Response:
    """With the version and the time of what was written."""
    if done.version:
        response.headers["ETag"] = f'W/"{done.version}"'
        response.headers["Last-Modified"] = http_date(done.updated // 1_000_000)
    return response


def said(how: str) -> bytes:
    """What was done, as an OperationOutcome."""
    return orjson.dumps(outcome(issue("information", "informational", _SAID[how])))


def representation(facade: Facade, done: Changed, write: Write | None) -> bytes:
    """The resource as a read would give it now; of what was just written without asking the store."""
    if write is not None and done.how in ("created", "updated"):
        kind, _, fid = done.ref.partition("/")
        made = content(kind, fid, done.version, done.updated, write.source, write.own_meta, write.rest)
        return made if write.body is None else with_data(made, write.entry.octets or b"")
    return whole_binary(facade, facade.current(done.ref))


def whole_binary(facade: Facade, row: Any) -> bytes:
    """The JSON of a stored resource; of a Binary with its octets in it."""
    content: bytes = row.content
    return content if row.octets is None else with_data(content, facade.store.bodies.read(row.octets))


def with_data(stored: bytes, octets: bytes) -> bytes:
    """A Binary with its octets in it."""
    return stored.rstrip()[:-1] + b',"data":"' + pybase64.b64encode(octets) + b'"}'
