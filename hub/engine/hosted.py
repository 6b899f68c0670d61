"""The part of the engine that lives in a process of the HTTP server: sources that are WSGI applications.

Such a process takes bodies in and commits them by itself; the main process is nudged and maps them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from hub.engine import counters as counting
from hub.engine.counters import Counters
from hub.engine.host import Changes, Host
from hub.engine.model import ChannelSpec
from hub.engine.polling import PolledOutcomes
from hub.engine.wake import Nudger
from hub.engine.work import Item, Outcome
from hub.errors import UnavailableError
from hub.logs import event
from hub.settings import Settings
from hub.store import Store

log = logging.getLogger("hub.hosted")


class NudgingRunner:
    """Works on nothing itself: tells the main process, once for what came within a moment."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._nudger = Nudger(settings.data)
        self._outcomes = PolledOutcomes(store)

    def start(self) -> None:
        """Nothing runs here."""

    def add(self, spec: ChannelSpec) -> None:
        """The main process works on it."""

    def remove(self, name: str) -> None:
        """The main process does."""

    def push(self, spec: ChannelSpec, item: Item) -> None:  # noqa: ARG002 - a runner's signature
        self._nudger.nudge(spec.name)

    def look(self, channel: str) -> None:
        self._nudger.nudge(channel)

    def sweep(self) -> None:
        """The main process does."""

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)

    def stop(self, within: float) -> None:  # noqa: ARG002 - a runner's signature
        self._outcomes.close()
        self._nudger.close()


class Hosted:
    """``mounts``: path -> WSGI application of each hosted source, kept in step with the channel files."""

    def __init__(self, settings: Settings, store: Store, scan: Callable[[], Changes]) -> None:
        self._store, self._scan = store, scan
        self._counters = Counters()
        self._host = Host(settings, store, NudgingRunner(settings, store), self._counters, hosted=True)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="hosted", daemon=True)

    @property
    def mounts(self) -> dict[str, Callable[..., Any]]:
        return self._host.mounts

    def start(self) -> None:
        self._host.apply(self._scan())
        self._thread.start()

    def _loop(self) -> None:
        while not self._stopping.wait(1.0):
            try:
                self._host.apply(self._scan())
            except Exception as error:  # the look at the files must go on
                event(log, logging.ERROR, "reload failed", error=type(error).__name__)
            self._count()

    def _count(self) -> None:
        taken = self._counters.take()
        if taken:
            try:
                self._store.writer("work").call(counting.store, taken)
            except Exception as error:  # they are stored with those of the next second
                self._counters.put_back(taken)
                event(log, logging.WARNING, "counts were not stored", error=type(error).__name__)

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(UnavailableError):
            self._host.stop()
        self._count()


def open_hosted(settings: Settings, store: Store, scan: Callable[[], Changes]) -> Hosted:
    """Start the hosted sources.

    :param scan: what differs between the channel files and what runs; called at once and then every second.
    """
    hosted = Hosted(settings, store, scan)
    hosted.start()
    return hosted
