"""Parameters and answers of $merge and $unmerge."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection

from hub.errors import InvalidError, NotFoundError, PreconditionError
from hub.facade.context import Facade
from hub.facade.operations import Call
from hub.fhir.outcome import issue, outcome
from hub.services.identity.crossref import holders
from hub.services.identity.merging import Pair
from hub.services.resources.rules import good_id

SIDES = ("source-patient", "target-patient")
NAMES = tuple(name + end for name in SIDES for end in ("", "-identifier"))


def pair(facade: Facade, call: Call) -> Pair:
    """The two records that are named, by reference or by identifier.

    :raises InvalidError: when one is not named; NotFoundError: when nobody has the identifier;
        PreconditionError: when several have.
    """
    with facade.store.reading() as conn:
        return Pair(*(_side(facade, conn, call, name) for name in SIDES))


def _side(facade: Facade, conn: Connection, call: Call, name: str) -> str:
    given = call.first(name)
    reference = given.get("reference") if isinstance(given, dict) else given
    if isinstance(reference, str):
        ref = reference.removeprefix(f"{facade.base}/")
        kind, _, fid = ref.partition("/")
        if kind != "Patient" or not good_id(fid):
            cure = "write Patient/[id]"
            raise InvalidError("is no reference to a patient here", where=f"http.{name}", cure=cure, code="value")
        return ref
    where = f"http.{name}-identifier"
    held = call.first(f"{name}-identifier")
    if not isinstance(held, dict) or not all(isinstance(held.get(k), str) and held[k] for k in ("system", "value")):
        cure = f"add {name} (Reference) or {name}-identifier (system and value)"
        raise InvalidError("the patient is not named", where=f"http.{name}", cure=cure, code="required")
    found = holders(conn, held["system"], held["value"])
    if not found:
        raise NotFoundError("nobody here has this identifier", where=where, cure="search for the patient")
    if len(found) > 1:
        cure = f"name one by {name}"
        raise PreconditionError("several patients have it", where=where, cure=cure, code="multiple-matches")
    return found[0]


def answer(facade: Facade, one: Pair, what: str) -> dict[str, Any]:
    """Parameters: what was done (``outcome``), and the record that stays (``result``)."""
    stays = orjson.loads(facade.current(one.target).content)
    told = outcome(issue("information", "informational", what))
    parts = [{"name": "outcome", "resource": told}, {"name": "result", "resource": stays}]
    return {"resourceType": "Parameters", "parameter": parts}
