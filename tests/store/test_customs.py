"""Search parameters of a site: taken in, indexed in the background, searched by, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub import clock
from hub.errors import InvalidError
from hub.facade.query import read
from hub.fhir.draft import Entry, Rank
from hub.fhir.search import custom, extract, params
from hub.fhir.search.paths import compile_path, values
from hub.store import Store, customs, reindex
from hub.store.resources import apply, prepare
from hub.store.search import search
from hub.store.tables import INDEXES
from tests.waiting import until

BASE = "https://hub.example/fhir"
URL = "https://example.org/SearchParameter/patient-nickname"
EXTENSION = "https://example.org/nickname"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No parameters of another test; nothing waits for other processes."""
    monkeypatch.setattr(customs, "SETTLE", 0)
    custom.use([], [])
    yield
    custom.use([], [])


def parameter(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "url": URL,
        "status": "active",
        "code": "nickname",
        "type": "string",
        "base": ["Patient"],
        "expression": f"Patient.extension('{EXTENSION}').value",
        **more,
    }


def patient(name: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "extension": [{"url": EXTENSION, "valueString": name}]}


def put(store: Store, kind: str, fid: str, resource: dict[str, Any]) -> None:
    write = prepare(Entry(kind, fid, resource, rank=Rank.PERSON), store.ids.take(), "test")
    store.write(lambda tx: apply(tx, [write], clock.now(), store.ids.take))


def found(store: Store, value: str, name: str = "nickname") -> list[str]:
    with store.reading() as conn:
        return [r.ref for r in search(conn, read("Patient", [(name, value)], base=BASE).query, 99)]


def states(store: Store) -> list[tuple[str, str]]:
    return [(s.url, s.state) for s in customs.standings(store)]


def test_a_parameter_is_used_once_all_is_indexed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """R4 §3.1.3: refused until every resource is indexed, those from before and those that come meanwhile."""
    monkeypatch.setattr(customs, "BITE", 2)
    for n in range(5):
        put(store, "Patient", f"p{n}", patient("Zoé" if n % 2 else "Léo"))
    put(store, "SearchParameter", "s", parameter())
    monkeypatch.setattr(customs, "SETTLE", 10**12)
    customs.look(store)
    customs.refresh(store)
    assert states(store) == [(URL, "waiting")]
    put(store, "Patient", "p5", patient("Zoé"))  # indexed as it is written
    with pytest.raises(InvalidError, match="no such search parameter"):
        found(store, "zoe")
    monkeypatch.setattr(customs, "SETTLE", 0)
    customs.look(store)
    customs.refresh(store)
    assert states(store) == [(URL, "active")]
    assert found(store, "ZOE") == ["Patient/p5", "Patient/p3", "Patient/p1"]
    assert params("Patient")["nickname"].definition == URL
    put(store, "Patient", "p1", patient("Max"))
    assert found(store, "zoe") == ["Patient/p5", "Patient/p3"]
    assert found(store, "false", "nickname:missing") == [f"Patient/p{n}" for n in (5, 4, 3, 2, 1, 0)]
    reindex.reindex(store)
    assert found(store, "zoe") == ["Patient/p5", "Patient/p3"]


def test_a_parameter_that_is_gone_or_changed_is_forgotten(store: Store) -> None:
    """Its rows go with it; another definition is indexed anew."""
    put(store, "Patient", "p", patient("Zoé") | {"birthDate": "1990"})
    put(store, "SearchParameter", "s", parameter())
    customs.look(store)
    customs.refresh(store)
    assert found(store, "zoe") == ["Patient/p"]
    put(store, "SearchParameter", "s", parameter(type="date", expression="Patient.birthDate"))
    customs.look(store)
    customs.refresh(store)
    assert found(store, "1990") == ["Patient/p"]
    put(store, "SearchParameter", "s", parameter(status="retired"))
    customs.look(store)
    customs.refresh(store)
    assert states(store) == []
    numbers = set(custom.read(parameter()).group("Patient"))
    with store.reading() as conn:
        for table in INDEXES.values():
            assert not numbers & {r.param for r in conn.execute(select(table))}


def test_one_that_cannot_be_indexed_says_why(sqlite_store: Store) -> None:
    """The status holds the reason; nothing else is disturbed."""
    put(sqlite_store, "SearchParameter", "s", parameter(expression="Patient.name.exists()"))
    customs.look(sqlite_store)
    customs.refresh(sqlite_store)
    (standing,) = customs.standings(sqlite_store)
    assert standing.state == "failed"
    assert "SearchParameter.expression" in standing.detail
    put(sqlite_store, "Patient", "p", patient("x"))


def test_the_background_does_it_by_itself(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of the server looks every few seconds and ends when it is told."""
    monkeypatch.setattr(customs, "LOOK_EVERY", 0.01)
    indexer = customs.Indexer(sqlite_store)
    put(sqlite_store, "Patient", "p", patient("Zoé"))
    put(sqlite_store, "SearchParameter", "s", parameter())
    until(lambda: "nickname" in params("Patient"))
    indexer.stop()
    assert found(sqlite_store, "zoe") == ["Patient/p"]


def test_one_process_at_a_time_does_the_work(sqlite_store: Store) -> None:
    """Whoever comes second leaves it to the first."""
    put(sqlite_store, "SearchParameter", "s", parameter())
    lock = sqlite_store.locks.take("searchparams")
    assert lock is not None
    customs.look(sqlite_store)
    assert states(sqlite_store) == []
    lock.release()
    customs.look(sqlite_store)
    assert states(sqlite_store) == [(URL, "active")]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"url": ""}, "url"),
        ({"type": "composite"}, "type"),
        ({"base": []}, "base"),
        ({"base": ["Nothing"]}, "base"),
        ({"code": "family"}, "code"),
        ({"code": "_id"}, "code"),
        ({"code": "a b"}, "code"),
        ({"expression": ""}, "expression"),
        ({"expression": "Observation.code"}, "expression"),
        ({"expression": "Patient.name.first()"}, "expression"),
        ({"expression": "(" * 900}, "expression"),
        ({"expression": "Patient" + ".a" * 60}, "expression"),
        ({"expression": "Patient.a" * 2000}, "expression"),
    ],
)
def test_a_definition_that_is_no_good_is_refused_by_element(changes: dict[str, Any], where: str) -> None:
    """R4 SearchParameter: what is in the way, and what to do."""
    with pytest.raises(InvalidError) as caught:
        custom.read(parameter(**changes))
    assert caught.value.where == f"SearchParameter.{where}"
    assert caught.value.cure


@pytest.mark.parametrize(
    ("kind", "expression", "resource", "table", "row"),
    [
        ("token", "Patient.maritalStatus", {"maritalStatus": {"coding": [{"system": "s", "code": "M"}]}},
         "token", ("M", "s")),
        ("token", "Patient.deceased", {"deceasedBoolean": True}, "token", ("true", "")),
        ("token", "(Patient.deceased as boolean)", {"deceasedBoolean": False}, "token", ("false", "")),
        ("date", "Patient.contact.period", {"contact": [{"period": {"start": "2020", "end": "2020"}}]}, "date", None),
        ("reference", "Patient.link.other.where(resolve() is Patient)",
         {"link": [{"other": {"reference": "Patient/1"}}]}, "reference", ("Patient/1",)),
        ("quantity", f"Patient.extension('{EXTENSION}').value.ofType(Quantity)",
         {"extension": [{"url": EXTENSION, "valueQuantity": {"value": 5}}, {"url": "x"}]},
         "quantity", (5.0, 5.0, "", "")),
        ("number", "Patient.multipleBirth", {"multipleBirthInteger": 2}, "quantity", (2.0, 2.0, "", "")),
        ("string", "Patient.name.where(use = 'usual').family",
         {"name": [{"use": "usual", "family": "É"}, {"family": "B"}]}, "string", ("e", "É")),
        ("uri", "Resource.implicitRules", {"implicitRules": "http://x"}, "token", ("http://x", "")),
    ],
)  # fmt: skip
def test_expressions_reach_what_they_name(
    kind: str, expression: str, resource: dict[str, Any], table: str, row: tuple[Any, ...] | None
) -> None:
    """FHIRPath as SearchParameters use it: paths, choices, casts, extensions, where."""
    definition = custom.read(parameter(type=kind, code="own", expression=expression))
    custom.use([definition], [])
    number = definition.group("Patient").number
    rows = [r[1:] for r in getattr(extract({"resourceType": "Patient", **resource}), table) if r[0] == number]
    assert len(rows) == 1
    assert row is None or rows == [row]


@given(st.text(alphabet="Patient.nmeas()|'extwhrofTyp =\\ ", max_size=80))
def test_any_expression_is_compiled_or_refused(text: str) -> None:
    """Never a fault, and never a hang."""
    try:
        ways = compile_path(text)
    except ValueError:
        return
    for way in ways:
        values(way, {"resourceType": "Patient", "name": [{"family": "x"}], "extension": [{"url": "x"}]})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "value", "coding"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(custom.KINDS), json)
def test_whatever_stands_there_is_indexed_or_left_out(kind: str, value: Any) -> None:
    """A parameter of a site never keeps a resource from being written."""
    definition = custom.read(parameter(type=kind, code="own", expression="Patient.own"))
    custom.use([definition], [])
    try:
        extract({"resourceType": "Patient", "own": value})
    finally:
        custom.use([], [])
