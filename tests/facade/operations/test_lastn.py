"""$lastn (R4 §10.1.20.1): the newest observations of each code, of one patient."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.facade.conftest import Api

LOINC = "http://loinc.org"


def observation(fid: str, day: str, *codes: str, patient: str = "p1", **more: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation", "id": fid, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": c} for c in codes]},
        "subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": day, **more,
    }  # fmt: skip
    return {k: v for k, v in made.items() if v}


@pytest.fixture
def measured(each_api: Api) -> Api:
    each_api.put(
        {"resourceType": "Patient", "id": "p1"},
        observation("w1", "2026-01-01", "29463-7"),
        observation("w3", "2026-03-01T10:00:00Z", "29463-7", "3141-9"),
        observation("w3b", "2026-03-01T10:00:00Z", "29463-7"),
        observation("w2", "2026-02-01", "3141-9"),
        observation("h1", "2025-01-01", "8302-2"),
        observation("t2", "2026-01-02", code={"text": "Température"}),
        observation("t1", "2026-01-01", code={"text": "temperature"}),
        observation("none", "", "8302-2"),
        observation("other", "2026-06-01", "29463-7", patient="p2"),
    )
    return each_api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=p1", [{"w3", "w3b"}, {"t2"}, {"h1"}]),  # those of one moment are both the last
        ("patient=Patient/p1&max=2", [{"w3", "w3b", "w2"}, {"t2", "t1"}, {"h1", "none"}]),
        ("subject=Patient/p1&code=http://loinc.org|8302-2", [{"h1"}]),
        ("patient=p2&max=5", [{"other"}]),
        ("patient=nobody", []),
    ],
)
def test_groups(measured: Api, query: str, expected: list[set[str]]) -> None:
    """A group is what shares a coding; newest first by effective time; what has no time comes last."""
    found = measured.ids(f"/fhir/Observation/$lastn?{query}")
    for group in expected:
        assert set(found[: len(group)]) == group
        found = found[len(group) :]
    assert found == []


def test_further_than_one_look(measured: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The observations are walked through by pages, up to a bound that is told."""
    monkeypatch.setattr("hub.services.identity.latest._BATCH", 2)
    assert len(measured.ids("/fhir/Observation/$lastn?patient=p1&max=9")) == 8
    monkeypatch.setattr("hub.services.identity.latest.LOOKED", 4)
    made = measured.json("/fhir/Observation/$lastn?patient=p1&max=9")
    assert made["entry"][-1]["resource"]["issue"][0]["code"] == "too-costly"


def test_merged_patients(measured: Api) -> None:
    link = [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    measured.put({"resourceType": "Patient", "id": "p2", "link": link})
    base = measured.json("/fhir/metadata")["implementation"]["url"]
    for whom in ("p1", "p2", f"{base}/Patient/p2"):
        assert measured.ids(f"/fhir/Observation/$lastn?code=29463-7&patient={whom}") == ["other"]


def test_by_post(measured: Api) -> None:
    sent = [{"name": "patient", "valueString": "p1"}, {"name": "max", "valuePositiveInt": 1}]
    answer = measured.send("POST", "/fhir/Observation/$lastn", {"resourceType": "Parameters", "parameter": sent})
    assert orjson.loads(answer.data)["total"] == 4


@pytest.mark.parametrize(
    ("query", "code"),
    [("code=8302-2", "required"), ("patient=p1&max=0", "value"), ("patient=p1&max=x", "value"),
     ("patient=p1&max=101", "value"), ("patient=p1&_sort=date", "not-supported"),
     ("patient=p1&nothing=1", "not-supported")],
)  # fmt: skip
def test_what_cannot_be_asked(measured: Api, query: str, code: str) -> None:
    assert measured.issue(f"/fhir/Observation/$lastn?{query}", 400)["code"] == code
