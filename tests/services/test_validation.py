"""``$validate`` as a service: R4 §3.1.0.10."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hub.errors import HubError, InvalidError, NotFoundError, ParseError
from hub.fhir.validation import validate as base_validate
from hub.fhir.validation.artefacts import BASE
from hub.services.validation import validate

PATIENT = {"resourceType": "Patient", "gender": "female"}
PROFILE = f"{BASE}/StructureDefinition/hub-patient"


def issues(value: Any, *args: str) -> list[tuple[str, str]]:
    made = validate(orjson.dumps(value), *args)
    assert base_validate(made) == []  # an OperationOutcome that is itself sound
    return [(i["severity"], i["code"]) for i in made["issue"]]


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(given)}


def test_an_outcome_is_given_also_when_all_is_well() -> None:
    """One issue of information."""
    assert issues(PATIENT) == [("information", "informational")]
    assert issues({**PATIENT, "gender": "F"}) == [("error", "code-invalid")]


def test_the_resource_may_come_in_parameters() -> None:
    """With the profile and the mode."""
    resource = {"name": "resource", "resource": PATIENT}
    assert issues(parameters(resource)) == [("information", "informational")]
    assert issues(parameters(resource, {"name": "profile", "valueUri": PROFILE})) == [("error", "required")]
    assert issues(parameters(resource, {"name": "profile", "valueCanonical": PROFILE})) == [("error", "required")]
    assert issues(parameters(resource, {"name": "mode", "valueCode": "create"})) == [("information", "informational")]
    assert issues(parameters({"name": "mode", "valueCode": "delete"})) == [("information", "informational")]
    assert issues(PATIENT, PROFILE) == [("error", "required")]


@pytest.mark.parametrize(
    ("value", "args", "kind"),
    [
        (parameters(), (), InvalidError),
        ({"resourceType": "Parameters", "parameter": "x"}, (), InvalidError),
        (PATIENT, ("", "look"), InvalidError),
        (PATIENT, (f"{BASE}/StructureDefinition/none",), NotFoundError),
        (PATIENT, ("http://elsewhere.example",), NotFoundError),
    ],
)
def test_what_cannot_be_judged_is_an_error(value: Any, args: tuple[str, ...], kind: type[HubError]) -> None:
    """400 or 404 for the one who asks, with what to do."""
    with pytest.raises(kind) as told:
        validate(orjson.dumps(value), *args)
    assert told.value.cure or told.value.where


def test_octets_that_are_no_json_are_refused() -> None:
    with pytest.raises(ParseError):
        validate(b"{")


def test_a_bundle_by_a_profile_of_bundles_or_an_unknown_one() -> None:
    """It is judged itself; an unknown profile is said to be."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]}
    with pytest.raises(NotFoundError):
        validate(orjson.dumps(bundle), f"{BASE}/StructureDefinition/none")
    assert issues({**bundle, "entry": [{"resource": {"resourceType": "X"}}]}, PROFILE) == [("error", "structure")]
