"""The runner of one process: a thread for each channel, a thread for each destination.

What was just taken in is handed over in memory; what is not (after a start, an overflow, or when another
process took it in) is read from the store, in order of arrival.  A thread holds a lock of its own name
while it works, so a second hub on the same store stands by until the first one ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.deliver import DestinationThread, Sender
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.outcomes import Outcomes
from hub.engine.work import BATCH, BATCH_BYTES, Item, Outcome, Worker, patiently
from hub.logs import event
from hub.store import Store, messages
from hub.store.connect import Lock

log = logging.getLogger("hub.threads")

MEMORY_BYTES = 8 * 1024 * 1024
MEMORY_ITEMS = 5000
GATHER = 0.02  # seconds a few messages wait for company, when others came just before: one commit for several
RUSH = 0.1
IDLE, SELDOM = 0.5, 5.0  # seconds; see ChannelThread.sweep


class ChannelThread:
    """Works through the messages of one channel."""

    def __init__(
        self, store: Store, spec: ChannelSpec, counters: Counters, outcomes: Outcomes,
        delivered: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.spec = spec
        self._store, self._counters, self._outcomes, self._delivered = store, counters, outcomes, delivered
        self._queue: deque[Item] = deque()
        self._bytes = 0
        self._looked = -SELDOM  # when a sweep last looked into the store
        self._worked = -SELDOM  # when a batch was last finished, on the monotonic clock
        self._read: set[int] = set()  # what was read from the store last
        self._behind = True  # the store may hold messages that are not in the queue
        self._ready = threading.Condition()
        self._enough = threading.Event()  # a batch worth starting on, or somebody waits for its outcome
        self._idle = False  # the thread waits for a first message
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=f"map-{spec.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def use(self, spec: ChannelSpec) -> None:
        self.spec = spec

    def push(self, item: Item) -> None:
        size = len(item.body or b"")
        with self._ready:
            if item.row.id in self._read:
                return  # read from the store between its commit and now
            if self._bytes + size > MEMORY_BYTES or len(self._queue) >= MEMORY_ITEMS:
                self._behind = True  # it stays in the store and is read from there, in its order
            elif not self._behind:
                self._queue.append(item)
                self._bytes += size
            if len(self._queue) >= BATCH // 2 or item.urgent:
                self._enough.set()
            if self._idle:
                self._ready.notify()

    def look(self) -> None:
        """Look into the store: another process may have taken something in."""
        with self._ready:
            self._behind = True
            self._ready.notify()

    def sweep(self) -> None:
        """Look into the store, but for while messages come in steadily: then only now and then.

        What is read from the store is read and parsed a second time, so a channel in full flow would
        lose its speed to a look that finds nothing (a replay or a release then waits a little).
        """
        now = time.monotonic()
        if now - self._worked > IDLE or now - self._looked > SELDOM:
            self._looked = now
            self.look()

    def stop(self, within: float) -> bool:
        """End after the batch in hand; False when it did not end in time."""
        with self._ready:
            self._stopping = True
            self._enough.set()
            self._ready.notify()
        self._thread.join(within)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stopping:
            lock = self._lock()
            if lock is None:
                return
            try:
                while not self._stopping and lock.held():
                    items = self._next()
                    if items and lock.held():
                        self._work(items)
            except Exception as error:  # a defect of ours: what was in hand waits in the store
                event(log, logging.ERROR, "mapping failed", channel=self.spec.name, error=type(error).__name__)
                with self._ready:
                    self._ready.wait(1.0)
            finally:
                lock.release()
            with self._ready:
                self._again()

    def _again(self) -> None:
        """Begin with what the store holds: another process may have worked on it."""
        self._behind = True
        self._queue.clear()
        self._bytes = 0
        self._read = set()

    def _lock(self) -> Lock | None:
        told = False
        while not self._stopping:
            lock: Lock | None = patiently(
                lambda: self._store.locks.take(f"map:{self.spec.name}"), lambda: self._stopping, self.spec.name
            )
            if lock is not None:
                return lock
            if not told:
                event(log, logging.INFO, "another process maps this channel; standing by", channel=self.spec.name)
                told = True
            with self._ready:
                self._ready.wait(0.5)
        return None

    def _next(self) -> list[Item]:
        with self._ready:
            while not self._stopping and not (self._queue or self._behind):
                self._idle = True
                self._ready.wait(1.0)
                self._idle = False
            from_store = not self._queue and self._behind
            if from_store:
                self._behind = False  # what comes in from here on is queued; it may be read twice, see _work
        if self._stopping:
            return []
        return self._from_store() if from_store else self._from_queue()

    def _from_queue(self) -> list[Item]:
        if time.monotonic() - self._worked < RUSH:  # a lone message is mapped at once
            self._enough.wait(GATHER)
        items: list[Item] = []
        size = 0
        with self._ready:
            while self._queue and len(items) < BATCH and size < BATCH_BYTES:
                item = self._queue.popleft()
                size += item.row.size
                self._bytes -= len(item.body or b"")
                items.append(item)
            if len(self._queue) < BATCH // 2:
                self._enough.clear()
        return items

    def _from_store(self) -> list[Item]:
        def read() -> tuple[list[messages.Waiting], bool]:
            with self._store.looking() as tx:
                return messages.waiting(tx, self.spec.name, BATCH, BATCH_BYTES)

        rows, more = patiently(read, lambda: self._stopping, self.spec.name) or ([], False)
        if more:
            with self._ready:
                self._again()  # what has queued comes after these, and is in the store as well
        elif rows:
            with self._ready:
                self._read = {row.id for row in rows}
                kept = [item for item in self._queue if item.row.id not in self._read]
                self._queue = deque(kept)
                self._bytes = sum(len(i.body or b"") for i in kept)
        return [Item(row) for row in rows]

    def _work(self, items: list[Item]) -> None:
        worker = Worker(self._store, self.spec, self._counters)
        outcomes: dict[int, Outcome] | None = patiently(
            lambda: worker.work(items), lambda: self._stopping, self.spec.name
        )
        if outcomes is None:
            return
        self._worked = time.monotonic()
        self._outcomes.tell(outcomes)
        if self.spec.destinations:
            self._delivered(self.spec.name)


class ThreadRunner:
    """The channels and destinations of this process, each with its thread."""

    def __init__(self, store: Store, counters: Counters, feed: Callable[[str, Outgoing], None]) -> None:
        self._store, self._counters, self._feed = store, counters, feed
        self._outcomes = Outcomes()
        self._channels: dict[str, ChannelThread] = {}
        self._destinations: dict[tuple[str, str], tuple[DestinationSpec, DestinationThread]] = {}
        self._mutex = threading.Lock()

    def start(self) -> None:
        """Threads start with their channels."""

    def add(self, spec: ChannelSpec) -> None:
        with self._mutex:
            thread = self._channels.get(spec.name)
            if thread is not None:
                thread.use(spec)
            else:
                thread = self._channels[spec.name] = ChannelThread(
                    self._store, spec, self._counters, self._outcomes, self._delivered
                )
                thread.start()
            self._fit_destinations(spec)

    def _fit_destinations(self, spec: ChannelSpec) -> None:
        wanted = {d.name: d for d in spec.destinations}
        for (channel, name), (known, running) in list(self._destinations.items()):
            if channel == spec.name and wanted.get(name) != known:
                running.stop(5.0)
                del self._destinations[channel, name]
        for name, destination in wanted.items():
            if (spec.name, name) not in self._destinations:
                made = DestinationThread(
                    self._store, partial(self._sender, spec.name, destination), f"deliver:{spec.name}:{name}"
                )
                self._destinations[spec.name, name] = (destination, made)
                made.start()

    def _sender(self, channel: str, spec: DestinationSpec) -> Sender:
        return Sender(self._store, channel, spec, self._counters, self._feed)

    def _delivered(self, channel: str) -> None:
        for (name, _), (_, thread) in list(self._destinations.items()):
            if name == channel:
                thread.look()

    def remove(self, name: str) -> None:
        with self._mutex:
            thread = self._channels.pop(name, None)
            leaving = [key for key in self._destinations if key[0] == name]
            gone = [self._destinations.pop(key)[1] for key in leaving]
        if thread is not None:
            thread.stop(5.0)
        for destination in gone:
            destination.stop(5.0)

    def push(self, spec: ChannelSpec, item: Item) -> None:
        thread = self._channels.get(spec.name)
        if thread is not None:
            thread.push(item)

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)

    def look(self, channel: str) -> None:
        thread = self._channels.get(channel)
        if thread is not None:
            thread.look()

    def sweep(self) -> None:
        self._store.locks.check()
        for thread in list(self._channels.values()):
            thread.sweep()
        for _, destination in list(self._destinations.values()):
            destination.look()

    def stop(self, within: float) -> None:
        with self._mutex:
            threads: list[ChannelThread | DestinationThread] = list(self._channels.values())
            threads += [t for _, t in self._destinations.values()]
            self._channels, self._destinations = {}, {}
        for thread in threads:
            thread.stop(0)  # they end at the same time, not one after the other
        until = time.monotonic() + within
        for thread in threads:
            if not thread.stop(max(0.0, until - time.monotonic())):
                event(log, logging.WARNING, "a thread did not end in time; its work waits in the store")
