"""$match (R4 §8.1.20.1, IHE PDQm ITI-119) over HTTP: who is found, how sure it is, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.facade.conftest import Api

INS, PI = "urn:oid:1.2.250.1.213.1.4.8", "urn:oid:1.2.250.1.999.1.3"
A, B = "258079912304871", "161018885045327"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"


def patient(fid: str = "", ins: str = "", number: str = "", place: str = "99123", status: str = "VALI",
            **more: Any) -> dict[str, Any]:  # fmt: skip
    code = {"url": f"{CORE}/fr-core-address-insee-code", "valueCoding": {"code": place}}
    said = {"url": "identityStatus", "valueCoding": {"code": status}}
    made = {
        "resourceType": "Patient", "id": fid,
        "extension": [
            *([{"url": f"{CORE}/fr-core-identity-reliability", "extension": [said]}] if status else []),
            *([{"url": BIRTH_PLACE, "valueAddress": {"extension": [code]}}] if place else []),
        ],
        "identifier": [{"system": s, "value": v} for s, v in ((INS, ins), (PI, number)) if v],
        "name": [{"use": "official", "family": "ECHANTILLON", "given": ["ODILE"]}],
        "gender": "female", "birthDate": "1958-07-14", **more,
    }  # fmt: skip
    return {k: v for k, v in made.items() if v}


def asked(api: Api, sent: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": sent}, *more]}
    answer = api.send("POST", "/fhir/Patient/$match", body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return dict(orjson.loads(answer.data))


def hits(made: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [
        (e["resource"]["id"], e["search"]["extension"][0]["valueCode"], e["search"]["score"])
        for e in made.get("entry", ())
        if e["search"]["mode"] == "match"
    ]


def said(made: dict[str, Any]) -> str:
    found = [e["resource"] for e in made.get("entry", ()) if e["search"]["mode"] == "outcome"]
    return " | ".join(i["diagnostics"] for one in found for i in one["issue"])


ONLY = {"name": "onlyCertainMatches", "valueBoolean": True}


def test_the_ins_first(each_api: Api) -> None:
    each_api.put(patient("p1", A, "1"), patient("p2", "", "2", place=""), patient("p3", B, "3"))
    made = asked(each_api, patient(ins=A, status=""))
    assert hits(made) == [("p1", "certain", 1.0), ("p2", "probable", 0.9)]
    assert said(made) == "Patient/p2 is probable: the place of birth is missing"
    assert made["total"] == 2
    assert hits(asked(each_api, patient(ins=A), ONLY)) == [("p1", "certain", 1.0)]
    assert hits(asked(each_api, patient(ins=A), {"name": "count", "valueInteger": 1})) == [("p1", "certain", 1.0)]


def test_five_strict_traits(each_api: Api) -> None:
    """Without accents and case; and when two of different INS fit, nobody is certain."""
    each_api.put(patient("p1", A))
    sent = patient(name=[{"family": "Échantillon", "given": ["Odile"]}])
    assert hits(asked(each_api, sent, ONLY)) == [("p1", "certain", 1.0)]
    each_api.put(patient("p2", B))
    made = asked(each_api, sent)
    assert {h[1] for h in hits(made)} == {"probable"}
    assert "another patient, of another INS" in said(made)
    assert hits(asked(each_api, sent, ONLY)) == []


def test_nobody(each_api: Api) -> None:
    each_api.put(patient("p1", A, place=""))
    made = asked(each_api, patient(place="75056"), ONLY)
    assert hits(made) == []
    assert said(made).startswith("Patient/p1 is probable: the place of birth is missing | nobody is certainly")
    stranger = patient(ins=B, name=[{"family": "AUTRE", "given": ["PAUL"]}], birthDate="1930-01-01")
    assert said(asked(each_api, stranger)) == "nobody here is like the patient described"


def test_a_merged_patient_is_told_as_the_one_that_stays(each_api: Api) -> None:
    link = [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]
    each_api.put(patient("p1", number="1", link=link), patient("p2", number="2", place="", birthDate="1958-07-15"))
    assert hits(asked(each_api, patient(number="1"))) == [("p2", "certain", 1.0)]


def test_the_patient_as_the_body(api: Api) -> None:
    api.put(patient("p1", A))
    answer = api.send("POST", "/fhir/Patient/$match?onlyCertainMatches=true", patient(ins=A))
    assert hits(orjson.loads(answer.data)) == [("p1", "certain", 1.0)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"resourceType": "Patient", "gender": "female"}, "required"),
        ({"resourceType": "Patient", "name": [{"family": "ECHANTILLON"}]}, "required"),
        ({"resourceType": "Observation"}, "required"),
        ({"resourceType": "Patient", "name": "ECHANTILLON", "birthDate": "1958-07-14"}, "structure"),
        ({"resourceType": "Patient", "identifier": [{"system": INS, "value": [A]}]}, "structure"),
        ({"resourceType": "Patient", "birthDate": "never", "name": [{"family": "X"}]}, "value"),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource", "valueString": "x"}]}, "required"),
        ({"resourceType": "Parameters", "parameter": [{"name": "other", "valueString": "x"}]}, "not-supported"),
    ],
)
def test_what_cannot_be_asked(api: Api, sent: dict[str, Any], code: str) -> None:
    assert api.refused(400, "POST", "/fhir/Patient/$match", sent)["code"] == code


def test_too_many_alike_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.services.identity.match.MOST", 2)
    api.put(*(patient(f"p{n}") for n in range(3)))
    made = asked(api, patient(place="75056"))
    assert len(hits(made)) == 2
    assert said(made).endswith("too many are alike: say more of the patient")
