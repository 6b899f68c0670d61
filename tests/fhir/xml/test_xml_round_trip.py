"""JSON to XML and back gives what it was, for every type of R4 (http://hl7.org/fhir/R4/json.html: both forms
hold the same content, so that one can be made of the other)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from lxml import etree

from hub.fhir import structures
from hub.fhir.xml import to_json, to_xml

from .made import resources

SHARED = Path(__file__).parents[4] / "shared"


def exact(octets: bytes) -> Any:
    """JSON with its numbers as text: 5.270 is not 5.27."""
    return json.loads(octets, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))


@given(resources())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_resource_comes_back_as_it_was(resource: dict[str, Any]) -> None:
    octets = orjson.dumps(resource)
    assert exact(to_json(to_xml(octets))) == exact(octets)


@given(resources("Bundle", 4))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_bundle_comes_back_as_it_was(resource: dict[str, Any]) -> None:
    octets = orjson.dumps(resource)
    assert exact(to_json(to_xml(octets))) == exact(octets)


@pytest.mark.parametrize("kind", sorted(structures.resource_types()))
def test_elements_stand_in_the_order_of_their_definition(kind: str) -> None:
    """R4 §2.6.1: elements appear in the order documented; here they are given the other way round."""
    forms = [e.forms()[0] for e in structures.elements(kind)]
    given: dict[str, Any] = {"resourceType": kind}
    for key, name in reversed(forms):
        many = next(e.many for e in structures.elements(kind) if e.forms()[0][0] == key)
        value: Any = {"boolean": True, "integer": 1, "positiveInt": 1, "unsignedInt": 1, "decimal": 1}.get(name, "x")
        if name not in structures.PRIMITIVES:
            value = {"resourceType": "Basic", "id": "b"} if structures.is_resource(name) else {"id": "x"}
        given[key] = [value] if many else value
    root = etree.fromstring(to_xml(given))
    assert [etree.QName(child).localname for child in root] == [key for key, _ in forms]


# No id of an element: the other writes it as an element, where R4 §2.6.1 has an attribute.
SAMES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {
            "versionId": "3",
            "lastUpdated": "2026-03-16T17:52:00+01:00",
            "tag": [{"system": "urn:s", "code": "c"}],
        },
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><b>A</b><br/>&amp;</div>'},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "A & B"}],
        "extension": [{"url": "urn:e", "extension": [{"url": "inner", "valueDecimal": 1.5}]}],
        "name": [{"family": "Lefèvre", "given": ["Zoé", "Anne"]}],
        "birthDate": "1961-03-04",
        "deceasedBoolean": False,
        "multipleBirthInteger": 2,
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}], "text": 'a "b" <c>'},
        "valueQuantity": {"value": 5.25, "comparator": "<", "unit": "mmol/L"},
        "component": [{"code": {"text": "x"}, "valueBoolean": True}],
    },
    {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "total": 1,
        "link": [{"relation": "self", "url": "urn:self"}],
        "entry": [
            {
                "fullUrl": "urn:uuid:1",
                "resource": {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="},
                "search": {"mode": "match"},
                "response": {"status": "200", "etag": 'W/"1"'},
            }
        ],
    },
    {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "a", "resource": {"resourceType": "Patient", "id": "p"}},
            {"name": "b", "part": [{"name": "c", "valueDateTime": "2026-01-01"}, {"name": "d", "valueUri": "urn:x"}]},
        ],
    },
]


@pytest.mark.parametrize("resource", SAMES, ids=lambda r: r["resourceType"])
def test_another_implementation_writes_the_same_xml(resource: dict[str, Any]) -> None:
    model = get_fhir_model_class(resource["resourceType"])
    theirs = model.model_validate(resource).model_dump_xml()
    ours = to_xml(orjson.dumps(resource))
    assert etree.tostring(etree.fromstring(ours), method="c14n2") == etree.tostring(
        etree.fromstring(theirs), method="c14n2"
    )
    assert exact(to_json(theirs)) == exact(orjson.dumps(resource))
    assert model.model_validate_xml(ours) == model.model_validate(resource)


def test_examples_of_the_model_come_back() -> None:
    files = sorted((SHARED / "proofs" / "fhir-model").glob("*.json"))
    if not files:
        pytest.skip("the example resources are not here")
    for file in files:
        octets = file.read_bytes()
        assert exact(to_json(to_xml(octets))) == exact(octets), file.name


def test_the_table_of_structures_says_what_the_element_table_says() -> None:
    table = SHARED / "data" / "r4" / "elements.csv"
    if not table.exists():
        pytest.skip("the element table of R4 is not here")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    of: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        parent, _, name = row["path"].rpartition(".")
        if parent:
            row["name"] = name
            of.setdefault("".join(p[0].upper() + p[1:] for p in parent.split(".")), []).append(row)
    compared = 0
    for structure, expected in of.items():
        try:
            found = structures.elements(structure)
        except KeyError:
            assert expected[0]["path"][0].islower(), structure
            continue
        assert [e.name for e in found] == [row["name"].removesuffix("[x]") for row in expected], structure
        for element, row in zip(found, expected, strict=True):
            assert (element.least, element.many, element.choice) == (
                int(row["min"]), row["max"] != "1", row["name"].endswith("[x]")
            ), row["path"]  # fmt: skip
            kinds = [t for t in row["types"].split("|") if t and not t.startswith("System.")]
            if kinds and kinds[0] not in ("BackboneElement", "Element"):
                assert list(element.types) == kinds, row["path"]
            if element.name not in ("id", "extension", "modifierExtension"):  # inherited: one statement for all
                assert element.summary == bool(row["summary"]), row["path"]
            compared += 1
    assert compared > 2500
