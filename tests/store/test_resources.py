"""Resources: versions only for new content, history, last writer by (rank, message), whatever the order."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub import clock
from hub.errors import InvalidError
from hub.fhir.draft import Entry, Rank
from hub.settings import Settings
from hub.store import Store, open_store, resources
from hub.store.resources import Write
from hub.store.tables import body, idx_date, idx_string, idx_token, resource, resource_history

from .rows import count, rows

SOURCE = "urn:oncohub:adt:0000000000001"
AT = clock.from_iso("2026-01-15T10:15:00Z")


def write(
    message: int = 1, family: str = "MARTIN", *, rank: int = Rank.FEED, fid: str = "p1", only: bool = False,
    octets: Any = None, **elements: Any,
) -> Write:  # fmt: skip
    content = {"resourceType": "Patient", "name": [{"family": family}], **elements}
    if octets is not None:
        content = {"resourceType": "Binary", "contentType": "application/pdf"}
    entry = Entry(content["resourceType"], fid, content, rank, only)
    return resources.prepare(entry, message, SOURCE, octets)


def apply(store: Store, *writes: Write, at: int = AT) -> int:
    take_id = store.ids.take  # the number of this process is taken before the transaction
    return store.write(lambda tx: resources.apply(tx, writes, at, take_id))


def current(store: Store) -> list[tuple[str, int, int, str]]:
    """(reference, version, rank, family) of each resource."""
    return sorted(
        (r.ref, r.version, r.rank, orjson.loads(r.content).get("name", [{}])[0].get("family", ""))
        for r in rows(store, resource)
    )


def test_the_first_write_is_version_one(store: Store) -> None:
    """R4 §3.1.0.1.2: versionId and lastUpdated are the server's; the octets are what will be served."""
    assert apply(store, write()) == 1
    (found,) = rows(store, resource)
    assert (
        found.ref, found.type, found.version, found.updated, found.rank, found.message,
    ) == ("Patient/p1", "Patient", 1, AT, 20, 1)  # fmt: skip
    expected = (
        b'{"resourceType":"Patient","id":"p1","meta":{"versionId":"1","lastUpdated":"2026-01-15T10:15:00.000Z",'
        b'"source":"urn:oncohub:adt:0000000000001"},"name":[{"family":"MARTIN"}]}'
    )
    assert expected == bytes(found.content)
    assert count(store, resource_history) == 0


def test_new_content_is_a_new_version(store: Store) -> None:
    """R4 §3.1.0.6: the superseded version goes to the history as it was served."""
    apply(store, write(1))
    before = bytes(rows(store, resource)[0].content)
    assert apply(store, write(2, "MARTIN-ROY"), at=AT + 1000) == 1
    assert current(store) == [("Patient/p1", 2, 20, "MARTIN-ROY")]
    (old,) = rows(store, resource_history)
    assert (1, AT, False, 1, before) == (old.version, old.updated, old.deleted, old.message, bytes(old.content))


def test_the_same_content_is_no_version(store: Store) -> None:
    """An ADT that repeats what is known leaves version and lastUpdated; only its time counts from then on."""
    apply(store, write(1))
    assert apply(store, write(5), at=AT + 1) == 0
    (found,) = rows(store, resource)
    assert (found.version, found.updated, found.message) == (1, AT, 5)
    assert apply(store, write(3, "OLD")) == 0, "message 3 came before message 5 said it again"
    assert current(store) == [("Patient/p1", 1, 20, "MARTIN")]


def test_replay_changes_nothing(store: Store) -> None:
    """House, step 4: the same messages again, in any number, lead to the same store."""
    writes = [write(1), write(2, "ROY"), write(3, fid="p2")]
    apply(store, *writes)
    before = (rows(store, resource), rows(store, resource_history))
    assert apply(store, *writes) == 0
    assert apply(store, *writes[1:]) == 0
    assert before == (rows(store, resource), rows(store, resource_history))


def test_a_replay_after_a_correction_of_the_mapping_is_a_version(store: Store) -> None:
    """The same message with other content: it was mapped by a better mapping, and that counts."""
    apply(store, write(7, "MARTN"))
    assert apply(store, write(7, "MARTIN")) == 1
    assert current(store) == [("Patient/p1", 2, 20, "MARTIN")]


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        ((Rank.FEED, 1), (Rank.DOCUMENT, 2), 0),
        ((Rank.DOCUMENT, 2), (Rank.FEED, 1), 1),
        ((Rank.FEED, 2), (Rank.FEED, 1), 0),
        ((Rank.FEED, 1), (Rank.FEED, 2), 1),
        ((Rank.PERSON, 1), (Rank.FEED, 9), 0),
    ],
)
def test_the_better_source_wins_then_the_later(store: Store, first: Any, second: Any, stays: int) -> None:
    """A document that names a patient never undoes what the identity feed said (:class:`hub.fhir.draft.Rank`)."""
    apply(store, write(first[1], "FIRST", rank=first[0]))
    apply(store, write(second[1], "SECOND", rank=second[0]))
    winner = (first, second)[stays]
    ((_, _, rank, family),) = current(store)
    assert (winner[0], ("FIRST", "SECOND")[stays]) == (rank, family)


def test_a_better_source_with_the_same_content_takes_over(store: Store) -> None:
    """From then on its word counts, though there was nothing new to write."""
    apply(store, write(1, rank=Rank.DOCUMENT))
    assert apply(store, write(2, rank=Rank.FEED)) == 0
    assert apply(store, write(3, "OTHER", rank=Rank.DOCUMENT)) == 0
    assert current(store) == [("Patient/p1", 1, 20, "MARTIN")]


def test_what_is_only_mentioned_stays_untouched(store: Store) -> None:
    """An organisation in every header would else be written by every message."""
    apply(store, write(1, rank=Rank.MENTION))
    before = rows(store, resource)
    assert apply(store, write(2, rank=Rank.MENTION)) == 0
    assert before == rows(store, resource)


def test_only_over_what_is_there(store: Store) -> None:
    """A view that a later message supersedes is marked as such; one never seen is not made for that."""
    assert apply(store, write(2, "GONE", only=True)) == 0
    assert current(store) == []
    apply(store, write(1))
    assert apply(store, write(2, "GONE", only=True)) == 1
    assert current(store) == [("Patient/p1", 2, 20, "GONE")]


def test_several_versions_in_one_batch(store: Store) -> None:
    """Each gets its number and its place in the history, as if they had come one by one."""
    apply(store, write(1, "ONE"))
    assert apply(store, write(2, "TWO"), write(3, "THREE"), write(4, "FOUR"), write(5, fid="p2")) == 4
    assert current(store) == [("Patient/p1", 4, 20, "FOUR"), ("Patient/p2", 1, 20, "MARTIN")]
    old = [(r.version, orjson.loads(r.content)["name"][0]["family"]) for r in rows(store, resource_history)]
    assert old == [(1, "ONE"), (2, "TWO"), (3, "THREE")]
    assert [orjson.loads(r.content)["meta"]["versionId"] for r in rows(store, resource_history)] == ["1", "2", "3"]


def test_made_and_changed_in_one_batch(store: Store) -> None:
    """The first state never was a row of the table, but is a version all the same."""
    assert apply(store, write(1, "ONE"), write(2, "TWO", only=True)) == 2
    assert current(store) == [("Patient/p1", 2, 20, "TWO")]
    assert [orjson.loads(r.content)["name"][0]["family"] for r in rows(store, resource_history)] == ["ONE"]


def test_nothing_to_write(store: Store) -> None:
    """A message without resources asks the database nothing."""
    assert apply(store) == 0


def test_a_deleted_resource_comes_back(store: Store) -> None:
    """R4 §3.1.0.7: an update after a delete brings the resource back, with the next version number."""
    apply(store, write(1))
    deleted = "UPDATE resource SET deleted = TRUE, version = 2"
    store.write(lambda tx: tx.conn.execute(text(deleted)))
    assert apply(store, write(1)) == 1
    (found,) = rows(store, resource)
    assert (found.version, found.deleted) == (3, False)
    assert [(r.version, r.deleted) for r in rows(store, resource_history)] == [(2, True)]


def test_index_rows_follow(store: Store) -> None:
    """Search finds what the resource says now, and nothing of what it said before."""
    apply(store, write(1, "MARTIN", gender="female", birthDate="1954-04-12"))
    apply(store, write(2, "ROY", gender="female"))
    assert "martin" not in {r.folded for r in rows(store, idx_string)}
    assert "roy" in {r.folded for r in rows(store, idx_string)}
    assert "female" in {r.code for r in rows(store, idx_token)}
    assert rows(store, idx_date) == []


def test_index_rows_stay_when_the_content_does(store: Store) -> None:
    """They are deleted and written again when, and only when, the content changes."""
    apply(store, write(1))
    store.write(lambda tx: tx.conn.execute(text("DELETE FROM idx_string")))
    apply(store, write(2))
    assert rows(store, idx_string) == []


def test_an_element_of_the_wrong_type_is_said(store: Store) -> None:
    """Its place is named, and nothing of the batch is written."""
    with pytest.raises(InvalidError, match=r"Patient\.name"):
        apply(
            store,
            write(1, fid="p2"),
            resources.prepare(Entry("Patient", "p1", {"resourceType": "Patient", "name": [3]}), 1, SOURCE),
        )
    assert current(store) == []


def test_a_binary_keeps_its_octets(store: Store) -> None:
    """R4 Binary: the document octet for octet in the bodies, every version of it, also within one batch."""
    first, second, third = (store.bodies.prepare(o) for o in (b"%PDF-1", b"%PDF-2", b"%PDF-3"))
    apply(store, write(1, octets=first))
    assert apply(store, write(2, octets=second), write(3, octets=third)) == 2
    assert [third[0]] == [bytes(r.octets) for r in rows(store, resource)]
    old = [bytes(r.octets) for r in rows(store, resource_history)]
    assert [store.bodies.read(sha) for sha in old] == [b"%PDF-1", b"%PDF-2"]
    assert store.bodies.read(third[0]) == b"%PDF-3"
    assert apply(store, write(4, octets=third)) == 0


def test_a_binary_that_nobody_takes_leaves_no_body(store: Store) -> None:
    """A document that an older message brings too late is not kept for nothing."""
    apply(store, write(5, octets=store.bodies.prepare(b"%PDF-new")))
    apply(store, write(4, octets=store.bodies.prepare(b"%PDF-old")))
    assert count(store, body) == 1


CHOICES = st.tuples(
    st.integers(1, 6),  # message
    st.sampled_from(["p1", "p2"]),
    st.sampled_from([Rank.DOCUMENT, Rank.FEED, Rank.PERSON]),
)


@given(st.data())
@hypothesis_settings(max_examples=40, deadline=None)
def test_order_and_repetition_do_not_matter(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """House, step 4: concurrent workers, replay and order of arrival lead to the same store.

    One message says one thing of one resource with one rank; mentions are left out, for their time is
    not kept (they settle with the next mention).
    """
    said = data.draw(st.lists(CHOICES, min_size=1, max_size=6, unique_by=lambda c: c[:2]))
    families = data.draw(st.lists(st.sampled_from(["A", "B", "C"]), min_size=len(said), max_size=len(said)))
    writes = [write(m, family, fid=fid, rank=rank) for (m, fid, rank), family in zip(said, families, strict=True)]
    again = data.draw(st.lists(st.sampled_from(range(len(writes))), max_size=4))
    shuffled = data.draw(st.permutations([*range(len(writes)), *again]))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))
    states = []
    for order in ([*range(len(writes))], shuffled):
        store = open_store(Settings.load(tmp_path_factory.mktemp("home")))
        store.upgrade()
        batch: list[Write] = []
        for number, cut in zip(order, cuts, strict=False):
            batch.append(writes[number])
            if cut:
                apply(store, *batch)
                batch = []
        apply(store, *batch)
        states.append(
            [(r.ref, r.rank, r.message, bytes(r.hash)) for r in sorted(rows(store, resource), key=lambda r: r.ref)]
        )
        indexed = {(r.exact, r.rid) for r in rows(store, idx_string)}
        assert len(rows(store, resource)) == len({rid for _, rid in indexed})
        for r in rows(store, resource):
            history = [h.version for h in rows(store, resource_history, resource_history.c.rid == r.rid)]
            assert list(range(1, r.version)) == history
        store.close()
    assert states[0] == states[1]


@pytest.mark.postgres
def test_two_processes_make_the_same_resource(postgres_store: Store) -> None:
    """Neither sees the other's row yet: the second one is done again and finds it (23505)."""
    store, other = postgres_store, open_store(postgres_store.settings, "other")
    store.take_id()
    other.take_id()
    meet = threading.Barrier(2)

    def both(which: Store, message: int) -> None:
        waited: list[int] = []

        def act(tx: Any) -> int:
            versions = resources.apply(tx, [write(message, f"FROM-{message}")], AT, take)
            return versions

        def take() -> int:  # between the look and the insert
            if not waited:
                waited.append(1)
                meet.wait(10)
            return which.take_id()

        which.write(act)

    threads = [threading.Thread(target=both, args=(s, n)) for n, s in enumerate((store, other), 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((ref, _, _, family),) = current(store)
    assert (ref, family) == ("Patient/p1", "FROM-2")
    other.close()
