"""``hub run``: the hub itself, until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from hub.errors import UnavailableError

if TYPE_CHECKING:
    from hub.engine.host import Host
    from hub.engine.model import ChannelSpec
    from hub.settings import Settings
    from hub.store import Store


class HubProcess:
    """The main process: it takes in; the mapper and the HTTP server are its children."""

    def __init__(self, settings: Settings, only: tuple[str, ...] = ()) -> None:
        from hub.channel.watch import Watcher
        from hub.engine import engine
        from hub.facade.http_server import HttpServer
        from hub.process import Child
        from hub.store import open_store

        self.settings, self.only = settings, only
        self.store: Store = open_store(settings, "hub")
        self.store.upgrade()
        self.http = HttpServer(settings, settings.http_port, only)
        self.mapper = Child(settings, "hub.commands.mapper") if settings.runner == "threads" else None
        duties = [(1, self._map_on), (10, self._serve_on)]
        if self.mapper is None:
            from hub.services.export.exporter import Exporter  # else the mapper does it

            duties += [(60, lambda: prune(self.store, self.engine.host)), (1, Exporter(self.store).tend)]
        self.engine = engine.intake(settings, self.store, Watcher(settings, only).scan, duties)
        self.subscriptions = None
        if self.mapper is None:  # else it is the mapper's
            from hub.services.subscriptions.service import Service

            self.subscriptions = Service(self.store, self.engine.host.counters)

    def start(self) -> None:
        # Several handovers a message between listener and writer: at the usual 5 ms a thread that
        # computes would hold up each of them.
        sys.setswitchinterval(0.0001)
        self.http.start()
        self._start_mapper()
        self.engine.start()
        if self.subscriptions is not None:
            self.subscriptions.start()
        self.http.wait_ready(20.0)
        if self.mapper is not None and not self.mapper.wait_ready(20.0):
            raise UnavailableError("the mapper did not come up", where="hub run", cure="see its log, and hub doctor")

    def _start_mapper(self) -> None:
        if self.mapper is not None:
            self.mapper.start(["--only", ",".join(self.only)], says_ready=True)

    def _map_on(self) -> None:
        if self.mapper is not None and not self.mapper.alive():
            self._start_mapper()

    def _serve_on(self) -> None:
        if not self.http.alive():
            self.http.start()

    def addresses(self) -> dict[str, str]:
        found = {"http": self.http.url}
        for name, running in self.engine.host.channels.items():
            if running.source is not None and running.source.address:
                found[name] = running.source.address
        return found

    def stop(self) -> None:
        self.http.stop()
        if self.subscriptions is not None:
            self.subscriptions.stop()
        self.engine.stop()
        if self.mapper is not None:
            self.mapper.stop()
        self.store.close()


def prune(store: Store, host: Host) -> None:
    """Apply the retention of each channel, beside all else that goes on."""
    specs = [running.spec for running in host.channels.values()]
    threading.Thread(target=lambda: [prune_channel(store, spec) for spec in specs], name="prune", daemon=True).start()


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
