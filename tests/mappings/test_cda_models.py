"""The models beside FRCP and FIDD, each by a whole sample: what holds for all of them."""

from __future__ import annotations

import pytest
from hub.mappings.cda.frame import models
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.errors import MappingError
from hub.fhir.bundles import document_bundle
from hub.fhir.validate import validate
from hub.source.cda import TracedDocument
from hub.source.cda_coverage import cover

from .cda_run import ANY, MESSAGES
from .run import SHARED, mapped, only, told
from .test_cda_fuzz import EDITS, changed
from .test_fuzz import judge

# sample -> (module, model, LOINC code of the document)
SAMPLES = {
    "mammography-two-readers": ("fin", "CANCER-D2LM-FIN", "18748-4"),
    "care-programme": ("pps", "CANCER-PPS", "18776-5"),
    "molecular-genetics": ("cr_gm", "CANCER-CR-GM", "51969-4"),
    "imaging-report": ("img_cr", "IMG-CR-IMG", "18748-4"),
    "imaging-request": ("img_da", "IMG-DA-IMG", "55115-0"),
    "laboratory-report": ("bio_cr", "BIO-CR-BIO", "11502-2"),
    "imaging-pdf": ("n1", "CDA N1", "18748-4"),
}
BODIES = {name: (MESSAGES / f"{name}.xml").read_bytes() for name in SAMPLES}
ROOTS = {name: etree.fromstring(body) for name, body in BODIES.items()}
PUBLISHED = sorted(SHARED.glob("cda/*.xml"))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_entry_has_its_rule(name: str) -> None:
    """Nothing is an issue: the model is found by its templateId, never by its LOINC code."""
    assert mapped(ANY, BODIES[name]).issues == []


@pytest.mark.parametrize("name", SAMPLES)
def test_every_resource_is_valid_r4(name: str) -> None:
    """Structure, invariants and targets of references; fhir.resources is the oracle of the goldens' tests."""
    for ref, entry in mapped(ANY, BODIES[name]).entries.items():
        assert (ref, []) == (ref, validate({**entry.resource, "id": entry.id}))


@pytest.mark.parametrize("name", SAMPLES)
def test_fhir_resources_agrees(name: str) -> None:
    """An independent reading of R4 (fhir.resources, R4B): names, cardinalities, types."""
    from fhir.resources.R4B import get_fhir_model_class

    for entry in mapped(ANY, BODIES[name]).entries.values():
        get_fhir_model_class(entry.type).model_validate({**entry.resource, "id": entry.id})


@pytest.mark.parametrize("name", SAMPLES)
def test_a_replay_and_origins_change_nothing(name: str) -> None:
    """Ids and content depend on the octets alone."""
    made = told(mapped(ANY, BODIES[name]))
    assert made == told(mapped(ANY, BODIES[name])) == told(mapped(ANY, BODIES[name], origins=True))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_model_by_its_own_mapping(name: str) -> None:
    """``cda.documents.<model>`` makes the same, and refuses documents of others."""
    module, model, _ = SAMPLES[name]
    assert told(mapped(f"cda.documents.{module}", BODIES[name])) == told(mapped(ANY, BODIES[name]))
    assert model in [m.name for m in models().values()]
    other = next(n for n in SAMPLES if n != name)
    with pytest.raises(MappingError, match="templateId"):
        mapped(f"cda.documents.{module}", BODIES[other])


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_of_a_sample_is_lost(name: str) -> None:
    """Each attribute and text is mapped, decides something, or is left out for a reason of the table."""
    assert lost(BODIES[name]) == []


def lost(body: bytes, *, coded: bool = False) -> list[str]:
    """The places of a document that became nothing."""
    from hub.fhir.draft import Draft, Site
    from hub.registry import mapping

    document, draft = TracedDocument(body), Draft()
    mapping(ANY).run(document, draft, Site())
    found = cover(document, [(e.ref, e.resource) for e in draft.entries.values()])
    return [p.path for p in found.places if p.state == "lost" and (p.coded or not coded)]


@pytest.mark.skipif(not PUBLISHED, reason="the published examples (../shared/data) are not here")
@pytest.mark.parametrize("file", PUBLISHED, ids=lambda f: f.name)
def test_no_coded_entry_of_a_published_example_is_lost(file: object) -> None:
    """The examples of the ANS: every place of every entry."""
    assert lost(file.read_bytes(), coded=True) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_document_bundle(name: str) -> None:
    """R4 §3.3: the Composition first; every reference of it resolves in the Bundle."""
    bundle = document_bundle(mapped(ANY, BODIES[name]), "http://h/fhir")
    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    urls = {e["fullUrl"] for e in bundle["entry"]}
    assert [r for e in bundle["entry"] for r in references(e["resource"]) if f"http://h/fhir/{r}" not in urls] == []


def references(node: object) -> list[str]:
    """The literal references of a resource; of a replaced document only its number is known here."""
    if isinstance(node, dict):
        own = node.get("reference")
        here = [own] if isinstance(own, str) and not own.startswith("#") and "identifier" not in node else []
        return here + [r for value in node.values() for r in references(value)]
    return [r for value in node for r in references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_document_reference(name: str) -> None:
    """The type is that of the document; its number and its version chain are those of the header."""
    draft = mapped(ANY, BODIES[name])
    made = next(
        e.resource for e in draft.entries.values()
        if e.type == "DocumentReference" and "masterIdentifier" in e.resource
    )  # fmt: skip
    assert made["type"]["coding"][0]["code"] == SAMPLES[name][2]
    assert only(draft, "Composition")["type"] == made["type"]


@settings(max_examples=90, deadline=None)
@given(EDITS, st.sampled_from(sorted(SAMPLES)))
def test_any_change_of_a_model(edits: list[tuple[int, str]], name: str) -> None:
    """Elements dropped, null, bare, odd, doubled, moved: valid resources or an error with its place."""
    judge(ANY, changed(ROOTS[name], edits))


@settings(max_examples=30, deadline=None)
@given(EDITS, st.sampled_from(sorted(SAMPLES)))
def test_origins_change_nothing_of_it(edits: list[tuple[int, str]], name: str) -> None:
    """Lineage is that of what is stored, for odd documents too."""
    body = changed(ROOTS[name], edits)
    try:
        plain = told(mapped(ANY, body))
    except Exception as error:  # the same error, then
        with pytest.raises(type(error)):
            mapped(ANY, body, origins=True)
    else:
        assert plain == told(mapped(ANY, body, origins=True))


REPEATED = [
    (name, tag)
    for name, body in BODIES.items()
    for tag in ("entryRelationship", "component", "participant", "specimen", "performer", "author")
    if f"<{tag}".encode() in body[body.find(b"<entry") :] and b"<entry" in body
]


@pytest.mark.parametrize(("name", "tag"), REPEATED)
def test_much_of_one_thing_is_bounded(name: str, tag: str) -> None:
    """A thousand of one thing in an entry: issues stay few, and nothing is made without end."""
    body = BODIES[name]
    start = body.index(f"<{tag}".encode(), body.index(b"<entry"))
    end = body.index(f"</{tag}>".encode(), start) + len(tag) + 3
    inner = body[start:end]
    if inner.count(f"<{tag}".encode()) > 1:
        inner = f"<{tag}/>".encode()
    draft = mapped(ANY, body[:start] + inner * 1000 + body[start:])
    assert len(draft.issues) <= 100
    assert len(draft.entries) <= 10_000
