"""Named locks among processes: one holder, and the system lets go of what a dead one held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub.errors import UnavailableError
from hub.settings import Settings
from hub.store import Store, connect, open_store
from hub.store.connect import WriteGate
from tests.waiting import until

HOLDER = """
import sys
from hub.settings import Settings
from hub.store import open_store
store = open_store(Settings.load(sys.argv[1], database_url=sys.argv[2] or None))
lock = store.locks.take("map:adt")
print("taken" if lock is not None else "not", flush=True)
sys.stdin.read()
"""


def _holder(settings: Settings) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(settings.home), settings.database_url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("HUB_")},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def test_one_holder_at_a_time(store: Store) -> None:
    """Two processes of one store (here: two handles); another name is another lock."""
    other = open_store(store.settings)
    lock = store.locks.take("map:adt")
    assert lock is not None
    assert lock.held()
    assert other.locks.take("map:adt") is None
    assert store.locks.take("map:adt") is None, "a second thread of the same process"
    second = other.locks.take("map:oru")
    assert second is not None
    lock.release()
    taken = other.locks.take("map:adt")
    assert taken is not None
    other.close()
    assert store.locks.take("map:oru") is not None or store.sqlite


def test_closing_lets_go(store: Store) -> None:
    """PostgreSQL: the connection must not go back to a pool with its locks."""
    other = open_store(store.settings)
    lock = other.locks.take("map:adt")
    assert lock is not None
    if store.sqlite:
        lock.release()
    other.close()
    assert store.locks.take("map:adt") is not None


def test_a_killed_process_lets_go(store: Store) -> None:
    """SIGKILL: the kernel closes its files, the server its session; the next one takes over."""
    process = _holder(store.settings)
    assert store.locks.take("map:adt") is None
    process.send_signal(signal.SIGKILL)
    _end(process)
    until(lambda: store.locks.take("map:adt"))


@pytest.mark.postgres
def test_two_schemas_of_one_database_do_not_share_locks(postgres_store: Store, tmp_path: Path) -> None:
    """Advisory locks are known to the whole database: a second hub in a schema of its own is not kept waiting."""
    other_url = postgres_store.url.partition("?")[0]  # the schema called public
    other = open_store(Settings.load(tmp_path / "other", database_url=other_url))
    assert postgres_store.locks.take("map:adt") is not None
    lock = other.locks.take("map:adt")
    assert lock is not None
    other.close()


def _kill_lock_connection(store: Store) -> None:
    with store.reading() as conn:
        pids = conn.execute(text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database ="
                                 " (SELECT oid FROM pg_database WHERE datname = current_database())"
                                 " AND pid = :pid"), {"pid": _backend(store)}).scalars().all()  # fmt: skip
        assert pids
        conn.execute(text(f"SELECT pg_terminate_backend({pids[0]}, 5000)"))


def _backend(store: Store) -> int:
    locks: Any = store.locks
    return int(locks._conn.connection.driver_connection.info.backend_pid)


@pytest.mark.postgres
def test_locks_lost_with_their_connection_are_noticed(postgres_store: Store) -> None:
    """The server was restarted: it freed the locks, so their holder must not go on as if it had them."""
    store, other = postgres_store, open_store(postgres_store.settings)
    lock = store.locks.take("map:adt")
    assert lock is not None
    store.locks.check()
    assert lock.held()
    _kill_lock_connection(store)
    taken = other.locks.take("map:adt")
    assert taken is not None
    store.locks.check()
    assert not lock.held()
    lock.release()  # changes nothing
    assert store.locks.take("map:adt") is None, "the other one has it"
    taken.release()
    again = store.locks.take("map:adt")
    assert again is not None
    lock.release()
    assert again.held(), "a lock from before lets go of nothing"
    other.close()


@pytest.mark.postgres
def test_a_release_over_a_lost_connection_is_no_failure(postgres_store: Store) -> None:
    """The server freed it already."""
    lock = postgres_store.locks.take("map:adt")
    assert lock is not None
    _kill_lock_connection(postgres_store)
    lock.release()
    assert postgres_store.locks.take("map:adt") is not None


@pytest.mark.postgres
def test_taking_over_a_lost_connection_is_unavailable_once(postgres_store: Store) -> None:
    """Whoever asks waits and asks again, with a new connection."""
    assert postgres_store.locks.take("map:adt") is not None
    _kill_lock_connection(postgres_store)
    with pytest.raises(UnavailableError, match="cannot lock now"):
        postgres_store.locks.take("map:oru")
    assert postgres_store.locks.take("map:oru") is not None
    assert postgres_store.locks.take("map:adt") is not None


def test_checking_without_locks(store: Store) -> None:
    """Nothing is asked of the server."""
    store.locks.check()
    lock = store.locks.take("map:adt")
    store.locks.check()
    assert lock is not None
    assert lock.held()


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    """SQLite: writers queue on flock, not on SQLite's busy loop; without a path there is nothing to wait for."""
    path = tmp_path / "locks" / "write"
    first, second = WriteGate(path), WriteGate(path)
    inside, order = threading.Event(), []
    go_on = threading.Event()

    def hold() -> None:
        with first.held():
            inside.set()
            assert go_on.wait(10)
            order.append("first")

    def follow() -> None:
        with second.held():
            order.append("second")

    threads = [threading.Thread(target=hold), threading.Thread(target=follow)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]
    first.close()
    first.close()
    second.close()
    with WriteGate(None).held():
        pass


def test_sqlite_is_as_durable_as_promised(sqlite_store: Store) -> None:
    """sqlite.org/pragma.html: WAL, and FULL so that an acknowledged commit survives a power cut."""
    for engine in (sqlite_store._read, sqlite_store._write):
        with engine.connect() as conn:
            assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert conn.execute(text("PRAGMA synchronous")).scalar_one() == 2


@pytest.mark.postgres
def test_postgresql_commits_are_durable(postgres_store: Store) -> None:
    """synchronous_commit stays on: an answer is given only for what is on disk."""
    found = postgres_store.write(lambda tx: tx.conn.execute(text("SHOW synchronous_commit")).scalar_one())
    assert found == "on"


def test_lock_files_carry_safe_names(tmp_path: Path) -> None:
    """A name may hold what a file name must not."""
    locks = connect.FileLocks(tmp_path / "locks")
    lock = locks.take("deliver:a/../b:c")
    assert lock is not None
    assert [p.name for p in (tmp_path / "locks").iterdir()] == ["deliver_a_.._b_c"]
    lock.release()
