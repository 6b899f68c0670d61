"""What a subscriber may ask: how a Subscription is, and what it was told, also of what never arrived.

Subscriptions R5 Backport IG 1.1: operations $status and $events.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson
from sqlalchemy import select

from hub.errors import HubError, InvalidError, NotFoundError
from hub.services.subscriptions import consent, model, notification, state
from hub.services.subscriptions.model import Subscription
from hub.store import Store
from hub.store.tables import resource

MOST: Final = 500  # Subscriptions, or events, in one answer


def statuses(store: Store, ids: Collection[str] = (), among: Collection[str] = ()) -> list[dict[str, Any]]:
    """The status of each Subscription that is asked for, as Parameters; without ids, of all of them.

    :param among: only those with one of these statuses.
    """
    row = resource.c
    query = select(row.version, row.content).where(row.type == "Subscription", row.deleted.is_(False), row.version > 0)
    if ids:
        query = query.where(row.ref.in_([f"Subscription/{fid}" for fid in ids]))
    with store.reading() as conn:
        rows = conn.execute(query.order_by(row.rid).limit(MOST)).all()
    known = state.states(store)
    made = []
    for version, content in rows:
        asked, error = _understood(int(version), bytes(content))
        if not among or asked.status in among:
            at = known.get(asked.id)
            total = at.events if at else 0
            made.append(notification.status(asked, store.settings.fhir_base, "query-status", total, error=error))
    return made


def events(store: Store, fid: str, since: int = 1, until: int | None = None, content: str = "") -> bytes:
    """The events of a Subscription by their numbers, both ends included, as a notification Bundle.

    At most ``MOST`` of them, the oldest first; who wants more asks again from the last number on.

    :raises NotFoundError: when there is no such Subscription; InvalidError: for a content the IG does not have.
    """
    if content and content not in model.CONTENTS:
        cure = f"take one of {', '.join(model.CONTENTS)}"
        raise InvalidError("there is no such content", where="http.content", cure=cure, code="value")
    row = resource.c
    with store.reading() as conn:
        found = conn.execute(
            select(row.version, row.content).where(row.ref == f"Subscription/{fid}", row.deleted.is_(False))
        ).first()
        if found is None:
            raise NotFoundError("there is no such Subscription", cure="search for it")
        asked, error = _understood(int(found.version), bytes(found.content))
        told = state.events(conn, fid, since, (1 << 62) if until is None else until, MOST)
    may = consent.rules.may_send
    told = [one for one in told if may(store, asked, one.ref, one.content)]
    at = state.states(store).get(fid)
    total = at.events if at else 0
    return notification.bundle(asked, store.settings.fhir_base, "query-event", total, told, content, error)


def _understood(version: int, content: bytes) -> tuple[Subscription, str]:
    """A stored Subscription, also one that the hub could not do, and its error."""
    value = orjson.loads(content)
    error = str(value.get("error", ""))
    try:
        return model.read(value, version), error
    except HubError as reason:
        said = str(value.get("status", ""))
        return Subscription(value["id"], version, said, b"", "", "", ""), error or str(reason)
