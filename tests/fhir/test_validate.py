"""Base validation of R4 resources."""

from __future__ import annotations

from typing import Any

import pytest

from hub.fhir.validate import validate


def test_a_sound_resource_has_no_issue() -> None:
    """Names, cardinalities and types are those of R4."""
    assert validate({"resourceType": "Patient", "id": "1", "birthDate": "1960-02", "name": [{"family": "N"}]}) == []


@pytest.mark.parametrize(
    ("element", "where"),
    [
        ({"birthDate": "hier"}, "Patient.birthDate"),
        ({"gender": 3}, "Patient.gender"),
        ({"nom": "N"}, "Patient.nom"),
        ({"identifier": [{"use": 1}]}, "Patient.identifier[0].use"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(element: dict[str, Any], where: str) -> None:
    """The path says where; the value is never quoted."""
    found = validate({"resourceType": "Patient", **element})
    assert [("error", where)] == [(i.severity, i.where) for i in found]
    assert "hier" not in found[0].what


def test_a_missing_element_is_required() -> None:
    """DocumentReference.content is 1..*."""
    found = validate({"resourceType": "DocumentReference", "status": "current"})
    assert ("DocumentReference.content", "required") in [(i.where, i.code) for i in found]


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Nothing"}])
def test_what_is_no_resource_is_told(resource: dict[str, Any]) -> None:
    """resourceType names a type of R4."""
    assert [i.where.rpartition(".")[2] for i in validate(resource)] == ["resourceType"]
