"""Processes that share a store: each has a number of its own, part of every id that it makes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hub import clock
from hub.errors import UnavailableError
from hub.store import Store, handle, nodes, open_store
from hub.store.tables import node, resource
from tests.waiting import until

from .rows import count, new, rows, take


def join(store: Store, host: str, pid: int, role: str = "test") -> int:
    return store.write(lambda tx: nodes.join(tx, host, pid, role))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_each_process_takes_the_lowest_free_number(store: Store) -> None:
    """0, 1, 2; a number that was given back is taken again."""
    here, me = "host-a", os.getpid()
    assert [join(store, here, me) for _ in range(3)] == [0, 1, 2]
    store.write(lambda tx: nodes.leave(tx, 1))
    assert join(store, here, me) == 1
    assert [r.number for r in rows(store, node)] == [0, 1, 2]


def test_a_dead_process_gives_up_its_number(store: Store) -> None:
    """Killed, it could not say goodbye; its row is removed by the next that joins from its host."""
    assert join(store, "host-a", dead_pid()) == 0
    assert join(store, "host-a", os.getpid()) == 0
    assert [os.getpid()] == [r.pid for r in rows(store, node)]


def test_a_process_with_the_number_of_a_dead_one_is_another(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives process numbers again: the time of its start tells them apart (proc(5), starttime)."""
    join(store, "host-a", os.getpid())
    store.write(lambda tx: tx.many("UPDATE node SET started = ? WHERE number = ?", [("17", 0)]))
    assert join(store, "host-a", os.getpid()) == 0
    assert [clock.process_started()] == [r.started for r in rows(store, node)]


def test_a_process_of_another_user_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """kill(2): EPERM says that it is there."""

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert nodes.alive("here", 1, "17", 0, "here", clock.now())


def test_another_host_is_alive_while_it_is_seen(store: Store) -> None:
    """Its processes cannot be looked at: they say every minute that they are there, and are gone after an hour."""
    join(store, "host-a", dead_pid())
    assert join(store, "host-b", os.getpid()) == 1
    past = clock.now() - nodes.STALE - 1
    store.write(lambda tx: tx.many("UPDATE node SET seen = ? WHERE number = ?", [(past, 0)]))
    store.write(lambda tx: nodes.seen(tx, 0))
    assert join(store, "host-b", os.getpid()) == 2
    store.write(lambda tx: tx.many("UPDATE node SET seen = ? WHERE number = ?", [(past, 0)]))
    assert join(store, "host-b", os.getpid()) == 0
    assert nodes.SEEN_EVERY * 1e6 * 10 < nodes.STALE


def test_every_process_says_that_it_is_there(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers, HTTP servers and tools too, as long as they run: else their number would be given to another."""
    monkeypatch.setattr(nodes, "SEEN_EVERY", 0.01)
    store = sqlite_store
    number = store.ids.node
    store.write(lambda tx: tx.many("UPDATE node SET seen = ? WHERE number = ?", [(1, number)]))
    until(lambda: rows(store, node)[0].seen > 1)


def test_no_more_than_256(store: Store) -> None:
    """Eight bits of an id: one process more is refused rather than given the number of another."""
    row = ("host-b", 1, "1", "test", clock.now())
    store.write(lambda tx: tx.insert(node, [(n, *row) for n in range(255)]))
    assert join(store, "host-a", os.getpid()) == 255
    with pytest.raises(UnavailableError, match="256 processes share this store already"):
        join(store, "host-a", os.getpid())


def test_a_store_joins_with_its_first_id_and_leaves_when_closed(store: Store) -> None:
    """Reading commands take no number."""
    other = open_store(store.settings, "reader")
    assert count(store, node) == 0
    one, two = store.take_id(), other.take_id()
    assert (one & 0xFF, two & 0xFF) == (0, 1)
    assert [r.role for r in rows(store, node)] == ["test", "reader"]
    other.close()
    assert [r.role for r in rows(store, node)] == ["test"]


def test_ids_go_on_after_those_that_are_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the host was set back: no id of a message, a delivery or a resource comes twice."""
    future = clock.now() + 3600 * 1_000_000
    take(store, new(store, id=future << 8))
    row = ((future + 5) << 8, "Patient/1", "Patient", 1, 0, False, 0, 0, b"", b"", None, False)
    store.write(lambda tx: tx.insert(resource, [row]))
    other = open_store(store.settings)
    assert other.take_id() >> 8 > future + 5
    other.close()


def test_closing_without_a_database_is_quiet(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row stays, and is taken over by the next process of this host."""

    def away(*_: object) -> None:
        raise UnavailableError("away")

    other = open_store(sqlite_store.settings)
    other.take_id()
    monkeypatch.setattr(handle.nodes, "leave", away)
    other.close()
    assert count(sqlite_store, node) == 1
