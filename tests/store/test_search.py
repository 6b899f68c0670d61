"""Search in SQL against a search that looks at every resource in turn."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from hub import clock
from hub.fhir.draft import Entry
from hub.fhir.search import Extracted, extract, interval, params
from hub.store import Store
from hub.store.query import Chain, Criterion, Ids, Present, Query, Ref, Sort, Test, Text, Token, When
from hub.store.resources import apply, prepare
from hub.store.search import count, search
from hub.store.tables import resource

P, D = params("Patient"), params("DocumentReference")
NAMES = ["Martin", "MARTINEZ", "Le Févre", "lefevre", "50%_/", "Ängström", "z"]
DATES = ["2020", "2020-06", "2020-06-15", "2020-06-15T10:00:00Z", "2020-06-15T10:00:00.5+02:00", "1990-01-01", "2031"]
DAY = clock.from_iso("2020-01-01T00:00:00Z")


def _patients(chance: random.Random) -> list[dict[str, Any]]:
    made = []
    for i in range(24):
        one: dict[str, Any] = {"resourceType": "Patient", "id": f"p{i}"}
        if chance.random() < 0.8:
            one["identifier"] = [
                {"system": chance.choice(["s1", "s2"]), "value": chance.choice("abc")},
                {"value": chance.choice("abc")},
            ]
        if chance.random() < 0.8:
            one["name"] = [{"family": chance.choice(NAMES), "given": [chance.choice(NAMES)]}]
        if chance.random() < 0.7:
            one["birthDate"] = chance.choice(["1990", "1990-01", "1990-01-01", "2020-06-15"])
        if chance.random() < 0.7:
            one["gender"] = chance.choice(["male", "female"])
        made.append(one)
    return made


def _documents(chance: random.Random) -> list[dict[str, Any]]:
    made = []
    for i in range(40):
        one: dict[str, Any] = {
            "resourceType": "DocumentReference",
            "id": f"d{i}",
            "status": chance.choice(["current", "superseded"]),
        }
        if chance.random() < 0.9:
            one["subject"] = {"reference": f"Patient/p{chance.randrange(30)}"}  # some are not there
        if chance.random() < 0.8:
            one["date"] = chance.choice(DATES)
        if chance.random() < 0.5:
            period = {k: chance.choice(DATES) for k in ("start", "end") if chance.random() < 0.7}
            one["context"] = {"period": period}
        made.append(one)
    return made


def put(store: Store, resources: list[dict[str, Any]]) -> None:
    writes = [
        prepare(Entry(r["resourceType"], r["id"], {k: v for k, v in r.items() if k != "id"}), store.ids.take(), "test")
        for r in resources
    ]
    for at, write in enumerate(writes):
        store.write(lambda tx, w=write, at=at: apply(tx, [w], DAY + at // 3, store.ids.take))


class Everything:
    """The naive oracle: all resources with their index values, in order of creation."""

    def __init__(self, store: Store, resources: list[dict[str, Any]]) -> None:
        self.values: dict[str, Extracted] = {f"{r['resourceType']}/{r['id']}": extract(r) for r in resources}
        with store.reading() as conn:
            found = {r.ref: r for r in conn.execute(resource.select())}
        self.rids = {ref: found[ref].rid for ref in self.values}
        self.updated = {ref: found[ref].updated for ref in self.values}

    def ask(self, query: Query) -> list[str]:
        hits = [
            ref
            for ref in self.values
            if ref.startswith(f"{query.type}/") and all(self._meets(ref, c) for c in query.criteria)
        ]
        sort = query.sort
        if sort is None:
            return sorted(hits, key=lambda ref: -self.rids[ref])
        return sorted(hits, key=lambda ref: (self._key(ref, sort), self.rids[ref]), reverse=sort.falling)

    def _key(self, ref: str, sort: Sort) -> int:
        if sort.param is None:
            return self.updated[ref]
        return min((low for p, low, _ in self.values[ref].date if p == sort.param), default=-(2**63))

    def _meets(self, ref: str, criterion: Criterion) -> bool:
        return any(self._holds(ref, t) for t in criterion.tests) != criterion.negated

    def _holds(self, ref: str, test: Test) -> bool:
        found = self.values[ref]
        match test:
            case Ids(refs):
                return ref in refs
            case Token(param, code, system):
                return any(p == param and code in (None, c) and system in (None, s) for p, c, s in found.token)
            case Text(param, value, "exact"):
                return any(p == param and e == value for p, _, e in found.string)
            case Text(param, value, how):
                return any(
                    p == param and (f.startswith(value) if how == "starts" else value in f) for p, f, _ in found.string
                )
            case Ref(param, targets):
                return any(p == param and t in targets for p, t in found.reference)
            case Chain(param, queries):
                pointed = {hit for q in queries for hit in self.ask(q)}
                return any(p == param and t in pointed for p, t in found.reference)
            case Present(param, kind):
                return any(row[0] == param for row in getattr(found, kind))
            case When(param=None):
                return _dated(test, self.updated[ref], self.updated[ref])
            case When(param=param):
                return any(p == param and _dated(test, low, high) for p, low, high in found.date)


def _dated(test: When, low: int, high: int) -> bool:
    """R4 §3.1.1.4.7, in the words of the standard."""
    contains = test.low <= low and high <= test.high
    overlaps = low <= test.high and test.low <= high
    above, below = high > test.high, low < test.low
    return {
        "eq": contains, "ne": not contains, "gt": above, "lt": below, "ge": above or contains,
        "le": below or contains, "sa": low > test.high, "eb": high < test.low, "ap": overlaps,
    }[test.prefix]  # fmt: skip


prefixes = st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
dates = st.sampled_from(DATES).map(interval)


def when(param: int) -> st.SearchStrategy[Test]:
    return st.builds(lambda prefix, at: When(param, prefix, *at), prefixes, dates)


words = st.sampled_from(["mar", "martin", "le", "lefevre", "le fevre", "50%", "%", "_", "/", "angstrom", "z", "q"])
patient_tests: st.SearchStrategy[Test] = st.one_of(
    st.builds(
        Token, st.just(P["identifier"].id), st.sampled_from(["a", "b", "zz", None]), st.sampled_from(["s1", "", None])
    ),
    st.builds(Token, st.just(P["gender"].id), st.sampled_from(["male", "female"])),
    st.builds(Text, st.sampled_from([P["family"].id, P["name"].id]), words, st.sampled_from(["starts", "contains"])),
    st.builds(Text, st.just(P["family"].id), st.sampled_from(NAMES), st.just("exact")),
    when(P["birthdate"].id),
    st.builds(Present, st.just(P["birthdate"].id), st.just("date")),
    st.builds(Ids, st.lists(st.sampled_from(["Patient/p1", "Patient/p2", "Patient/none"]), min_size=1).map(tuple)),
)


def criteria(tests: st.SearchStrategy[Test]) -> st.SearchStrategy[Criterion]:
    return st.builds(Criterion, st.lists(tests, min_size=1, max_size=2).map(tuple), st.booleans())


def queries(
    kind: str, tests: st.SearchStrategy[Test], sort: st.SearchStrategy[Sort | None]
) -> st.SearchStrategy[Query]:
    return st.builds(Query, st.just(kind), st.lists(criteria(tests), max_size=3).map(tuple), sort)


chains = st.builds(Chain, st.just(D["patient"].id), queries("Patient", patient_tests, st.none()).map(lambda q: (q,)))
document_tests: st.SearchStrategy[Test] = st.one_of(
    st.builds(
        Ref,
        st.just(D["patient"].id),
        st.lists(st.sampled_from([f"Patient/p{i}" for i in range(30)]), min_size=1, max_size=3).map(tuple),
    ),
    chains,
    when(D["date"].id),
    when(D["period"].id),
    st.builds(lambda prefix, at: When(None, prefix, DAY + at, DAY + at + 3), prefixes, st.integers(0, 20)),
    st.builds(Token, st.just(D["status"].id), st.sampled_from(["current", "superseded", "none"])),
    st.builds(Present, st.just(D["patient"].id), st.just("reference")),
)
sorts = st.one_of(st.none(), st.builds(Sort, st.sampled_from([None, D["date"].id, D["period"].id]), st.booleans()))
asked = st.one_of(
    queries("Patient", patient_tests, st.one_of(st.none(), st.builds(Sort, st.just(P["birthdate"].id), st.booleans()))),
    queries("DocumentReference", document_tests, sorts),
)


def test_sql_finds_what_looking_at_each_resource_finds(store: Store) -> None:
    """R4 §3.1.1: all tests, OR, AND, negation, chains, sorting; and pages of 7 give the same in pieces."""
    chance = random.Random(20261120)
    resources = [*_patients(chance), *_documents(chance)]
    chance.shuffle(resources)
    put(store, resources)
    everything = Everything(store, resources)

    @settings(max_examples=150, deadline=None)
    @given(asked)
    def check(query: Query) -> None:
        expected = everything.ask(query)
        with store.reading() as conn:
            assert expected == [row.ref for row in search(conn, query, 1000)]
            assert len(expected) == count(conn, query)
            paged: list[str] = []
            after = None
            while rows := search(conn, query, 7, after):
                paged += [row.ref for row in rows]
                after = (rows[-1].key, rows[-1].rid)
                assert len(rows) <= 7
            assert expected == paged

    check()


def test_a_hit_comes_with_the_octets_that_are_stored(store: Store) -> None:
    """The façade sends them on as they are."""
    put(store, [{"resourceType": "Patient", "id": "p", "birthDate": "1990"}])
    with store.reading() as conn:
        (row,) = search(conn, Query("Patient"), 10)
    assert row.content.startswith(b'{"resourceType":"Patient","id":"p","meta":{"versionId":"1"')
    assert (row.ref, row.version, row.updated) == ("Patient/p", 1, DAY)


@pytest.mark.parametrize("criteria", [(), (Criterion((Ids(("Patient/p",)),)),)])
def test_what_was_deleted_is_not_found(sqlite_store: Store, criteria: tuple[Criterion, ...]) -> None:
    """R4 §3.1.0.7: a deleted resource is no longer found by searching."""
    put(sqlite_store, [{"resourceType": "Patient", "id": "p"}])
    sqlite_store.write(lambda tx: tx.conn.execute(update(resource).values(deleted=True)) and None)
    with sqlite_store.reading() as conn:
        assert search(conn, Query("Patient", criteria), 10) == []
        assert count(conn, Query("Patient", criteria)) == 0


def test_a_narrow_test_leads_and_uses_its_index(sqlite_store: Store) -> None:
    """A search by identifier must not cost more the more patients there are: no table is scanned."""
    by_identifier = Query(
        "DocumentReference",
        (
            Criterion((When(D["date"].id, "ge", 0, 1),)),
            Criterion(
                (Chain(D["patient"].id, (Query("Patient", (Criterion((Token(P["identifier"].id, "a", "s1"),)),)),)),)
            ),
        ),
    )
    seen: list[str] = []
    with sqlite_store.reading() as conn:
        raw: Any = conn.connection.driver_connection
        raw.set_trace_callback(seen.append)
        search(conn, by_identifier, 20)
        count(conn, by_identifier)
        raw.set_trace_callback(None)
        for statement in [s for s in seen if s.startswith("SELECT")]:
            plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert [
                step for step in plan if (step.startswith("SCAN") and "idx_" in step) or "SCAN resource" in step
            ] == []
            assert any("idx_token" in step and "SEARCH" in step for step in plan)
