"""What people do to messages and queues: replay, hold, release, cancel, pause, resume.

Every action is a state of a row; the runners see it at their next look, wherever they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from hub import clock
from hub.errors import ConfigError, NotFoundError
from hub.store import Store, deliveries, find
from hub.store.find import MessageQuery
from hub.store.tables import BROKEN, EXCERPT, Sending, State, delivery, destination, message
from hub.store.writer import Tx

# --from STEP of a replay: what is done again.
STEPS = {
    "map": "",  # read, map, validate, store, route and deliver
    "store": "store",  # read, map, validate, store; nothing is delivered
    "deliver": "deliver",  # route and deliver; the store stays as it is
}
BITE = 500

# What each action is done to; the rest of what a query finds stays as it is.
STATES: dict[str, tuple[State, ...]] = {
    "replay": (State.MAPPED, State.DONE, State.HELD, State.CANCELLED, State.FILTERED),
    "release": (State.HELD,),
    "hold": (State.WAITING,),
    "cancel": (State.WAITING, State.HELD, State.MAPPED),
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many messages a query found, and how many of them can be worked on again."""

    found: int
    started: int


def count(store: Store, query: MessageQuery, action: str) -> Replayed:
    """How many messages a query finds, and to how many of them an action would be done."""
    with store.reading() as conn:
        fit = conn.execute(select(func.count()).select_from(message).where(_fit(query, action))).scalar()
        return Replayed(find.count(conn, query), int(fit or 0))


def replay(store: Store, query: MessageQuery, step: str = "map", *, dry_run: bool = False) -> Replayed:
    """Have messages worked on again, in their order.  Their ids, and so their place in time, stay.

    What could not be read as a message, or of which only a piece was kept, is left where it is.
    """
    if step not in STEPS:
        raise ConfigError(f"no step is called {step!r}", cure=f"known: {', '.join(STEPS)}")
    counted = count(store, query, "replay")
    if dry_run:
        return counted
    values = {"state": int(State.WAITING), "step": STEPS[step], "error": None}
    return Replayed(counted.found, _each(store, query, "replay", values))


def release(store: Store, query: MessageQuery) -> int:
    """Let held messages go on: they are read and mapped again."""
    values = {"state": int(State.WAITING), "step": "", "error": None}
    return _each(store, query, "release", values)


def hold(store: Store, query: MessageQuery) -> int:
    """Hold messages that wait."""
    from hub.engine.texts import error_json
    from hub.errors import InvalidError

    why = error_json(InvalidError("held by hand", cure="hub release when it may go on"), "hold")
    return _each(store, query, "hold", {"state": int(State.HELD), "error": why})


def cancel(store: Store, query: MessageQuery) -> int:
    """End messages for good, with what of their deliveries was not sent yet."""
    return _each(store, query, "cancel", {"state": int(State.CANCELLED)}, cancel_deliveries=True)


def _fit(query: MessageQuery, action: str) -> Any:
    fit = find.where(query) & message.c.state.in_([int(s) for s in STATES[action]])
    if action == "cancel":
        return fit
    return fit & (message.c.flags.op("&")(BROKEN | EXCERPT) == 0)  # there is nothing whole to work on


def _each(
    store: Store,
    query: MessageQuery,
    action: str,
    values: dict[str, Any],
    *,
    cancel_deliveries: bool = False,
) -> int:
    total, after = 0, 0
    while True:

        def bite(tx: Tx, last: int = after) -> list[int]:
            ids = [
                int(r[0])
                for r in tx.conn.execute(
                    select(message.c.id)
                    .where(_fit(query, action), message.c.id > last)
                    .order_by(message.c.id)
                    .limit(BITE)
                )
            ]
            if ids:
                tx.conn.execute(update(message).where(message.c.id.in_(ids)).values(**values))
                if cancel_deliveries:
                    tx.conn.execute(
                        update(delivery)
                        .where(delivery.c.message.in_(ids), delivery.c.state.in_([int(Sending.DUE), int(Sending.HELD)]))
                        .values(state=int(Sending.CANCELLED))
                    )
            return ids

        ids = store.write(bite)
        total += len(ids)
        if len(ids) < BITE:
            return total
        after = ids[-1]


@dataclass(frozen=True, slots=True)
class Queue:
    """One destination's queue, as people look at it."""

    channel: str
    destination: str
    due: int
    held: int
    head: int  # id of the oldest delivery that has not ended, or 0
    head_made_at: int
    attempts: int
    next_try: int
    paused: bool
    failures: int
    last_error: str


def queues(store: Store) -> list[Queue]:
    """The queues that hold something, and the destinations that are paused or away."""
    row = delivery.c
    with store.reading() as conn:
        counted = {
            (r.channel, r.destination): r
            for r in conn.execute(
                select(
                    row.channel, row.destination, func.count().label("due"), func.min(row.id).label("head"),
                ).where(row.state == int(Sending.DUE)).group_by(row.channel, row.destination)
            )
        }  # fmt: skip
        held = {
            (r[0], r[1]): int(r[2])
            for r in conn.execute(
                select(row.channel, row.destination, func.count())
                .where(row.state == int(Sending.HELD))
                .group_by(row.channel, row.destination)
            )
        }
        steered = {(r.channel, r.name): r for r in conn.execute(select(destination))}
        out = []
        for key in sorted(counted.keys() | held.keys() | {k for k, r in steered.items() if r.paused or r.failures}):
            head = None
            if key in counted:
                head = conn.execute(select(delivery).where(row.id == counted[key].head)).first()
            state = steered.get(key)
            out.append(
                Queue(
                    *key, int(counted[key].due) if key in counted else 0, held.get(key, 0),
                    int(head.id) if head else 0, int(head.made_at) if head else 0, int(head.attempts) if head else 0,
                    max(int(head.due) if head else 0, int(state.open_until) if state else 0),
                    bool(state and state.paused), int(state.failures) if state else 0,
                    str((state.last_error if state else "") or ""),
                )
            )  # fmt: skip
    return out


def pause(store: Store, channel: str, name: str, *, paused: bool) -> None:
    """Stop or go on sending to one destination; resuming also tries at once a peer that was away."""
    values: dict[str, Any] = {"paused": paused} if paused else {"paused": False, "open_until": 0}
    store.write(lambda tx: deliveries.steer(tx, channel, name, **values))


def resend(store: Store, delivery_id: int) -> None:
    """Try a held delivery again, at once.

    :raises NotFoundError: when no delivery with that id is held.
    """

    def change(tx: Tx) -> int:
        held = tx.conn.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, delivery.c.state == int(Sending.HELD))
            .values(state=int(Sending.DUE), due=clock.now())
        ).rowcount
        if held:
            of = select(delivery.c.message).where(delivery.c.id == delivery_id).scalar_subquery()
            done = (message.c.id == of) & (message.c.state == int(State.DONE))
            tx.conn.execute(update(message).where(done).values(state=int(State.MAPPED)))
        return int(held)

    if not store.write(change):
        raise NotFoundError("no delivery with that id is held", where=clock.show_id(delivery_id))


def waiting_deliveries(store: Store, channel: str, name: str, *, held: bool | None = None, limit: int = 0) -> list[Any]:
    """Deliveries of one destination that have not ended, the oldest first.

    :param held: only those that are held, or only those that are due; both by default.
    """
    row = delivery.c
    states = [int(s) for s, kept in ((Sending.DUE, held is not True), (Sending.HELD, held is not False)) if kept]
    query = select(delivery).where(row.channel == channel, row.destination == name, row.state.in_(states))
    with store.reading() as conn:
        return list(conn.execute(query.order_by(row.id).limit(limit or None)).all())


def cancel_delivery(store: Store, delivery_id: int) -> None:
    """End a delivery that was not sent."""

    def change(tx: Tx) -> int:
        row = tx.conn.execute(select(delivery.c.message).where(delivery.c.id == delivery_id)).first()
        ended = tx.conn.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, delivery.c.state.in_([int(Sending.DUE), int(Sending.HELD)]))
            .values(state=int(Sending.CANCELLED))
        ).rowcount
        if row is not None:
            from hub.store.messages import settle

            settle(tx, [int(row.message)])
        return int(ended)

    if not store.write(change):
        raise NotFoundError("no such delivery waits or is held", where=clock.show_id(delivery_id))
