"""Database engines: SQLite as the hub wants it, PostgreSQL, and their inter-process locks.

SQLite: WAL, synchronous FULL (an acknowledged commit survives a power cut), writes begun IMMEDIATE.
Processes that share the file queue for the write lock on ``flock`` rather than on SQLite's own busy
loop, which sleeps up to 100 ms at a time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from hub.errors import ConfigError
from hub.store.failures import told


def open_engine(url: str, *, writer: bool) -> Engine:
    """An engine for reading (pooled) or for writing (each connection kept by one thread)."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, writer=writer)
    if make_url(url).get_backend_name() == "postgresql":
        return _postgres(url, writer=writer)
    raise ConfigError(
        f"no store for {make_url(url).get_backend_name()}",
        where="database_url",
        cure="write sqlite:/// or postgresql+psycopg://",
    )


def _sqlite(url: str, *, writer: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=8,
        connect_args={"timeout": 30, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # transactions are begun below, never by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=30000",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            f"cache_size={-16384 if writer else -4096}",  # KiB
            "wal_autocheckpoint=4000",
            "journal_size_limit=67108864",
        ):
            raw.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begun(conn: Connection) -> None:
        if not writer:  # the writer begins by itself
            conn.exec_driver_sql("BEGIN")

    return engine


def _postgres(url: str, *, writer: bool) -> Engine:
    # A host that died must not keep its locks: its silence is noticed within half a minute.
    alive = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    # Readers see one state from their first statement to their last; the writer sees what others commit.
    level = "READ COMMITTED" if writer else "REPEATABLE READ"
    engine = create_engine(
        url, hide_parameters=True, isolation_level=level, pool_size=8, max_overflow=8, pool_pre_ping=True,
        connect_args={"connect_timeout": 5, **alive},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def _short(raw: Any, _record: object) -> None:
        # All statements are short: to compile one takes longer than to run it (measured: 400 ms for 0.5).
        with raw.cursor() as cursor:
            cursor.execute("SET jit = off")
        raw.commit()

    if writer:

        @event.listens_for(engine, "connect")
        def _connected(raw: Any, _record: object) -> None:
            # The writer asks for rows by their keys only. A plan made while a table was still small
            # would go on to scan it when it has grown (measured: 1.6 ms instead of 0.1).
            with raw.cursor() as cursor:
                cursor.execute("SET enable_seqscan = off")
            raw.commit()

    return engine


class Locks(Protocol):
    """Named locks among all processes of the store, let go by the system when their holder dies."""

    def take(self, name: str) -> Lock | None:
        """The lock, or None when somebody else has it.

        :raises UnavailableError: when the database does not answer.
        """

    def check(self) -> None:
        """Notice when locks were lost together with the connection that held them."""

    def close(self) -> None: ...


class Lock(Protocol):
    def held(self) -> bool:
        """Whether it was not lost, as far as this process knows."""

    def release(self) -> None: ...


class FileLocks:
    """``flock`` on files below ``data/locks``: for processes of one host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, name: str) -> Lock | None:
        import fcntl

        self._folder.mkdir(parents=True, exist_ok=True)
        safe = "".join(c if c.isalnum() or c in "-." else "_" for c in name)
        handle = os.open(self._folder / safe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return _FileLock(handle)

    def check(self) -> None:
        """The system keeps them."""

    def close(self) -> None:
        """Locks live and die with their own handles."""


class _FileLock:
    def __init__(self, handle: int) -> None:
        self._handle = handle

    def held(self) -> bool:
        return True

    def release(self) -> None:
        os.close(self._handle)


class AdvisoryLocks:
    """PostgreSQL session locks, all held by one connection of this process.

    They are known to the whole database, so the schema is part of their number.
    """

    _NUMBER = "hashtextextended(current_schema() || ' ' || %s, 0)"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conn: Connection | None = None
        self._mutex = threading.Lock()
        self._held: dict[str, object] = {}  # name -> the lock that has it

    def take(self, name: str) -> Lock | None:
        with self._mutex:
            if name in self._held:  # session locks nest; ours do not
                return None
            try:
                with told(self._engine, "lock"):
                    if self._conn is None:
                        self._conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    got = self._conn.exec_driver_sql(f"SELECT pg_try_advisory_lock({self._NUMBER})", (name,)).scalar()
            except Exception:
                self._lost()
                raise
            if not got:
                return None
            lock = self._held[name] = _AdvisoryLock(self, name)
            return lock

    def release(self, name: str, lock: object) -> None:
        with self._mutex:
            if self._held.get(name) is not lock:
                return  # lost, and perhaps taken again since
            del self._held[name]
            if self._conn is not None:
                try:
                    self._conn.exec_driver_sql(f"SELECT pg_advisory_unlock({self._NUMBER})", (name,))
                except DBAPIError:
                    self._lost()

    def holds(self, name: str, lock: object) -> bool:
        return self._held.get(name) is lock

    def check(self) -> None:
        with self._mutex:
            if self._conn is not None:
                try:
                    self._conn.exec_driver_sql("SELECT 1")
                except DBAPIError:
                    self._lost()

    def _lost(self) -> None:
        # The server freed what the session held; work in hand stays right, it is idempotent.
        if self._conn is not None:
            self._conn.invalidate()
            self._conn.close()
        self._conn = None
        self._held.clear()

    def close(self) -> None:
        with self._mutex:
            self._lost()  # a connection that went back to the pool would keep its locks


class _AdvisoryLock:
    def __init__(self, locks: AdvisoryLocks, name: str) -> None:
        self._locks, self._name = locks, name

    def held(self) -> bool:
        return self._locks.holds(self._name, self)

    def release(self) -> None:
        self._locks.release(self._name, self)


class WriteGate:
    """One writing process at a time on SQLite; nothing to do elsewhere."""

    def __init__(self, path: Path | None) -> None:
        self._handle = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        if self._handle is None:
            yield
            return
        import fcntl

        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
