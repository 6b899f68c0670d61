"""What a strict reader of XML sees: elements in the order of the schema of R4, as fhir.resources has it."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import pytest
from lxml import etree

from .conftest import Live

REF = {"reference": "Patient/a"}
CODE = {"text": "x"}
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "gender": "female", "name": [{"given": ["Anne"], "family": "Lefèvre"}],
     "communication": [{"preferred": True, "language": CODE}], "active": True, "multipleBirthInteger": 2,
     "contact": [{"gender": "male", "name": {"family": "x"}}], "identifier": [{"value": "1", "system": "urn:x"}]},
    {"resourceType": "Observation", "valueQuantity": {"unit": "mg", "value": 1.50}, "status": "final", "code": CODE,
     "subject": REF, "component": [{"valueString": "x", "code": CODE}], "referenceRange": [{"text": "x"}],
     "effectiveDateTime": "2026-01-02", "category": [CODE]},
    {"resourceType": "DocumentReference", "content": [{"attachment": {"title": "x", "contentType": "text/plain"}}],
     "status": "current", "context": {"period": {"end": "2026", "start": "2025"}}, "type": CODE, "subject": REF},
    {"resourceType": "MedicationRequest", "medicationCodeableConcept": CODE, "intent": "order", "status": "active",
     "subject": REF, "dosageInstruction": [{"text": "x", "sequence": 1}],
     "dispenseRequest": {"quantity": {"value": 1}, "numberOfRepeatsAllowed": 1}},
    {"resourceType": "MedicationStatement", "status": "active", "medicationCodeableConcept": CODE, "subject": REF,
     "dosage": [{"doseAndRate": [{"doseQuantity": {"value": 1}}]}]},
]  # fmt: skip


@pytest.mark.parametrize("sent", RESOURCES, ids=lambda r: r["resourceType"])
def test_elements_stand_in_the_order_of_the_schema(live: Live, sent: dict[str, Any]) -> None:
    """R4 §2.6.1: the order is fixed, however the JSON came; written back, the XML is the same resource."""
    kind = sent["resourceType"]
    with live.http() as client:
        made = client.post(f"/{kind}", json=sent)
        assert made.status_code == 201, made.text
        url = f"{live.base}/{kind}/{made.json()['id']}"
        answer = client.get(url, headers={"Accept": "application/fhir+xml"})
        assert answer.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
        assert _misplaced(kind, answer.content) == []
        again = client.put(url, content=answer.content, headers={"Content-Type": "application/fhir+xml"})
        assert again.status_code == 200, again.text
        first, second = (client.get(f"{url}/_history/{n}").json() for n in (1, again.json()["meta"]["versionId"]))
        assert first | {"meta": 0} == second | {"meta": 0}


def _misplaced(kind: str, xml: bytes) -> list[str]:
    """Elements of the resource, and of its backbone elements, that stand where the schema does not have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that are imported
        module = import_module(f"fhir.resources.R4B.{kind.lower()}")
    wrong: list[str] = []

    def look(element: Any, model: Any) -> None:
        names = [*dict.fromkeys(etree.QName(child).localname for child in element)]
        order = model.elements_sequence()
        if names != [name for name in order if name in names]:
            wrong.append(f"{element.tag}: {names}")
        for child in element:
            name = etree.QName(child).localname
            below = getattr(module, kind + name[0].upper() + name[1:], None)
            if below is not None:
                look(child, below)

    look(etree.fromstring(xml), getattr(module, kind))
    return wrong
