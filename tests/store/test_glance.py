"""Glances: one statement on a connection of the thread."""

from __future__ import annotations

import threading

import pytest

from hub.store import Store
from hub.store.glance import Glances
from tests.rows import add_message


def test_a_glance_sees_what_is_committed(store: Store) -> None:
    """Each by itself: no transaction of an earlier one hides anything."""
    count = "SELECT count(*) FROM message WHERE channel = ?"
    assert store.glances.rows(count, ("adt",)) == [(0,)]
    add_message(store)
    assert store.glances.rows(count, ("adt",)) == [(1,)]


def test_each_thread_has_its_own(store: Store) -> None:
    """Connections of sqlite3 and psycopg are for one thread at a time; all are closed in the end."""
    store.glances.rows("SELECT 1", ())
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(store.glances.rows("SELECT 2", ())))
    thread.start()
    thread.join()
    assert seen == [[(2,)]]
    assert len(store.glances._open) == 2
    store.glances.close()
    assert store.glances._open == []


def test_after_a_failure_it_connects_anew(store: Store) -> None:
    """A connection that broke, or a statement that failed, is not used again."""
    it = Glances(store._read)
    first = it._connect()
    with pytest.raises(Exception, match="nowhere"):
        it.rows("SELECT 1 FROM nowhere", ())
    assert it.rows("SELECT 1", ()) == [(1,)]
    assert it._own.raw is not first
    it._own.raw.close()
    with pytest.raises(Exception):  # noqa: B017, PT011 - of either driver
        it.rows("SELECT 1", ())
    assert it.rows("SELECT 1", ()) == [(1,)]
    it.close()
