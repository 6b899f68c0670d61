"""Whole samples against golden files; ``HUB_GOLDEN=update`` rewrites them, to be read in review."""

from __future__ import annotations

import os

import pytest

from hub.fhir.validate import validate
from hub.source.hl7v2_validate import validate as hl7_validate
from hub.testing.golden import assert_golden

from .run import GOLDEN, SAMPLES, mapped, message, sample, told

UPDATE = os.environ.get("HUB_GOLDEN") == "update"
CASES = {
    "a01": ("hl7v2.messages.adt", lambda: sample("a01.hl7")),
    "a03": ("hl7v2.messages.adt", lambda: sample("a03.hl7")),
    "a05": ("hl7v2.messages.adt", lambda: sample("a05.hl7")),
    "a40": ("hl7v2.messages.adt", lambda: sample("a40.hl7")),
    "report": ("cda.documents.header", lambda: sample("report.xml")),
    "mdm-cda": ("hl7v2.messages.mdm", lambda: message(sample("report.xml"))),
    "oru-pdf": (
        "hl7v2.messages.oru",
        lambda: message(b"%PDF-1.4 fictif", kind="ORU^R01^ORU_R01", ed="^application^PDF^Base64^"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sample_gives_its_golden_resources(name: str) -> None:
    """What a sample becomes changes only on purpose."""
    mapping, body = CASES[name]
    assert_golden(told(mapped(mapping, body())), GOLDEN / f"{name}.json", update=UPDATE)


@pytest.mark.parametrize("name", CASES)
def test_every_resource_is_valid_r4(name: str) -> None:
    """Names, cardinalities and types of R4, by fhir.resources as an independent oracle."""
    mapping, body = CASES[name]
    for ref, entry in mapped(mapping, body()).entries.items():
        assert (ref, []) == (ref, validate({**entry.resource, "id": entry.id}))


@pytest.mark.parametrize("name", CASES)
def test_mapping_twice_gives_the_same(name: str) -> None:
    """A replay changes nothing: ids and content depend on the body alone."""
    mapping, body = CASES[name]
    assert told(mapped(mapping, body())) == told(mapped(mapping, body()))


@pytest.mark.parametrize("name", CASES)
def test_origins_change_no_value(name: str) -> None:
    """Reading with origins gives the same resources as the hot path."""
    mapping, body = CASES[name]
    assert told(mapped(mapping, body())) == told(mapped(mapping, body(), origins=True))


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.hl7")), ids=lambda p: p.stem)
def test_samples_have_the_structure_of_the_standard(file: object) -> None:
    """Our own ADT samples satisfy hl7apy, an independent reading of HL7 v2.5."""
    assert hl7_validate(file.read_bytes()) == []
