"""The versions of a resource: the current row and the superseded ones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hub.errors import GoneError, NotFoundError
from hub.facade.context import Facade
from hub.store.tables import resource, resource_history


def version(facade: Facade, ref: str, number: int) -> Any:
    """One version of a resource.

    :raises NotFoundError: when there is none of that number.
    :raises GoneError: when that version is the deletion.
    """
    with facade.store.reading() as conn:
        row = conn.execute(select(resource).where(resource.c.ref == ref)).first()
        if row is not None and row.version != number:
            old = resource_history.c
            found = select(resource_history).where(old.rid == row.rid, old.version == number)
            row = conn.execute(found).first()
    if row is None:
        raise NotFoundError("there is no such version of the resource", cure="see its _history")
    if row.deleted:
        raise GoneError("this version is the deletion of the resource", cure="see its _history")
    return row


def versions(facade: Facade, ref: str, since: int, before: int, limit: int) -> tuple[int, list[Any], bool]:
    """How many versions there are since ``since``, the newest ``limit`` of them below number ``before``,
    and whether older ones are left.

    :raises NotFoundError: when the resource never was.
    """
    with facade.store.reading() as conn:
        row = conn.execute(select(resource).where(resource.c.ref == ref)).first()
        if row is None:
            raise NotFoundError("there is no such resource", cure="search for it")
        old = resource_history.c
        past = select(resource_history).where(old.rid == row.rid, old.updated >= since)
        rows = list(conn.execute(past.order_by(old.version.desc())))
    if row.updated >= since:
        rows.insert(0, row)
    older = [r for r in rows if r.version < before]
    return len(rows), older[:limit], 0 < limit < len(older)
