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


class PolledOutcomes:
    """Looks every 20 ms, and only while somebody waits."""

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
        while not self._stopping.is_set():
            if not self._outcomes.pending():
                self._wanted.wait(1.0)
                self._wanted.clear()
                continue
            with contextlib.suppress(UnavailableError):
                self._look()
            self._stopping.wait(0.02)

    def _look(self) -> None:
        row = tables.message.c
        with self._store.reading() as conn:
            found = conn.execute(
                select(row.id, row.state, row.error).where(
                    row.id.in_(self._outcomes.pending()), row.state != int(State.WAITING)
                )
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
