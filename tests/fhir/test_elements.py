"""Parts of resources: R4 §3.1.1.5.8 (``_summary``), §3.1.1.5.9 (``_elements``)."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings

from hub.errors import InvalidError
from hub.fhir import elements, structures

from .xml.made import resources

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'
OBSERVATION = orjson.dumps(
    {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {"versionId": "1", "tag": [{"system": "urn:t", "code": "x"}]},
        "implicitRules": "urn:rules",
        "language": "fr",
        "text": {"status": "generated", "div": DIV},
        "extension": [{"url": "urn:e", "valueCode": "c"}],
        "modifierExtension": [{"url": "urn:m", "valueCode": "c"}],
        "status": "final",
        "_status": {"id": "s"},
        "code": {"text": "glucose"},
        "valueQuantity": {"value": orjson.Fragment("5.270"), "unit": "mmol/L"},
        "note": [{"text": "a note"}],
        "component": [
            {
                "code": {"text": "c"},
                "valueQuantity": {"value": orjson.Fragment("1.0")},
                "referenceRange": [{"text": "r"}],
            }
        ],
    }
)


def tags(made: bytes) -> list[str]:
    return [tag["code"] for tag in json.loads(made)["meta"]["tag"]]


def names(made: bytes) -> set[str]:
    return set(json.loads(made))


def test_a_summary_shows_what_r4_marks() -> None:
    made = elements.summary(OBSERVATION, "true")
    assert names(made) == {
        "resourceType", "id", "meta", "implicitRules", "modifierExtension", "status", "_status", "code",
        "valueQuantity", "component",
    }  # fmt: skip
    assert names(orjson.dumps(json.loads(made)["component"][0])) == {"code", "valueQuantity"}


def test_digits_and_order_stay() -> None:
    for made in (elements.summary(OBSERVATION, "true"), elements.only(OBSERVATION, ["value"])):
        assert b'"valueQuantity":{"value":5.270,"unit":"mmol/L"}' in made
        assert list(json.loads(made))[:3] == ["resourceType", "id", "meta"]


def test_a_summary_of_text_has_the_narrative_and_what_has_to_be_there() -> None:
    assert names(elements.summary(OBSERVATION, "text")) == {
        "resourceType", "id", "meta", "implicitRules", "modifierExtension", "text", "status", "_status", "code"
    }  # fmt: skip


def test_a_summary_of_data_has_all_but_the_narrative() -> None:
    assert names(elements.summary(OBSERVATION, "data")) == names(OBSERVATION) - {"text"}


def test_a_count_shows_nothing() -> None:
    assert names(elements.summary(OBSERVATION, "count")) == {"resourceType", "id", "meta"}


def test_false_changes_nothing() -> None:
    assert elements.summary(OBSERVATION, "false") is OBSERVATION


@pytest.mark.parametrize("mode", ["true", "text", "data", "count"])
def test_a_part_is_marked_as_such_once(mode: str) -> None:
    made = elements.summary(OBSERVATION, mode)
    assert tags(made) == ["x", "SUBSETTED"]
    assert tags(elements.summary(made, mode)) == ["x", "SUBSETTED"]
    bare = elements.summary(b'{"resourceType":"Patient","active":true}', mode)
    assert tags(bare) == ["SUBSETTED"]
    assert bare.startswith(b'{"resourceType":"Patient","meta":{"tag":[')


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["note"], {"note"}),
        (["Observation.note"], {"note"}),
        (["Patient.note"], set()),
        (["value"], {"valueQuantity"}),
        (["value[x]"], {"valueQuantity"}),
        (["valueQuantity"], {"valueQuantity"}),
        (["valueString", "nonsense", ""], set()),
        (["extension", "text"], {"extension", "text"}),
    ],
)
def test_elements_that_are_asked_for_come_with_those_that_have_to_be_there(asked: list[str], kept: set[str]) -> None:
    made = elements.only(OBSERVATION, asked)
    needed = {"resourceType", "id", "meta", "implicitRules", "modifierExtension", "status", "_status", "code"}
    assert names(made) == needed | kept
    assert tags(made) == ["x", "SUBSETTED"]


def test_a_summary_looks_inside_data_types_and_bundles() -> None:
    """Attachment.data is in no summary; the resources of a Bundle are summed up each."""
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"id": "a", "contentType": "text/plain", "data": "eA==", "size": 1}}],
        "context": {"encounter": [{"reference": "Encounter/e"}]},
    }
    made = elements.summary(
        orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": document}]}), "true"
    )
    inner = json.loads(made)["entry"][0]["resource"]
    assert inner["content"] == [{"attachment": {"id": "a", "contentType": "text/plain", "size": 1}}]
    assert "context" not in inner


def test_a_contained_resource_stays_with_the_reference_to_it() -> None:
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Organization", "id": "o"}],
        "managingOrganization": {"reference": "#o"},
        "photo": [{"url": "urn:x"}],
    }
    assert "contained" in names(elements.summary(orjson.dumps(patient), "true"))
    assert "contained" not in names(elements.only(orjson.dumps(patient), ["photo"]))


def test_a_type_without_known_summary_is_shown_whole() -> None:
    """R4 lets a server return more; nothing is marked as left out when nothing is."""
    octets = b'{"resourceType":"SubstancePolymer","class":{"text":"x"}}'
    assert elements.summary(octets, "true") == octets


@pytest.mark.parametrize("octets", [b'{"resourceType":"Citation"}', b'{"id":"x"}', b"{}"])
def test_what_is_no_resource_is_refused(octets: bytes) -> None:
    for make in (lambda: elements.summary(octets, "true"), lambda: elements.only(octets, ["id"])):
        with pytest.raises(InvalidError, match="not a resource"):
            make()


def test_another_mode_is_refused() -> None:
    with pytest.raises(InvalidError) as caught:
        elements.summary(OBSERVATION, "yes")
    assert caught.value.where == "http._summary"


@pytest.mark.parametrize("kind", ["Patient", "Observation", "DocumentReference", "Encounter", "Task", "ImagingStudy"])
def test_another_implementation_marks_the_same_elements(kind: str) -> None:
    """Their R4B is R4 for these types (the elements are the same)."""
    theirs = set(get_fhir_model_class(kind).summary_elements_sequence())
    ours = {key for e in structures.elements(kind) if e.summary for key, _ in e.forms()}
    assert ours == theirs


@given(resources())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_part_is_a_part(resource: dict[str, Any]) -> None:
    """Whatever is kept stands in the whole with the same content; what has to be there is there."""
    octets = orjson.dumps(resource)
    whole, known = json.loads(octets), structures.elements(resource["resourceType"])
    for made in (
        elements.summary(octets, "text"),
        elements.summary(octets, "data"),
        elements.only(octets, ["id", "text"]),
    ):
        part = json.loads(made)
        part.pop("meta")
        assert all(whole[name] == value for name, value in part.items())
        assert {key for e in known if e.least for key, _ in e.forms() if key in whole} <= set(part)
    summary = json.loads(elements.summary(octets, "true"))
    assert set(summary) - {"meta"} <= set(whole)
