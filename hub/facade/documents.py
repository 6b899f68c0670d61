"""Document exchange: ITI-65 Provide Document Bundle and ITI-105 Simplified Publish.

IHE MHD 4.2.3 §3.65, §3.105 (https://profiles.ihe.net/ITI/MHD/4.2.3/), ANS PDSm 3.1.1.  ITI-65 is a transaction
(``POST [base]``) that its profile tells from others, ITI-105 a create of a DocumentReference; ITI-66 and ITI-67
are searches and ITI-68 a read.  What is judged against the store is judged again inside the transaction: what
came between makes it start anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from flask import Response
from sqlalchemy import Connection

from hub import clock
from hub.errors import ConflictError, HubError
from hub.facade.context import Facade, caller
from hub.facade.transaction import carry_out
from hub.facade.writing import answer, returned
from hub.fhir.jsontext import Json
from hub.security.scopes import demand
from hub.services.documents import plan, provided, publish, standing
from hub.services.documents.provided import Provided
from hub.services.resources.bundles import Part
from hub.store.changes import Changed

LOCKS = ("DocumentReference", "List")
_TRIES = 5


class _OvertakenError(ConflictError):
    """What was looked up has changed meanwhile."""


def provide(facade: Facade, sent: Json, parts: Sequence[Part]) -> dict[int, bytes]:
    """Carry out ITI-65; the entries that answer those given, by number.

    :raises HubError: why nothing was done: 400 for what is wrong with the Bundle, 422 with what is stored.
    """
    return _written(facade, provided.read(sent.value, parts, facade.base), parts)


def _written(facade: Facade, given: Provided, parts: Sequence[Part]) -> dict[int, bytes]:
    for part in parts:  # before anything is told of what is stored
        demand(caller().scopes, part.kind, "c" if part.method == "POST" else "u")
    for _ in range(_TRIES):
        with facade.store.reading() as conn:
            now = standing.standing(conn, given, facade.base)

        def again(conn: Connection, seen: standing.Standing = now) -> None:
            if standing.standing(conn, given, facade.base) != seen:
                raise _OvertakenError("others wrote the same documents", cure="send the Bundle again")

        try:
            made = carry_out(facade, plan.writes(parts, now), again, LOCKS)
        except _OvertakenError:
            continue
        return made | {number: _there(facade, ref) for number, ref in now.there.items()}
    raise ConflictError("others write the same documents all the time", cure="send the Bundle again in a moment")


def _there(facade: Facade, ref: str) -> bytes:
    """The entry for what was there already."""
    row = facade.current(ref)
    url = f"{facade.base}/{ref}"
    said = {
        "status": "200 OK",
        "location": f"{url}/_history/{row.version}",
        "etag": f'W/"{row.version}"',
        "lastModified": clock.iso(row.updated),
    }
    made: dict[str, object] = {"fullUrl": url}
    if returned(ref, "minimal") == "representation" and not ref.startswith("Binary/"):
        made["resource"] = orjson.Fragment(row.content)
    return orjson.dumps(made | {"response": said})


def published(facade: Facade, sent: Json) -> Response:
    """Carry out ITI-105, and answer it as a create.

    :raises HubError: as :func:`provide`.
    """
    given, parts = publish.read(sent, facade.base)
    try:
        made = orjson.loads(_written(facade, given, parts)[publish.DOCUMENT])
    except HubError as error:  # its place in what was sent, not in what that becomes
        error.where = error.where.replace(f"{parts[publish.DOCUMENT].where}.resource", "DocumentReference")
        raise
    ref = made["fullUrl"].removeprefix(f"{facade.base}/")
    row = facade.current(ref)
    how = "created" if made["response"]["status"].startswith("201") else "there"
    return answer(facade, Changed(ref, row.version, row.updated, how), None)
