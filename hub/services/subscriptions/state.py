"""How far each Subscription is: rows of ``subscription`` and ``subscription_event``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from hub.services.subscriptions import CHANNEL
from hub.services.subscriptions.notification import Event
from hub.store import Store
from hub.store.tables import (
    Sending,
    delivery,
    resource,
    resource_history,
    subscription,
    subscription_event,
)
from hub.store.writer import Tx

DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class State:
    """One row of ``subscription``; times in microseconds."""

    id: str
    digest: bytes
    greeted: bool
    since: int
    looked: int
    events: int
    failing: int


def states(store: Store) -> dict[str, State]:
    """Of all Subscriptions that were ever greeted, by id."""
    with store.reading() as conn:
        rows = conn.execute(select(subscription)).all()
    return {r.id: State(r.id, bytes(r.digest), bool(r.greeted), r.since, r.looked, r.events, r.failing) for r in rows}


def greeted(store: Store, fid: str, digest: bytes, now: int) -> None:
    """Note that the endpoint answered the handshake: what is written from now on counts.

    Of a Subscription that was only in trouble nothing is lost: it goes on where it was.
    """

    def write(tx: Tx) -> None:
        row = subscription.c
        found = tx.conn.execute(select(row.digest, row.greeted).where(row.id == fid)).first()
        if found is None:
            values = {"digest": digest, "greeted": True, "since": now, "looked": now, "events": 0, "failing": 0}
            tx.conn.execute(insert(subscription).values(id=fid, **values))
            return
        values = {"digest": digest, "greeted": True, "failing": 0}
        if not (found.greeted and bytes(found.digest) == digest):
            values |= {"since": now, "looked": now}
        tx.conn.execute(update(subscription).where(row.id == fid).values(**values))

    store.write(write)


def note(store: Store, fid: str, **values: Any) -> None:
    """Set columns of a row that is there."""
    store.write(
        lambda tx: tx.conn.execute(update(subscription).where(subscription.c.id == fid).values(**values)) and None
    )


def forget(store: Store, fid: str) -> None:
    """End for good: what was not sent yet never is."""
    from hub.store.messages import settle

    def write(tx: Tx) -> None:
        row = delivery.c
        waiting = (row.channel == CHANNEL) & (row.destination == fid)
        waiting &= row.state.in_([int(Sending.DUE), int(Sending.HELD)])
        ids = [int(r[0]) for r in tx.conn.execute(select(row.message).where(waiting))]
        tx.conn.execute(update(delivery).where(waiting).values(state=int(Sending.CANCELLED)))
        settle(tx, ids)
        tx.conn.execute(delete(subscription_event).where(subscription_event.c.subscription == fid))
        tx.conn.execute(delete(subscription).where(subscription.c.id == fid))

    store.write(write)


def known(conn: Connection, fid: str, rids: Iterable[int]) -> dict[int, set[int]]:
    """The versions of some resources that a Subscription was told of, by rid."""
    row = subscription_event.c
    asked = select(row.rid, row.version).where(row.subscription == fid, row.rid.in_(list(rids)))
    made: dict[int, set[int]] = {}
    for rid, version in conn.execute(asked):
        made.setdefault(int(rid), set()).add(int(version))
    return made


def events(conn: Connection, fid: str, low: int, high: int, limit: int) -> list[Event]:
    """Events of a Subscription from number ``low`` to ``high``, with the versions they were about."""
    row = subscription_event.c
    found = conn.execute(
        select(row.number, row.ref, row.version, row.at, row.rid)
        .where(row.subscription == fid, row.number >= low, row.number <= high)
        .order_by(row.number)
        .limit(limit)
    ).all()
    return [Event(int(r[0]), r[1], int(r[2]), int(r[3]), content(conn, int(r[4]), int(r[2]))) for r in found]


def content(conn: Connection, rid: int, version: int) -> bytes | None:
    """A version of a resource, current or not; None when there is none."""
    for table in (resource, resource_history):
        found = conn.execute(select(table.c.content).where(table.c.rid == rid, table.c.version == version)).scalar()
        if found is not None:
            return bytes(found)
    return None


def drop_events(store: Store, before: int) -> None:
    """Forget events that are older than a time."""
    row = subscription_event
    store.write(lambda tx: tx.conn.execute(delete(row).where(row.c.at < before)) and None)
