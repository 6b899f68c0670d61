"""Looks at what was written since the last look, and makes events of what fits.

Resources carry the time of their last change, under an index; a search of the Subscription's criteria begins
there.  Nothing is done where resources are written.  What writes takes its time before it commits, so each look
goes back a little, and now and then further; what a Subscription was told of is not told again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from hub import clock
from hub.services.subscriptions import CHANNEL, notification, state
from hub.services.subscriptions.criteria import Wanted
from hub.services.subscriptions.model import Subscription
from hub.services.subscriptions.notification import Event
from hub.services.subscriptions.state import State
from hub.services.subscriptions.topics import Topic
from hub.store import Store, messages, tables
from hub.store.messages import NewMessage
from hub.store.query import Criterion, Sort, When
from hub.store.search import Row, search
from hub.store.tables import Sending, resource, subscription, subscription_event
from hub.store.writer import Tx

# Microseconds that a look goes back: between the time a resource carries and its commit lies the mapping of its batch.
NEAR: Final = 2_000_000
FAR: Final = 120_000_000
PAGE: Final = 100
_SOURCE = re.compile(rb'"source":"urn:oncohub:[^":]+:([0-9A-Z]{13})"')
_HEAD = 400  # octets within which meta.source stands


def newest(store: Store) -> int:
    """When anything was written last; 0 when nothing ever was."""
    with store.reading() as conn:
        return int(conn.execute(select(func.max(resource.c.updated))).scalar() or 0)


def look(store: Store, asked: Subscription, wanted: Wanted, at: State, base: str, *, far: bool, last: int) -> int:
    """Make events of what fits and was written since the last look; return how many.

    :param far: go back further.
    :param last: when anything was written last.
    """
    now = clock.now()
    low = max(at.since, at.looked - (FAR if far else NEAR))
    if last < low:
        return 0
    window = Criterion((When((), "ge", low, low),))
    query = wanted.query
    question = replace(query, criteria=(*query.criteria, window), sort=(Sort("_lastUpdated"),))
    made, place = 0, None
    while True:
        with store.reading() as conn:
            rows = search(conn, question, PAGE, place)
            told = state.known(conn, asked.id, [r.rid for r in rows])
            fresh = [r for r in rows if r.version not in told.get(r.rid, ())]
            if wanted.topic is not None:
                fresh = [r for r in fresh if _news(conn, wanted.topic, at, r, told.get(r.rid, set()))]
        if fresh:
            _record(store, asked, fresh, base, at.events + made, now)
            made += len(fresh)
        if len(rows) < PAGE:
            break
        place = rows[-1].place
    if made or far:
        state.note(store, asked.id, looked=now)
    return made


def _news(conn: Connection, topic: Topic, at: State, row: Row, told: Collection[int]) -> bool:
    """Whether a version is what a topic is about, beside the versions that were told of before."""
    if topic.on == "create":  # the id of a row has the time in which it was made
        return not told and clock.id_time(row.rid) >= at.since
    before = max(told, default=row.version - 1)
    return topic.changed(row.content, state.content(conn, row.rid, before) if before and topic.differs else None)


def _record(store: Store, asked: Subscription, rows: Sequence[Row], base: str, events: int, now: int) -> None:
    """Write the events of some resources, each with the message and the delivery that tell of it."""
    news: list[NewMessage] = []
    deliveries: list[tuple[Any, ...]] = []
    noted: list[tuple[Any, ...]] = []
    for number, row in enumerate(rows, events + 1):
        event = Event(number, row.ref, row.version, now, row.content)
        octets, media = notification.body(asked, base, event)
        fid, kept = store.take_id(), store.bodies.prepare(octets)
        cause = _cause(row.content)
        control = f"{asked.id}/{number}/{asked.mark}"
        news.append(
            NewMessage(
                fid, CHANNEL, "", tables.State.MAPPED, 0, row.ref.partition("/")[0], control, "", asked.id, "", kept,
                media, b"", cause or fid, cause,
            )
        )  # fmt: skip
        deliveries.append(
            (store.take_id(), fid, 0, CHANNEL, asked.id, int(Sending.DUE), asked.id, kept[0], media, news[-1].type,
             control, cause or fid, 0, now, now, None, None, None)
        )  # fmt: skip
        noted.append((asked.id, number, row.rid, row.version, row.ref, now, fid))

    def write(tx: Tx) -> None:
        messages.take_in(tx, news)
        tx.insert_all((tables.delivery, deliveries, False), (subscription_event, noted, False))
        tx.conn.execute(update(subscription).where(subscription.c.id == asked.id).values(events=events + len(rows)))

    store.write(write)


def _cause(content: bytes) -> int | None:
    """The message that wrote a version, of which meta.source tells."""
    found = _SOURCE.search(content, 0, _HEAD)
    return clock.read_id(found[1].decode()) if found else None


def again(store: Store) -> int:
    """Deliver once more the notifications that somebody asked to be replayed; return how many."""
    with store.looking() as tx:
        rows, _ = messages.waiting(tx, CHANNEL, PAGE, 1 << 30)
    if not rows:
        return 0
    now = clock.now()
    finished = []
    for row in rows:
        run, fid = row.runs + 1, row.control_id.partition("/")[0]
        due = (store.take_id(), row.id, run, CHANNEL, fid, int(Sending.DUE), fid, row.body, row.content_type, row.type,
               row.control_id, row.trace, 0, now, now, None, None, None)  # fmt: skip
        stays = row.step == "store"
        after = tables.State.DONE if stays else tables.State.MAPPED
        finished.append(messages.Finished(row.id, after, "", now, run, deliveries=[] if stays else [due]))

    def write(tx: Tx) -> None:
        ours = messages.unfinished(tx, finished)
        messages.finish(tx, [f for f in finished if f.id in ours])

    store.write(write)
    return len(rows)
