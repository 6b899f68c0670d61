"""Runs the channels of one hub: starts, watches, reloads and stops them, each apart from the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Protocol

from hub import clock, registry
from hub.engine.connector import Outgoing, Source
from hub.engine.counters import Counters
from hub.engine.intake import Intake, Runner
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.texts import clean
from hub.errors import HubError, NotFoundError, UnavailableError
from hub.logs import event
from hub.settings import Settings
from hub.store import Store, channels

log = logging.getLogger("hub.host")

START_WITHIN = 10.0
START_AGAIN = 10.0  # seconds until a source whose port or folder was not there is started again


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


class Sources(Enum):
    """Which sources live in a process."""

    OWN = "own"  # those that listen, or look, by themselves
    HOSTED = "hosted"  # those that are WSGI applications of the HTTP server
    NONE = "none"

    def has(self, hosted: bool) -> bool:
        """Whether a source, hosted or not, is one of them."""
        return self is (Sources.HOSTED if hosted else Sources.OWN)


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
    """The channels of this process, and those of their sources that live in it."""

    def __init__(
        self, settings: Settings, store: Store, runner: ChannelRunner, counters: Counters,
        sources: Sources = Sources.OWN,
    ) -> None:  # fmt: skip
        self.settings, self.store, self.runner, self.counters = settings, store, runner, counters
        self.sources = sources
        store.take_id()  # gets this process its number now, before the writer itself could need one
        self.mounts: dict[str, Callable[..., Any]] = {}
        self.channels: dict[str, Running] = {}
        self._again: dict[str, tuple[ChannelSpec, float]] = {}
        self._mutex = threading.RLock()

    def apply(self, changes: Changes) -> None:
        """Start, replace and stop channels; one that fails or hangs holds up no other."""
        with self._mutex:
            for name in changes.removed:
                self._remove(name)
            starting = [*changes.changed, *self._due_again({spec.name for spec in changes.changed})]
            threads = [
                threading.Thread(target=self._start, args=(spec,), name=f"start-{spec.name}", daemon=True)
                for spec in starting
            ]
            for thread in threads:
                thread.start()
            until = time.monotonic() + START_WITHIN  # for all of them together
            for thread, spec in zip(threads, starting, strict=True):
                thread.join(max(0.0, until - time.monotonic()))
                if thread.is_alive():
                    self._note(spec, "failed", f"did not start within {START_WITHIN:.0f} s")
        for what, finding in changes.broken.items():
            event(log, logging.ERROR, "channel file is broken; its last revision goes on", channel=what, where=finding)

    def _due_again(self, changed: set[str]) -> list[ChannelSpec]:
        now = time.monotonic()
        due = [name for name, (_, at) in list(self._again.items()) if at <= now or name in changed]
        specs = [self._again.pop(name)[0] for name in due]
        return [s for s in specs if s.name not in changed and s.name in self.channels]

    def _start(self, spec: ChannelSpec) -> None:
        try:
            self._use(spec)
        except HubError as error:
            if error.retry == "later":
                self._again[spec.name] = (spec, time.monotonic() + START_AGAIN)
            self._note(spec, "failed", str(error))
        except Exception as error:
            self._note(spec, "failed", f"{type(error).__name__} in the connector {spec.source.kind}")

    def _use(self, spec: ChannelSpec) -> None:
        connector = registry.connector(spec.source.kind)
        running = self.channels.get(spec.name)
        ours = self.sources.has(connector.hosted)
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
        if ours and not same_source:
            if running.source is not None:
                running.source.stop()
                running.source = None
            source: Source = connector.source(spec.source.options, running.intake)
            source.start()
            if self.channels.get(spec.name) is not running or running.spec is not spec:
                source.stop()  # it took so long that the channel went, or changed, meanwhile
                return
            running.source = source
        if ours:
            self._note(spec, "running", "", running.source.address if running.source else "")

    def _note(self, spec: ChannelSpec, state: str, detail: str, address: str = "") -> None:
        running = self.channels.get(spec.name)
        if running is not None:
            running.state, running.detail = state, detail
        level = logging.ERROR if state == "failed" else logging.INFO
        event(log, level, f"channel {state}", channel=spec.name, revision=spec.revision, address=address, error=detail)
        row = (spec.name, spec.revision, state, clean(detail), clean(address, 255), spec.text, clock.now())
        try:
            self.store.write(lambda tx: channels.note(tx, *row))
        except UnavailableError as error:  # the channel runs all the same
            event(log, logging.WARNING, "the state of a channel was not noted", channel=spec.name, error=error.what)

    def _guarded(self, action: Callable[[], None], channel: str) -> None:
        try:
            action()
        except Exception as error:  # of one connector: it must hold up no other channel
            event(log, logging.ERROR, "a channel did not stop in order", channel=channel, error=type(error).__name__)

    def _remove(self, name: str) -> None:
        running = self.channels.pop(name, None)
        if running is None:
            return
        if running.source is not None:
            self._guarded(running.source.stop, name)
        self.runner.remove(name)
        self._note(running.spec, "stopped", "")

    def feed(self, channel: str, item: Outgoing) -> None:
        """Hand a delivery of one channel to another of this hub.

        :raises UnavailableError: when no such channel runs now; it may be starting.
        """
        running = self.channels.get(channel)
        if running is None:
            raise UnavailableError(f"no channel called {channel!r} runs now", where="channel.to", cure="start it")
        running.intake.feed(item.body, clock.read_id(item.trace), item.message_id)

    def stop(self, within: float = 5.0) -> None:
        """Stop sources first, then the runner: what was taken in is finished or waits in the store."""
        with self._mutex:
            for running in self.channels.values():
                if running.source is not None:
                    self._guarded(partial(running.source.stop, within), running.spec.name)
                    running.source = None
            self.runner.stop(within)
            for running in list(self.channels.values()):
                if self.sources.has(registry.connector(running.spec.source.kind).hosted):
                    self._note(running.spec, "stopped", "the hub was stopped")
            self.channels.clear()


def destination_called(spec: ChannelSpec, name: str) -> DestinationSpec | None:
    """The destination of a channel by its name."""
    return next((d for d in spec.destinations if d.name == name), None)
