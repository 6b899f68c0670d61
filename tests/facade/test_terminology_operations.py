"""The terminology operations over HTTP: R4 §4.7, parameters by URL and in a Parameters resource."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Api

TYPE_CODE = "https://mos.esante.gouv.fr/NOS/JDV_J07-XdsTypeCode-CISIS/FHIR/JDV-J07-XdsTypeCode-CISIS"
LOINC, CIM = "http://loinc.org", "https://smt.esante.gouv.fr/terminologie-cim-10"
SEX = "http://terminology.hl7.org/CodeSystem/v2-0001"


def result(made: dict[str, Any], name: str = "result") -> Any:
    (found,) = [p for p in made["parameter"] if p["name"] == name]
    return next(v for k, v in found.items() if k != "name")


def sent(*parameters: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "json": {"resourceType": "Parameters", "parameter": list(parameters)}}


def test_expand(api: Api) -> None:
    made = api.json(f"/fhir/ValueSet/$expand?url={TYPE_CODE}&filter=concertation&count=2&includeDesignations=true")
    assert [c["code"] for c in made["expansion"]["contains"]] == ["34794-8"]
    made = api.json(
        "/fhir/ValueSet/$expand",
        **sent({"name": "url", "valueUri": TYPE_CODE}, {"name": "count", "valueInteger": 0}),
    )
    assert made["expansion"]["total"] > 100


def test_expand_a_value_set_that_is_sent(api: Api) -> None:
    given = {"resourceType": "ValueSet", "status": "active", "expansion": {"contains": [{"code": "x"}]}}
    for more in (sent({"name": "valueSet", "resource": given}), {"method": "POST", "json": given}):
        assert api.json("/fhir/ValueSet/$expand", **more)["expansion"]["total"] == 1


def test_questions_to_a_value_set_that_is_stored(api: Api) -> None:
    """R4 §4.9.17: at instance level the value set is that of the URL."""
    include = [{"system": LOINC, "concept": [{"code": "34794-8"}]}]
    api.put({"resourceType": "ValueSet", "id": "v1", "status": "active", "compose": {"include": include}})
    made = api.json("/fhir/ValueSet/v1/$expand")
    assert [c["code"] for c in made["expansion"]["contains"]] == ["34794-8"]
    assert result(api.json(f"/fhir/ValueSet/v1/$validate-code?system={LOINC}&code=34794-8")) is True
    assert api.issue("/fhir/ValueSet/nobody/$expand", 404)["code"] == "not-found"


@pytest.mark.parametrize(
    ("query", "status", "code", "where"),
    [
        ("", 400, "required", "http.url"),
        ("url=urn:nobody", 404, "not-found", "http.url"),
        (f"url={TYPE_CODE}&count=many", 400, "value", "http.count"),
        (f"url={TYPE_CODE}&includeDesignations=maybe", 400, "value", "http.includeDesignations"),
        (f"url={TYPE_CODE}&context=Patient.gender", 405, "not-supported", "http.context"),
    ],
)
def test_what_cannot_be_expanded(api: Api, query: str, status: int, code: str, where: str) -> None:
    issue = api.issue(f"/fhir/ValueSet/$expand?{query}", status)
    assert (issue["code"], issue["location"]) == (code, [where])


def test_validate_code(api: Api) -> None:
    path = f"/fhir/ValueSet/$validate-code?url={TYPE_CODE}&code=34794-8"
    assert result(api.json(f"{path}&system={LOINC}")) is True
    assert result(api.json(f"{path}&system={LOINC}&display=non")) is False
    concept = {"coding": [{"system": LOINC, "code": "34794-8"}]}
    made = api.json(
        "/fhir/ValueSet/$validate-code",
        **sent({"name": "url", "valueUri": TYPE_CODE}, {"name": "codeableConcept", "valueCodeableConcept": concept}),
    )
    assert result(made) is True
    assert result(api.json(f"/fhir/CodeSystem/$validate-code?url={CIM}&code=C50.1")) is True
    assert api.issue(f"/fhir/CodeSystem/$validate-code?url={CIM}", 400)["code"] == "required"
    wrong = api.issue("/fhir/ValueSet/$validate-code", 400, **sent({"name": "url", "valueInteger": 7}))
    assert wrong["location"] == ["http.url"]


def test_lookup(api: Api) -> None:
    path = "/fhir/CodeSystem/$lookup"
    made = api.json(f"{path}?system={CIM}&code=C50.1")
    assert result(made, "display") == "Tumeur maligne de la partie centrale du sein"
    made = api.json(path, **sent({"name": "coding", "valueCoding": {"system": CIM, "code": "C50.1"}}))
    assert result(made, "name") == "CIM-10"
    assert api.issue(f"{path}?system={CIM}&code=nobody", 404)["code"] == "not-found"


def test_subsumes(api: Api) -> None:
    path = "/fhir/CodeSystem/$subsumes"
    assert result(api.json(f"{path}?system={CIM}&codeA=C50&codeB=C50.1"), "outcome") == "subsumes"
    pair = [
        {"name": f"coding{x}", "valueCoding": {"system": CIM, "code": c}} for x, c in (("A", "C50.1"), ("B", "C50"))
    ]
    assert result(api.json(path, **sent(*pair)), "outcome") == "subsumed-by"
    assert api.issue(path + f"?system={LOINC}", 400, **sent(*pair))["location"] == ["http.codingA"]


def test_translate(api: Api) -> None:
    made = api.json(f"/fhir/ConceptMap/$translate?system={SEX}&code=F")
    assert result(made) is True
    made = api.json(
        "/fhir/ConceptMap/$translate",
        **sent(
            {
                "name": "coding",
                "valueCoding": {"system": "http://hl7.org/fhir/administrative-gender", "code": "female"},
            },
            {"name": "reverse", "valueBoolean": True},
        ),
    )
    assert result(made) is True
