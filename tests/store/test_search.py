"""Search in SQL against a search that looks at every resource in turn; pages, sorting, restrictions, plans."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, event, select, update

from hub import clock
from hub.errors import InvalidError
from hub.facade.query import read
from hub.fhir.draft import Entry
from hub.store import Store
from hub.store import search as module
from hub.store.includes import included
from hub.store.query import Query, Restriction
from hub.store.resources import apply, prepare
from hub.store.search import count, explain, search
from hub.store.tables import message, resource

from .oracle import Oracle
from .rows import new, take
from .worlds import BASE, DATES, DAY, NAMES, put, world

# --- questions --------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    for mark in "\\,|$":
        text = text.replace(mark, f"\\{mark}")
    return text


pick = st.sampled_from
words = pick([*NAMES, "mar", "le", "le fevre", "50%", "%", "_", "angstrom", "q"]).map(escaped)
codes = pick(["a", "b", "c", "zz", "s1|a", "s2|b", "|a", "s1|", "s2|", "zz|"])
flags = pick(["true", "false"])
prefixes = pick(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
dates = st.builds("{}{}".format, prefixes, pick(DATES))
numbers = st.builds(
    "{}{}{}".format,
    st.one_of(prefixes, st.just("ap")),
    pick(["5", "5.4", "5.40", "100", "1e2", "100.5", "-3", "0", "0.1", "99"]),
    pick(["", "|http://unitsofmeasure.org|mg", "||gramme", "||g", "||puff", "|http://unitsofmeasure.org|"]),
)
uris = pick(["http://p/a", "http://p/a/b", "http://p/ab", "http://p/", "http://p", "urn:x"])
ids = st.builds("p{}".format, st.integers(0, 24))


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=2).map(",".join)


def ask(names: Any, values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(pick(names) if isinstance(names, list) else st.just(names), several(values))


def once(name: Any, values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(pick(name) if isinstance(name, list) else st.just(name), values)


everywhere = [
    ask(["_profile", "_profile:above", "_profile:below"], uris),
    ask(["_tag", "_tag:not"], codes),
]
of_patient = st.one_of(
    *everywhere,
    ask(["identifier", "identifier:not"], codes),
    ask("identifier:text", pick(["num", "NUMÉRO", "x"])),
    ask("identifier:of-type", pick(["t|PI|a", "t|PI|zz", "t|XX|a"])),
    ask(["gender", "gender:not"], pick(["male", "female", "other"])),
    ask(["active"], flags),
    ask(["family", "given", "name", "family:contains", "name:contains", "family:exact", "name:exact"], words),
    ask("birthdate", dates),
    once(
        ["birthdate:missing", "gender:missing", "identifier:missing", "organization:missing", "language:missing"], flags
    ),
    ask("organization", pick(["o0", "o1", "Organization/o1", "Organization/o2", "o9"])),
    ask(["organization.name", "organization:Organization.name:contains"], words),
    ask(["language", "language:not"], codes),
    ask("language:text", words),
    ask("_id", ids),
    once("_list", pick(["li", "none", "li,none"])),
    ask(["_has:Observation:patient:code", "_has:Observation:subject:value-concept"], codes),
    ask("_has:Observation:patient:date", dates),
)
of_observation = st.one_of(
    *everywhere,
    ask(["code", "code:not", "value-concept", "component-code"], codes),
    ask(["code:text", "value-concept:text", "value-string"], words),
    ask(["status"], pick(["final", "amended", "x"])),
    ask("date", dates),
    ask("value-quantity", numbers),
    ask(["subject", "patient", "subject:Patient"], st.one_of(ids, ids.map("Patient/{}".format))),
    ask("subject", pick(["l0", "Location/l1", "Location/l1/_history/3"])),
    ask(["subject:identifier", "patient:identifier"], codes),
    once(
        [
            "date:missing", "subject:missing", "patient:missing", "value-quantity:missing", "code:missing",
            "value-string:missing",
        ],
        flags,
    ),
    ask(["patient.identifier", "subject:Patient.identifier"], codes),
    ask(["patient.family", "subject:Location.name", "patient.organization.name"], words),
    ask("patient.birthdate", dates),
    once(["patient.gender:missing", "subject:Patient.gender:missing"], flags),
    ask("patient._id", ids),
    ask("patient._has:Observation:patient:code", codes),
    ask(["subject.name"], words),
)  # fmt: skip
of_location = st.one_of(
    *everywhere,
    ask("name", words),
    once("partof:missing", flags),
    ask(["partof", "partof:below", "partof:above"], pick(["l0", "l1", "Location/l2", "l5", "l9"])),
    ask("_has:Observation:subject:status", pick(["final", "x"])),
    ask("_has:Location:partof:name", words),
)
asked = st.one_of(
    st.tuples(st.just("Patient"), st.lists(of_patient, max_size=3)),
    st.tuples(st.just("Observation"), st.lists(of_observation, max_size=3)),
    st.tuples(st.just("Location"), st.lists(of_location, max_size=2)),
)


@pytest.fixture(params=[1, 1000])
def probe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search as if it were narrow, and as if it were wide."""
    monkeypatch.setattr(module, "PROBE", request.param)


def test_sql_finds_what_looking_at_each_resource_finds(store: Store, probe: None) -> None:
    """R4 §3.1.1: every kind x modifier x prefix, OR, AND, chains, _has, hierarchies; the count is that number."""
    resources = world(20261120)
    put(store, resources)
    oracle = Oracle(resources)

    @settings(max_examples=250, deadline=None)
    @given(asked)
    def check(question: tuple[str, list[tuple[str, str]]]) -> None:
        kind, pairs = question
        query = read(kind, pairs, base=BASE).query
        expected = oracle.ask(kind, pairs)
        with store.reading() as conn:
            found = [row.ref for row in search(conn, query, 1000)]
            assert len(found) == len(set(found))
            assert set(found) == expected
            assert count(conn, query) == len(expected)
            assert count(conn, query, 2) == min(2, len(expected))

    check()


SORTS = {
    "Patient": ["_lastUpdated", "_id", "birthdate", "family", "given", "gender", "organization", "identifier"],
    "Observation": ["date", "value-quantity", "code", "subject", "_lastUpdated", "status"],
    "Location": ["name", "partof", "_profile"],
}
sorted_ = asked.flatmap(
    lambda q: st.tuples(
        st.just(q),
        st.lists(st.tuples(pick(["", "-"]), pick(SORTS[q[0]])).map("".join), min_size=0, max_size=2, unique=True),
    )
)


def test_pages_hold_all_hits_in_the_order_asked_for(store: Store, probe: None) -> None:
    """R4 §3.1.1.5.1: the keys one after the other; what has no value comes last; pages of 7 are the same in pieces."""
    resources = world(7)
    put(store, resources)
    with store.reading() as conn:
        rows = {r.ref: r for r in conn.execute(select(resource))}

    @settings(max_examples=150, deadline=None)
    @given(sorted_)
    def check(question: tuple[tuple[str, list[tuple[str, str]]], list[str]]) -> None:
        (kind, pairs), sort = question
        query = read(kind, [*pairs, ("_sort", ",".join(sort))] if sort else pairs, base=BASE).query
        with store.reading() as conn:
            whole = search(conn, query, 1000)
            paged: list[str] = []
            after = None
            while page := search(conn, query, 7, after):
                paged += [row.ref for row in page]
                after = page[-1].place
            assert [row.ref for row in whole] == paged
        falls = [s.startswith("-") for s in sort]
        if not sort:
            assert paged == sorted(paged, key=lambda ref: -rows[ref].rid)
            return
        for first, second in pairwise(whole):
            for one, two, falling in zip(first.place, second.place, [*falls, falls[0]], strict=True):
                if one != two:
                    assert two is None or (one is not None and (one > two if falling else one < two)), sort
                    break

    check()


def test_a_sort_takes_the_value_that_comes_first(store: Store, probe: None) -> None:
    """R4 §3.1.1.5.1: of several values the one that is first in the order asked for."""
    made = [
        {"resourceType": "Patient", "id": i, "name": [{"family": f} for f in names]}
        for i, names in (("x", "ad"), ("y", "bc"), ("z", ""))
    ]
    put(store, made)
    with store.reading() as conn:

        def order(sort: str) -> list[str]:
            return [r.ref[-1] for r in search(conn, read("Patient", [("_sort", sort)], base=BASE).query, 9)]

        assert (order("family"), order("-family")) == (["x", "y", "z"], ["x", "y", "z"])


COMPOSITES = [
    ("code-value-quantity", "s|c$gt5", {"b"}),
    ("code-value-quantity", "c$5", {"a"}),
    ("code-value-quantity", "c$le5", {"a"}),
    ("combo-code-value-quantity", "c$ge5,d$1", {"a", "b", "k"}),
    ("component-code-value-quantity", "s|d$1", {"k"}),
    ("component-code-value-quantity", "d$1||mg", {"k"}),
    ("component-code-value-quantity", "e$1", set()),  # e has 2, and d has 1: not of one component
    ("component-code-value-quantity", "x|e$2", set()),
    ("component-code-value-quantity", "e$2", {"k"}),
    ("component-code-value-concept", "f$y", {"k"}),
    ("component-code-value-concept", "f$|y", {"k"}),
    ("component-code-value-concept", "d$y", set()),
]


@pytest.mark.parametrize(("name", "value", "expected"), COMPOSITES)
def test_the_parts_of_a_composite_are_met_by_one_element(
    store: Store, name: str, value: str, expected: set[str]
) -> None:
    """R4 §3.1.1.4.13: both values of the same component, not of two."""

    def has(code: str, system: str = "s") -> dict[str, Any]:
        return {"coding": [{"system": system, "code": code}]}

    def one(i: str, **more: Any) -> dict[str, Any]:
        return {"resourceType": "Observation", "id": i, "status": "final", **more}

    put(
        store,
        [
            one("a", code=has("c"), valueQuantity={"value": 5}),
            one("b", code=has("c"), valueQuantity={"value": 6}),
            one(
                "k",
                code=has("x"),
                component=[
                    {"code": has("d"), "valueQuantity": {"value": 1, "code": "mg", "system": "u"}},
                    {"code": has("e"), "valueQuantity": {"value": 2}},
                    {"code": has("f"), "valueCodeableConcept": has("y", "")},
                ],
            ),
        ],
    )
    with store.reading() as conn:
        found = search(conn, read("Observation", [(name, value)], base=BASE).query, 9)
    assert {r.ref.partition("/")[2] for r in found} == expected


def test_other_composites(store: Store) -> None:
    """DocumentReference.relationship (token$reference), Group.characteristic-value, useContext."""
    put(
        store,
        [
            {
                "resourceType": "DocumentReference", "id": "d", "status": "current",
                "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/old"}}],
            },
            {
                "resourceType": "Group", "id": "g",
                "characteristic": [{"code": {"coding": [{"code": "k"}]}, "valueBoolean": True}],
            },
            {
                "resourceType": "ValueSet", "id": "v",
                "useContext": [{"code": {"system": "s", "code": "age"}, "valueRange": {"low": {"value": 50}}}],
            },
        ],
    )  # fmt: skip

    def found(kind: str, name: str, value: str) -> int:
        with store.reading() as conn:
            return len(search(conn, read(kind, [(name, value)], base=BASE).query, 9))

    assert found("DocumentReference", "relationship", "replaces$DocumentReference/old") == 1
    assert found("DocumentReference", "relationship", "replaces$old") == 1
    assert found("DocumentReference", "relationship", "appends$DocumentReference/old") == 0
    assert found("Group", "characteristic-value", "k$true") == 1
    assert found("Group", "characteristic-value", "k$false") == 0
    assert found("ValueSet", "context-type-quantity", "s|age$gt60") == 1
    assert found("ValueSet", "context-type-quantity", "age$lt40") == 0


def test_near_is_a_box_around_a_place(store: Store) -> None:
    """R4 §8.7.5.1: latitude|longitude|distance|units."""
    places = {"lyon": (45.76, 4.83), "villeurbanne": (45.77, 4.88), "paris": (48.85, 2.35)}
    put(
        store,
        [
            {"resourceType": "Location", "id": i, "position": {"latitude": a, "longitude": o}}
            for i, (a, o) in places.items()
        ],
    )
    with store.reading() as conn:
        for value, expected in (
            ("45.76|4.83|1", {"lyon"}),
            ("45.76|4.83|9|km", {"lyon", "villeurbanne"}),
            ("45.76|4.83|400|mi", set(places)),
        ):
            hits = search(conn, read("Location", [("near", value)], base=BASE).query, 9)
            assert {r.ref.partition("/")[2] for r in hits} == expected


def test_texts_are_read_where_no_index_helps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """R4 §3.1.1.4.15, _text and _content, and _source; with a bound on what is read."""
    put(
        store,
        [
            {
                "resourceType": "Observation", "id": "a",
                "text": {"div": "<div><p>Tumeur&#233; <b>maligne</b>.</p></div>"},
                "note": [{"text": "rien d'anormal"}],
            },
            {"resourceType": "Observation", "id": "b", "note": [{"text": "Maligne"}]},
        ],
    )  # fmt: skip

    def found(*pairs: tuple[str, str]) -> set[str]:
        with store.reading() as conn:
            query = read("Observation", pairs, base=BASE).query
            hits = search(conn, query, 9)
            assert count(conn, query) == len(hits)
            return {r.ref[-1] for r in hits}

    assert found(("_text", "MALIGNE")) == {"a"}
    assert found(("_text", "tumeuré maligne")) == {"a"}
    assert found(("_content", "maligne")) == {"a", "b"}
    assert found(("_text", "mal")) == set()
    assert found(("_source", "test")) == {"a", "b"}
    assert (found(("_source:below", "te")), found(("_source", "te"))) == ({"a", "b"}, set())
    monkeypatch.setattr(module, "_BATCH", 1)
    assert found(("_content", "maligne")) == {"a", "b"}
    monkeypatch.setattr(module, "LOOKED", 1)
    with pytest.raises(InvalidError) as caught:
        found(("_text", "nothing"))
    assert caught.value.code == "too-costly"


def test_what_a_message_wrote_is_found_by_its_source(store: Store) -> None:
    """R4 §2.27.2, _source: the time in which the message was worked on narrows the search."""
    taken = new(store)
    take(store, taken)
    source = f"urn:oncohub:adt:{clock.show_id(taken.id)}"
    at = clock.id_time(taken.id)
    store.write(lambda tx: tx.conn.execute(update(message).values(mapped_at=at + 5)) and None)
    for n, (said, when) in enumerate(((source, at + 3), ("other", at + 3), (source, at + 10**12))):
        write = prepare(Entry("Patient", f"p{n}", {"resourceType": "Patient"}), taken.id, said)
        store.write(lambda tx, w=write, t=when: apply(tx, [w], t, store.ids.take))
    with store.reading() as conn:
        found = search(conn, read("Patient", [("_source", source)], base=BASE).query, 9)
        assert [r.ref for r in found] == ["Patient/p0"]
        for unknown in ("urn:oncohub:adt:zzzz!", "urn:oncohub:adt:7", "urn:oncohub:adt:" + "9" * 30):
            assert search(conn, read("Patient", [("_source", unknown)], base=BASE).query, 9) == []


def test_a_hit_comes_with_the_octets_that_are_stored(store: Store) -> None:
    """The façade sends them on as they are."""
    put(store, [{"resourceType": "Patient", "id": "p", "birthDate": "1990"}])
    with store.reading() as conn:
        (row,) = search(conn, Query(("Patient",)), 10)
    assert row.content.startswith(b'{"resourceType":"Patient","id":"p","meta":{"versionId":"1"')
    assert (row.ref, row.version, row.updated) == ("Patient/p", 1, DAY)


@pytest.mark.parametrize("pairs", [[], [("_id", "p")], [("_sort", "_lastUpdated")], [("_sort", "family")]])
def test_what_was_deleted_is_not_found(sqlite_store: Store, pairs: list[tuple[str, str]], probe: None) -> None:
    """R4 §3.1.0.7: a deleted resource is no longer found by searching."""
    put(sqlite_store, [{"resourceType": "Patient", "id": "p"}])
    sqlite_store.write(lambda tx: tx.conn.execute(update(resource).values(deleted=True)) and None)
    query = read("Patient", pairs, base=BASE).query
    with sqlite_store.reading() as conn:
        assert search(conn, query, 10) == []
        assert count(conn, query) == 0


# --- what may be seen -------------------------------------------------------------------------------------


def only(refs: set[str]) -> Restriction:
    """A stand-in for grants: nothing but these."""

    def allows(rid: ColumnElement[int]) -> ColumnElement[bool]:
        allowed = resource.alias()
        from sqlalchemy import bindparam

        return rid.in_(select(allowed.c.rid).where(allowed.c.ref.in_(bindparam("r_refs", expanding=True))))

    return Restriction("refs", allows, {"r_refs": sorted(refs)})


def test_nothing_shows_what_may_not_be_seen(store: Store, probe: None) -> None:
    """A restricted search answers as if what may not be seen were not there: hits, chains, _has, lists, counts."""
    resources = world(3)
    put(store, resources)
    everything = sorted(f"{r['resourceType']}/{r['id']}" for r in resources)

    @settings(max_examples=150, deadline=None)
    @given(sorted_, st.sets(pick(everything), min_size=10))
    def check(question: tuple[tuple[str, list[tuple[str, str]]], list[str]], refs: set[str]) -> None:
        (kind, pairs), sort = question
        if any(n.endswith((":below", ":above")) and n.startswith("partof") for n, _ in pairs):
            return  # the tree of places is no secret
        kept = [r for r in resources if f"{r['resourceType']}/{r['id']}" in refs]
        expected = Oracle(kept).ask(kind, pairs)
        query = read(kind, [*pairs, ("_sort", ",".join(sort))] if sort else pairs, base=BASE).query
        with store.reading() as conn:
            assert {r.ref for r in search(conn, query, 1000, None, only(refs))} == expected
            assert count(conn, query, visible=only(refs)) == len(expected)

    check()


def test_includes_follow_references_both_ways(store: Store) -> None:
    """R4 §3.1.1.5.6: _include, _revinclude, :iterate, wildcards, canonical targets; each once; restricted too."""
    made: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "Organization/o"}},
        {"resourceType": "Organization", "id": "o", "partOf": {"reference": "Organization/top"}},
        {"resourceType": "Organization", "id": "top"},
        {"resourceType": "Observation", "id": "b", "status": "final", "subject": {"reference": "Patient/p"}},
        {"resourceType": "Questionnaire", "id": "q", "url": "http://q"},
        {
            "resourceType": "QuestionnaireResponse", "id": "r", "questionnaire": "http://q|2",
            "subject": {"reference": "Patient/p"},
        },
    ]  # fmt: skip
    put(store, made)

    def along(kind: str, *pairs: tuple[str, str], visible: Restriction | None = None) -> set[str]:
        found = read(kind, pairs, base=BASE)
        with store.reading() as conn:
            rows = search(conn, found.query, 10)
            made, whole = included(conn, [(r.rid, r.ref) for r in rows], found.includes, visible)
        assert whole
        assert len(made) == len({r.rid for r in made})
        return {r.ref for r in made}

    assert along("Observation", ("_include", "Observation:subject")) == {"Patient/p"}
    assert along("Observation", ("_include", "Observation:subject:Group")) == set()
    flat = (("_include", "Observation:patient"), ("_include", "Patient:organization"))
    assert along("Observation", *flat) == {"Patient/p"}
    deep = (("_include", "Observation:patient"), ("_include:iterate", "Patient:organization"))
    assert along("Observation", *deep) == {"Patient/p", "Organization/o"}
    deeper = (*deep, ("_include:iterate", "Organization:partof"))
    assert along("Observation", *deeper) == {"Patient/p", "Organization/o", "Organization/top"}
    assert along("Observation", *deeper, visible=only({"Patient/p", "Organization/top"})) == {"Patient/p"}
    assert along("Observation", ("_include", "*")) == {"Patient/p"}
    assert along("Patient", ("_include", "Patient:*")) == {"Organization/o"}
    assert along("Patient", ("_revinclude", "Observation:patient")) == {"Observation/b"}
    assert along("Patient", ("_revinclude", "*")) == {"Observation/b", "QuestionnaireResponse/r"}
    assert along("QuestionnaireResponse", ("_include", "QuestionnaireResponse:questionnaire")) == {"Questionnaire/q"}
    assert along("Questionnaire", ("_revinclude", "QuestionnaireResponse:questionnaire")) == set()


def test_what_comes_along_is_bounded(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page must not bring the whole store with it; that something is left out is told."""
    from hub.store import includes

    many = [{"resourceType": "Observation", "id": f"b{n}", "subject": {"reference": "Patient/p"}} for n in range(9)]
    put(sqlite_store, [{"resourceType": "Patient", "id": "p"}, *many])
    monkeypatch.setattr(includes, "MOST", 5)
    asked_ = read("Patient", [("_revinclude", "Observation:subject")], base=BASE)
    with sqlite_store.reading() as conn:
        (row,) = search(conn, asked_.query, 9)
        found, whole = included(conn, [(row.rid, row.ref)], asked_.includes)
    assert (len(found), whole) == (5, False)


# --- plans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("DocumentReference", [("date", "ge2020"), ("patient.identifier", "s1|a"), ("status", "current")]),
        ("DocumentReference", [("patient", "p1"), ("date", "ge2020"), ("_sort", "-date")]),
        ("Patient", [("identifier", "s1|a"), ("family", "x")]),
        ("Patient", [("_id", "p1")]),
        ("Patient", [("_has:Observation:patient:identifier", "s1|a")]),
        ("DocumentReference", [("status", "current")]),
        ("DocumentReference", [("_list", "li")]),
    ],
)
def test_no_table_is_scanned(sqlite_store: Store, kind: str, pairs: list[tuple[str, str]]) -> None:
    """A search must not cost more the more is stored: every step goes by an index."""
    query = read(kind, pairs, base=BASE).query
    with sqlite_store.reading() as conn:
        steps = explain(conn, query, 20)
    assert [s for s in steps if s.startswith("SCAN") and ("idx_" in s or "resource" in s)] == []


def test_wide_searches_read_a_page_and_not_everything(sqlite_store: Store) -> None:
    """Without a narrow criterion the answer comes in its own order, without a sort of all that matches."""
    query = read("DocumentReference", [("status", "current")], base=BASE).query
    with sqlite_store.reading() as conn:
        assert [s for s in explain(conn, query, 20) if "TEMP B-TREE" in s and "ORDER" not in s] == []
        assert not any("TEMP B-TREE FOR DISTINCT" in s for s in explain(conn, query, 20))


def test_statements_are_composed_once_a_shape(sqlite_store: Store) -> None:
    """Another value is no other statement: neither composed nor planned anew."""
    seen: set[str] = set()
    with sqlite_store.reading() as conn:
        event.listen(conn, "before_cursor_execute", lambda *a: seen.add(a[2]))
        for value in ("s|1", "s|2", "s|3"):
            search(conn, read("Patient", [("identifier", value)], base=BASE).query, 20)
        for value in ("c$1", "d$2"):
            search(conn, read("Observation", [("component-code-value-quantity", value)], base=BASE).query, 20)
    assert len([s for s in seen if s.startswith("SELECT") and "content" in s]) == 2


def test_the_plan_shown_holds_no_value(store: Store) -> None:
    """It is for engineers, who need not know whom a search is about."""
    query = read("Patient", [("identifier", "s1|secret-number"), ("family", "Secretname")], base=BASE).query
    with store.reading() as conn:
        shown = "\n".join(explain(conn, query, 20))
    assert "begins at criterion 1" in shown
    assert "ecret" not in shown
