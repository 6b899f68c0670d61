"""Which versions of resources a message wrote, by their meta.source."""

from __future__ import annotations

from hub import clock
from hub.fhir.draft import Entry, Rank
from hub.store import Store, resources
from hub.store.written import Written, written_by

HOUR = 3_600_000_000


def _write(store: Store, message: int, city: str, at: int, fid: str = "p1") -> None:
    patient = {"resourceType": "Patient", "address": [{"city": city}]}
    entry = Entry("Patient", fid, patient, rank=Rank.FEED)
    write = resources.prepare(entry, message, f"urn:oncohub:adt:{clock.show_id(message)}")
    store.write(lambda tx: resources.apply(tx, [write], at, store.ids.take))


def _ask(store: Store, message: int, mapped_at: int | None) -> list[tuple[str, int, bool]]:
    with store.reading() as conn:
        return [(w.ref, w.version, w.current) for w in written_by(conn, message, mapped_at)]


def test_a_version_belongs_to_the_message_that_wrote_it(store: Store) -> None:
    """Also when another superseded it, and when a later message said the same."""
    now = clock.now()
    first, second, third = (store.ids.take() for _ in range(3))
    _write(store, first, "Lyon", now)
    _write(store, first, "Lyon", now, "p2")
    _write(store, second, "Nancy", now + 1000)
    _write(store, third, "Nancy", now + 2000)
    assert _ask(store, first, now) == [("Patient/p1", 1, False), ("Patient/p2", 1, True)]
    assert _ask(store, second, now + 1000) == [("Patient/p1", 2, True)]
    assert _ask(store, third, now + 2000) == []


def test_a_replay_long_after_still_shows_what_the_first_run_wrote(store: Store) -> None:
    """The time looked at goes from the reception to the last mapping."""
    now = clock.now()
    message = store.ids.take()
    _write(store, message, "Lyon", now)
    with store.reading() as conn:
        assert written_by(conn, message, now + HOUR) == [Written("Patient/p1", 1, now, True)]


def test_what_was_never_mapped_wrote_nothing(store: Store) -> None:
    """No time of mapping, nothing to look for."""
    assert _ask(store, store.ids.take(), None) == []
