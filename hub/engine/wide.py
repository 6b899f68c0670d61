"""The wide runner: Celery on Redis, any number of workers on any number of hosts.

A task carries only names and means "there may be work for this lane"; the truth is in the database
(house, step 8).  Workers take the lane's lock, so a lane is worked on by one at a time, in order.  A key
in Redis keeps one task a lane in the queue; it goes when the task starts, before the store is looked at,
so a message that comes later always brings its own task.  Losing Redis loses nothing: the main process
looks into the store every second and asks again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError

from hub.engine.counters import Counters
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import LANES
from hub.engine.polling import PolledOutcomes
from hub.engine.work import Outcome
from hub.logs import event
from hub.store import Store

log = logging.getLogger("hub.wide")

MAP, DELIVER = "hub.map", "hub.deliver"
_ASKED_FOR = 5  # seconds after which a task that nobody started is asked for again
_RHYTHM = 0.01  # seconds between two looks at what to ask for


def make_app(redis_url: str, name: str = "oncohub") -> Celery:
    """The Celery application: JSON only, late acknowledgement, short visibility (measured: a killed
    worker's task is back within seconds)."""
    app = Celery(name, broker=redis_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": 60, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
        },
        task_default_queue=f"{name}.work",
        task_routes={MAP: {"queue": f"{name}.work"}, DELIVER: {"queue": f"{name}.work"}},
    )  # fmt: skip
    return app


class Asker:
    """Asks for work on lanes, each at most once until a worker starts on it."""

    def __init__(self, redis_url: str) -> None:
        self._app = make_app(redis_url)
        self._redis: Any = Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)

    def ask(self, task: str, channel: str, part: str) -> bool:
        """Queue a task; False when Redis is away (the sweep will ask again)."""
        try:
            if self._redis.set(_asked(task, channel, part), "1", nx=True, ex=_ASKED_FOR):
                self._app.send_task(task, args=[channel, part], retry=False)
        except (RedisError, OSError, BrokerError):
            return False
        return True

    def started(self, task: str, channel: str, part: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            self._redis.delete(_asked(task, channel, part))

    def close(self) -> None:
        self._redis.close()
        self._app.close()


def _asked(task: str, channel: str, part: str) -> str:
    return f"hub:asked:{task}:{channel}:{part}"


class WideRunner:
    """What the main process does for the wide runner: asks workers to look at lanes."""

    def __init__(self, store: Store, counters: Counters, redis_url: str) -> None:
        self._store, self._counters = store, counters
        self._asker = Asker(redis_url)
        self._outcomes = PolledOutcomes(store)
        self._specs: dict[str, ChannelSpec] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="asker", daemon=True)
        self._away = False

    def start(self) -> None:
        self._thread.start()

    def add(self, spec: ChannelSpec) -> None:
        self._specs[spec.name] = spec
        self.look(spec.name)

    def remove(self, name: str) -> None:
        self._specs.pop(name, None)

    def came(self, channel: str, lane: int) -> None:
        self._mark(channel, str(lane))

    def _mark(self, channel: str, lane: str) -> None:
        with self._mutex:
            self._dirty.add((channel, lane))
        self._work.set()

    def look(self, channel: str) -> None:
        for lane in range(LANES):
            self._mark(channel, str(lane))

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._work.wait(1.0)
            self._work.clear()
            with self._mutex:
                dirty, self._dirty = self._dirty, set()
            try:
                # When Redis is away the rest is left: the sweep asks for all that waits once it is back.
                all(self._ask(MAP, channel, lane) for channel, lane in dirty)
            except Exception as error:  # of the broker's client: the next look goes on
                event(log, logging.ERROR, "asking failed", error=type(error).__name__)
            self._stopping.wait(_RHYTHM)

    def _ask(self, task: str, channel: str, part: str) -> bool:
        done = self._asker.ask(task, channel, part)
        if done == self._away:
            self._away = not done
            level = logging.WARNING if self._away else logging.INFO
            event(log, level, "redis is away" if self._away else "redis is back")
        return done

    def sweep(self) -> None:
        """Ask for every lane and destination that has something waiting."""
        with self._store.looking() as tx:
            lanes = [
                (name, lane)
                for name in list(self._specs)
                for lane in range(LANES)
                if tx.rows("SELECT 1 FROM message WHERE state = 0 AND channel = ? AND lane = ? LIMIT 1", (name, lane))
            ]
            queues = [
                (spec.name, d.name)
                for spec in list(self._specs.values())
                for d in spec.destinations
                if tx.rows(
                    "SELECT 1 FROM delivery WHERE state = 0 AND channel = ? AND destination = ? LIMIT 1",
                    (spec.name, d.name),
                )
            ]
        for name, lane in lanes:
            self._mark(name, str(lane))
        for name, destination in queues:
            if not self._ask(DELIVER, name, destination):
                return

    def stop(self, within: float) -> None:
        self._stopping.set()
        self._work.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join(within)
        self._outcomes.close()
        self._asker.close()
