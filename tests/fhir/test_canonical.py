"""Resources as they are stored: order, hash, and digits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.fhir.canonical import split
from hub.fhir.search import extract
from tests.mappings.run import mapped


@pytest.mark.parametrize("text", ["5.270", "0.10", "-1.00", "12345678901234.5670"])
def test_the_digits_of_a_decimal_stay(text: str) -> None:
    """R4 §2.24.0.1: the precision of a decimal has a meaning; 5.270 is stored as 5.270."""
    rest, _, _ = split({"resourceType": "Observation", "valueQuantity": {"value": Decimal(text)}})
    assert rest == b'"valueQuantity":{"value":%s}}' % text.encode()


def test_a_result_is_stored_with_the_digits_it_was_sent_with() -> None:
    """OBX-5 of type NM; and it is found by its value all the same."""
    from hub.paths import room

    body = (room("channels") / "hospital-hl7v2" / "tests" / "messages" / "oru-r01-fit.hl7").read_bytes()
    draft = mapped("hl7v2.messages.oru", body.replace(b"||182.5|", b"||182.50|"))
    found: list[dict[str, Any]] = [
        e.resource for e in draft.entries.values() if e.type == "Observation" and "valueQuantity" in e.resource
    ]
    assert [b'"value":182.50,' in split(one)[0] for one in found] == [True]
    assert extract(found[0]).quantity


def test_a_measure_of_a_document_keeps_its_digits() -> None:
    """CDA PQ."""
    from hub.mappings.cda.values import quantity

    from hub.source.cda import Document

    octets = b'<ClinicalDocument xmlns="urn:hl7-org:v3"><value value="5.270" unit="mg"/></ClinicalDocument>'
    assert quantity(Document(octets).one("value")) == {
        "value": Decimal("5.270"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg",
    }  # fmt: skip
