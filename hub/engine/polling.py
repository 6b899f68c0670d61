"""Application answers for messages that another process maps: looks into the store for their outcome."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import orjson
from sqlalchemy import select

from hub.engine.outcomes import Outcomes
from hub.engine.work import Outcome
from hub.errors import HubError, MappingError, UnavailableError
from hub.store import Store, tables
from hub.store.tables import State

FIRST, LAST = 0.002, 0.02  # seconds between two looks, from the moment somebody begins to wait


class PolledOutcomes:
    """Looks only while somebody waits, at first often."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outcomes = Outcomes()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="outcomes", daemon=True)
        self._thread.start()

    def wait(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        self._outcomes.wait(message_id, told, within)
        self._wanted.set()

    def _loop(self) -> None:
        pause = FIRST
        while not self._stopping.is_set():
            if not self._outcomes.pending():
                self._wanted.wait(1.0)
            if self._wanted.is_set():
                self._wanted.clear()
                pause = FIRST
            self._stopping.wait(pause)
            pause = min(LAST, pause * 1.5)
            with contextlib.suppress(UnavailableError):
                self._look()

    def _look(self) -> None:
        pending = self._outcomes.pending()
        if not pending:
            return
        row = tables.message.c
        with self._store.reading() as conn:
            found = conn.execute(
                select(row.id, row.state, row.error).where(row.id.in_(pending), row.state != int(State.WAITING))
            ).all()
        self._outcomes.tell({r.id: (State(r.state), read_error(r.error)) for r in found})

    def close(self) -> None:
        self._stopping.set()
        self._wanted.set()
        self._thread.join(2)


def read_error(text: str | None) -> HubError | None:
    """The error that :func:`hub.engine.texts.error_json` wrote."""
    if not text:
        return None
    kept = orjson.loads(text)
    return MappingError(
        kept.get("what", ""), where=kept.get("where", ""), cure=kept.get("cure", ""), code=kept.get("code", "")
    )
