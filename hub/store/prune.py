"""Retention: deletes what a channel no longer keeps, in bites that never hold the store for long.

Each bite is one short transaction of the group commit; between two bites everybody else has their turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select

from hub import clock
from hub.store import signatures
from hub.store.handle import Store
from hub.store.tables import Sending, State, body, delivery, message, message_key, resource, resource_history
from hub.store.writer import Tx

BITE = 200
DAY = 24 * 3600 * 1_000_000
_FINISHED = (State.DONE, State.FILTERED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Pruned:
    messages: int = 0
    bodies: int = 0


def prune(store: Store, channel: str, *, done_days: int, held_days: int, now: int | None = None) -> Pruned:
    """Delete finished messages older than ``done_days`` and held ones older than ``held_days``; 0 keeps."""
    at = now if now is not None else clock.now()
    messages = 0
    for days, states in ((done_days, _FINISHED), (held_days, (State.HELD,))):
        if not days:
            continue
        before = (at - days * DAY) << 8  # ids begin with the time
        while True:
            count = store.write(lambda tx, b=before, s=states: _bite(tx, channel, b, s))  # type: ignore[misc] # defaults bind the loop's values
            messages += count
            if count < BITE:
                break
    return Pruned(messages, sweep_bodies(store) if messages else 0)


def due(store: Store, channel: str, *, done_days: int, held_days: int, now: int | None = None) -> int:
    """How many messages :func:`prune` would delete."""
    at = now if now is not None else clock.now()
    total = 0
    with store.reading() as conn:
        for days, states in ((done_days, _FINISHED), (held_days, (State.HELD,))):
            if days:
                old = (message.c.channel == channel) & (message.c.id < (at - days * DAY) << 8)
                of = message.c.state.in_([int(s) for s in states])
                total += int(conn.execute(select(func.count()).select_from(message).where(old, of)).scalar() or 0)
    return total


def _bite(tx: Tx, channel: str, before: int, states: tuple[State, ...]) -> int:
    ids = [
        row[0]
        for row in tx.conn.execute(
            select(message.c.id)
            .where(message.c.channel == channel, message.c.id < before, message.c.state.in_([int(s) for s in states]))
            .order_by(message.c.id)
            .limit(BITE)
        )
    ]
    if ids:
        tx.conn.execute(delete(message_key).where(message_key.c.message.in_(ids)))
        tx.conn.execute(delete(delivery).where(delivery.c.message.in_(ids)))
        signatures.forget(tx, ids, before)
        tx.conn.execute(delete(message).where(message.c.id.in_(ids)))
    return len(ids)


def sweep_bodies(store: Store) -> int:
    """Delete bodies that no message, delivery or resource refers to any more; return how many."""
    total, after = 0, b""
    while True:
        last, removed = store.write(lambda tx, a=after: _body_bite(tx, store, a))  # type: ignore[misc] # binds the loop's value
        total += removed
        if last is None:
            return total
        after = last


def _body_bite(tx: Tx, store: Store, after: bytes) -> tuple[bytes | None, int]:
    tx.sweeping()
    page = [
        bytes(row[0])
        for row in tx.conn.execute(select(body.c.sha).where(body.c.sha > after).order_by(body.c.sha).limit(BITE))
    ]
    if not page:
        return None, 0
    used: set[bytes] = set()
    for column in (message.c.body, delivery.c.body, resource.c.octets, resource_history.c.octets):
        used |= {bytes(r[0]) for r in tx.conn.execute(select(column).where(column.in_(page)))}
    gone = [sha for sha in page if sha not in used]
    if gone:
        tx.conn.execute(delete(body).where(body.c.sha.in_(gone)))
        # Within the transaction: whoever stores the same body next finds neither row nor file, or both.
        store.bodies.remove_files(gone)
    return page[-1], len(gone)


def drop_bodies(store: Store, channel: str, *, days: int, now: int | None = None) -> int:
    """Delete the bodies of finished messages older than ``days``, keeping the messages; return how many."""
    before = ((now if now is not None else clock.now()) - days * DAY) << 8
    total, after = 0, 0
    while True:
        last, removed = store.write(lambda tx, a=after: _drop_bite(tx, store, channel, a, before))  # type: ignore[misc] # binds the loop's value
        total += removed
        if last is None:
            return total
        after = last


def _drop_bite(tx: Tx, store: Store, channel: str, after: int, before: int) -> tuple[int | None, int]:
    tx.sweeping()
    rows = tx.conn.execute(
        select(message.c.id, message.c.body)
        .where(
            message.c.channel == channel,
            message.c.id > after,
            message.c.id < before,
            message.c.state.in_([int(s) for s in _FINISHED]),
        )
        .order_by(message.c.id)
        .limit(BITE)
    ).all()
    if not rows:
        return None, 0
    shas = {bytes(r.body) for r in rows}
    used: set[bytes] = set()
    finished = message.c.state.in_([int(s) for s in _FINISHED])
    still = (message.c.id >= before) | (message.c.channel != channel) | ~finished
    used |= {bytes(r[0]) for r in tx.conn.execute(select(message.c.body).where(message.c.body.in_(shas), still))}
    unsent = delivery.c.state.in_([int(Sending.DUE), int(Sending.HELD)])  # may carry the same octets as a document
    used |= {bytes(r[0]) for r in tx.conn.execute(select(delivery.c.body).where(delivery.c.body.in_(shas), unsent))}
    for column in (resource.c.octets, resource_history.c.octets):
        used |= {bytes(r[0]) for r in tx.conn.execute(select(column).where(column.in_(shas)))}
    gone = [sha for sha in shas if sha not in used]
    if gone:
        removed = tx.conn.execute(delete(body).where(body.c.sha.in_(gone))).rowcount
        store.bodies.remove_files(gone)
        return int(rows[-1].id), int(removed)
    return int(rows[-1].id), 0
