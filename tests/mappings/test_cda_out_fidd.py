"""A deferred work-up in FHIR to CANCER-D2LM-FIDD 2022.01, and back to the same FHIR (ANS CI-SIS, volet CANCER-D2LM)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hub.mappings.cda.out.fidd import write

from hub.paths import room
from hub.source.cda import Document
from tests.conformance.test_rules import changed, found

from .cda_back import bundle, closes, errors, stated
from .cda_run import ANY
from .run import SHARED, mapped, only

WORK_UP = (room("channels") / "cda-documents" / "tests" / "messages" / "deferred-work-up.xml").read_bytes()
EXAMPLES = sorted(SHARED.glob("cda/CANCER-D2LM-FIDD*.xml"))
NULL = ("-@code", "-@codeSystem", "-@value", "@nullFlavor=UNK")
UNKNOWN = " ;; ".join(
    f".//{{o:{code}}}/c:value => {action}" for code in ("MED-013", "MED-018", "MED-121", "MED-118") for action in NULL
)
MINIMAL = (
    ".//c:component[c:section[{S~79}]] => remove ;; "
    ".//c:entry[c:observation/c:code[@code='GEN-041' or @code='GEN-001' or @code='GEN-002']] => remove ;; "
    ".//c:entry[c:observation/c:code[@code='MED-120' or @code='ORG-064']] => remove"
)
OTHERS = ".//{o:MED-120}/c:value => @value=18 ;; .//{o:MED-121}/c:value => @code=MED-129 ;; c:versionNumber => @value=3"


@pytest.mark.parametrize(
    "change", ["", UNKNOWN, MINIMAL, OTHERS], ids=["full", "unknown", "minimal", "others"]
)  # fmt: skip
def test_a_work_up_comes_back(change: str) -> None:
    """CDA, FHIR, CDA, FHIR: equal FHIR, and no failed assertion."""
    assert errors(closes(changed(WORK_UP, change) if change else WORK_UP, write)) == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_the_published_work_up(file: Path) -> None:
    """Sound; its one text that refers to nothing gets a place, and from then on it comes back as it is."""
    written = write(bundle(file.read_bytes()))
    assert errors(written) == []
    assert stated(mapped(ANY, file.read_bytes())).keys() == stated(mapped(ANY, written)).keys()
    assert closes(written, write) == written


def test_each_breast_has_its_side() -> None:
    """The side is the qualifier of the code (20228-3), for there is no site that has it."""
    root = Document(closes(WORK_UP, write)).element
    sides = [x.get("code") for x in found(root, ".//{o:MED-121}/c:code/c:qualifier[c:name/@code='20228-3']/c:value")]
    assert sides == ["24028007", "7771000"]


def test_the_conduct_and_its_interval() -> None:
    """GEN-007 with its code, MED-120 in months, ORG-064 in words: three entries of mood INT."""
    root = Document(closes(WORK_UP, write)).element
    asked = found(root, ".//c:section[{S~158}]/c:entry/c:observation")
    told = [(x.get("moodCode"), found(x, "c:code")[0].get("code")) for x in asked]
    assert told == [("INT", "GEN-007"), ("INT", "MED-120"), ("INT", "ORG-064")]
    [every] = found(root, ".//{o:MED-120}/c:value")
    assert (every.get("value"), every.get("unit")) == ("4", "mo")


def without_links() -> dict[str, Any]:
    made = bundle(WORK_UP)
    for entry in made["entry"]:
        resource = entry["resource"]
        resource.pop("note", None)
        resource["extension"] = [x for x in resource.get("extension", ()) if not x["url"].endswith("narrativeLink")]
        for section in resource.get("section", ()):
            section.pop("text", None)
    return made


def test_without_a_narrative_one_is_written() -> None:
    """What the entries say, for people."""
    written = write(without_links())
    assert errors(written) == []
    words = {node.text() for node in Document(written).anchors.values()}
    assert "Contrôle : 4 mo" in words
    assert any(text and text.startswith("ACR Final") for text in words)
    closes(written, write)


def test_what_the_record_does_not_have_is_not_made_up() -> None:
    """Without its findings the document says so: the checks tell which are missing."""
    made = bundle(WORK_UP)
    for section in made["entry"][0]["resource"]["section"]:
        section.pop("entry", None)
    told = {e.partition(" ")[0] for e in errors(write(made))}
    assert {"FIDD-14", "FIDD-20", "FIDD-30", "FIDD-31", "FIDD-40"} <= told


def test_a_file_of_a_coded_kind() -> None:
    """Type of the attached file as a code, its language, its octets inline."""
    made = bundle(WORK_UP)
    file = next(
        e["resource"] for e in made["entry"]
        if e["resource"]["resourceType"] == "DocumentReference" and "masterIdentifier" not in e["resource"]
    )  # fmt: skip
    file["type"] = {"text": "Schéma"}
    file["content"][0]["attachment"] |= {"language": "fr-FR", "data": "iVBORw0KGgo="}
    draft = mapped(ANY, write(made))
    read = [e.resource for e in draft.entries.values() if e.type == "DocumentReference"]
    kinds = [r for r in read if r.get("type") == {"text": "Schéma"}]
    assert [k["content"][0]["attachment"]["language"] for k in kinds] == ["fr-FR"]
    assert only(draft, "DiagnosticReport")["conclusionCode"]
