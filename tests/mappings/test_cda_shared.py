"""The published examples of the ANS, where they are at hand, entry by entry (CI-SIS, exemples de documents)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.fhir.bundles import document_bundle
from hub.fhir.validate import validate

from .cda_run import ANY, all_of, coded, codes
from .run import SHARED, mapped, only, told

FILES = sorted(SHARED.glob("cda/*.xml"))
pytestmark = pytest.mark.skipif(not FILES, reason="the published examples (../shared/data) are not here")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_an_example_is_mapped_entry_by_entry(file: Path) -> None:
    """Valid R4, no error, the same with origins, and a document Bundle of it."""
    body = file.read_bytes()
    draft = mapped(ANY, body)
    assert [i for i in draft.issues if i.severity == "error"] == []
    assert told(draft) == told(mapped(ANY, body, origins=True))
    for ref, entry in draft.entries.items():
        assert (ref, []) == (ref, validate({**entry.resource, "id": entry.id}))
    assert document_bundle(draft, "http://h/fhir")["entry"][0]["resource"]["resourceType"] == "Composition"


def example(start: str) -> Path:
    found = [f for f in FILES if f.name.startswith(start)]
    if not found:
        pytest.skip(f"{start} is not here")
    return found[0]


def test_the_published_tumour_board() -> None:
    """CANCER-FRCP: C50.2 right, 8000/3, cT1b N1 M0, eight things proposed."""
    draft = mapped(ANY, example("CANCER-FRCP").read_bytes())
    condition = only(draft, "Condition")
    assert codes(condition["code"])[0] == "C50.2"
    assert codes(condition["bodySite"][0])[-1] == "73056007"
    [tnm] = coded(draft, "Observation", "75620-5")
    assert [codes(x["valueCodeableConcept"])[0] for x in tnm["component"]] == ["T1b", "N1", "M0"]
    assert len(only(draft, "CarePlan")["activity"]) == 8
    assert only(draft, "Composition")["status"] == "preliminary"


def test_the_published_work_up() -> None:
    """CANCER-D2LM-FIDD: ACR 1 right, ACR 3 left."""
    draft = mapped(ANY, example("CANCER-D2LM-FIDD").read_bytes())
    acr = {codes(r["bodySite"])[0]: codes(r["valueCodeableConcept"])[0] for r in coded(draft, "Observation", "MED-121")}
    assert acr == {"73056007": "MED-129", "80248007": "MED-131"}
    assert codes(only(draft, "DiagnosticReport")["conclusionCode"][0])[0] == "MED-131"
    assert len(all_of(draft, "DocumentReference")) == 3
