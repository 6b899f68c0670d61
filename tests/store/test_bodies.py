"""Bodies: octet for octet, once, durable before the commit that refers to them."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub.errors import NotFoundError, UnavailableError
from hub.store import Store, bodies, prune
from hub.store.tables import body
from tests.waiting import until

from .rows import backend, count, new, rows, take, waits

LARGE = b"\x00\xff\r\n" * (bodies.INLINE // 4 + 1)


def _files(store: Store) -> list[Path]:
    return sorted(p for p in (store.settings.data / "bodies").rglob("*") if p.is_file())


@pytest.mark.parametrize("octets", [b"", b"\x00", "né".encode("latin-1"), b"x" * bodies.INLINE, LARGE])
def test_octet_for_octet(store: Store, octets: bytes) -> None:
    """What is read is what was received, whatever its size and its octets, on either database."""
    sha, size, _ = row = store.bodies.prepare(octets)
    store.write(lambda tx: tx.insert(body, [row]))
    assert hashlib.sha256(octets).digest() == sha
    assert len(octets) == size
    assert octets == store.bodies.read(sha)
    assert octets == store.bodies.open(sha).read()
    assert len(octets) == store.bodies.size(sha)


@given(st.lists(st.binary(max_size=40), max_size=8))
@hypothesis_settings(max_examples=20, deadline=None)
def test_any_octets_are_kept_once(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    """Content addressed: as many rows as there are different bodies, however often each is stored."""
    from hub.settings import Settings
    from hub.store import open_store

    store = open_store(Settings.load(tmp_path_factory.mktemp("home")))
    store.upgrade()
    prepared = [store.bodies.prepare(p) for p in parts]
    for _ in range(2):
        store.write(lambda tx: tx.insert(body, prepared, ignore=True))
    assert len(set(parts)) == count(store, body)
    assert {hashlib.sha256(p).digest(): p for p in parts} == store.bodies.read_many(r[0] for r in prepared)
    store.close()


def test_large_ones_are_files_on_sqlite_and_rows_on_postgresql(store: Store) -> None:
    """SQLite: a file named by its digest, so that the database stays small; PostgreSQL: no shared folder is needed."""
    row = store.bodies.prepare(LARGE)
    if not store.sqlite:
        assert row[2] == LARGE
        assert _files(store) == []
        return
    assert row[2] is None
    name = row[0].hex()
    assert [store.settings.data / "bodies" / name[:2] / name[2:]] == _files(store)
    assert _files(store)[0].read_bytes() == LARGE


def test_many_are_read_together(store: Store) -> None:
    """More than one question's worth, each once, small and large mixed."""
    octets = [b"%d" % n for n in range(700)] + [LARGE]
    prepared = [store.bodies.prepare(o) for o in octets]
    store.write(lambda tx: tx.insert(body, prepared))
    found = store.bodies.read_many([r[0] for r in prepared] * 2)
    assert octets == [found[r[0]] for r in prepared]


def test_what_was_pruned_is_not_found(store: Store) -> None:
    """The reader hears that the body is gone, and where that was decided."""
    with pytest.raises(NotFoundError, match=r"pruned.*keep:"):
        store.bodies.read(b"\1" * 32)
    with pytest.raises(NotFoundError, match="pruned"):
        store.bodies.size(b"\1" * 32)


def test_a_file_that_is_missing_is_named(sqlite_store: Store) -> None:
    """A data folder that was restored without bodies/: the digest says which file to bring back."""
    store = sqlite_store
    row = store.bodies.prepare(LARGE)
    store.write(lambda tx: tx.insert(body, [row]))
    _files(store)[0].unlink()
    with pytest.raises(NotFoundError, match=f"{row[0].hex()}.*restore data/bodies"):
        store.bodies.read(row[0])


def test_two_threads_keep_the_same_body_at_once(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two peers send the same document at the same moment: neither spoils the file of the other."""
    store = sqlite_store
    meet, flushed = threading.Barrier(2), os.fdatasync

    def together(handle: int) -> None:
        flushed(handle)
        meet.wait(10)  # both have written, neither has renamed

    monkeypatch.setattr(os, "fdatasync", together)
    found: list[Any] = []

    def keep() -> None:
        try:
            found.append(store.bodies.prepare(LARGE))
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=keep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(hashlib.sha256(LARGE).digest(), len(LARGE), None)] * 2 == found
    assert [p.read_bytes() for p in _files(store)] == [LARGE]


def test_a_large_body_is_flushed_before_it_is_referred_to(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """House, step 1: octets first, then their name, then the folder that holds the name; also for a file that
    somebody else renamed a moment ago."""
    store, done = sqlite_store, []
    flush, rename, folder = os.fdatasync, Path.rename, os.fsync
    monkeypatch.setattr(os, "fdatasync", lambda h: (done.append("octets"), flush(h)))
    monkeypatch.setattr(os, "fsync", lambda h: (done.append("folder"), folder(h)))
    monkeypatch.setattr(Path, "rename", lambda p, to: (done.append("name"), rename(p, to)))
    store.bodies.prepare(LARGE)
    assert done == ["folder", "octets", "name", "folder"]
    done.clear()
    store.bodies.prepare(LARGE)
    assert done == ["folder"]


def test_a_full_disk_is_unavailable(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC: the peer is asked to send again, and no part of the file stays."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(UnavailableError, match=r"data/bodies: a large body cannot be written \(ENOSPC\)"):
        sqlite_store.bodies.prepare(LARGE)
    assert _files(sqlite_store) == []


def test_a_body_swept_between_its_file_and_its_row_is_sent_again(sqlite_store: Store) -> None:
    """Retention ran in between: the message is not stored without its body."""
    store = sqlite_store
    item = new(store, LARGE)
    _files(store)[0].unlink()
    with pytest.raises(UnavailableError, match=r"swept.*send again"):
        take(store, item)
    assert count(store, body) == 0
    take(store, new(store, LARGE))
    assert store.bodies.read(item.body[0]) == LARGE


@pytest.mark.postgres
def test_sweeping_waits_for_those_who_store(postgres_store: Store) -> None:
    """PostgreSQL: a body that nobody used a moment ago is stored again just while it is swept; it stays."""
    store = postgres_store
    row = store.bodies.prepare(b"again")
    store.write(lambda tx: tx.insert(body, [row]))  # nothing refers to it
    inserted, go_on = threading.Event(), threading.Event()

    def store_again(tx: Any) -> None:
        from hub.store.messages import take_in

        take_in(tx, [item])
        inserted.set()
        assert go_on.wait(10)

    item = new(store, b"again")
    pid = backend(store)
    intake = threading.Thread(target=lambda: store.writer("intake").call(_call, store_again))
    intake.start()
    assert inserted.wait(10)
    swept: list[int] = []
    sweeper = threading.Thread(target=lambda: swept.append(prune.sweep_bodies(store)))
    sweeper.start()
    until(lambda: waits(store, pid) or not sweeper.is_alive())
    go_on.set()
    intake.join()
    sweeper.join()
    assert swept == [0]
    assert store.bodies.read(row[0]) == b"again"


def _call(tx: Any, items: list[Any]) -> list[Any]:
    return [item(tx) for item in items]


def test_files_go_with_their_rows(sqlite_store: Store) -> None:
    """Sweeping removes the file of a body that nothing refers to, and only that."""
    store = sqlite_store
    kept = new(store, LARGE)
    take(store, kept)
    row = store.bodies.prepare(LARGE + b"x")
    store.write(lambda tx: tx.insert(body, [row]))
    assert len(_files(store)) == 2
    assert prune.sweep_bodies(store) == 1
    assert [kept.body[0]] == [bytes(r.sha) for r in rows(store, body)]
    assert store.bodies.read(kept.body[0]) == LARGE
    assert len(_files(store)) == 1
    store.bodies.remove_files([row[0]])  # a second time changes nothing


@pytest.mark.postgres
def test_postgresql_has_no_files(postgres_store: Store) -> None:
    """A row without octets there is a damaged store, said as such."""
    store = postgres_store
    store.write(lambda tx: tx.insert(body, [(b"\2" * 32, 1, b"x")]))
    store.bodies.remove_files([b"\2" * 32])
    with pytest.raises(NotFoundError, match="keeps no bodies in files"):
        store.bodies.check((b"\2" * 32, 1, None))
