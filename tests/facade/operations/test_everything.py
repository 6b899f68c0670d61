"""$everything (R4 §8.1.20.2): the compartment of a patient by pages, by date of care, by type; merged ones too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facade.conftest import Api

SUBJECT = {"subject": {"reference": "Patient/p1"}}


def observation(fid: str, day: str, patient: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": fid, "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": day, **more,
    }  # fmt: skip


@pytest.fixture
def record(each_api: Api) -> Api:
    each_api.put(
        {"resourceType": "Patient", "id": "p1"},
        {"resourceType": "Patient", "id": "p2"},
        {"resourceType": "Organization", "id": "o1", "name": "CH"},
        {"resourceType": "Organization", "id": "o2", "name": "nobody names it"},
        observation("jan", "2026-01-10", performer=[{"reference": "Organization/o1"}]),
        observation("mar", "2026-03-10"),
        observation("other", "2026-03-10", "p2"),
        {"resourceType": "Condition", "id": "c1", **SUBJECT},
    )
    return each_api


def refs(made: Any, mode: str = "match") -> set[str]:
    found = [e["resource"] for e in made.get("entry", ()) if e["search"]["mode"] == mode]
    return {f"{r['resourceType']}/{r['id']}" for r in found}


def test_the_compartment_and_what_it_names(record: Api) -> None:
    made = record.json("/fhir/Patient/p1/$everything")
    assert refs(made) == {"Patient/p1", "Observation/jan", "Observation/mar", "Condition/c1"}
    assert refs(made, "include") == {"Organization/o1"}
    assert (made["type"], made["total"]) == ("searchset", 4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start=2026-02-01", {"Patient/p1", "Observation/mar", "Condition/c1"}),
        ("end=2026-02", {"Patient/p1", "Observation/jan", "Condition/c1"}),
        ("start=2026-03-10&end=2026-03-10", {"Patient/p1", "Observation/mar", "Condition/c1"}),
        ("_type=Observation", {"Observation/jan", "Observation/mar"}),
        ("_type=Condition,Observation&start=2026-02", {"Observation/mar", "Condition/c1"}),
        ("_type=Patient", {"Patient/p1"}),
        ("_since=2020-01-01T00:00:00Z&_type=Condition", {"Condition/c1"}),
        ("_since=2100-01-01T00:00:00Z", set()),
    ],
)
def test_part_of_it(record: Api, query: str, expected: set[str]) -> None:
    """Of the care between two days; what has no date of care is always part (R4: start, end, _since, _type)."""
    assert refs(record.json(f"/fhir/Patient/p1/$everything?{query}")) == expected


def test_pages_have_everything_once(record: Api) -> None:
    url, found = "/fhir/Patient/p1/$everything?_count=1&start=2026-01-01", []
    for _ in range(10):
        made = record.json(url)
        (one,) = refs(made)
        found.append(one)
        further = [link["url"] for link in made["link"] if link["relation"] == "next"]
        if not further:
            break
        url = "/fhir" + further[0].partition("/fhir")[2]
    assert sorted(found) == ["Condition/c1", "Observation/jan", "Observation/mar", "Patient/p1"]
    first = record.json("/fhir/Patient/p1/$everything?_count=1")
    token = first["link"][1]["url"].partition("_page=")[2]
    assert record.issue(f"/fhir/Patient/p2/$everything?_page={token}", 404)["code"] == "not-found"
    assert record.issue("/fhir/Patient/p1/$everything?_page=AAAA", 404)["code"] == "not-found"


def test_by_post(record: Api) -> None:
    sent = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Condition"},
                                                       {"name": "_count", "valueInteger": 5}]}  # fmt: skip
    answer = record.send("POST", "/fhir/Patient/p1/$everything", sent)
    assert refs(answer.get_json(force=True)) == {"Condition/c1"}


def test_identities_that_are_one(record: Api) -> None:
    """Patient.link: asked of either, the record is that of both; seealso merges nothing."""
    replaced = {"link": [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}], "active": False}
    record.put({"resourceType": "Patient", "id": "p2", **replaced})
    record.put({"resourceType": "Patient", "id": "p3",
                "link": [{"other": {"reference": "Patient/p1"}, "type": "seealso"}]})  # fmt: skip
    for asked in ("p1", "p2"):
        made = record.json(f"/fhir/Patient/{asked}/$everything?_type=Observation,Patient")
        assert refs(made) == {"Patient/p1", "Patient/p2", "Observation/jan", "Observation/mar", "Observation/other"}
    assert refs(record.json("/fhir/Patient/p3/$everything")) == {"Patient/p3"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fhir/Patient/nobody/$everything", 404, "not-found"),
        ("/fhir/Patient/p1/$everything?start=yesterday", 400, "value"),
        ("/fhir/Patient/p1/$everything?_type=Nothing", 400, "value"),
        ("/fhir/Patient/p1/$everything?_type=Organization", 400, "value"),
        ("/fhir/Patient/p1/$everything?_count=many", 400, "value"),
        ("/fhir/Patient/p1/$everything?name=x", 400, "not-supported"),
        ("/fhir/Observation/mar/$everything", 405, "not-supported"),
    ],
)
def test_what_cannot_be_asked(record: Api, path: str, status: int, code: str) -> None:
    assert record.issue(path, status)["code"] == code


def test_too_much_that_is_named_is_told(record: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.includes.MOST", 0)
    made = record.json("/fhir/Patient/p1/$everything")
    assert made["entry"][-1]["resource"]["issue"][0]["code"] == "too-costly"
