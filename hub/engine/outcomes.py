"""Tells whoever waits for an application answer what became of a message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from hub.engine.work import Outcome

Told = Callable[[Outcome | None], None]

_KEPT = 512  # outcomes that came before anybody waited for them: a message may be mapped very soon


class Outcomes:
    """Waiting answers by message id; each is told once, in time or not at all."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: dict[int, tuple[Told, threading.Timer]] = {}
        self._early: dict[int, Outcome] = {}

    def wait(self, message_id: int, told: Told, within: float) -> None:
        timer = threading.Timer(within, lambda: self.tell({message_id: None}))
        timer.daemon = True
        with self._mutex:
            early = self._early.pop(message_id, None)
            if early is None:
                self._waiting[message_id] = (told, timer)
        if early is None:
            timer.start()
        else:
            told(early)

    def tell(self, outcomes: Mapping[int, Outcome | None]) -> None:
        found: list[tuple[Told, threading.Timer, Outcome | None]] = []
        with self._mutex:
            for message_id, outcome in outcomes.items():
                one = self._waiting.pop(message_id, None)
                if one is not None:
                    found.append((*one, outcome))
                elif outcome is not None:
                    self._early[message_id] = outcome
            while len(self._early) > _KEPT:
                del self._early[next(iter(self._early))]
        for told, timer, outcome in found:
            timer.cancel()
            told(outcome)

    def pending(self) -> list[int]:
        with self._mutex:
            return list(self._waiting)
