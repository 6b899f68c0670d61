"""Which versions of resources a message wrote.

A row of ``resource`` names the last message that spoke of it; the one that wrote a version stands in its
``meta.source`` (R4 §2.27.2), near the beginning of the octets.  Versions are looked for among those of the
time in which the message was worked on, so that the index on their times is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, literal, select

from hub import clock
from hub.store.tables import resource, resource_history

_MARGIN = 60_000_000  # clocks of two hosts may differ that much
_HEAD = 400  # resourceType, id and meta.source stand within so many octets


@dataclass(frozen=True, slots=True)
class Written:
    """One version; ``current`` unless another one superseded it."""

    ref: str
    version: int
    updated: int
    current: bool


def written_by(conn: Connection, message_id: int, mapped_at: int | None) -> list[Written]:
    """The versions that a message wrote, by resource."""
    if mapped_at is None:
        return []
    mark = f':{clock.show_id(message_id)}"'.encode()
    low, high = clock.id_time(message_id) - _MARGIN, mapped_at + _MARGIN
    now = select(resource.c.ref, resource.c.version, resource.c.updated).where(
        resource.c.updated.between(low, high), _holds(conn, resource, mark)
    )
    past = select(resource.c.ref, resource_history.c.version, resource_history.c.updated).where(
        resource_history.c.rid == resource.c.rid,
        resource_history.c.updated.between(low, high),
        _holds(conn, resource_history, mark),
    )
    found = [Written(r[0], int(r[1]), int(r[2]), True) for r in conn.execute(now)]
    found += [Written(r[0], int(r[1]), int(r[2]), False) for r in conn.execute(past)]
    return sorted(found, key=lambda w: (w.ref, w.version))


def _holds(conn: Connection, table: Table, mark: bytes) -> Any:
    head = func.substr(table.c.content, 1, _HEAD)
    if conn.dialect.name == "postgresql":
        return func.position(literal(mark).op("IN")(head)) > 0
    return func.instr(head, mark) > 0
