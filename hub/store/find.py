"""Finds messages by what people know of them: state, channel, type, business keys, time.

The query language, one word a condition, all must hold::

    status:held channel:hospital-hl7v2 type:ADT^A0* patient:8001234 control:3975 since:1h until:2026-11-20T10:00

Bare words are message ids.  Business keys: patient, visit, accession, document, order, mail (a Message-ID).
Times without a zone are those of this host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal_column, or_, select

from hub import clock
from hub.errors import ConfigError
from hub.store.tables import State, delivery, message, message_key

KEYS = ("patient", "visit", "accession", "document", "order", "mail")
_LAST = (1 << 55) - 1  # what an id has room for
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """A parsed query; see the module."""

    ids: tuple[int, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()  # (column, value or pattern)
    states: tuple[State, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    since: int = 0
    until: int = 0
    text: str = field(default="", compare=False)


def parse(words: Sequence[str]) -> MessageQuery:
    """Read a query.

    :raises ConfigError: naming the word that is not understood.
    """
    ids: list[int] = []
    equal: list[tuple[str, str]] = []
    states: list[State] = []
    keys: list[tuple[str, str]] = []
    times = {"since": 0, "until": 0}
    columns = {"channel": "channel", "type": "type", "control": "control_id", "sender": "sender"}
    for word in words:
        name, colon, value = word.partition(":")
        if not colon:
            ids.append(_id(word, word))
        elif name in ("status", "state"):
            states.append(_state(value))
        elif name == "trace":
            equal.append((name, str(_id(value, word))))
        elif name in columns:
            equal.append((columns[name], value))
        elif name in KEYS:
            keys.append((name, value))
        elif name in times:
            times[name] = _time(value, name)
        else:
            known = ", ".join(("status", *columns, "trace", *KEYS, *times))
            raise ConfigError(f"no condition is called {name!r}", where=word, cure=f"known: {known}")
    return MessageQuery(
        tuple(ids), tuple(equal), tuple(states), tuple(keys), times["since"], times["until"], " ".join(words)
    )


def _id(value: str, word: str) -> int:
    try:
        number = clock.read_id(value)
        if number >> 63:
            raise ValueError(f"{value!r} is no message id: it is too large")
        return number
    except ValueError as e:
        raise ConfigError(str(e), where=word, cure="write name:value, such as status:held") from None


def _state(value: str) -> State:
    try:
        return State[value.upper()]
    except KeyError:
        names = ", ".join(s.name.lower() for s in State)
        raise ConfigError(f"no status is called {value!r}", cure=f"known: {names}") from None


def _time(value: str, name: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([smhd])", value)
    if match:
        return max(1, clock.now() - int(match[1]) * _UNITS[match[2]] * 1_000_000)
    try:
        # Without a zone it is the time of this host, as people see it in lists.
        at = int(datetime.fromisoformat(value).astimezone().timestamp() * 1_000_000)
        return min(max(1, at), _LAST)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"{value!r} is no time", where=name, cure="write 30m, 2h, 7d or 2026-11-20T10:00") from None


def where(query: MessageQuery) -> Any:
    """The condition on ``message``."""
    row = message.c
    parts: list[Any] = []
    if query.ids:
        parts.append(row.id.in_(query.ids))
    for column, value in query.equal:
        target = row[column]
        if column == "trace":
            parts.append((row.id == int(value)) | ((target == int(value)) & (target != row.id)))
        elif "*" in value:
            pattern = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
            parts.append(target.like(pattern, escape="\\"))
        elif column == "type" and "^" not in value:
            parts.append((target == value) | target.like(f"{value}^%"))
        else:
            parts.append(target == value)
    if query.states:
        parts.append(or_(*(row.state == literal_column(str(int(s))) for s in query.states)))
        if {*query.states} <= {State.MAPPED, State.HELD}:
            # The predicate of the partial index, word for word: SQLite proves nothing of bound values.
            parts.append(row.state.op("IN")(literal_column("(1, 4)")))
    for kind, value in query.keys:
        key = message_key.c
        parts.append(row.id.in_(select(key.message).where(key.kind == kind, key.value == value)))
    if query.since:
        parts.append(row.id >= query.since << 8)
    if query.until:
        parts.append(row.id < query.until << 8)
    return and_(True, *parts)


def count(conn: Connection, query: MessageQuery) -> int:
    return int(conn.execute(select(func.count()).select_from(message).where(where(query))).scalar() or 0)


def find(
    conn: Connection, query: MessageQuery, limit: int = 50, *, after: int = 0, newest_first: bool = True
) -> list[Any]:
    """Rows of messages, newest first (or, for a tail, those after an id, oldest first)."""
    return list(conn.execute(_listed(query, limit, after, newest_first)).all())


def _listed(query: MessageQuery, limit: int, after: int, newest_first: bool) -> Select[Any]:
    by: Any = message.c.id
    if {*query.states} == {State.WAITING}:
        by = by + literal_column("0")  # sort the few in their partial index rather than read all in order
    if newest_first:
        return select(message).where(where(query)).order_by(by.desc()).limit(limit)
    return select(message).where(where(query), message.c.id > after).order_by(by).limit(limit)


def each_id(conn: Connection, query: MessageQuery, bite: int = 500) -> Callable[[int], list[int]]:
    """A function that gives the ids after a given one, a bite at a time, oldest first."""

    def after(last: int) -> list[int]:
        rows = conn.execute(
            select(message.c.id).where(where(query), message.c.id > last).order_by(message.c.id).limit(bite)
        )
        return [int(r[0]) for r in rows]

    return after


def deliveries_of(conn: Connection, message_id: int) -> list[Any]:
    return list(conn.execute(select(delivery).where(delivery.c.message == message_id).order_by(delivery.c.id)).all())


def keys_of(conn: Connection, message_id: int) -> list[tuple[str, str]]:
    rows = conn.execute(select(message_key.c.kind, message_key.c.value).where(message_key.c.message == message_id))
    return [(str(r[0]), str(r[1])) for r in rows]
