"""$docref (IPA 1.0.0), $document (R4 §Composition) and $html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.fhir.validation import validate
from hub.store import tokens

from . import mhd
from .conftest import Api

CDA = Path(__file__).parents[2] / "channels/cda-documents/tests/messages/pathology-v2.xml"
SAID = {"resourceType": "Composition", "id": "c", "status": "final", "type": mhd.coded("34794-8"), "title": "RCP",
        "date": "2026-03-02", "subject": {"reference": "Patient/anne"},
        "author": [{"reference": "Practitioner/p"}],
        "section": [{"section": [{"entry": [{"reference": "Observation/o"}], "title": "y"}]}]}  # fmt: skip


@pytest.fixture
def told(each_api: Api) -> Api:
    """With a Composition and what it refers to."""
    each_api.put(
        SAID,
        {"resourceType": "Patient", "id": "anne", "managingOrganization": {"reference": "Organization/chu"}},
        {"resourceType": "Organization", "id": "chu", "name": "CHU", "partOf": {"reference": "Organization/far"}},
        {"resourceType": "Practitioner", "id": "p"},
        {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
         "valueQuantity": {"value": 5.1},
         "derivedFrom": [{"reference": "Observation/o"}]},
    )  # fmt: skip
    return each_api


def refs(document: dict[str, Any]) -> list[str]:
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in document["entry"]]


def test_a_document_is_assembled(told: Api) -> None:
    """R4 §3.3.1: the Composition first, then all it refers to, and what those refer to; identifier and timestamp."""
    made = told.json("/fhir/Composition/c/$document")
    assert made["type"] == "document"
    assert refs(made)[0] == "Composition/c"
    assert set(refs(made)[1:]) == {"Patient/anne", "Practitioner/p", "Observation/o", "Organization/chu"}
    assert all(e["fullUrl"].startswith("http://127.0.0.1:8080/fhir/") for e in made["entry"])
    assert [i for i in validate(made) if i.severity == "error"] == []
    assert told.json("/fhir/Composition/$document?id=c") == made, "the same versions are the same document"
    told.put({"resourceType": "Practitioner", "id": "p", "active": True})
    assert told.json("/fhir/Composition/c/$document")["identifier"] != made["identifier"]


def test_a_document_is_kept(told: Api) -> None:
    """persist: it is stored as a Bundle, once; by POST only, and by who may create."""
    made = told.json("/fhir/Composition/c/$document?persist=true", method="POST")
    assert told.json(f"/fhir/Bundle/{made['id']}")["entry"] == made["entry"]
    again = told.json("/fhir/Composition/c/$document?persist=true", method="POST")
    assert again["meta"]["versionId"] == "1"
    assert told.issue("/fhir/Composition/c/$document?persist=true", 400)["location"] == ["http.persist"]
    reader = tokens.issue(told.store, "reader", [tokens.READ])
    assert told.ask("/fhir/Composition/c/$document?persist=true", "POST", token=reader).status_code == 403
    assert told.ask("/fhir/Composition/c/$document", token=reader).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("no/$document", 404), ("$document", 400), ("$document?id=a_b", 400), ("c/$document?graph=x", 405),
     ("c/$document?persist=x", 400)],
)  # fmt: skip
def test_no_document(told: Api, path: str, status: int) -> None:
    assert told.issue(f"/fhir/Composition/{path}", status)


def test_a_document_is_whole(told: Api) -> None:
    """What a Composition refers to is there, or there is no document; what is further off may be missing."""
    told.put(SAID | {"custodian": {"reference": "Organization/no"}})
    found = told.issue("/fhir/Composition/c/$document", 422)
    assert found["expression"] == ["Composition.custodian.reference"]


def test_one_may_see_what_one_may_read(told: Api) -> None:
    """A token for Compositions alone gets no Patient by the back door."""
    narrow = tokens.issue(told.store, "narrow", ["system/Composition.r"])
    assert told.ask("/fhir/Composition/c/$document", token=narrow).status_code == 403


def test_bounds(told: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.services.documents.assemble.MOST", 2)
    assert told.issue("/fhir/Composition/c/$document", 413)


def test_docref(each_api: Api) -> None:
    """IPA: current documents of a patient, by type and time of care; by GET and by POST."""
    ended = {"context": {"period": {"start": "2026-03-02", "end": "2026-03-04"}}}
    each_api.put({"resourceType": "Patient", "id": "anne"}, mhd.document("1.1") | {"id": "a"} | ended,
                 mhd.document("1.2", type=mhd.coded("18748-4")) | {"id": "b"} | ended,
                 mhd.document("1.3") | {"id": "old", "status": "superseded"} | ended,
                 mhd.document("1.4", patient="Patient/bea") | {"id": "other"} | ended)  # fmt: skip
    ask = "/fhir/DocumentReference/$docref?patient=anne"
    assert set(each_api.ids(ask)) == {"a", "b"}
    assert each_api.json(ask)["total"] == 2
    assert each_api.ids(f"{ask}&type=http://loinc.org|34794-8") == ["a"]
    assert set(each_api.ids(f"{ask}&type=34794-8&type=18748-4&start=2026-03-01&end=2026-03-31")) == {"a", "b"}
    assert each_api.ids(f"{ask}&start=2026-03-05") == []
    assert each_api.ids(f"{ask}&end=2026-03-01") == []
    assert len(each_api.ids(f"{ask}&_count=1")) == 1
    parameters = [
        {"name": "patient", "valueId": "anne"},
        {"name": "type", "valueCodeableConcept": mhd.coded("18748-4")},
    ]
    answer = each_api.send(
        "POST", "/fhir/DocumentReference/$docref", {"resourceType": "Parameters", "parameter": parameters}
    )
    assert [e["resource"]["id"] for e in orjson.loads(answer.data)["entry"]] == ["b"]


@pytest.mark.parametrize(
    ("query", "where"),
    [("", "patient"), ("patient=a&on-demand=true", "on-demand"), ("patient=a&profile=x", "profile"),
     ("patient=a&start=x", "period"), ("patient=a&type=", "type")],
)  # fmt: skip
def test_no_docref(api: Api, query: str, where: str) -> None:
    assert api.issue(f"/fhir/DocumentReference/$docref?{query}", 400)["location"] == [f"http.{where}"]


def test_a_type_that_is_none(api: Api) -> None:
    parameters = [{"name": "patient", "valueId": "a"}, {"name": "type", "valueCodeableConcept": {"coding": [{}]}}]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert api.refused(400, "POST", "/fhir/DocumentReference/$docref", body)["location"] == ["http.type"]


def test_a_cda_as_a_page(each_api: Api) -> None:
    """In French, safe by its policy, of the Binary and of its DocumentReference; told in the CapabilityStatement."""
    made = {"resourceType": "DocumentReference", "id": "d", "status": "current",
            "content": [{"attachment": {"url": "Binary/cda"}}]}  # fmt: skip
    each_api.put({"resourceType": "Binary", "id": "cda", "contentType": "text/xml"}, octets=CDA.read_bytes())
    each_api.put(made, made | {"id": "away", "content": [{"attachment": {"url": "https://elsewhere/x"}}]})
    for path in ("Binary/cda/$html", "DocumentReference/d/$html"):
        answer = each_api.ask(f"/fhir/{path}", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert '<html lang="fr">' in answer.get_data(as_text=True)
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert each_api.ask(f"/fhir/{path}", headers=tag).status_code == 304
    assert each_api.issue("/fhir/DocumentReference/away/$html", 404)
    narrow = tokens.issue(each_api.store, "narrow", ["system/DocumentReference.r"])
    assert each_api.ask("/fhir/DocumentReference/d/$html", token=narrow).status_code == 403
    (rest,) = each_api.json("/fhir/metadata")["rest"]
    names = {r["type"]: [o["name"] for o in r.get("operation", ())] for r in rest["resource"]}
    assert "html" in names["Binary"]
    assert "docref" in names["DocumentReference"]
    assert "document" in names["Composition"]
    assert "/{kind}/{fid}/$html" in orjson.loads(each_api.ask("/fhir/openapi.json").data)["paths"]


@pytest.mark.parametrize(
    ("media", "octets"), [("text/xml", b"<x/>"), ("text/xml", b"no"), ("application/pdf", b"%PDF")]
)
def test_what_is_no_cda(api: Api, media: str, octets: bytes) -> None:
    api.put({"resourceType": "Binary", "id": "x", "contentType": media}, octets=octets)
    assert "no CDA" in api.issue("/fhir/Binary/x/$html", 422)["diagnostics"]
