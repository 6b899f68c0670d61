"""Group commit: what waits together is committed together, what is bad fails alone, what is away is said."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from hub.errors import ConflictError, UnavailableError
from hub.settings import Settings
from hub.store import Store, failures, open_store, writer
from hub.store.tables import counter
from hub.store.writer import Tx, Writer, batched
from tests.waiting import until

from .rows import count, rows


@batched
def _add(tx: Tx, items: list[tuple[str, int]]) -> list[int]:
    """Insert rows by one batched statement."""
    tx.insert(counter, [(name, "x", value) for name, value in items])
    return [value for _, value in items]


def _slowly(started: threading.Event, go_on: threading.Event) -> Callable[[Tx], None]:
    """A write during which others queue."""

    def write(tx: Tx) -> None:
        started.set()
        assert go_on.wait(10)

    return write


@pytest.fixture
def busy(store: Store) -> Iterator[tuple[Store, Writer, threading.Event]]:
    """A store whose writer is in the middle of a transaction until the event is set."""
    started, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: store.write(_slowly(started, go_on)))
    thread.start()
    assert started.wait(10)
    yield store, store.writer("work"), go_on
    go_on.set()
    thread.join()


def _outcomes(busy: tuple[Store, Writer, threading.Event], items: list[tuple[Any, Any]]) -> list[Any]:
    """What becomes of items that reach the writer while it is busy, hence as one batch."""
    _, thread, go_on = busy
    out: dict[int, Any] = {}
    ready = threading.Event()

    def done(place: int, result: Any, error: BaseException | None) -> None:
        out[place] = error if error is not None else result
        if len(out) == len(items):
            ready.set()

    for place, (handler, item) in enumerate(items):
        thread.submit(handler, item, lambda r, e, p=place: done(p, r, e))  # type: ignore[misc] # binds the loop's value
    go_on.set()
    assert ready.wait(20)
    return [out[n] for n in range(len(items))]


def test_what_waits_together_is_one_commit(busy: tuple[Store, Writer, threading.Event]) -> None:
    """House, step 1: one flush to disk answers for all that queued meanwhile, each with its own result."""
    store, thread, _ = busy
    before = thread.commits
    assert _outcomes(busy, [(_add, ("a", 1)), (_add, ("b", 2)), (_add, ("c", 3))]) == [1, 2, 3]
    until(lambda: thread.commits == before + 2)  # the one that was busy, and ours
    assert count(store, counter) == 3


def test_one_bad_item_fails_alone(busy: tuple[Store, Writer, threading.Event]) -> None:
    """A batch that fails is tried again item by item."""
    store = busy[0]
    found = _outcomes(busy, [(_add, ("a", 1)), (_add, ("b", None)), (_add, ("c", 3))])
    assert [found[0], found[2]] == [1, 3]
    assert isinstance(found[1], DBAPIError)
    assert [r.name for r in rows(store, counter)] == ["a", "c"]


def test_a_refusal_of_the_caller_reaches_the_caller(busy: tuple[Store, Writer, threading.Event]) -> None:
    """What a handler raises is what its caller gets; nothing of its transaction stays."""
    store, thread, go_on = busy
    go_on.set()

    def refuse(tx: Tx) -> None:
        tx.insert(counter, [("half", "x", 1)])
        raise ConflictError("somebody was faster")

    with pytest.raises(ConflictError, match="somebody was faster"):
        store.write(refuse)
    assert count(store, counter) == 0
    thread.call(_add, ("after", 1))
    assert count(store, counter) == 1


def test_handlers_of_either_kind_share_a_commit(busy: tuple[Store, Writer, threading.Event]) -> None:
    """Batched ones and those that use SQLAlchemy's connection, in the order they came."""
    store = busy[0]

    def by_hand(tx: Tx) -> list[str]:
        tx.conn.execute(insert(counter).values(name="b", label="x", value=2))
        return [r.name for r in tx.conn.execute(select(counter.c.name).order_by(counter.c.name))]

    found = _outcomes(busy, [(_add, ("a", 1)), (writer_call, by_hand), (_add, ("c", 3))])
    assert found == [1, ["a", "b"], 3]
    assert count(store, counter) == 3


def writer_call(tx: Tx, items: list[Callable[[Tx], Any]]) -> list[Any]:
    return [item(tx) for item in items]


def test_a_caller_that_fails_when_told_stops_nothing(busy: tuple[Store, Writer, threading.Event]) -> None:
    """A source whose peer has gone raises when it is told: all others are told and the writer goes on."""
    store, thread, go_on = busy
    told = threading.Event()

    def gone(result: Any, error: BaseException | None) -> None:
        raise OSError("the peer has gone")

    thread.submit(_add, ("a", 1), gone)
    thread.submit(_add, ("b", 2), lambda r, e: told.set())
    go_on.set()
    assert told.wait(10)
    thread.call(_add, ("c", 3))
    assert count(store, counter) == 3


def test_what_queued_before_the_end_is_written(busy: tuple[Store, Writer, threading.Event]) -> None:
    """Closing waits for what has queued; what comes later is told so, and never waits for ever."""
    store, thread, go_on = busy
    told: list[Any] = []
    for number in range(600):  # more than one batch
        thread.submit(_add, (f"{number}", number), lambda r, e: told.append((r, e)))
    closer = threading.Thread(target=thread.close)
    closer.start()
    until(lambda: thread._closed)
    with pytest.raises(UnavailableError, match="closing"):
        thread.call(_add, ("late", 1))
    go_on.set()
    closer.join()
    assert [(n, None) for n in range(600)] == told
    thread.close()
    store._writers.clear()  # the store goes on with another
    assert count(store, counter) == 600


@pytest.mark.parametrize("state", ["23505", "40001", "40P01", "57P01", "08006"])
def test_what_may_go_well_the_second_time_is_tried_again(store: Store, state: str) -> None:
    """Unique violation, serialization failure, deadlock, restart, broken connection (PostgreSQL, appendix A)."""
    tries: list[int] = []

    def write(tx: Tx) -> str:
        tries.append(1)
        tx.insert(counter, [("a", "x", 1)])
        if len(tries) < 3:
            raise failures.wrapped(tx.conn.engine, _failure(store, state))
        return "written"

    assert store.write(write) == "written"
    assert count(store, counter) == 1


def _failure(store: Store, state: str) -> Exception:
    if store.sqlite:
        error: Any = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        return error  # type: ignore[no-any-return] # built by hand
    made: Any = psycopg.errors.lookup(state)("again")
    return made  # type: ignore[no-any-return]


def test_a_failure_that_lasts_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few attempts the caller hears that the store cannot write now."""
    monkeypatch.setattr(writer.time, "sleep", lambda _: None)  # type: ignore[attr-defined] # module of the writer
    tries: list[int] = []

    def write(tx: Tx) -> None:
        tries.append(1)
        raise failures.wrapped(tx.conn.engine, _failure(store, "40P01"))

    with pytest.raises(UnavailableError, match=r"the store cannot write now \((OperationalError|DeadlockDetected)\)"):
        store.write(write)
    assert len(tries) == 5


def _full(code: int) -> Exception:
    error: Any = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error  # type: ignore[no-any-return] # built by hand


@pytest.mark.parametrize(
    ("error", "transient", "away"),
    [
        (_full(sqlite3.SQLITE_BUSY), True, True),
        (_full(sqlite3.SQLITE_FULL), False, True),
        (_full(sqlite3.SQLITE_IOERR | 1 << 8), False, True),  # extended codes count by their low octet
        (_full(sqlite3.SQLITE_ERROR), False, False),
        (psycopg.errors.UniqueViolation(), True, False),
        (psycopg.errors.DeadlockDetected(), True, True),
        (psycopg.errors.AdminShutdown(), True, True),
        (psycopg.errors.DiskFull(), False, True),
        (psycopg.errors.ReadOnlySqlTransaction(), False, True),
        (psycopg.errors.StringDataRightTruncation(), False, False),
        (psycopg.errors.ProgramLimitExceeded(), False, False),
        (psycopg.OperationalError("server closed the connection"), True, True),
        (psycopg.InterfaceError("the connection is closed"), True, True),
        (psycopg.ProgrammingError("cannot adapt type"), False, False),
        (ValueError("no error of a database"), False, False),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Exception) else "",
)
def test_what_errors_of_a_database_mean(error: Exception, transient: bool, away: bool) -> None:
    """PostgreSQL appendix A (SQLSTATE) and sqlite.org/rescode.html: again, away, or a fault of the statement."""
    engine = create_engine("sqlite://" if isinstance(error, sqlite3.Error) else "postgresql+psycopg://")
    meant = failures.wrapped(engine, error)
    assert (transient, away) == (failures.transient(meant), failures.away(meant))


def test_a_full_disk_is_unavailable_and_leaves_nothing(sqlite_store: Store) -> None:
    """SQLITE_FULL: the peer is asked to send again, nothing half-written stays, and it goes on when there is room."""
    store = sqlite_store
    store.write(lambda tx: tx.insert(counter, [("first", "x", 1)]))
    pages = store.write(lambda tx: tx.conn.execute(text("PRAGMA page_count")).scalar_one())
    store.write(lambda tx: tx.conn.execute(text(f"PRAGMA max_page_count = {pages}")))
    big = [(f"{n}", "y" * 100, n) for n in range(2000)]
    with pytest.raises(UnavailableError, match=r"cannot write now \(OperationalError\).*hub doctor"):
        store.write(lambda tx: tx.insert(counter, big))
    assert [r.name for r in rows(store, counter)] == ["first"]
    store.write(lambda tx: tx.conn.execute(text("PRAGMA max_page_count = 1000000")))
    store.write(lambda tx: tx.insert(counter, big))
    assert count(store, counter) == 2001


def test_when_the_database_is_away_all_that_wait_fail_at_once(
    busy: tuple[Store, Writer, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is not tried item by item against a server that is not there: each try may take seconds."""
    monkeypatch.setattr(writer.time, "sleep", lambda _: None)  # type: ignore[attr-defined] # module of the writer
    store = busy[0]
    tries: list[int] = []

    def lost(tx: Tx, items: list[Any]) -> list[Any]:
        tries.append(len(items))
        raise failures.wrapped(tx.conn.engine, _failure(store, "08006"))

    found = _outcomes(busy, [(lost, n) for n in range(100)])
    assert {failures.StoreAwayError} == {type(e) for e in found}
    assert tries == [100] * 5


@pytest.mark.postgres
def test_a_connection_lost_between_two_writes_is_replaced(postgres_store: Store) -> None:
    """The server was restarted: the next write goes on with a new connection, and nobody hears of it."""
    store = postgres_store
    store.write(lambda tx: tx.insert(counter, [("a", "x", 1)]))
    pid = store.write(lambda tx: tx.conn.execute(text("SELECT pg_backend_pid()")).scalar_one())
    with store.reading() as conn:
        conn.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
    store.writer("work").call(_add, ("b", 2))
    assert [r.name for r in rows(store, counter)] == ["a", "b"]
    assert pid != store.write(lambda tx: tx.conn.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.postgres
def test_a_connection_lost_within_a_write_leaves_nothing_half_written(postgres_store: Store) -> None:
    """What was open when the server went is done again as a whole."""
    store = postgres_store
    tries: list[int] = []

    def write(tx: Tx) -> None:
        tx.insert(counter, [("a", "x", 1)])
        tries.append(1)
        if len(tries) == 1:
            pid = tx.conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with store.reading() as conn:
                conn.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
        tx.insert(counter, [("b", "x", 1)])

    store.write(write)
    assert len(tries) == 2
    assert [r.name for r in rows(store, counter)] == ["a", "b"]


@pytest.mark.postgres
def test_an_error_in_a_pipeline_is_the_first_one(postgres_store: Store) -> None:
    """Statements behind a failed one are aborted: the caller hears why the first one failed."""

    @batched
    def wrong(tx: Tx, items: list[Any]) -> list[Any]:
        tx.insert(counter, [("n" * 65, "x", 1)])
        tx.insert(counter, [("after", "x", 1)])
        return tx.rows("SELECT 1")

    with pytest.raises(DBAPIError) as caught:
        postgres_store.writer("work").call(wrong, None)
    assert isinstance(caught.value.orig, psycopg.errors.StringDataRightTruncation)
    assert count(postgres_store, counter) == 0
    postgres_store.writer("work").call(_add, ("a", 1))


def test_two_processes_that_insert_the_same_row(settings: Settings, store: Store) -> None:
    """23505 from a row that somebody else committed meanwhile: the handler sees it at its second look."""
    other = open_store(settings, "other")
    tries: list[int] = []

    def once(tx: Tx) -> str:
        tries.append(1)
        if tx.rows("SELECT 1 FROM counter WHERE name = ?", ("a",)):
            return "found"
        if len(tries) == 1 and not store.sqlite:  # SQLite lets only one write
            other.write(lambda tx: tx.insert(counter, [("a", "x", 1)]))
        tx.insert(counter, [("a", "x", 1)])
        return "made"

    if store.sqlite:
        other.write(lambda tx: tx.insert(counter, [("a", "x", 1)]))
    assert store.write(once) == "found"
    assert count(store, counter) == 1
    other.close()


@pytest.mark.postgres
def test_two_processes_in_a_deadlock_both_write(postgres_store: Store) -> None:
    """40P01: PostgreSQL ends one of them, which is done again; both commit."""
    store, other = postgres_store, open_store(postgres_store.settings, "other")
    store.write(lambda tx: tx.insert(counter, [("a", "x", 0), ("b", "x", 0)]))
    meet = threading.Barrier(2)

    def both(first: str, second: str) -> Callable[[Tx], None]:
        def write(tx: Tx) -> None:
            raise_one = "UPDATE counter SET value = value + 1 WHERE name = ?"
            tx.raw.execute(tx.sql(raise_one), (first,))
            try:
                meet.wait(5)  # each holds its first row; the one that is done again finds nobody to meet
            except threading.BrokenBarrierError:
                pass
            else:
                meet.abort()
            tx.raw.execute(tx.sql(raise_one), (second,))

        return write

    threads = [
        threading.Thread(target=store.write, args=(both("a", "b"),)),
        threading.Thread(target=other.write, args=(both("b", "a"),)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.value for r in rows(store, counter)] == [2, 2]
    other.close()


def test_two_processes_write_at_once(settings: Settings, store: Store) -> None:
    """Every increment of every process counts, on either database."""
    other = open_store(settings, "other")
    store.write(lambda tx: tx.insert(counter, [("a", "x", 0)]))

    def many(which: Store) -> None:
        for _ in range(50):
            which.write(lambda tx: tx.many("UPDATE counter SET value = value + ? WHERE name = ?", [(1, "a")]))

    threads = [threading.Thread(target=many, args=(s,)) for s in (store, other, store)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.value for r in rows(store, counter)] == [150]
    other.close()


def test_no_rows_is_no_statement(store: Store) -> None:
    """Empty batches touch nothing."""

    def write(tx: Tx) -> list[Any]:
        tx.insert(counter, [])
        tx.many("DELETE FROM counter WHERE name = ?", [])
        return tx.rows_in("SELECT name FROM counter WHERE name IN (*)", [])

    assert store.write(write) == []


def test_any_number_of_keys_can_be_asked_for(store: Store) -> None:
    """SQLite takes few variables a statement, so the question is cut into pieces."""
    store.write(lambda tx: tx.insert(counter, [(f"{n}", "x", n) for n in range(1200)]))
    with store.looking() as tx:
        found = tx.rows_in(
            "SELECT value FROM counter WHERE label = ? AND name IN (*)", [f"{n}" for n in range(1200)], ("x",)
        )
    assert list(range(1200)) == sorted(v for (v,) in found)


def test_reading_sees_one_state(settings: Settings, store: Store) -> None:
    """A search that counts and then pages must not see a write in between, on either database."""
    with store.reading() as conn:
        assert conn.execute(text("SELECT count(*) FROM counter")).scalar_one() == 0
        store.write(lambda tx: tx.insert(counter, [("a", "x", 1)]))
        assert conn.execute(text("SELECT count(*) FROM counter")).scalar_one() == 0
    with store.looking() as tx:
        assert tx.rows("SELECT count(*) FROM counter") == [(1,)]
        store.write(lambda w: w.insert(counter, [("b", "x", 1)]))
        assert tx.rows("SELECT count(*) FROM counter") == [(1,)]


def test_a_reader_that_loses_its_connection_hears_unavailable(store: Store) -> None:
    """Also in the middle of a question, straight on the driver: callers wait and ask again."""
    broken = _failure(store, "57P01")

    def ask() -> None:
        with store.looking():
            raise broken

    with pytest.raises(UnavailableError, match="the store cannot read now"):
        ask()

    def wrong() -> None:
        with store.looking() as tx:
            tx.rows("SELECT x FROM nowhere")

    with pytest.raises(DBAPIError, match="nowhere"):  # a fault of the statement stays one
        wrong()


def test_a_pool_without_a_free_connection_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections in use for half a minute: the caller hears that, not a fault of the hub."""
    monkeypatch.setattr(store._read.pool, "_timeout", 0.01)
    held = [store.reading() for _ in range(16)]
    for one in held:
        one.__enter__()
    with pytest.raises(UnavailableError, match=r"cannot read now \(TimeoutError\)"):
        store.reading().__enter__()
    for one in held:
        one.__exit__(None, None, None)


def test_errors_of_the_database_quote_no_values(store: Store) -> None:
    """What was to be written may be of a person: an exception that is logged or shown has none of it."""

    def write(tx: Tx) -> None:
        tx.conn.execute(insert(counter).values(name="MARTIN", label=None, value=1))

    with pytest.raises(DBAPIError) as caught:
        store.write(write)
    assert "SQL parameters hidden" in str(caught.value)
    assert "MARTIN" not in str(caught.value).partition("DETAIL")[0]


def test_a_handler_must_not_wait_for_its_own_writer(store: Store) -> None:
    """It would wait for ever; it is told instead, and its transaction leaves nothing."""

    def nested(tx: Tx) -> None:
        tx.insert(counter, [("half", "x", 1)])
        store.write(lambda inner: inner.insert(counter, [("inner", "x", 1)]))

    with pytest.raises(RuntimeError, match="cannot wait for itself"):
        store.write(nested)
    assert count(store, counter) == 0
