"""What of a document became something: measured by what the mapping read, not assumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.fhir.draft import Draft, Site
from hub.paths import room
from hub.registry import mapping
from hub.source.cda import Document, TracedDocument
from hub.source.cda_coverage import Coverage, cover, rules

MESSAGES = room("channels") / "cda-documents" / "tests" / "messages"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "cda"
KNOWN = sorted(SHARED.glob("CANCER-FRCP*.xml")) + sorted(SHARED.glob("CANCER-D2LM-FIDD*.xml"))


def coverage(body: bytes, name: str = "cda.documents.any") -> Coverage:
    document, draft = TracedDocument(body), Draft()
    mapping(name).run(document, draft, Site())
    return cover(document, [(e.ref, e.resource) for e in draft.entries.values()])


@pytest.mark.parametrize("name", ["tumour-board.xml", "deferred-work-up.xml"])
def test_nothing_of_our_samples_is_lost(name: str) -> None:
    """Every place is mapped, decides something, or is left out for a reason."""
    found = coverage((MESSAGES / name).read_bytes())
    assert [p.path for p in found.places if p.state == "lost"] == []
    assert all(p.why for p in found.places)
    assert found.count("mapped") > found.count("left out")
    assert found.share() == found.share(coded=True) == 1.0


@pytest.mark.skipif(not KNOWN, reason="the published examples (../shared/data) are not here")
@pytest.mark.parametrize("file", KNOWN, ids=lambda f: f.stem)
def test_published_examples(file: Path) -> None:
    """At least 98 % of the coded entries of CANCER-FRCP and CANCER-D2LM-FIDD, and of the whole."""
    found = coverage(file.read_bytes())
    assert min(found.share(), found.share(coded=True)) >= 0.98, [p.path for p in found.places if p.state == "lost"]


def test_the_header_mapping_loses_the_entries() -> None:
    """The measure can fail: without the entries most of them are lost."""
    found = coverage((MESSAGES / "tumour-board.xml").read_bytes(), "cda.documents.header")
    assert found.share(coded=True) < 0.1
    assert found.share() < found.share(coded=True) + 0.9


def test_what_is_added_is_lost_until_it_is_mapped() -> None:
    """A place no rule knows shows as lost; what should decide but was not read is lost too."""
    body = (MESSAGES / "tumour-board.xml").read_bytes()
    more = body.replace(b"<setId", b'<copyTime value="20260316"/><setId')
    lost = [p.path for p in coverage(more).places if p.state == "lost"]
    assert "copyTime/@value" in lost
    nothing = cover(TracedDocument(body), [])
    assert nothing.count("mapped") == nothing.count("decides") == 0
    assert nothing.share() == 0.0


def test_the_longest_rule_holds() -> None:
    """A qualifier decides, a classCode is left out; what reached a resource is mapped whatever the table says."""
    found = {p.path: p.state for p in coverage((MESSAGES / "tumour-board.xml").read_bytes()).places}
    assert found["recordTarget/patientRole/patient/name/family[1]/@qualifier"] == "decides"
    assert found["informant[1]/relatedEntity/@classCode"] == "mapped"
    assert found["participant[1]/associatedEntity/@classCode"] == "left out"


def test_an_empty_document_has_nothing_to_cover() -> None:
    """The share of nothing is one."""
    assert cover(TracedDocument(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'), []).share() == 1.0


def test_the_table_names_what_the_mapping_leaves_out() -> None:
    """Every reason that code gives is a line of the table."""
    used = {
        word
        for file in (room("mappings") / "cda").rglob("*.py")
        for word in file.read_text(encoding="utf-8").split('"')
        if word.startswith("*") and word[1:].isalpha()
    }
    assert used <= set(rules())


def test_hot_nodes_remember_nothing() -> None:
    """Off the hot path: a plain document keeps no origin, whatever is read of it."""
    plain = Document(b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"/></ClinicalDocument>')
    node = plain.one("id")
    assert node is not None
    assert type(node.attr("root")) is str
    assert (node.traced, node.keep("x"), node.leave("*container")) == (False, "x", None)
