"""``hub run``: the hub itself, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hub.engine.connector import Outgoing
    from hub.engine.host import ChannelRunner
    from hub.engine.model import ChannelSpec
    from hub.settings import Settings
    from hub.store import Store

log = logging.getLogger("hub.run")


class HubProcess:
    """The main process: store, runner, channels, the HTTP server as a child, and what is done each second."""

    def __init__(self, settings: Settings, only: tuple[str, ...] = ()) -> None:
        from hub.channel.watch import Watcher
        from hub.engine.counters import Counters
        from hub.engine.host import Host
        from hub.store import open_store

        self.settings, self.only = settings, only
        self.store: Store = open_store(settings, "hub")
        self.store.upgrade()
        self.counters = Counters()
        self.watcher = Watcher(settings, only)
        self.host = Host(settings, self.store, self._runner(), self.counters)
        self.http: Any = None
        self._waker: Any = None
        self._stopping = threading.Event()
        self._each_second = threading.Thread(target=self._loop, name="each-second", daemon=True)

    def _runner(self) -> ChannelRunner:
        if self.settings.runner == "celery":
            from hub.engine.wide import WideRunner

            return WideRunner(self.store, self.counters, self.settings.redis_url)
        from hub.engine.threads import ThreadRunner

        return ThreadRunner(self.store, self.counters, self._feed)

    def _feed(self, channel: str, item: Outgoing) -> None:
        self.host.feed(channel, item)  # the host is made after its runner

    def start(self) -> None:
        from hub.engine.wake import Waker
        from hub.facade.http_server import HttpServer

        # Several handovers a message between listener, writer and mapper: at the usual 5 ms a thread
        # that computes would hold up each of them.
        sys.setswitchinterval(0.0001)
        self.http = HttpServer(self.settings, self.settings.http_port, self.only)
        self.http.start()
        self._waker = Waker(self.settings.data, self.host.runner.look)
        self.host.runner.start()
        self.host.apply(self.watcher.scan())
        self.http.wait_ready(20.0)
        self._each_second.start()

    def _loop(self) -> None:
        beat = 0
        while not self._stopping.wait(1.0):
            beat += 1
            for action in (self._reload, self._count, self._sweep, *((self._serve_on,) if beat % 10 == 0 else ())):
                try:
                    action()
                except Exception as error:  # one failing duty must not end the others
                    from hub.logs import event

                    event(log, logging.ERROR, "housekeeping failed", stage=action.__name__, error=type(error).__name__)
            if beat % 60 == 0:
                threading.Thread(target=self._prune, name="prune", daemon=True).start()

    def _reload(self) -> None:
        self.host.apply(self.watcher.scan())

    def _count(self) -> None:
        from hub.engine import counters

        taken = self.counters.take()
        if taken:
            try:
                self.store.writer("work").call(counters.store, taken)
            except Exception:
                self.counters.put_back(taken)
                raise

    def _sweep(self) -> None:
        self.host.runner.sweep()

    def _serve_on(self) -> None:
        if not self.http.alive():
            self.http.start()

    def _prune(self) -> None:
        for running in list(self.host.channels.values()):
            prune_channel(self.store, running.spec)

    def addresses(self) -> dict[str, str]:
        found = {"http": self.http.url}
        for name, running in self.host.channels.items():
            if running.source is not None and running.source.address:
                found[name] = running.source.address
        return found

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(Exception):
            self._waker.close()
        if self.http is not None:
            self.http.stop()
        self.host.stop()
        with contextlib.suppress(Exception):
            self._count()
        self.store.close()


def prune_channel(store: Store, spec: ChannelSpec) -> int:
    """Apply the retention of one channel; return how many messages went."""
    from hub.store import prune

    keep = spec.keep
    gone = prune.prune(store, spec.name, done_days=keep.done, held_days=keep.held).messages
    if keep.bodies:
        prune.drop_bodies(store, spec.name, days=keep.bodies)
    return gone


@click.command()
@click.argument("channels", nargs=-1)
@click.option("--home", type=click.Path(file_okay=False), help="Folder of the hub. Default: HUB_HOME, or here.")
@click.option("--profile", type=click.Choice(["development", "production"]), help="Overrides the setting.")
def command(channels: tuple[str, ...], home: str | None, profile: str | None) -> None:
    """Run the hub (all channels, or those named) until it is told to stop."""
    from hub import logs, memory
    from hub.settings import Settings

    memory.settle()
    began = time.perf_counter()
    settings = Settings.load(home, profile=profile)
    settings.check_profile()
    logs.set_up(settings.verbosity)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    hub = HubProcess(settings, channels)
    try:
        hub.start()
        memory.started()
        for name, address in hub.addresses().items():
            click.echo(f"{name:24} {address}")
        click.echo(f"ready in {time.perf_counter() - began:.2f} s, process {os.getpid()}")
        sys.stdout.flush()
        stop.wait()
        click.echo("stopping: what was taken in is finished or waits in the store")
    finally:
        hub.stop()
