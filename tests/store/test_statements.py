"""Statements about some elements of a resource: whatever the order of arrival, what is seen is the same."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub.fhir.draft import Draft, Entry, Patch, Rank
from hub.store import Store, resources
from hub.store.resources import Saying, Write
from hub.store.tables import idx_token, resource, resource_history, statement

from .rows import count, rows

AT = 1_768_000_000_000_000
REPLACED = {"link": [{"other": {"reference": "Patient/a"}, "type": "replaced-by"}]}


def told(message: int, rank: int = Rank.FEED, decided: bool = False, fid: str = "b", **elements: Any) -> Write:
    made = resources.prepare(
        Entry("Patient", fid, {"resourceType": "Patient", "active": True} | elements, rank), message, "urn:m"
    )
    made.decided = decided
    return made


def said(message: int, topic: str = "merge", at: int = 0, rank: int = Rank.FEED, fid: str = "b", **what: Any) -> Saying:
    return Saying(Patch("Patient", fid, topic, what.get("sets", {}), what.get("adds", {}), rank, at), message, "urn:m")


def merge(message: int, at: int = 0) -> Saying:
    return said(message, at=at, sets={"active": False}, adds=REPLACED)


def apply(store: Store, *writes: Write | Saying) -> int:
    take_id = store.ids.take
    return store.write(lambda tx: resources.apply(tx, writes, AT, take_id))


def seen(store: Store) -> dict[str, Any] | None:
    """The elements of the resource as a reader sees them."""
    (found,) = rows(store, resource)
    if found.deleted:
        return None
    content = orjson.loads(found.content)
    return {k: v for k, v in content.items() if k not in ("resourceType", "id", "meta")}


def test_a_statement_lies_over_what_is_there(store: Store) -> None:
    """Only the elements it names change: the name and the birth date of the merged patient stay."""
    apply(store, told(1, birthDate="1954-04-12"))
    assert apply(store, merge(2)) == 1
    assert seen(store) == {"active": False, "birthDate": "1954-04-12", **REPLACED}
    (row,) = rows(store, resource)
    assert (row.version, row.rank, row.message) == (2, Rank.FEED, 1), "the description is still that of message 1"
    assert "false" in {r.code for r in rows(store, idx_token)}


def test_a_statement_waits_for_what_it_is_about(store: Store) -> None:
    """Nobody sees a resource of which only a statement is known; its first version has it."""
    assert apply(store, merge(1)) == 0
    assert (seen(store), rows(store, resource)[0].version, rows(store, idx_token)) == (None, 0, [])
    assert apply(store, told(2)) == 1
    assert (seen(store), rows(store, resource)[0].version) == ({"active": False, **REPLACED}, 1)
    assert count(store, resource_history) == 0


def test_a_statement_outlasts_later_descriptions(store: Store) -> None:
    """An A08 of the merged patient changes its address, never the merge."""
    apply(store, told(1), merge(2))
    assert apply(store, told(3, gender="female")) == 1
    assert seen(store) == {"active": False, "gender": "female", **REPLACED}
    assert apply(store, told(4, gender="female")) == 0


def test_a_topic_can_be_taken_back(store: Store) -> None:
    """Unmerge: the resource shows its own elements again, the newest ones."""
    apply(store, told(1), merge(2), told(3, gender="female"))
    assert apply(store, said(4)) == 1
    assert seen(store) == {"active": True, "gender": "female"}
    assert apply(store, merge(2)) == 0, "the replay of what was taken back"


def test_the_time_of_the_event_decides(store: Store) -> None:
    """Where messages overtake each other, ``at`` tells merge and unmerge apart."""
    apply(store, told(1), said(2, at=2000), merge(3, at=1000))
    assert seen(store) == {"active": True}


def test_what_topics_add_is_put_together(store: Store) -> None:
    """Two merges into one survivor: each link stays when the other is taken back, and those of the feed too."""
    own = {"other": {"reference": "Patient/z"}, "type": "seealso"}
    first, second = ({"other": {"reference": f"Patient/{i}"}, "type": "replaces"} for i in "cd")
    apply(store, said(1, "merge:d", adds={"link": [second]}), said(2, "merge:c", adds={"link": [first, own]}))
    apply(store, told(3, link=[own]))
    assert (seen(store) or {})["link"] == [own, first, second]
    apply(store, said(4, "merge:c"))
    assert (seen(store) or {})["link"] == [own, second]


def test_a_person_has_the_last_word(store: Store) -> None:
    """What was written through the API shows as written; a statement that comes later lies over it."""
    apply(store, told(1), merge(2))
    apply(store, told(3, Rank.PERSON, decided=True, gender="other"))
    assert seen(store) == {"active": True, "gender": "other"}
    apply(store, said(4, "other", sets={"active": False}))
    assert seen(store) == {"active": False, "gender": "other"}


def test_what_was_deleted_stays_deleted(store: Store) -> None:
    """A statement is kept, but brings nothing back."""
    apply(store, told(1))
    gone = told(2, Rank.PERSON, decided=True)
    gone.gone = True
    assert apply(store, gone) == 1
    assert apply(store, merge(3)) == 0
    assert seen(store) is None
    apply(store, told(4, Rank.PERSON, decided=True))
    assert seen(store) == {"active": True}


def test_decimals_of_what_lies_under_a_statement_stay(store: Store) -> None:
    """R4 §2.24.0.1: 5.270 is not 5.27, also when a slip lies over another element."""
    write = told(1)
    write.rest = b'"active":true,"multipleBirthInteger":1,"extension":[{"url":"u","valueDecimal":5.270}]}'
    apply(store, write, merge(2))
    apply(store, said(3))
    assert b'"valueDecimal":5.270' in bytes(rows(store, resource)[0].content)


def test_the_draft_makes_the_statement() -> None:
    """The reference it returns is that of the resource another message describes."""
    draft = Draft()
    reference = draft.patch("Patient", ("urn:oid:1.2", "42"), "merge", sets={"active": False}, at=7)
    described = draft.add({"resourceType": "Patient"}, ("urn:oid:1.2", "42"))
    (patch,) = draft.patches.values()
    assert (reference, patch.at, list(draft.entries)) == (described, 7, [described["reference"]])


@pytest.mark.parametrize("name", ["id", "meta", "resourceType"])
def test_what_the_store_makes_cannot_be_stated(name: str) -> None:
    """They would be written twice into the octets."""
    with pytest.raises(ValueError, match=name):
        Draft().patch("Patient", ("urn:oid:1.2", "42"), "merge", sets={name: "x"})


ELEMENTS = st.fixed_dictionaries(
    {},
    optional={"gender": st.sampled_from(["male", "female"]), "birthDate": st.just("1954"),
              "link": st.lists(st.sampled_from([{"type": "refer"}, {"type": "seealso"}]), min_size=1, max_size=2)},
)  # fmt: skip
STATED = st.builds(
    lambda topic, at, rank, sets, adds: (topic, at, rank, sets, adds),
    st.sampled_from(["merge", "merge:c", "superseded"]), st.integers(1, 3),
    st.sampled_from([Rank.DOCUMENT, Rank.FEED]),
    st.one_of(st.just({}), st.fixed_dictionaries({"active": st.booleans()})),
    st.one_of(st.just({}), st.just(REPLACED), st.just({"link": [{"type": "refer"}]})),
)  # fmt: skip
# Mentions are left out, for their time is not kept (they settle with the next mention).
TOLD = st.tuples(st.sampled_from([Rank.DOCUMENT, Rank.FEED]), ELEMENTS)
NUMBERS = itertools.count()


@given(st.data())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_arrival_does_not_matter(store: Store, data: st.DataObject) -> None:
    """The same octets of content, whichever way descriptions and statements overtake each other or come again.

    Every message keeps its number however late it is worked on: numbers are given when messages arrive.
    """
    what = data.draw(st.lists(st.one_of(STATED, TOLD), min_size=2, max_size=7))
    again = data.draw(st.lists(st.sampled_from(range(len(what))), max_size=3))
    shuffled = data.draw(st.permutations([*range(len(what)), *again]))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))
    ends = []
    for order in (range(len(what)), shuffled):
        fid = f"b{next(NUMBERS)}"
        batch: list[Write | Saying] = []
        for place, number in enumerate(order):
            one = what[number]
            if len(one) == 2:
                batch.append(told(number + 1, one[0], fid=fid, **one[1]))
            else:
                batch.append(said(number + 1, *one[:3], sets=one[3], adds=one[4], fid=fid))
            if cuts[place]:
                apply(store, *batch)
                batch = []
        apply(store, *batch)
        (row,) = rows(store, resource, resource.c.ref == f"Patient/{fid}")
        old = rows(store, resource_history, resource_history.c.rid == row.rid)
        assert [r.version for r in old] == list(range(1, row.version))
        kept = {(r.topic, bytes(r.content)) for r in rows(store, statement, statement.c.ref == row.ref)}
        ends.append((bytes(row.hash), row.rank, row.deleted, kept))
    assert ends[0] == ends[1]
