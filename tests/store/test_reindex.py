"""Search rows written anew are those that writing the resource makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from hub import clock
from hub.errors import InvalidError
from hub.fhir.draft import Entry
from hub.store import Store, reindex, resources
from hub.store.tables import INDEXES, indexing, resource

_PATIENT = {
    "resourceType": "Patient",
    "meta": {"profile": ["http://example.org/StructureDefinition/p"], "tag": [{"system": "urn:t", "code": "x"}]},
    "identifier": [{"system": "urn:oid:1.2.250.1.999.1", "value": "IPP-1"}],
    "name": [{"family": "ESSAI", "given": ["Odile"]}],
    "birthDate": "1958-07-14",
    "managingOrganization": {"reference": "Organization/o1"},
}


def _put(store: Store, *entries: Entry) -> None:
    for entry in entries:
        octets = store.bodies.prepare(entry.octets) if entry.octets is not None else None
        write = resources.prepare(entry, store.ids.take(), "urn:oncohub:adt:x", octets)
        store.write(lambda tx, w=write: resources.apply(tx, [w], clock.now(), store.ids.take))


def _rows(store: Store) -> dict[str, Sequence[Any]]:
    with store.reading() as conn:
        return {kind: sorted(map(tuple, conn.execute(select(table)))) for kind, table in INDEXES.items()}


def test_rows_lost_are_the_rows_made_again(store: Store) -> None:
    """Of every kind of index, for a Patient, its second version and a Binary; meta.profile and tag included."""
    _put(
        store,
        Entry("Patient", "p1", _PATIENT),
        Entry("Patient", "p1", _PATIENT | {"birthDate": "1958-07-15"}),
        Entry("Binary", "b1", {"resourceType": "Binary", "contentType": "text/plain"}, octets=b"text"),
    )
    before = _rows(store)
    assert all(before[kind] for kind in ("token", "string", "date", "reference"))
    for table in INDEXES.values():
        store.write(lambda tx, t=table: tx.conn.execute(delete(t)))
    assert reindex.reindex(store) == 2
    assert _rows(store) == before


def test_rows_of_another_version_of_the_hub_go(store: Store) -> None:
    """What no longer belongs to a resource is not found by it any more."""
    _put(store, Entry("Patient", "p1", _PATIENT))
    before = _rows(store)
    with store.reading() as conn:
        rid = conn.execute(select(resource.c.rid)).scalar()
    stale = {"param": 1, "code": "stale", "system": "urn:s", "rid": rid}
    store.write(lambda tx: tx.conn.execute(insert(INDEXES["token"]).values(**stale)))
    assert _rows(store) != before
    reindex.reindex(store)
    assert _rows(store) == before


def test_a_deleted_resource_is_found_by_no_search(store: Store) -> None:
    """R4 §3.1.0.7: deleted resources are not in results."""
    _put(store, Entry("Patient", "p1", _PATIENT))
    store.write(lambda tx: tx.conn.execute(update(resource).values(deleted=True)))
    assert reindex.reindex(store) == 1
    assert _rows(store) == {kind: [] for kind in INDEXES}


def test_it_goes_bite_by_bite_and_tells_how_far_it_is(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of millions is not held for longer than a bite takes."""
    monkeypatch.setattr(reindex, "BITE", 2)
    _put(sqlite_store, *(Entry("Patient", f"p{n}", _PATIENT | {"birthDate": f"195{n}-01-01"}) for n in range(5)))
    before, told = _rows(sqlite_store), []
    assert reindex.reindex(sqlite_store, told.append) == 5
    assert told == [2, 4, 5]
    assert _rows(sqlite_store) == before


def test_what_cannot_be_indexed_is_named(sqlite_store: Store) -> None:
    """The resource and the element; nothing of the bite is changed."""
    _put(sqlite_store, Entry("Patient", "p1", _PATIENT))
    before = _rows(sqlite_store)
    broken = b'{"resourceType":"Patient","id":"p1","name":[17]}'
    sqlite_store.write(lambda tx: tx.conn.execute(update(resource).values(content=broken)))
    with pytest.raises(InvalidError) as caught:
        reindex.reindex(sqlite_store)
    assert caught.value.where == "Patient/p1: Patient.name"
    assert _rows(sqlite_store) == before


def test_rows_of_other_search_parameters_are_made_anew_when_the_hub_starts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the tables of parameters: an upgrade indexes all again, and only once."""
    _put(store, Entry("Patient", "p1", _PATIENT))
    before = _rows(store)
    for table in INDEXES.values():
        store.write(lambda tx, t=table: tx.conn.execute(delete(t)))
    store.upgrade()
    assert _rows(store) != before  # the version is the same: nothing to do
    monkeypatch.setattr(reindex, "generation", lambda: "another")
    store.upgrade()
    assert _rows(store) == before
    monkeypatch.setattr(reindex, "reindex", lambda _store: pytest.fail("it was done already"))
    store.upgrade()


def test_processes_that_start_together_index_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come second wait until the first is done."""
    _put(store, Entry("Patient", "p1", _PATIENT))
    monkeypatch.setattr(reindex, "generation", lambda: "another")
    lock = store.locks.take("reindex")
    assert lock is not None

    def other(_seconds: float) -> None:
        lock.release()

    monkeypatch.setattr(reindex.time, "sleep", other)
    reindex.renew(store)
    with store.reading() as conn:
        assert conn.execute(select(indexing.c.generation).where(indexing.c.url == "")).scalar() == "another"
