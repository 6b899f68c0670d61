"""The status of a Subscription, as the hub sets it: active, error, off (R4 §2.46.2, Subscription.status)."""

from __future__ import annotations

import orjson
from sqlalchemy import select

from hub.fhir.canonical import split
from hub.fhir.draft import Entry
from hub.services.subscriptions import model
from hub.store import Store, changes
from hub.store.changes import Change, GuardError
from hub.store.tables import resource

SOURCE = "urn:oncohub:subscriptions"


def set_status(store: Store, asked: model.Subscription, status: str, error: str = "") -> int:
    """Set the status of a Subscription unless somebody changed it, or ended it, meanwhile.

    :return: the version that is there now; 0 when it is another one than was meant.
    """
    row = resource.c
    with store.reading() as conn:
        found = conn.execute(
            select(row.version, row.content).where(row.ref == f"Subscription/{asked.id}", row.deleted.is_(False))
        ).first()
    if found is None:
        return 0
    now = orjson.loads(bytes(found.content))
    if now.get("status") == "off" or model.digest(now) != asked.digest:
        return 0
    made = {k: v for k, v in now.items() if k != "error"} | {"status": status}
    if error:
        made["error"] = error
    rest, own, _ = split(made)
    entry = Entry("Subscription", asked.id, {k: v for k, v in made.items() if k != "id"})
    write = changes.decided(store, entry, SOURCE, rest, own)
    try:
        (done,) = changes.change(store, [Change(write, frozenset({int(found.version)}))])
    except GuardError:
        return 0
    return done.version
