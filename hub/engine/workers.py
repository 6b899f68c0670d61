"""What a Celery worker process does: maps lanes and sends deliveries, under their locks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from hub.engine import counters as counting
from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.deliver import Sender
from hub.engine.host import destination_called
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.wide import DELIVER, MAP, Asker, make_app
from hub.engine.work import BATCH, BATCH_BYTES, Outcome, Worker
from hub.errors import UnavailableError
from hub.logs import event
from hub.settings import Settings
from hub.store import Store, messages

log = logging.getLogger("hub.worker")

RELOAD = 2.0  # seconds between two looks at the channel files

Load = Callable[[], dict[str, ChannelSpec]]


class WorkerProcess:
    """The state of one worker process; made after the fork, never before."""

    def __init__(self, settings: Settings, load: Load) -> None:
        self.settings, self._load = settings, load
        self.store = Store(settings, "worker")
        self.counters = Counters()
        self.asker = Asker(settings.redis_url)
        self._specs: dict[str, ChannelSpec] = {}
        self._loaded = 0.0
        self._senders: dict[tuple[str, str], tuple[DestinationSpec, Sender]] = {}
        self._mutex = threading.Lock()

    def spec(self, channel: str) -> ChannelSpec | None:
        with self._mutex:
            if time.monotonic() - self._loaded > RELOAD:
                self._specs, self._loaded = self._load(), time.monotonic()
            return self._specs.get(channel)

    def map_lane(self, channel: str, lane: str) -> int:
        """Map all that waits in a lane; return how many messages that were."""
        self.asker.started(MAP, channel, lane)
        total = 0
        while True:
            spec = self.spec(channel)
            lock = self.store.locks.take(f"map:{channel}:{lane}") if spec is not None else None
            if spec is None or lock is None:
                return total
            try:
                done = self._map(spec, int(lane))
            finally:
                lock.release()
            total += done
            # What was committed between our last look and the release found the lane locked.
            if done == 0:
                return total

    def _map(self, spec: ChannelSpec, lane: int) -> int:
        total = 0
        worker = Worker(self.store, spec, self.counters)
        while True:
            with self.store.looking() as tx:
                rows, _ = messages.waiting(tx, spec.name, BATCH, BATCH_BYTES, lane)
            if not rows:
                break
            worker.work(rows)
            total += len(rows)
            for destination in spec.destinations:
                self.asker.ask(DELIVER, spec.name, destination.name)
        self.flush()
        return total

    def deliver(self, channel: str, destination: str) -> None:
        """Send what is due at a destination."""
        self.asker.started(DELIVER, channel, destination)
        spec = self.spec(channel)
        wanted = destination_called(spec, destination) if spec is not None else None
        if wanted is None:
            return
        lock = self.store.locks.take(f"deliver:{channel}:{destination}")
        if lock is None:
            return
        try:
            sender = self._sender(channel, wanted)
            until = time.monotonic() + 20  # then let others have their turn; the sweep asks again
            while sender.step(lambda: False) == 0 and time.monotonic() < until:
                pass
        finally:
            lock.release()
        self.flush()

    def _sender(self, channel: str, spec: DestinationSpec) -> Sender:
        known = self._senders.get((channel, spec.name))
        if known is None or known[0] != spec:
            if known is not None:
                known[1].close()
            known = (spec, Sender(self.store, channel, spec, self.counters, self.feed))
            self._senders[channel, spec.name] = known
        return known[1]

    def feed(self, channel: str, item: Outgoing) -> None:
        """Hand a delivery to another channel of the hub."""
        from hub import clock

        spec = self.spec(channel)
        if spec is None:
            raise UnavailableError(f"no channel called {channel!r} runs now", where="channel.to", cure="start it")
        intake = Intake(self.store, spec, self, self.counters, self.settings.bind)
        intake.feed(item.body, clock.read_id(item.trace), item.message_id)

    def came(self, channel: str, lane: int) -> None:
        self.asker.ask(MAP, channel, str(lane))

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        """Nobody waits for an application answer inside a worker."""

    def flush(self) -> None:
        taken = self.counters.take()
        if taken:
            try:
                self.store.writer("work").call(counting.store, taken)
            except UnavailableError:
                self.counters.put_back(taken)
                raise

    def close(self) -> None:
        for _, sender in self._senders.values():
            sender.close()
        self.asker.close()
        self.store.close()


def make_worker(settings: Settings, load: Load) -> Celery:
    """The Celery application with its tasks, for ``hub worker``."""
    app = make_app(settings.redis_url)
    state: dict[str, WorkerProcess] = {}

    def process() -> WorkerProcess:
        if "it" not in state:
            state["it"] = WorkerProcess(settings, load)
        return state["it"]

    def begin(**_: Any) -> None:
        process()

    def end(**_: Any) -> None:
        if "it" in state:
            state.pop("it").close()

    worker_process_init.connect(begin, weak=False)
    worker_process_shutdown.connect(end, weak=False)

    def guarded(action: Callable[[], Any], what: str) -> None:
        try:
            action()
        except UnavailableError as error:
            # The message waits in the store; the sweep of the main process asks again.
            event(log, logging.WARNING, "the store is away", stage=what, error=error.what)

    def map_lane(channel: str, lane: str) -> None:
        guarded(lambda: process().map_lane(channel, lane), "map")

    def deliver(channel: str, destination: str) -> None:
        guarded(lambda: process().deliver(channel, destination), "deliver")

    app.task(name=MAP, shared=False)(map_lane)
    app.task(name=DELIVER, shared=False)(deliver)
    return app
