"""Tells whoever waits for an application answer what became of a message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from hub.engine.work import Outcome

Told = Callable[[Outcome | None], None]


class Outcomes:
    """Waiting answers by message id; each is told once, in time or not at all."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: dict[int, tuple[Told, threading.Timer]] = {}

    def wait(self, message_id: int, told: Told, within: float) -> None:
        timer = threading.Timer(within, lambda: self.tell({message_id: None}))
        timer.daemon = True
        with self._mutex:
            self._waiting[message_id] = (told, timer)
        timer.start()

    def tell(self, outcomes: Mapping[int, Outcome | None]) -> None:
        if not self._waiting:
            return
        for message_id, outcome in outcomes.items():
            with self._mutex:
                found = self._waiting.pop(message_id, None)
            if found is not None:
                found[1].cancel()
                found[0](outcome)

    def pending(self) -> list[int]:
        with self._mutex:
            return list(self._waiting)
