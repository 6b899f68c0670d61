"""The runner of a process that takes in and does not map: it tells the process that does.

A message taken in is committed by then, and the one that maps reads it from the store; so the nudge holds
only the name of the channel, and what is taken in within a moment shares one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from hub.engine.model import ChannelSpec
from hub.engine.polling import PolledOutcomes
from hub.engine.wake import Nudger
from hub.engine.work import Outcome
from hub.settings import Settings
from hub.store import Store

MOMENT = 0.02  # seconds


class NudgingRunner:
    """Works on nothing itself."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._nudger = Nudger(settings.data)
        self._outcomes = PolledOutcomes(store)
        self._mutex = threading.Lock()
        self._said: set[str] = set()
        self._something = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="nudge", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, spec: ChannelSpec) -> None:
        """The other process works on it."""

    def remove(self, name: str) -> None:
        """The other process does."""

    def came(self, channel: str, lane: int) -> None:  # noqa: ARG002 - a runner's signature
        self.look(channel)

    def look(self, channel: str) -> None:
        with self._mutex:  # a nudge already on the list goes after what was committed now
            self._said.add(channel)
        self._something.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._something.wait()
            self._something.clear()
            with self._mutex:
                said, self._said = self._said, set()
            for channel in said:
                self._nudger.nudge(channel)
            self._stopping.wait(MOMENT)

    def sweep(self) -> None:
        """The other process does."""

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)

    def stop(self, within: float) -> None:
        self._stopping.set()
        self._something.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join(within)
        self._outcomes.close()
        self._nudger.close()
