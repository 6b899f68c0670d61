"""Rows for tests of what looks at a store: messages and deliveries, each fact given or a plain default."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import insert, select

from hub import clock
from hub.store import Store
from hub.store.tables import Sending, State, body, delivery, message, message_key

DAY = 86_400_000_000


def add_message(
    store: Store, octets: bytes = b"MSH|", *, at: int = 0, keys: tuple[tuple[str, str], ...] = (), **facts: Any
) -> int:
    """A message that came in at a time (microseconds; now when left out); return its id."""
    id_ = store.ids.take()
    if at:
        id_ = at << 8 | (id_ & 0xFF)
    row: dict[str, Any] = {
        "id": id_, "channel": "adt", "revision": "0123456789ab", "state": State.DONE, "lane": 0, "step": "",
        "type": "ADT^A01", "control_id": "C-1", "sender": "GAP|010000024", "order_key": "", "peer": "127.0.0.1:4242",
        "body": hashlib.sha256(octets).digest(), "size": len(octets), "content_type": "x-application/hl7-v2+er7",
        "flags": 0, "trace": id_, "parent": None, "answer": None, "mapped_at": None, "runs": 0, "error": None,
        "stages": None,
    } | facts  # fmt: skip
    kept = store.bodies.prepare(octets)

    def write(tx: Any) -> None:
        tx.insert(body, [kept], ignore=True)
        tx.conn.execute(insert(message).values(**row))
        tx.insert(message_key, [(kind, value, row["id"]) for kind, value in keys])

    store.write(write)
    return int(row["id"])


def add_delivery(store: Store, message_id: int, octets: bytes = b"MSH|", **facts: Any) -> int:
    """A delivery of a message, due unless said otherwise; return its id."""
    now = clock.now()
    row: dict[str, Any] = {
        "id": store.ids.take(), "message": message_id, "run": 1, "channel": "adt", "destination": "archive",
        "state": Sending.DUE, "order_key": "", "body": hashlib.sha256(octets).digest(),
        "content_type": "x-application/hl7-v2+er7", "type": "ADT^A01", "control_id": "C-1", "trace": message_id,
        "attempts": 0, "due": now, "made_at": now, "sent_at": None, "error": None, "answer": None,
    } | facts  # fmt: skip
    kept = store.bodies.prepare(octets)

    def write(tx: Any) -> None:
        tx.insert(body, [kept], ignore=True)
        tx.conn.execute(insert(delivery).values(**row))

    store.write(write)
    return int(row["id"])


def states(store: Store) -> dict[int, State]:
    """The state of each message."""
    with store.reading() as conn:
        return {int(r[0]): State(r[1]) for r in conn.execute(select(message.c.id, message.c.state))}


def sendings(store: Store) -> dict[int, Sending]:
    """The state of each delivery."""
    with store.reading() as conn:
        return {int(r[0]): Sending(r[1]) for r in conn.execute(select(delivery.c.id, delivery.c.state))}
