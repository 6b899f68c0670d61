"""A tumour board in FHIR to CANCER-FRCP 2022.01, and back to the same FHIR (ANS CI-SIS, volet CANCER-FRCP)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hub.mappings.cda.out.frcp import REQUIRED, write
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.paths import room
from hub.source.cda import Document
from tests.conformance.test_rules import DRAFT, MINIMAL, NO_GP, UNKNOWN, changed, found

from .cda_back import bundle, closes, errors, stated
from .cda_run import ANY, codes, one
from .run import SHARED, mapped, only

BOARD = (room("channels") / "cda-documents" / "tests" / "messages" / "tumour-board.xml").read_bytes()
BUNDLE = bundle(BOARD)
EXAMPLES = sorted(SHARED.glob("cda/CANCER-FRCP*.xml"))
OTHER_VALUES = " ;; ".join([
    ".//{o:GEN-100}/c:value => @value=false",
    ".//{o:MED-245}/c:value => @value=true",
    ".//{o:ORG-127}/c:value => @code=ORG-128",
    ".//{o:GEN-065}/c:value => @code=29179001",
    "c:confidentialityCode => @code=R",
    "c:versionNumber => @value=7",
])  # fmt: skip
ALONE = "c:relatedDocument => remove ;; c:inFulfillmentOf => remove ;; c:informationRecipient => remove"


@pytest.mark.parametrize(
    "change", ["", DRAFT, UNKNOWN, NO_GP, MINIMAL, OTHER_VALUES, ALONE],
    ids=["full", "draft", "unknown", "no-gp", "minimal", "others", "alone"],
)  # fmt: skip
def test_a_record_comes_back(change: str) -> None:
    """CDA, FHIR, CDA, FHIR: equal FHIR, and no failed assertion."""
    body = changed(BOARD, change) if change else BOARD
    assert errors(closes(body, write)) == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_the_published_record(file: Path) -> None:
    """Sound; its texts that refer to nothing get a place in the narrative, and from then on it comes back as it is."""
    written = write(bundle(file.read_bytes()))
    assert errors(written) == []
    before, after = stated(mapped(ANY, file.read_bytes())), stated(mapped(ANY, written))
    assert before.keys() == after.keys()
    assert closes(written, write) == written


def test_the_narrative_is_kept() -> None:
    """What FHIR has as narrative: the same words, tables, anchors and styles."""
    written = Document(closes(BOARD, write))
    for own, made in zip(
        found(Document(BOARD).element, ".//c:section"), found(written.element, ".//c:section"), strict=True
    ):
        texts = [found(x, "c:text") for x in (own, made)]
        said = [" ".join("".join(t[0].itertext()).split()) if t else "" for t in texts]
        assert said[0] == said[1]


def without_narrative() -> dict[str, Any]:
    made = bundle(BOARD)
    for entry in made["entry"]:
        resource = entry["resource"]
        resource.pop("text", None)
        resource.pop("note", None)
        if "extension" in resource:
            resource["extension"] = [x for x in resource["extension"] if not x["url"].endswith("narrativeLink")]
        for part in resource.get("component", ()):
            part.pop("extension", None)
        for section in resource.get("section", ()) if resource["resourceType"] == "Composition" else ():
            section.pop("text", None)
            for leaf in section.get("section", ()):
                leaf.pop("text", None)
    return made


def test_without_a_narrative_one_is_written() -> None:
    """Each entry has its words in the narrative of its section, and refers to them."""
    written = write(without_narrative())
    assert errors(written) == []
    document = Document(written)
    assert {f.text() for f in document.anchors.values()} >= {
        "Quorum RCP : Quorum atteint", "Dossier complet : oui", "Score de la dépression gériatrique : 14",
    }  # fmt: skip
    for text in found(document.element, ".//c:entry//c:text/c:reference"):
        assert text.get("value", "#")[1:] in document.anchors
    closes(written, write)


def test_a_bare_composition_gets_the_sections_that_are_asked_for() -> None:
    """The nine sections of the volet, of unknown values; nothing is proposed, and that alone is wrong."""
    made = bundle(BOARD)
    made["entry"][0]["resource"]["section"] = []
    written = write(made)
    sections = [s.get("code") for s in found(Document(written).element, ".//c:section/c:code")]
    assert tuple(sections) == REQUIRED
    assert {e.partition(" ")[0] for e in errors(written)} == {"FRCP-74"}
    draft = mapped(ANY, written)
    assert only(draft, "Composition")["status"] == "final"
    assert [i for i in draft.issues if i.severity == "error"] == []


def test_topography_and_morphology_without_a_code() -> None:
    """nullFlavor OTH with originalText."""
    made = bundle(BOARD)
    condition = next(e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "Condition")
    condition["evidence"][0]["code"] = [{"text": "Carcinome d'un type rare"}]
    condition.pop("stage")
    written = write(made)
    assert errors(written) == []
    [tumour] = found(Document(written).element, ".//{o:282291009}")
    [value] = found(tumour, "c:value")
    assert (value.get("nullFlavor"), value[0].text) == ("OTH", "Carcinome d'un type rare")
    stages = [v.get("nullFlavor") for v in found(tumour, ".//{o:21905-5}/c:value | .//{o:21906-3}/c:value")]
    assert stages == ["NA", "NA"]


def test_the_proposal_in_its_forms() -> None:
    """Encounter ARQ, observation PRP, procedure INT (CANCER-FRCP, S~158)."""
    section = found(Document(closes(BOARD, write)).element, ".//c:section[{S~158}]/c:entry/*")
    told = [(x.tag.rpartition("}")[2], x.get("moodCode")) for x in section]
    assert told == [
        ("encounter", "ARQ"), ("observation", "PRP"), ("observation", "PRP"), ("procedure", "INT"),
        ("procedure", "INT"), ("procedure", "INT"), ("act", "EVN"),
    ]  # fmt: skip


def test_a_new_version() -> None:
    """Another id and version, the same set: relatedDocument of the one before."""
    made = copy.deepcopy(bundle(BOARD))
    composition = made["entry"][0]["resource"]
    told = next(e["resource"] for e in made["entry"] if "masterIdentifier" in e["resource"])
    composition["relatesTo"] = [{"code": "replaces", "targetIdentifier": dict(told["masterIdentifier"])}]
    told["masterIdentifier"]["value"] = "FRCP-2026-031.3"
    written = write(made)
    assert errors(written) == []
    draft = mapped(ANY, written)
    assert only(draft, "Composition")["relatesTo"][0]["targetIdentifier"]["value"] == "FRCP-2026-031.2"
    assert codes(only(draft, "Task")["businessStatus"]) == ["ORG-134"]


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=40)


@settings(max_examples=15, deadline=None)
@given(words, st.integers(-999999, 999999), st.booleans())
def test_any_words_and_values_come_back(said: str, score: int, flag: bool) -> None:
    """Property: whatever the text, the score and the flag, what is written says them."""
    made = copy.deepcopy(BUNDLE)
    for entry in made["entry"]:
        resource = entry["resource"]
        own = codes(resource["code"])[0] if resource["resourceType"] == "Observation" else ""
        if own == "48544-1":
            resource["valueInteger"] = score
        if own == "GEN-100":
            resource["valueBoolean"] = flag
    made["entry"][0]["resource"]["title"] = said
    draft = mapped(ANY, write(made))
    assert one(draft, "Observation", "48544-1")["valueInteger"] == score
    assert one(draft, "Observation", "GEN-100")["valueBoolean"] == flag
    assert only(draft, "Composition").get("title", "") == " ".join(said.split())
