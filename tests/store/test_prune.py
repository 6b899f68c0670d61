"""Retention: what goes, what stays, and that nobody waits long for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub import clock
from hub.errors import NotFoundError
from hub.fhir.draft import Entry
from hub.store import Store, prune, resources
from hub.store.bodies import INLINE
from hub.store.tables import Sending, State, body, delivery, message_key
from tests.rows import DAY, add_delivery, add_message, states


def _ago(days: float) -> int:
    return clock.now() - int(days * DAY)


def _bodies(store: Store) -> set[bytes]:
    with store.reading() as conn:
        return {bytes(r[0]) for r in conn.execute(select(body.c.sha))}


def _sha(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


@pytest.mark.parametrize(
    ("state", "done", "held", "goes"),
    [
        (State.DONE, 10, 0, True), (State.FILTERED, 10, 0, True), (State.CANCELLED, 10, 0, True),
        (State.HELD, 10, 0, False), (State.HELD, 0, 10, True), (State.DONE, 0, 10, False),
        (State.WAITING, 10, 10, False), (State.MAPPED, 10, 10, False), (State.DONE, 0, 0, False),
    ],
)  # fmt: skip
def test_what_is_finished_goes_and_what_is_not_stays(
    store: Store, state: State, done: int, held: int, goes: bool
) -> None:
    """``keep: done`` is for finished messages, ``held`` for held ones, 0 for ever; others are never pruned."""
    one = add_message(store, at=_ago(11), state=state)
    young = add_message(store, at=_ago(9), state=state)
    due = prune.due(store, "adt", done_days=done, held_days=held)
    gone = prune.prune(store, "adt", done_days=done, held_days=held).messages
    assert (due, gone) == ((1, 1) if goes else (0, 0))
    assert set(states(store)) == ({young} if goes else {one, young})


def test_another_channel_keeps_what_is_its_own(store: Store) -> None:
    """Retention is a setting of each channel."""
    other = add_message(store, at=_ago(99), channel="lab")
    add_message(store, at=_ago(99))
    assert prune.prune(store, "adt", done_days=1, held_days=0) == prune.Pruned(1, 0)
    assert set(states(store)) == {other}


def test_deliveries_and_keys_go_with_their_message(store: Store) -> None:
    """Nothing that points to a person outlives the message it belongs to."""
    one = add_message(store, at=_ago(11), keys=(("patient", "1"),))
    add_delivery(store, one, state=Sending.SENT)
    prune.prune(store, "adt", done_days=10, held_days=0)
    with store.reading() as conn:
        left = [conn.execute(select(func.count()).select_from(t)).scalar() for t in (delivery, message_key, body)]
    assert left == [0, 0, 0]


def test_a_body_goes_only_when_nothing_refers_to_it(store: Store) -> None:
    """Bodies are kept once: by a younger message, a delivery that waits, or a Binary, they stay."""
    for octets in (b"alone", b"shared", b"sent", b"document"):
        add_message(store, octets, at=_ago(11))
    young = add_message(store, b"shared")
    add_delivery(store, young, b"sent")
    kept = store.bodies.prepare(b"document")
    binary = Entry("Binary", "b1", {"resourceType": "Binary", "contentType": "text/plain"}, octets=b"document")
    write = resources.prepare(binary, young, "urn:oncohub:adt:x", kept)
    store.write(lambda tx: resources.apply(tx, [write], clock.now(), store.ids.take))
    assert prune.prune(store, "adt", done_days=10, held_days=0) == prune.Pruned(4, 1)
    assert _bodies(store) == {_sha(b"shared"), _sha(b"sent"), _sha(b"document")}


def test_the_file_of_a_large_body_goes_with_its_row(sqlite_store: Store) -> None:
    """On SQLite bodies above a MiB are files below data/bodies."""
    large, shared = b"x" * (INLINE + 1), b"y" * (INLINE + 1)
    for octets in (large, shared):
        add_message(sqlite_store, octets, at=_ago(11))
    add_message(sqlite_store, shared)
    folder = sqlite_store.settings.data / "bodies"
    assert len(_files(folder)) == 2
    prune.prune(sqlite_store, "adt", done_days=10, held_days=0)
    assert [sqlite_store.bodies.read(_sha(shared))] == [path.read_bytes() for path in _files(folder)]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_store_is_held_only_for_a_bite(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two bites others write: none of the transactions deletes more than a bite."""
    monkeypatch.setattr(prune, "BITE", 5)
    for number in range(12):
        add_message(sqlite_store, b"%d" % number, at=_ago(11) + number)
    waited: list[int] = []
    write = sqlite_store.write

    def counting(fn: Callable[[Any], Any]) -> Any:
        before = len(states(sqlite_store)) + len(_bodies(sqlite_store))
        done = write(fn)
        waited.append(before - len(states(sqlite_store)) - len(_bodies(sqlite_store)))
        return done

    monkeypatch.setattr(sqlite_store, "write", counting)
    assert prune.prune(sqlite_store, "adt", done_days=10, held_days=0) == prune.Pruned(12, 12)
    assert max(waited) == 5
    assert sum(waited) == 24


def test_bodies_may_go_before_their_messages(store: Store) -> None:
    """``keep: bodies``: the message stays in lists; its body is said to be pruned."""
    add_message(store, b"old", at=_ago(31))
    add_message(store, b"both", at=_ago(31))
    add_message(store, b"both", at=_ago(1))
    add_message(store, b"held", at=_ago(31), state=State.HELD)
    add_message(store, b"elsewhere", at=_ago(31))
    add_message(store, b"elsewhere", at=_ago(31) + 1, channel="lab")
    assert prune.drop_bodies(store, "adt", days=30) == 1
    assert _bodies(store) == {_sha(b"both"), _sha(b"held"), _sha(b"elsewhere")}
    assert len(states(store)) == 6
    with pytest.raises(NotFoundError, match="pruned"):
        store.bodies.read(_sha(b"old"))


def test_a_body_that_waits_to_be_sent_is_not_dropped(store: Store) -> None:
    """A delivery that is due needs the octets, whatever the age of its message."""
    one = add_message(store, b"old", at=_ago(31), state=State.DONE)
    add_delivery(store, one, b"old", state=Sending.HELD)
    prune.drop_bodies(store, "adt", days=30)
    assert _bodies(store) == {_sha(b"old")}


def test_bodies_are_dropped_bite_by_bite(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, all that are old go."""
    monkeypatch.setattr(prune, "BITE", 3)
    for number in range(7):
        add_message(sqlite_store, b"%d" % number, at=_ago(31) + number)
    assert prune.drop_bodies(sqlite_store, "adt", days=30) == 7
    assert _bodies(sqlite_store) == set()
