"""The writer: one thread that commits whatever has queued, then tells all who wait (group commit).

Callers hand over (handler, item).  Items of one handler that wait together reach it as one list, so that
the handler can write them with a few batched statements; all that waited together shares one commit and
one flush to disk.  When a batch fails, its items are tried again one by one, so that a bad item fails
alone; handlers must therefore be repeatable.  When the database is away, all that waited fail together.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table

from hub.errors import UnavailableError
from hub.logs import event
from hub.store.connect import WriteGate
from hub.store.failures import StoreAwayError, readable, told, transient, wrapped
from hub.store.tables import body

T = TypeVar("T")
Handler = Callable[["Tx", list[Any]], Sequence[Any]]
# Writes items on the condition that all is as it mostly is, and asks nothing on the way.  Returns what tells
# after the commit the results, or None when nothing was written; or None at once, when it does not try.
Quick = Callable[["Tx", list[Any]], Callable[[], Sequence[Any] | None] | None]
Done = Callable[[Any, BaseException | None], None]
CheckBody = Callable[[Sequence[Any]], None]  # raises when the file of a large body is not there

log = logging.getLogger("hub.store")

# Handlers that use only the batch methods of Tx, never ``conn``: they may run in a pipeline.
BATCHED: set[Handler] = set()

# On PostgreSQL, what is tried before a handler of BATCHED: it costs one round trip, commit included.
QUICK: dict[Handler, Quick] = {}

_BATCH = 512
_MOMENT = 0.0008  # seconds; a round trip of a peer on the network of a hospital
_COMPANY = 16
_FEW = 8  # rows
_RETRIES = 5
_BODIES = 0x0C0BD1E5  # advisory lock: who writes bodies shares it, who sweeps them has it alone


@lru_cache(maxsize=512)
def _insert_sql(table: Table, backend: str, ignore: bool, few: int = 0, unless: str = "") -> str:
    """``few``: that many rows as single values; 0 as arrays on PostgreSQL, one row a time on SQLite.

    :param unless: a query; when it finds a row, nothing is inserted (PostgreSQL).
    """
    names = ", ".join(f'"{c.name}"' for c in table.columns)
    head = f'INSERT INTO "{table.name}" ({names})'
    tail = (f" WHERE NOT EXISTS ({unless})" if unless else "") + (" ON CONFLICT DO NOTHING" if ignore else "")
    if backend != "postgresql":
        return f"{head} VALUES ({', '.join('?' for _ in table.columns)}){tail}"
    types = [_array_type(c.type) for c in table.columns]
    if few and unless:
        values = ", ".join(f"({', '.join(f'%b::{kind}' for kind in types)})" for _ in range(few))
        return f"{head} SELECT * FROM (VALUES {values}) v{tail}"
    if few:
        row = f"({', '.join('%b' for _ in types)})"
        return f"{head} VALUES {', '.join([row] * few)}{tail}"
    arrays = ", ".join(f"%b::{kind}[]" for kind in types)
    return f"{head} SELECT * FROM unnest({arrays}){tail}"


@lru_cache(maxsize=512)
def _inserts_sql(tables: tuple[tuple[Table, bool, int], ...], unless: str = "") -> str:
    *first, last = [_insert_sql(table, "postgresql", ignore, few, unless) for table, ignore, few in tables]
    if not first:
        return last
    return "WITH " + ", ".join(f"i{n} AS ({sql})" for n, sql in enumerate(first)) + " " + last


def _shaped(
    batches: Sequence[tuple[Table, Sequence[Sequence[Any]], bool]], besides: Sequence[Any] = ()
) -> tuple[tuple[tuple[Table, bool, int], ...], list[Any]]:
    """The shape of a statement for :func:`_inserts_sql`, and its values, after each table ``besides``."""
    given: list[Any] = []
    # A lone message goes as single values: the driver makes arrays in Python, values in C.
    few = sum(len(rows) for _, rows, _ in batches) <= _FEW
    for _, rows, _ in batches:
        given += [value for row in rows for value in row] if few else [list(c) for c in zip(*rows, strict=True)]
        given += besides
    return tuple((table, ignore, len(rows) if few else 0) for table, rows, ignore in batches), given


def batched(handler: Handler) -> Handler:
    """Mark a handler as one of ``BATCHED``."""
    BATCHED.add(handler)
    return handler


def before(handler: Handler) -> Callable[[Quick], Quick]:
    """Mark what is tried in the place of a handler; see ``QUICK``."""

    def mark(quick: Quick) -> Quick:
        QUICK[handler] = quick
        return quick

    return mark


def _array_type(kind: Any) -> str:
    from sqlalchemy.dialects import postgresql

    dialect: Any = postgresql.dialect  # untyped in SQLAlchemy
    compiled = str(kind.compile(dialect=dialect()))
    return "text" if compiled.startswith(("VARCHAR", "TEXT")) else compiled.lower()


class Tx:
    """A write transaction: SQLAlchemy's connection, and batches straight on the driver."""

    __slots__ = ("_check_body", "_shares_bodies", "backend", "conn", "raw")

    def __init__(self, conn: Connection, check_body: CheckBody | None = None) -> None:
        self.conn = conn
        self._check_body = check_body
        self._shares_bodies = False
        self.backend = conn.dialect.name
        self.raw: Any = conn.connection.driver_connection

    def sql(self, statement: str) -> str:
        """A statement written with ``?`` in the paramstyle of the driver."""
        return statement if self.backend == "sqlite" else statement.replace("?", "%s")

    def pipelined(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, on PostgreSQL, statements that return nothing are sent without waiting for each
        other: a batch costs the round trips of its queries only.  For the methods below, not ``conn``."""
        pipeline: contextlib.AbstractContextManager[Any] = (
            self.raw.pipeline() if self.backend == "postgresql" else contextlib.nullcontext()
        )
        return pipeline

    def insert(self, table: Table, rows: Sequence[Sequence[Any]], *, ignore: bool = False) -> None:
        """Insert rows, values in the order of the table's columns; ``ignore`` skips what is there."""
        if not rows:
            return
        if table is body:
            self._bodies_come(rows)
        if self.backend == "sqlite":
            self.raw.executemany(_insert_sql(table, self.backend, ignore), rows)
        else:
            self._insert_postgres([(table, rows, ignore)])

    def insert_all(self, *batches: tuple[Table, Sequence[Sequence[Any]], bool]) -> None:
        """Insert into several tables, each (table, rows, ignore); on PostgreSQL in one statement."""
        filled = [b for b in batches if b[1]]
        if self.backend == "sqlite" or len(filled) < 2:
            for table, rows, ignore in filled:
                self.insert(table, rows, ignore=ignore)
            return
        for table, rows, _ in filled:
            if table is body:
                self._bodies_come(rows)
        self._insert_postgres(filled)

    def insert_unless(
        self, known: str, values: Sequence[Any], *batches: tuple[Table, Sequence[Sequence[Any]], bool]
    ) -> Callable[[], bool]:
        """On PostgreSQL, insert into several tables when a query finds nothing, all in one statement.

        :param known: the query, written with ``%b``.
        :returns: to be asked after the commit: whether rows were inserted, judged by the last table.
        """
        filled = [b for b in batches if b[1]]
        for table, rows, _ in filled:
            if table is body:
                self._bodies_come(rows)
        shape, given = _shaped(filled, values)
        cursor = self.raw.execute(_inserts_sql(shape, known), given)
        return lambda: bool(cursor.rowcount)

    def _insert_postgres(self, batches: list[tuple[Table, Sequence[Sequence[Any]], bool]]) -> None:
        shape, given = _shaped(batches)
        self.raw.execute(_inserts_sql(shape), given)

    def _bodies_come(self, rows: Sequence[Sequence[Any]]) -> None:
        if self._check_body is not None:
            for row in rows:
                self._check_body(row)
        self.share_bodies()

    def share_bodies(self, besides: str = "", values: Sequence[Any] = ()) -> None:
        """On PostgreSQL, keep those that sweep bodies out until the end of the transaction.

        :param besides: another lock to take in the same statement, an SQL expression.
        """
        if self.backend == "postgresql" and not self._shares_bodies:
            self._shares_bodies = True
            other = f"{besides}, " if besides else ""
            self.raw.execute(f"SELECT {other}pg_advisory_xact_lock_shared(%s)", (*values, _BODIES))

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement (written with ``?``) for each row of values."""
        if not rows:
            return
        if self.backend == "sqlite":
            self.raw.executemany(statement, rows)
        else:
            with self.raw.cursor() as cursor:
                cursor.executemany(self.sql(statement), rows)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query (written with ``?``)."""
        found: list[tuple[Any, ...]] = self.raw.execute(self.sql(statement), values).fetchall()
        return found

    def sweeping(self) -> None:
        """Until the end of the transaction nobody else writes bodies: what is unused now stays unused."""
        if self.backend == "postgresql":  # SQLite has one writer
            self.raw.execute("SELECT pg_advisory_xact_lock(%s)", (_BODIES,))

    def rows_in(self, statement: str, values: Sequence[Any], extra: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query that ends in ``IN (*)`` for any number of values (after ``extra`` ones)."""
        if self.backend == "postgresql":
            return self.rows(statement.replace("IN (*)", "= ANY(?)"), [*extra, list(values)])
        out: list[tuple[Any, ...]] = []
        for start in range(0, len(values), 500):
            part = values[start : start + 500]
            out += self.rows(statement.replace("(*)", f"({','.join('?' * len(part))})"), [*extra, *part])
        return out


class Writer:
    """A thread with one connection; see the module."""

    def __init__(
        self, engine: Engine, gate: WriteGate, name: str = "store-writer", check_body: CheckBody | None = None
    ) -> None:
        self._engine, self._gate, self._check_body = engine, gate, check_body
        self._queue: SimpleQueue[tuple[Handler, Any, Done] | None] = SimpleQueue()
        self._conn: Connection | None = None
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._closed = self._ending = False
        self._together = 1  # items of the last batch
        self._mutex = threading.Lock()  # nothing is queued behind the end
        self.commits = self.items = 0
        self._thread.start()

    def submit(self, handler: Handler, item: Any, done: Done) -> None:
        """Queue an item; ``done(result, error)`` is called on the writer's thread after the commit."""
        with self._mutex:
            if not self._closed:
                self._queue.put((handler, item, done))
                return
        done(None, UnavailableError("the store is closing", cure="send again"))

    def call(self, handler: Handler, item: Any) -> Any:
        """Queue an item and wait for its result.

        :raises Exception: what the handler raised, or UnavailableError when the store cannot write.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("the writer cannot wait for itself")
        box: list[Any] = []
        ready = threading.Lock()
        ready.acquire()

        def done(result: Any, error: BaseException | None) -> None:
            box.extend((result, error))
            ready.release()

        self.submit(handler, item, done)
        ready.acquire()
        if box[1] is not None:
            raise box[1]
        return box[0]

    def close(self) -> None:
        """Write what has queued, then end."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join(30)

    def _loop(self) -> None:
        while not self._ending:
            batch = self._gather()
            if batch:
                self._write(batch)
        if self._conn is not None:
            self._conn.close()

    def _gather(self) -> list[tuple[Handler, Any, Done]]:
        """Whatever has queued; and where several came together before, for a moment those that are about
        to: their peers were answered by the last commit and send again now."""
        batch: list[tuple[Handler, Any, Done]] = []
        until = 0.0
        while len(batch) < _BATCH:
            try:
                wait = None if not batch else max(0.0, until - time.monotonic()) if len(batch) < self._together else 0
                item = self._queue.get(timeout=wait) if wait != 0 else self._queue.get_nowait()
            except Empty:
                break
            if item is None:
                self._ending = True
                break
            if not batch:
                until = time.monotonic() + _MOMENT
            batch.append(item)
        self._together = min(len(batch), _COMPANY)
        return batch

    def _write(self, batch: list[tuple[Handler, Any, Done]]) -> None:
        try:
            results = self._commit(batch)
        except StoreAwayError as error:
            for one in batch:
                _tell(one[2], None, error)
            return
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    self._write([one])
            else:
                _tell(batch[0][2], None, error)
            return
        self.commits += 1
        self.items += len(batch)
        for (_, _, done), result in zip(batch, results, strict=True):
            _tell(done, result, None)

    def _commit(self, batch: list[tuple[Handler, Any, Done]]) -> list[Any]:
        for attempt in range(_RETRIES):
            try:
                with self._gate.held():
                    return self._run(batch)
            except Exception as error:
                if attempt == _RETRIES - 1 or not transient(error):
                    meant = readable(error, "write")
                    if meant is error:
                        raise
                    raise meant from error
                time.sleep(0.01 * 4**attempt)
        raise AssertionError("unreachable")

    def _run(self, batch: list[tuple[Handler, Any, Done]]) -> list[Any]:
        if self._conn is None or self._conn.closed or self._conn.invalidated:
            with told(self._engine, "write"):  # without a server it is not tried again at once
                self._conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            quick = QUICK.get(batch[0][0]) if self._conn.dialect.name == "postgresql" else None
            if quick is not None and all(handler is batch[0][0] for handler, _, _ in batch):
                results = self._at_once(self._conn, quick, [item for _, item, _ in batch])
                if results is not None:
                    return list(results)
            return self._in_order(self._conn, batch)
        except BaseException as error:
            self._roll_back()
            if isinstance(error, Exception):
                meant = wrapped(self._engine, error)
                if meant is not error:
                    raise meant from error
            raise

    def _at_once(self, conn: Connection, quick: Quick, items: list[Any]) -> Sequence[Any] | None:
        tx = Tx(conn, self._check_body)
        with tx.pipelined():  # by itself one transaction, where nothing is asked on the way (libpq §34.5.1.1)
            later = quick(tx, items)
        return later() if later is not None else None

    def _in_order(self, conn: Connection, batch: list[tuple[Handler, Any, Done]]) -> list[Any]:
        results: list[Any] = []
        tx = Tx(conn, self._check_body)
        # Begun and committed by hand, so that on PostgreSQL both travel in the pipeline as well.
        with tx.pipelined() if all(h in BATCHED for h, _, _ in batch) else contextlib.nullcontext():
            tx.raw.execute("BEGIN IMMEDIATE" if tx.backend == "sqlite" else "BEGIN")
            for handler, group in groupby(batch, key=itemgetter(0)):
                results.extend(handler(tx, [item for _, item, _ in group]))
            tx.raw.execute("COMMIT")
        conn.commit()  # ends SQLAlchemy's own book-keeping of what ran on conn
        return results

    def _roll_back(self) -> None:
        conn = self._conn
        if conn is None:
            return
        try:
            raw: Any = conn.connection.driver_connection
            raw.rollback()
            conn.rollback()
            if not (getattr(raw, "closed", False) or getattr(raw, "broken", False)):
                return
        except Exception as error:  # the connection is of no more use, whatever it says
            event(log, logging.WARNING, "the writer connects anew", error=type(error).__name__)
        conn.invalidate()
        conn.close()
        self._conn = None


def _tell(done: Done, result: Any, error: BaseException | None) -> None:
    try:
        done(result, error)
    except Exception as failure:  # of whoever waits: the writer goes on for all others
        event(log, logging.ERROR, "a caller of the writer failed", error=type(failure).__name__)
