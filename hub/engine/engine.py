"""The engine as it lives in one process: its channels, in step with their files, and what each second asks.

A hub has several such processes, and each message is the business of two.  One takes it in: the main
process, or for sources that are WSGI applications a process of the HTTP server.  Another maps it and sends
what follows: the mapper, or with the wide runner any worker.  So what computes never holds up what answers.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence

from hub.engine import counters as counting
from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.host import Changes, ChannelRunner, Host, Sources
from hub.engine.nudging import NudgingRunner
from hub.engine.wake import Waker
from hub.errors import UnavailableError
from hub.logs import event
from hub.settings import Settings
from hub.store import Store

log = logging.getLogger("hub.engine")

Scan = Callable[[], Changes]
Duty = Callable[[], None]


class Engine:
    """Channels with their runner; ``host.mounts`` are the WSGI applications of hosted sources.

    :param scan: what differs between the channel files and what runs; called at once and then every second.
    :param duties: what else is done every so many seconds.
    """

    def __init__(self, host: Host, scan: Scan, duties: Sequence[tuple[int, Duty]] = (), waker: bool = False) -> None:
        self.host, self._scan = host, scan
        self._duties = [(1, self.reload), (1, self.count), (1, host.runner.sweep), *duties]
        self._wakes = waker
        self._waker: Waker | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="each-second", daemon=True)

    def start(self) -> None:
        """Start what the channel files say, then look after it."""
        if self._wakes:
            self._waker = Waker(self.host.settings.data, self.host.runner.look)
        self.host.runner.start()
        self.reload()
        self._thread.start()

    def reload(self) -> None:
        self.host.apply(self._scan())

    def count(self) -> None:
        taken = self.host.counters.take()
        if taken:
            try:
                self.host.store.writer("work").call(counting.store, taken)
            except Exception:  # they are stored with those of the next second
                self.host.counters.put_back(taken)
                raise

    def _loop(self) -> None:
        beat = 0
        while not self._stopping.wait(1.0):
            beat += 1
            for every, duty in self._duties:
                if beat % every == 0:
                    self._do(duty)

    def _do(self, duty: Duty) -> None:
        try:
            duty()
        except Exception as error:  # one failing duty must not end the others
            event(log, logging.ERROR, "housekeeping failed", stage=duty.__name__, error=type(error).__name__)

    def stop(self) -> None:
        """Sources first, then the runner: what was taken in is finished or waits in the store."""
        self._stopping.set()
        if self._waker is not None:
            with contextlib.suppress(Exception):
                self._waker.close()
        with contextlib.suppress(UnavailableError):
            self.host.stop()
        self._do(self.count)


def intake(settings: Settings, store: Store, scan: Scan, duties: Sequence[tuple[int, Duty]] = ()) -> Engine:
    """The engine of the main process: sources that listen or look by themselves."""
    if settings.runner == "celery":
        from hub.engine.wide import WideRunner

        counters = Counters()
        runner: ChannelRunner = WideRunner(store, counters, settings.redis_url)
        return Engine(Host(settings, store, runner, counters, Sources.OWN), scan, duties, waker=True)
    return Engine(Host(settings, store, NudgingRunner(settings, store), Counters(), Sources.OWN), scan, duties)


def hosted(settings: Settings, store: Store, scan: Scan) -> Engine:
    """The engine of a process of the HTTP server: sources that are WSGI applications."""
    return Engine(Host(settings, store, NudgingRunner(settings, store), Counters(), Sources.HOSTED), scan)


def mapper(settings: Settings, store: Store, scan: Scan, duties: Sequence[tuple[int, Duty]] = ()) -> Engine:
    """The engine of the mapper: no source, all that comes after the intake."""
    from hub.engine.threads import ThreadRunner

    counters = Counters()

    def feed(channel: str, item: Outgoing) -> None:
        host.feed(channel, item)  # the host is made after its runner

    host = Host(settings, store, ThreadRunner(store, counters, feed), counters, Sources.NONE)
    return Engine(host, scan, duties, waker=True)
