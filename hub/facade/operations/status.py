"""$status of Subscriptions: Subscriptions R5 Backport IG 1.1
(http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status).
"""

from __future__ import annotations

from typing import Any

import orjson

from hub.errors import NotFoundError
from hub.facade.bundle import bundle
from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> bytes:
    """A searchset of one Parameters for each Subscription."""
    from hub.services.subscriptions import asking

    ids = [call.fid] if call.fid else [str(v) for v in call.all("id")]
    found = asking.statuses(facade.store, ids, [str(v) for v in call.all("status")])
    if call.fid and not found:
        raise NotFoundError("there is no such Subscription", cure="search for it")
    return bundle("searchset", map(_entry, found), links=[], total=len(found))


def _entry(status: dict[str, Any]) -> bytes:
    return orjson.dumps({"fullUrl": f"urn:uuid:{status['id']}", "resource": status, "search": {"mode": "match"}})


OPERATION = Operation(
    name="status",
    definition="http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
    types=("Subscription",),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("id", "id", most="*", text="at the type: of these Subscriptions"),
        Parameter("status", "code", most="*", text="only those with one of these"),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="How Subscriptions are, and how many events they had.",
)
