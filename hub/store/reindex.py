"""Writes the search rows of stored resources anew, when a version of the hub indexes more or otherwise.

Bite by bite, each a short transaction of the group commit: the hub may run meanwhile, and what is
interrupted can be started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import select

from hub import clock
from hub.errors import InvalidError
from hub.fhir.search import extract, generation
from hub.store import customs
from hub.store.handle import Store
from hub.store.tables import INDEXES, indexing, resource
from hub.store.writer import Tx

BITE = 100
_LOCK = "reindex"


def renew(store: Store) -> None:
    """Reindex when the rows were made by another version of the search parameters; several processes that
    begin together do it once, and all go on when it is done."""
    if not _current(store) and not _anything(store):
        store.write(_finished)
    while not _current(store):
        lock = store.locks.take(_LOCK)
        if lock is None:
            time.sleep(0.2)
            continue
        try:
            if not _current(store):
                reindex(store)
        finally:
            lock.release()


def _current(store: Store) -> bool:
    with store.reading() as conn:
        found = conn.execute(select(indexing.c.generation).where(indexing.c.url == "")).scalar()
    return bool(found == generation())


def _anything(store: Store) -> bool:
    with store.reading() as conn:
        return conn.execute(select(resource.c.rid).limit(1)).first() is not None


def reindex(store: Store, told: Callable[[int], None] = lambda _done: None) -> int:
    """Rebuild the search rows of every resource from its content; return how many resources that were.

    :param told: called after each bite with the number done so far.
    :raises InvalidError: naming a stored resource that cannot be indexed.
    """
    customs.refresh(store)
    done, after = 0, 0
    while True:
        rids = store.write(lambda tx, a=after: _bite(tx, a))  # type: ignore[misc] # binds the loop's value
        done += len(rids)
        if rids:
            told(done)
            after = rids[-1]
        if len(rids) < BITE:
            store.write(_finished)
            return done


def _finished(tx: Tx) -> None:
    tx.many("DELETE FROM indexing WHERE url = ?", [("",)])
    tx.insert(indexing, [("", generation(), "active", 0, "", clock.now())], ignore=True)


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
