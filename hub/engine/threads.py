"""The runner of one process: a thread for each channel, a thread for each destination.

What waits is read from the store, in order of arrival.  A thread holds a lock of its own name while it
works, so a second hub on the same store stands by until the first one ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.deliver import DestinationThread, Sender
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.outcomes import Outcomes
from hub.engine.work import BATCH, BATCH_BYTES, Outcome, Worker, patiently
from hub.logs import event
from hub.store import Store, messages
from hub.store.connect import Lock
from hub.store.messages import Waiting

log = logging.getLogger("hub.threads")


class ChannelThread:
    """Works through the messages of one channel."""

    def __init__(
        self, store: Store, spec: ChannelSpec, counters: Counters, outcomes: Outcomes,
        delivered: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.spec = spec
        self._store, self._counters, self._outcomes, self._delivered = store, counters, outcomes, delivered
        self._something = threading.Event()  # the store may hold messages that wait
        self._something.set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"map-{spec.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def use(self, spec: ChannelSpec) -> None:
        self.spec = spec

    def look(self) -> None:
        """Look into the store: something may have been taken in."""
        self._something.set()

    def stop(self, within: float) -> bool:
        """End after the batch in hand; False when it did not end in time."""
        self._stopping.set()
        self._something.set()
        self._thread.join(within)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            lock = self._lock()
            if lock is None:
                return
            try:
                while not self._stopping.is_set() and lock.held():
                    if self._something.wait(1.0):
                        self._something.clear()
                        self._work_through(lock)
            except Exception as error:  # a defect of ours: what was in hand waits in the store
                event(log, logging.ERROR, "mapping failed", channel=self.spec.name, error=type(error).__name__)
                self._stopping.wait(1.0)
            finally:
                lock.release()
            self._something.set()  # another process may have worked on it, or we have not

    def _lock(self) -> Lock | None:
        told = False
        while not self._stopping.is_set():
            lock: Lock | None = patiently(
                lambda: self._store.locks.take(f"map:{self.spec.name}"), self._stopping.is_set, self.spec.name
            )
            if lock is not None:
                return lock
            if not told:
                event(log, logging.INFO, "another process maps this channel; standing by", channel=self.spec.name)
                told = True
            self._stopping.wait(0.5)
        return None

    def _work_through(self, lock: Lock) -> None:
        more = True
        while more and not self._stopping.is_set() and lock.held():
            rows, more = self._waiting()
            if rows:
                self._work(rows)

    def _waiting(self) -> tuple[list[Waiting], bool]:
        def read() -> tuple[list[Waiting], bool]:
            with self._store.looking() as tx:
                return messages.waiting(tx, self.spec.name, BATCH, BATCH_BYTES)

        return patiently(read, self._stopping.is_set, self.spec.name) or ([], False)

    def _work(self, rows: list[Waiting]) -> None:
        worker = Worker(self._store, self.spec, self._counters)
        outcomes: dict[int, Outcome] | None = patiently(
            lambda: worker.work(rows), self._stopping.is_set, self.spec.name
        )
        if outcomes is None:
            return
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

    def came(self, channel: str, lane: int) -> None:  # noqa: ARG002 - a runner's signature
        self.look(channel)

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)

    def look(self, channel: str) -> None:
        thread = self._channels.get(channel)
        if thread is not None:
            thread.look()

    def sweep(self) -> None:
        self._store.locks.check()
        for thread in list(self._channels.values()):
            thread.look()
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
