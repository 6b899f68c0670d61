"""The handle on a store: engines, writers, ids, locks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from hub import clock
from hub.errors import ConfigError, UnavailableError
from hub.settings import Settings
from hub.store import nodes, schema
from hub.store.bodies import Bodies
from hub.store.connect import AdvisoryLocks, FileLocks, Locks, WriteGate, open_engine
from hub.store.failures import told
from hub.store.glance import Glances
from hub.store.tables import delivery, message, resource
from hub.store.writer import Tx, Writer

T = TypeVar("T")


def _call(tx: Tx, items: list[Callable[[Tx], Any]]) -> list[Any]:
    return [fn(tx) for fn in items]


class Store:
    """One database and the folder of its large bodies.  Open once a process, close at the end."""

    def __init__(self, settings: Settings, role: str = "tool") -> None:
        self.settings = settings
        self.role = role
        self.url = settings.database
        self.sqlite = settings.sqlite
        if self.sqlite:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._read = open_engine(self.url, writer=False)
        self._write = open_engine(self.url, writer=True)
        self._gate = WriteGate(settings.data / "locks" / "write" if self.sqlite else None)
        self._writers: dict[str, Writer] = {}
        self._mutex = threading.Lock()
        self._closing = threading.Event()
        self.bodies = Bodies(self, settings.data / "bodies" if self.sqlite else None)
        self.locks: Locks = FileLocks(settings.data / "locks") if self.sqlite else AdvisoryLocks(self._read)

    @contextmanager
    def looking(self) -> Iterator[Tx]:
        """The same as :meth:`reading`, with the batch helpers of :class:`Tx`."""
        with self.reading() as conn:
            conn.begin()  # statements straight on the driver belong to it as well
            yield Tx(conn)

    def writer(self, name: str) -> Writer:
        """The writer called ``name``.  SQLite has one for all; PostgreSQL one connection each."""
        key = "all" if self.sqlite else name
        with self._mutex:
            if key not in self._writers:
                self._writers[key] = Writer(self._write, self._gate, f"store-writer-{key}", self.bodies.check)
            return self._writers[key]

    def write(self, fn: Callable[[Tx], T]) -> T:
        """Run ``fn(tx)`` in a write transaction of the group commit; ``fn`` must be repeatable."""
        result: T = self.writer("work").call(_call, fn)
        return result

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state and writes nothing.

        :raises UnavailableError: when the database cannot be reached.
        """
        with told(self._read, "read"), self._read.connect() as conn:
            yield conn

    @cached_property
    def glances(self) -> Glances:
        """Single statements, at the least cost."""
        return Glances(self._read)

    @cached_property
    def ids(self) -> clock.Ids:
        """Makes ids; the first use gives this process its number among all that write."""
        number = self.write(lambda tx: nodes.join(tx, socket.gethostname(), os.getpid(), self.role))
        from hub.store import customs  # who writes must index by the search parameters of the site

        customs.refresh(self)
        ids = clock.Ids(number)
        with self.reading() as conn:  # should the clock have been set back
            for column in (message.c.id, delivery.c.id, resource.c.rid):
                ids.start_after(int(conn.execute(select(func.max(column))).scalar() or 0))
        threading.Thread(target=self._be_seen, args=(number,), name="store-seen", daemon=True).start()
        return ids

    def _be_seen(self, number: int) -> None:
        from hub.store import customs

        seen = time.monotonic()
        while not self._closing.wait(min(nodes.SEEN_EVERY, customs.LOOK_EVERY)):
            with contextlib.suppress(UnavailableError):
                customs.refresh(self)
                if time.monotonic() >= seen + nodes.SEEN_EVERY:
                    seen = time.monotonic()
                    self.write(lambda tx: nodes.seen(tx, number))

    def take_id(self) -> int:
        """A new id."""
        return self.ids.take()

    def upgrade(self) -> None:
        """Bring the tables to this version of the hub (Alembic)."""
        with told(self._write, "upgrade"):
            schema.upgrade(self._write, self._gate)
        from hub.store.reindex import renew

        renew(self)

    def check_version(self) -> None:
        """See that the tables are of this version.

        :raises ConfigError: when ``hub db upgrade`` must run first.
        """
        with told(self._read, "read"):
            found = schema.version(self._read)
        if found != schema.HEAD:
            raise ConfigError(
                f"the store has version {found or 'none'}, this hub needs {schema.HEAD}", cure="run: hub db upgrade"
            )

    def close(self) -> None:
        """Write what has queued and let go of everything."""
        self._closing.set()
        if "ids" in self.__dict__:
            number = self.ids.node
            # Without the store the row stays, and is taken over by the next process of this host.
            with contextlib.suppress(UnavailableError):
                self.write(lambda tx: nodes.leave(tx, number))
        for writer in self._writers.values():
            writer.close()
        if "glances" in self.__dict__:
            self.glances.close()
        self.locks.close()
        self._gate.close()
        self._read.dispose()
        self._write.dispose()


def open_store(settings: Settings, role: str = "tool") -> Store:
    """Open the store of a hub; no tables are made (see :meth:`Store.upgrade`)."""
    return Store(settings, role)
