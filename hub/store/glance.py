"""Single statements at the least cost: a connection kept by each thread, outside the pool, without transactions.

For what is asked thousands of times a second and is consistent by itself; anything of two statements needs
:meth:`hub.store.handle.Store.reading`.
"""

from __future__ import annotations

import contextlib
import threading
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine


class Glances:
    """The connections; a thread's own is opened at its first glance and let go when it fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own = threading.local()
        self._open: list[Any] = []
        self._mutex = threading.Lock()

    def rows(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """All rows of a query written with ``?``.

        :raises Exception: of the driver; the next glance connects anew.
        """
        raw = getattr(self._own, "raw", None) or self._connect()
        try:
            found: list[tuple[Any, ...]] = raw.execute(_sql(statement, self._engine.dialect.name), values).fetchall()
        except Exception:
            self._let_go(raw)
            raise
        return found

    def _connect(self) -> Any:
        pooled = self._engine.raw_connection()
        raw: Any = pooled.driver_connection
        pooled.detach()
        if self._engine.dialect.name == "postgresql":
            raw.rollback()
            raw.autocommit = True
        with self._mutex:
            self._open.append((pooled, raw))
        self._own.raw = raw
        return raw

    def _let_go(self, raw: Any) -> None:
        self._own.raw = None
        with self._mutex:
            self._open = [one for one in self._open if one[1] is not raw]
        with contextlib.suppress(Exception):
            raw.close()

    def close(self) -> None:
        """Close all; for the end of the process."""
        with self._mutex:
            gone, self._open = self._open, []
        for _, raw in gone:
            with contextlib.suppress(Exception):  # SQLite: another thread made it
                raw.close()


@lru_cache(maxsize=64)
def _sql(statement: str, backend: str) -> str:
    return statement if backend == "sqlite" else statement.replace("?", "%s")
