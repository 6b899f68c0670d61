"""Writes the search rows of stored resources anew, when a version of the hub indexes more or otherwise.

Bite by bite, each a short transaction of the group commit: the hub may run meanwhile, and what is
interrupted can be started again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import select

from hub.errors import InvalidError
from hub.fhir.search import extract
from hub.store.handle import Store
from hub.store.tables import INDEXES, resource
from hub.store.writer import Tx

BITE = 100


def reindex(store: Store, told: Callable[[int], None] = lambda _done: None) -> int:
    """Rebuild the search rows of every resource from its content; return how many resources that were.

    :param told: called after each bite with the number done so far.
    :raises InvalidError: naming a stored resource that cannot be indexed.
    """
    done, after = 0, 0
    while True:
        rids = store.write(lambda tx, a=after: _bite(tx, a))  # type: ignore[misc] # binds the loop's value
        done += len(rids)
        if rids:
            told(done)
            after = rids[-1]
        if len(rids) < BITE:
            return done


def _bite(tx: Tx, after: int) -> list[int]:
    row = resource.c
    rids = [int(r[0]) for r in tx.conn.execute(select(row.rid).where(row.rid > after).order_by(row.rid).limit(BITE))]
    if not rids:
        return []
    # In the order of their names, as everybody locks resources, so that two never wait in a ring.
    query = select(row.rid, row.ref, row.deleted, row.content).where(row.rid.in_(rids)).order_by(row.ref)
    found: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in INDEXES}
    for rid, ref, deleted, content in tx.conn.execute(query.with_for_update()):
        if deleted:
            continue  # not found by any search (R4 §3.1.0.7)
        try:
            values = extract(orjson.loads(content))
        except InvalidError as error:
            raise InvalidError(error.what, where=f"{ref}: {error.where}", cure=error.cure, code=error.code) from None
        for kind, rows in found.items():
            rows.extend((*value, rid) for value in getattr(values, kind))
    for kind, table in INDEXES.items():
        tx.many(f"DELETE FROM {table.name} WHERE rid = ?", [(rid,) for rid in rids])
        tx.insert(table, found[kind])
    return rids
