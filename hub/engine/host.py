"""Runs the channels of one hub: starts, watches, reloads and stops them, each apart from the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub import clock, registry
from hub.engine.connector import Outgoing, Source
from hub.engine.counters import Counters
from hub.engine.intake import Intake, Runner
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.texts import clean
from hub.errors import HubError, NotFoundError
from hub.logs import event
from hub.settings import Settings
from hub.store import Store, channels

log = logging.getLogger("hub.host")

START_WITHIN = 10.0


class ChannelRunner(Runner, Protocol):
    """A runner as the host steers it."""

    def start(self) -> None: ...

    def add(self, spec: ChannelSpec) -> None:
        """Work on the channel, or by its new revision from now on."""

    def remove(self, name: str) -> None: ...

    def look(self, channel: str) -> None:
        """Something may wait for this channel."""

    def sweep(self) -> None:
        """Once a second: look after whatever a nudge may have missed."""

    def stop(self, within: float) -> None: ...


@dataclass(slots=True)
class Running:
    """A channel with what lives of it in this process."""

    spec: ChannelSpec
    intake: Intake
    source: Source | None = None
    state: str = "starting"
    detail: str = ""


@dataclass(slots=True)
class Changes:
    """What differs between the channel files and what runs."""

    changed: Sequence[ChannelSpec] = ()
    removed: Sequence[str] = ()
    broken: Mapping[str, str] = field(default_factory=dict)  # channel or path -> first finding


class Host:
    """The channels of this process; ``hosted`` selects those that live inside the HTTP server."""

    def __init__(
        self, settings: Settings, store: Store, runner: ChannelRunner, counters: Counters, *, hosted: bool = False
    ) -> None:
        self.settings, self.store, self.runner, self.counters = settings, store, runner, counters
        self.hosted = hosted
        self.mounts: dict[str, Callable[..., Any]] = {}
        self.channels: dict[str, Running] = {}
        self._mutex = threading.RLock()

    def apply(self, changes: Changes) -> None:
        """Start, replace and stop channels; one that fails or hangs holds up no other."""
        with self._mutex:
            for name in changes.removed:
                self._remove(name)
            threads = [
                threading.Thread(target=self._start, args=(spec,), name=f"start-{spec.name}", daemon=True)
                for spec in changes.changed
            ]
            for thread in threads:
                thread.start()
            for thread, spec in zip(threads, changes.changed, strict=True):
                thread.join(START_WITHIN)
                if thread.is_alive():
                    self._note(spec, "failed", f"did not start within {START_WITHIN:.0f} s")
        for what, finding in changes.broken.items():
            event(log, logging.ERROR, "channel file is broken; its last revision goes on", channel=what, where=finding)

    def _start(self, spec: ChannelSpec) -> None:
        try:
            self._use(spec)
        except HubError as error:
            self._note(spec, "failed", str(error))
        except Exception as error:
            self._note(spec, "failed", f"{type(error).__name__} in the connector {spec.source.kind}")

    def _use(self, spec: ChannelSpec) -> None:
        connector = registry.connector(spec.source.kind)
        running = self.channels.get(spec.name)
        if not spec.enabled:
            self._remove(spec.name)
            self._note(spec, "stopped", "enabled: false")
            return
        if running is None:
            intake = Intake(self.store, spec, self.runner, self.counters, self.settings.bind, self.mounts)
            running = self.channels[spec.name] = Running(spec, intake)
        same_source = running.source is not None and running.spec.source == spec.source
        running.spec = spec
        running.intake.use(spec)
        self.runner.add(spec)
        if connector.source is None:
            raise NotFoundError(f"the connector {spec.source.kind!r} has no source", where="source")
        if not same_source and connector.hosted == self.hosted:
            if running.source is not None:
                running.source.stop()
                running.source = None
            source: Source = connector.source(spec.source.options, running.intake)
            source.start()
            running.source = source
        if connector.hosted == self.hosted:
            self._note(spec, "running", "", running.source.address if running.source else "")

    def _note(self, spec: ChannelSpec, state: str, detail: str, address: str = "") -> None:
        running = self.channels.get(spec.name)
        if running is not None:
            running.state, running.detail = state, detail
        level = logging.ERROR if state == "failed" else logging.INFO
        event(log, level, f"channel {state}", channel=spec.name, revision=spec.revision, address=address, error=detail)
        row = (spec.name, spec.revision, state, clean(detail), address, spec.text, clock.now())
        self.store.write(lambda tx: channels.note(tx, *row))

    def _remove(self, name: str) -> None:
        running = self.channels.pop(name, None)
        if running is None:
            return
        if running.source is not None:
            running.source.stop()
        self.runner.remove(name)
        self._note(running.spec, "stopped", "")

    def feed(self, channel: str, item: Outgoing) -> None:
        """Hand a delivery of one channel to another of this hub.

        :raises NotFoundError: when no such channel runs here.
        """
        running = self.channels.get(channel)
        if running is None:
            raise NotFoundError(f"no channel called {channel!r} runs here", where="channel.to")
        running.intake.feed(item.body, clock.read_id(item.trace), item.message_id)

    def stop(self, within: float = 5.0) -> None:
        """Stop sources first, then the runner: what was taken in is finished or waits in the store."""
        with self._mutex:
            for running in self.channels.values():
                if running.source is not None:
                    running.source.stop(within)
                    running.source = None
            self.runner.stop(within)
            for running in list(self.channels.values()):
                if registry.connector(running.spec.source.kind).hosted == self.hosted:
                    self._note(running.spec, "stopped", "the hub was stopped")
            self.channels.clear()


def destination_called(spec: ChannelSpec, name: str) -> DestinationSpec | None:
    """The destination of a channel by its name."""
    return next((d for d in spec.destinations if d.name == name), None)
