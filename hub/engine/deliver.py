"""Sends deliveries: at least once, in order of each key, each destination by itself.

A peer that is away (UnavailableError, NoAnswerError) opens the circuit of its destination: nothing is
attempted until the pause is over, then one delivery tries the way.  A peer that refuses a message
(RefusedError) has that delivery held; those behind it go on.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select

from hub import clock, registry
from hub.engine.connector import Answer, Destination, Outgoing
from hub.engine.counters import Counters
from hub.engine.model import DestinationSpec, Retry
from hub.engine.texts import error_json
from hub.engine.work import patiently
from hub.errors import HubError, RefusedError, UnavailableError
from hub.logs import event
from hub.store import Store, deliveries, tables
from hub.store.connect import Lock
from hub.store.deliveries import Attempt, Due
from hub.store.tables import Sending
from hub.store.writer import batched

log = logging.getLogger("hub.deliver")

WINDOW = 256  # deliveries looked at together
FLUSH = 32  # attempts noted together, so that a kill repeats few
ANSWER_KEPT = 64 * 1024


def pause_after(retry: Retry, failures: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds before the next attempt: doubling from ``first`` to ``up_to``, half of it by chance.

    Chance keeps the queues of many hubs from knocking at one recovering peer at the same moment.
    """
    whole: float = min(retry.up_to, retry.first * 2 ** min(failures - 1, 30))
    return whole * (0.5 + chance() / 2)


class Sender:
    """Attempts the deliveries of one destination; one thread or process uses it at a time."""

    def __init__(
        self, store: Store, channel: str, spec: DestinationSpec, counters: Counters,
        feed: Callable[[str, Outgoing], None],
    ) -> None:  # fmt: skip
        self.channel, self.name, self.spec = channel, spec.name, spec
        self._store, self._counters, self._feed = store, counters, feed
        self._made: Destination | None = None
        self._failures = 0
        self._open_until = 0
        self._paused = False
        self._load()

    def feed(self, channel: str, item: Outgoing) -> None:
        """For the ``channel`` connector (:class:`hub.engine.connector.DestinationContext`)."""
        self._feed(channel, item)

    def _load(self) -> None:
        row = tables.destination
        with self._store.reading() as conn:
            found = conn.execute(
                select(row.c.paused, row.c.open_until, row.c.failures).where(
                    row.c.channel == self.channel, row.c.name == self.name
                )
            ).first()
        if found is not None:
            self._paused, self._open_until, self._failures = bool(found[0]), int(found[1]), int(found[2])

    def step(self, stopping: Callable[[], bool]) -> float | None:
        """Attempt what is due.  Return seconds until there may be more, or None when the queue is empty.

        :raises UnavailableError: when the store is away.
        """
        self._load()
        now = clock.now()
        if self._paused:
            return 1.0
        if now < self._open_until:
            return min(1.0, (self._open_until - now) / 1e6)
        with self._store.looking() as tx:
            queue = deliveries.due(tx, self.channel, self.name, WINDOW)
        if not queue:
            return None
        return self._attempt(queue, stopping)

    def _attempt(self, queue: Sequence[Due], stopping: Callable[[], bool]) -> float:
        blocked: set[str] = set()
        noted: list[Attempt] = []
        wait = 60.0
        try:
            for item in queue:
                if stopping():
                    break
                if item.order_key and item.order_key in blocked:
                    continue
                now = clock.now()
                if item.due > now:
                    blocked.add(item.order_key)
                    wait = min(wait, (item.due - now) / 1e6)
                    continue
                attempt = self._one(item)
                noted.append(attempt)
                if attempt.state is Sending.DUE or self._open_until > now:
                    wait = (self._open_until - now) / 1e6  # the circuit opened, even if this one is held for good
                    break
                wait = 0.0
                if len(noted) >= FLUSH:
                    self._note(noted)
                    noted = []
        finally:
            self._note(noted)
        return max(0.0, wait)

    def _note(self, noted: list[Attempt]) -> None:
        if noted:
            writer = self._store.writer("work")
            patiently(lambda: writer.call(_ended, noted), lambda: False, self.name)

    def _one(self, item: Due) -> Attempt:
        tries = item.attempts + 1
        try:
            answer = self._send(item, tries).body[:ANSWER_KEPT]
        except HubError as error:
            return self._failed(item, tries, error)
        except (Exception, SystemExit) as error:
            self.close()  # whatever the connection is in, a new one starts clean
            reason = UnavailableError(f"the connector failed ({type(error).__name__})", cure="see the log of the hub")
            event(log, logging.ERROR, "connector failed", channel=self.channel, destination=self.name,
                  delivery=clock.show_id(item.id), error=type(error).__name__)  # fmt: skip
            return self._failed(item, tries, reason)
        now = clock.now()
        self._back(last_sent=now)
        self._counters.add("sent", f"{self.channel}/{self.name}")
        return Attempt(item.id, item.message, Sending.SENT, tries, item.due, now, None, answer)

    def _send(self, item: Due, tries: int) -> Answer:
        body = self._store.bodies.read(item.body)
        if self._made is None:
            self._made = registry.connector(self.spec.part.kind).destination(self.spec.part.options, self)
        return self._made.send(
            Outgoing(
                item.id, item.message, f"{clock.show_id(item.message)}-{self.name}-{item.run}", body,
                item.content_type, item.type, item.control_id, tries, clock.show_id(item.trace),
            )
        )  # fmt: skip

    def _failed(self, item: Due, tries: int, error: HubError) -> Attempt:
        now = clock.now()
        self._counters.add("send_failed", f"{self.channel}/{self.name}")
        retry = self.spec.retry
        final = error.retry == "never" or (retry.times and tries >= retry.times)
        text = error_json(error, "send")
        if final:
            event(log, logging.WARNING, "delivery held", delivery=clock.show_id(item.id), channel=self.channel,
                  destination=self.name, category=error.category)  # fmt: skip
            self._counters.add("delivery_held", f"{self.channel}/{self.name}")
            if isinstance(error, RefusedError):
                self._back()  # the peer is there: it said no
            if error.retry == "never":
                return Attempt(item.id, item.message, Sending.HELD, tries, item.due, now, text)
        self._failures += 1
        pause = pause_after(retry, self._failures)
        self._open_until = now + int(pause * 1e6)
        if self._failures == 1:
            event(log, logging.WARNING, "destination is away", channel=self.channel, destination=self.name,
                  category=error.category)  # fmt: skip
        self._steer(open_until=self._open_until, failures=self._failures, last_error=text)
        state = Sending.HELD if final else Sending.DUE
        return Attempt(item.id, item.message, state, tries, item.due, now, text)  # the circuit keeps the pause

    def _back(self, **values: Any) -> None:
        if self._failures:
            self._failures = self._open_until = 0
            self._steer(open_until=0, failures=0, last_error=None, **values)
            event(log, logging.INFO, "destination is back", channel=self.channel, destination=self.name)

    def _steer(self, **values: Any) -> None:
        with contextlib.suppress(UnavailableError):  # what was just sent must be noted all the same
            self._store.write(lambda tx: deliveries.steer(tx, self.channel, self.name, **values))

    def close(self) -> None:
        if self._made is not None:
            made, self._made = self._made, None
            with contextlib.suppress(Exception):  # it was on its way out
                made.close()


@batched
def _ended(tx: Any, items: list[list[Attempt]]) -> list[None]:
    deliveries.ended(tx, [a for batch in items for a in batch])
    return [None] * len(items)


class DestinationThread:
    """Keeps one :class:`Sender` going."""

    def __init__(self, store: Store, sender: Callable[[], Sender], lock_name: str) -> None:
        self._store, self._make, self._lock_name = store, sender, lock_name
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=lock_name.replace(":", "-"), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        self._wake.set()

    def stop(self, within: float) -> bool:
        self._stopping.set()
        self._wake.set()
        self._thread.join(within)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        stopping = self._stopping.is_set
        while not stopping():
            try:
                lock = patiently(lambda: self._store.locks.take(self._lock_name), stopping, self._lock_name)
                if lock is None:
                    self._stopping.wait(0.5)
                    continue
                try:
                    self._send(lock)
                finally:
                    lock.release()
            except Exception as error:  # a defect of ours: the queue waits in the store, another try may go well
                event(log, logging.ERROR, "sending failed", lane=self._lock_name, error=type(error).__name__)
                self._stopping.wait(1.0)

    def _send(self, lock: Lock) -> None:
        stopping = self._stopping.is_set
        sender = patiently(self._make, stopping, self._lock_name)
        if sender is None:
            return
        try:
            step = partial(sender.step, stopping)
            while not stopping() and lock.held():
                self._wake.clear()
                wait = patiently(step, stopping, self._lock_name)
                if wait is None or wait > 0:
                    self._wake.wait(1.0 if wait is None else min(wait, 1.0))
        finally:
            sender.close()
