"""Messages and other rows for tests of the store, as few words as possible each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, func, select, text

from hub.store import Store, messages
from hub.store.messages import NewMessage, Taken
from hub.store.tables import State


def new(store: Store, body: bytes = b"body", **values: Any) -> NewMessage:
    """A message that was just received."""
    id_ = values.pop("id", None) or store.take_id()
    fields: dict[str, Any] = {
        "id": id_, "channel": "adt", "revision": "r1", "state": State.WAITING, "lane": 0, "type": "ADT^A01",
        "control_id": f"C{id_}", "sender": "GAM|CHU", "order_key": "", "peer": "127.0.0.1",
        "body": store.bodies.prepare(body), "content_type": "x-application/hl7-v2+er7", "answer": b"AA", "trace": id_,
    }  # fmt: skip
    return NewMessage(**(fields | values))


def take(store: Store, *items: NewMessage) -> list[Taken]:
    """Store them in one batch."""
    taken: list[Taken] = store.write(lambda tx: messages.take_in(tx, items))
    return taken


def rows(store: Store, table: Table, *where: Any) -> list[Any]:
    """All rows of a table, by primary key."""
    with store.reading() as conn:
        return list(conn.execute(select(table).where(*where).order_by(*table.primary_key.columns)))


def count(store: Store, table: Table, *where: Any) -> int:
    with store.reading() as conn:
        return int(conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def delivery_row(store: Store, message_id: int, destination: str = "folder", **values: Any) -> tuple[Any, ...]:
    """A delivery that is due, in the order of the table's columns."""
    fields: dict[str, Any] = {
        "id": store.take_id(), "message": message_id, "run": 1, "channel": "adt", "destination": destination,
        "state": 0, "order_key": "", "body": b"\0" * 32, "content_type": "text/plain", "type": "ADT^A01",
        "control_id": "C1", "trace": message_id, "attempts": 0, "due": 0, "made_at": 0, "sent_at": None,
        "error": None, "answer": None,
    }  # fmt: skip
    return tuple((fields | values).values())


def backend(store: Store) -> int:
    """PostgreSQL: number of the server process behind the writer called ``work``."""
    return int(store.write(lambda tx: tx.conn.execute(text("SELECT pg_backend_pid()")).scalar_one()))


def waits(store: Store, pid: int) -> bool:
    """PostgreSQL: whether that server process waits for a lock."""
    with store.reading() as conn:
        asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = :pid")
        return bool(conn.execute(asked, {"pid": pid}).scalar_one())
