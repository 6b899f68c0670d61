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
        row = conn.execute(select(resource).where(resource.c.ref == ref)).first() if number else None
        if row is not None and row.version != number:
            old = resource_history.c
            found = select(resource_history).where(old.rid == row.rid, old.version == number)
            row = conn.execute(found).first()
    if row is None:
        raise NotFoundError("there is no such version of the resource", cure="see its _history")
    if row.deleted:
        raise GoneError("this version is the deletion of the resource", cure="see its _history")
    return row
