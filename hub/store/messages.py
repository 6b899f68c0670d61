"""Rows of messages: taken in by batches, found by queue, finished by batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from hub.store import tables
from hub.store.bodies import BodyRow
from hub.store.tables import CONTROL_REUSED, Sending, State
from hub.store.writer import Tx, batched, before

REJECTED = 8  # message.flags: answered with a refusal; sent again it is judged anew

# The columns a worker needs of a waiting message, in the order of Waiting's fields.
_WAITING = "id, channel, step, type, control_id, order_key, trace, runs, body, content_type, size"


@dataclass(slots=True)
class NewMessage:
    """A received body, ready to be stored."""

    id: int
    channel: str
    revision: str
    state: State
    lane: int
    type: str
    control_id: str
    sender: str
    order_key: str
    peer: str
    body: BodyRow
    content_type: str
    answer: bytes
    trace: int
    parent: int | None = None
    flags: int = 0
    error: str | None = None
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Taken:
    """What became of it: stored under ``id``, or found to be a duplicate of ``id``."""

    id: int
    duplicate: bool
    answer: bytes
    reused: bool = False


@dataclass(slots=True)
class Waiting:
    """A message to be mapped."""

    id: int
    channel: str
    step: str
    type: str
    control_id: str
    order_key: str
    trace: int
    runs: int
    body: bytes
    content_type: str
    size: int


@dataclass(slots=True)
class Finished:
    """What the work on a message came to."""

    id: int
    state: State
    revision: str
    at: int
    run: int
    error: str | None = None
    stages: str | None = None
    keys: tuple[tuple[str, str], ...] = ()
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)  # rows of delivery
    bodies: list[BodyRow] = field(default_factory=list)
    signature: Any = None  # hub.store.signatures.Kept


@batched
def take_in(tx: Tx, items: Sequence[NewMessage]) -> list[Taken]:
    """Store new messages; recognise those that came before (house, step 1 and issue of duplicates).

    Same channel, control id and body: a duplicate, the first answer is given again.  Same control id,
    other body: a new message, flagged.
    """
    _one_at_a_time(tx, items)
    known = _known(tx, items)
    out: list[Taken] = []
    fresh: list[NewMessage] = []
    for item in items:
        reused = False
        if item.control_id:
            mark = (item.channel, item.control_id)
            earlier = known.get(mark)
            if earlier is not None:
                first = earlier.get(item.body[0])
                if first is not None:
                    # Its own id: this very message, committed by an attempt whose answer got lost.
                    out.append(Taken(first[0], first[0] != item.id, first[1]))
                    continue
                reused = True
                item.flags |= CONTROL_REUSED
            if not item.flags & REJECTED:
                known.setdefault(mark, {})[item.body[0]] = (item.id, item.answer)
        fresh.append(item)
        out.append(Taken(item.id, False, item.answer, reused))
    tx.insert_all(*_rows(fresh))
    return out


@before(take_in)
def take_new(tx: Tx, items: Sequence[NewMessage]) -> Callable[[], list[Taken] | None] | None:
    """Store messages of one channel that all are new, as they mostly are; none of them when one is not."""
    controls = [item.control_id for item in items if item.control_id]
    if len(set(controls)) < len(controls) or len({item.channel for item in items}) > 1:
        return None
    _one_at_a_time(tx, items)
    known = f"SELECT 1 FROM message WHERE flags & {REJECTED} = 0 AND channel = %b AND control_id = ANY(%b::text[])"
    inserted = tx.insert_unless(known, (items[0].channel, controls), *_rows(items))
    return lambda: [Taken(m.id, False, m.answer) for m in items] if inserted() else None


def _rows(fresh: Sequence[NewMessage]) -> tuple[tuple[Table, list[tuple[Any, ...]], bool], ...]:
    return (
        (tables.body, [m.body for m in fresh], True),
        (tables.message_key, [(kind, value, m.id) for m in fresh for kind, value in dict.fromkeys(m.keys)], False),
        (tables.message, [_row(m) for m in fresh], False),
    )


def _row(m: NewMessage) -> tuple[Any, ...]:
    return (
        m.id, m.channel, m.revision, int(m.state), m.lane, "", m.type, m.control_id, m.sender, m.order_key,
        m.peer, m.body[0], m.body[1], m.content_type, m.flags, m.trace, m.parent, m.answer, None, 0,
        m.error, None,
    )  # fmt: skip


def _one_at_a_time(tx: Tx, items: Sequence[NewMessage]) -> None:
    """Let no two processes look for duplicates in one channel at once; SQLite has one writer anyway."""
    if tx.backend != "postgresql":
        return
    lock = "pg_advisory_xact_lock(hashtextextended(current_schema() || ' take ' || %s, 0))"
    first, *others = sorted({item.channel for item in items})
    tx.share_bodies(lock, (first,))
    for channel in others:
        tx.raw.execute(f"SELECT {lock}", (channel,))


def _known(tx: Tx, items: Sequence[NewMessage]) -> dict[tuple[str, str], dict[bytes, tuple[int, bytes]]]:
    known: dict[tuple[str, str], dict[bytes, tuple[int, bytes]]] = {}
    by_channel: dict[str, list[str]] = {}
    for item in items:
        if item.control_id:
            by_channel.setdefault(item.channel, []).append(item.control_id)
    for channel, controls in by_channel.items():
        for id_, control, sha, answer in tx.rows_in(
            f"SELECT id, control_id, body, answer FROM message WHERE flags & {REJECTED} = 0"
            " AND channel = ? AND control_id IN (*)",
            controls,
            (channel,),
        ):
            known.setdefault((channel, control), {}).setdefault(bytes(sha), (id_, bytes(answer or b"")))
    return known


def waiting(tx: Tx, channel: str, limit: int, octets: int, lane: int | None = None) -> tuple[list[Waiting], bool]:
    """The next messages of a channel that wait for their mapping, in order of arrival, and whether there
    may be more: at most ``limit`` of them and, but for one, ``octets`` of bodies."""
    only = "" if lane is None else f" AND lane = {int(lane)}"
    rows = tx.rows(
        f"SELECT {_WAITING} FROM message WHERE state = 0 AND channel = ?{only} ORDER BY id LIMIT {int(limit)}",
        (channel,),
    )
    found: list[Waiting] = []
    for r in rows:
        octets -= r[10]
        if found and octets < 0:
            return found, True
        found.append(Waiting(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], bytes(r[8]), r[9], r[10]))
    return found, len(rows) == limit


def unfinished(tx: Tx, items: Sequence[Finished]) -> set[int]:
    """Those that wait for this very run still: nobody finished, held or cancelled them meanwhile."""
    lock = " ORDER BY id FOR UPDATE" if tx.backend == "postgresql" else ""
    rows = tx.rows_in(f"SELECT id, runs FROM message WHERE state = 0 AND id IN (*){lock}", [f.id for f in items])
    still = set(rows)
    return {f.id for f in items if (f.id, f.run - 1) in still}


_FINISH = (
    "UPDATE message SET state = ?, revision = ?, mapped_at = ?, runs = ?, error = ?, stages = ?, step = ''"
    " WHERE id = ? AND state = 0"
)
_FINISH_ALL = (
    "UPDATE message SET state = f.state, revision = f.revision, mapped_at = f.at, runs = f.run, error = f.error,"
    " stages = f.stages, step = '' FROM unnest(%b::smallint[], %b::text[], %b::bigint[], %b::smallint[], %b::text[],"
    " %b::text[], %b::bigint[]) AS f (state, revision, at, run, error, stages, id)"
    " WHERE message.id = f.id AND message.state = 0"
)


def finish(tx: Tx, items: Sequence[Finished]) -> None:
    """Write what the work on unfinished messages came to."""
    rows = [(int(f.state), f.revision, f.at, f.run, f.error, f.stages, f.id) for f in items]
    if tx.backend == "postgresql" and len(rows) > 1:  # one statement: a third of the time of one for each
        tx.raw.execute(_FINISH_ALL, [list(column) for column in zip(*rows, strict=True)])
    else:
        tx.many(_FINISH, rows)
    tx.insert_all(
        (tables.body, [b for f in items for b in f.bodies], True),
        (tables.message_key, [(kind, value, f.id) for f in items for kind, value in dict.fromkeys(f.keys)], True),
        (tables.delivery, [d for f in items for d in f.deliveries], True),
    )


@batched
def refuse(tx: Tx, items: Sequence[tuple[int, bytes]]) -> list[None]:
    """Messages (id, answer) whose peers were told no after the mapping: sent again, they are judged anew."""
    tx.many(f"UPDATE message SET answer = ?, flags = flags | {REJECTED} WHERE id = ?", [(a, i) for i, a in items])
    return [None] * len(items)


def settle(tx: Tx, ids: Sequence[int]) -> None:
    """Messages whose deliveries have all ended are done."""
    if ids and tx.backend == "postgresql":
        # Of two that end the last two deliveries of a message, the second must see what the first wrote.
        tx.rows_in("SELECT id FROM message WHERE id IN (*) ORDER BY id FOR UPDATE", ids)
    tx.many(
        f"UPDATE message SET state = {State.DONE} WHERE id = ? AND state = {State.MAPPED} AND NOT EXISTS"
        f" (SELECT 1 FROM delivery WHERE message = ? AND state IN ({Sending.DUE}, {Sending.HELD}))",
        [(i, i) for i in dict.fromkeys(ids)],
    )
