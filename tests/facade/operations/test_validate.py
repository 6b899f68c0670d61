"""$validate (R4 §3.1.0.10): of a type and of an instance, in its four modes, by a profile asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facade.conftest import Api

GOOD = {"resourceType": "Patient", "gender": "female", "birthDate": "1958-07-14"}


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(given)}


def severities(made: Any) -> set[str]:
    assert made["resourceType"] == "OperationOutcome"
    return {issue["severity"] for issue in made["issue"]}


def test_a_resource_by_itself_and_in_parameters(api: Api) -> None:
    """The answer is 200 and an outcome, also when the resource is bad."""
    bad = {**GOOD, "gender": "none"}
    for path, body, expected in (
        ("/fhir/Patient/$validate", GOOD, {"information"}),
        ("/fhir/Patient/$validate", bad, {"error"}),
        ("/fhir/Patient/$validate", parameters({"name": "resource", "resource": bad}), {"error"}),
        ("/fhir/Patient/$validate?mode=create", GOOD, {"information"}),
        ("/fhir/Observation/$validate", GOOD, {"error"}),
    ):
        answer = api.send("POST", path, body)
        assert answer.status_code == 200
        assert severities(answer.get_json(force=True)) == expected
    place = api.send("POST", "/fhir/Patient/$validate", bad).get_json(force=True)["issue"][0]["expression"]
    assert place == ["Patient.gender"]


def test_by_a_profile(api: Api) -> None:
    from hub.fhir.validation.artefacts import BASE

    profile = f"{BASE.rstrip('/')}/StructureDefinition/hub-patient"
    sent = parameters({"name": "resource", "resource": GOOD}, {"name": "profile", "valueUri": profile})
    answer = api.send("POST", "/fhir/Patient/$validate", sent)
    assert answer.status_code == 200
    # R4 has nothing against a patient without a name, the profile of the hub has.
    assert "error" in severities(answer.get_json(force=True))
    assert api.send("POST", f"/fhir/Patient/$validate?profile={profile}", GOOD).get_json(force=True)["issue"]
    assert api.refused(404, "POST", "/fhir/Patient/$validate?profile=http://nobody/x", GOOD)["code"] == "not-found"


def test_of_an_instance(api: Api) -> None:
    api.put({**GOOD, "id": "p1"})
    assert severities(api.json("/fhir/Patient/p1/$validate")) == {"information"}
    assert severities(api.json("/fhir/Patient/p1/$validate?mode=delete")) == {"information"}
    assert api.issue("/fhir/Patient/p2/$validate?mode=delete", 404)["code"] == "not-found"
    for fid, expected in (("p1", "information"), ("p2", "error")):
        answer = api.send("POST", "/fhir/Patient/p1/$validate?mode=update", {**GOOD, "id": fid})
        assert severities(answer.get_json(force=True)) == {expected}


@pytest.mark.parametrize(
    ("path", "where", "code"),
    [
        ("/fhir/Patient/$validate", "http.resource", "required"),
        ("/fhir/Patient/$validate?mode=delete", "http.mode", "value"),
        ("/fhir/Patient/$validate?mode=perhaps", "http.mode", "value"),
        ("/fhir/Patient/$validate?resource=x", "http.resource", "required"),
    ],
)
def test_what_cannot_be_asked(api: Api, path: str, where: str, code: str) -> None:
    issue = api.issue(path, 400)
    assert (issue["location"], issue["code"]) == ([where], code)
