"""FHIR to CDA level 1 (IHE XDS-SD; ANS, structuration minimale), and back to the same FHIR."""

from __future__ import annotations

import base64
import copy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hub.mappings.cda.out.build import el, octets
from hub.mappings.cda.out.n1 import write
from hub.mappings.cda.out.types import ad, cd, ii, iis, pn, ts
from hub.mappings.times import ts_date, ts_datetime
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import MappingError
from hub.paths import room
from hub.source.cda import Document

from .cda_back import bundle, closes, errors
from .cda_run import ANY
from .run import SHARED, mapped, only

SAMPLE = (room("channels") / "cda-documents" / "tests" / "messages" / "imaging-pdf.xml").read_bytes()
EXAMPLES = [f for f in sorted(SHARED.glob("cda/*.xml")) if b"nonXMLBody" in f.read_bytes()]


def test_a_document_comes_back() -> None:
    """CDA, FHIR, CDA, FHIR: equal FHIR; as sound as it was; the PDF octet for octet."""
    written = closes(SAMPLE, write)
    assert Document(written).one("component", "nonXMLBody", "text").text() == "".join(  # type: ignore[union-attr]
        (Document(SAMPLE).one("component", "nonXMLBody", "text").text() or "").split()  # type: ignore[union-attr]
    )
    assert errors(written) == []
    assert closes(written, write) == written


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_published_documents_come_back(file: Path) -> None:
    """The examples of the ANS of level 1, one of which replaces another."""
    assert errors(closes(file.read_bytes(), write)) == []


def without_composition() -> dict[str, Any]:
    made = bundle(SAMPLE)
    made["entry"] = [e for e in made["entry"] if e["resource"]["resourceType"] != "Composition"]
    told = next(e["resource"] for e in made["entry"] if "masterIdentifier" in e["resource"])
    told["content"] = [
        {"attachment": {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}}
    ]
    return made


def test_a_document_reference_with_a_pdf() -> None:
    """Without a Composition: header of the DocumentReference, the GP of the Patient, the file of the attachment."""
    made = without_composition()
    written = write(made)
    document = Document(written)
    assert document.one("title").text() == "CR d\u2019imagerie médicale - scanner du thorax"  # type: ignore[union-attr]
    [gp] = [
        p for p in document.all("participant") if (f := p.one("functionCode")) is not None and f.attr("code") == "PCP"
    ]
    assert gp.attr("typeCode") == "INF"
    draft = mapped(ANY, written)
    told = only(draft, "Composition")
    assert (told["attester"][0]["mode"], len(told["author"])) == ("legal", 1)
    assert b"JVBERi0xLjc=" in written
    assert errors(written) == []


def test_the_setting_of_the_act() -> None:
    """practiceSetting, where the organisation of who performed it does not say it."""
    made = without_composition()
    for entry in made["entry"]:
        if entry["resource"]["resourceType"] == "Organization":
            entry["resource"].pop("type", None)
    assert errors(write(made)) == []


def test_without_a_file_it_says_what_to_send() -> None:
    """No PDF, no document."""
    made = without_composition()
    told = next(e["resource"] for e in made["entry"] if "masterIdentifier" in e["resource"])
    told["content"][0]["attachment"].pop("data")
    with pytest.raises(MappingError, match="no file") as e:
        write(made)
    assert "application/pdf" in e.value.cure


@pytest.mark.parametrize(
    ("kind", "words"), [("Patient", "patient is missing"), ("DocumentReference", None), ("PractitionerRole", None)]
)
def test_what_is_not_there_is_an_error_or_left_out(kind: str, words: str | None) -> None:
    """The patient is asked for; of others what the references show is written."""
    made = bundle(SAMPLE)
    made["entry"] = [e for e in made["entry"] if e["resource"]["resourceType"] != kind]
    if words:
        with pytest.raises(MappingError, match=words):
            write(made)
    else:
        assert b"nonXMLBody" in write(made)


@pytest.mark.parametrize("empty", [{"resourceType": "Bundle"}, {"entry": []}, {"entry": [{}]}])
def test_a_bundle_without_a_document(empty: dict[str, Any]) -> None:
    """Neither Composition nor DocumentReference."""
    with pytest.raises(MappingError, match="no document"):
        write(empty)


def test_characters_that_xml_cannot_have_are_left_out() -> None:
    """XML 1.0 §2.2: never an exception, never a document that nobody can read."""
    made = copy.deepcopy(bundle(SAMPLE))
    made["entry"][0]["resource"]["title"] = "a\x00b\x0bc\ufffed\ud800<&>"
    assert Document(write(made)).one("title").text() == "abcd<&>"  # type: ignore[union-attr]


moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda d: d.replace(microsecond=0))  # noqa: DTZ001


@given(moments, st.integers(-12, 14))
def test_times_come_back(at: datetime, hours: int) -> None:
    """dateTime to TS to dateTime; dates as exact as they are."""
    told = at.replace(tzinfo=timezone(timedelta(hours=hours))).isoformat()
    assert ts_datetime(ts(told)) == told
    for part in (told[:4], told[:7], told[:10]):
        assert ts_date(ts(part)) == part


def test_a_time_in_utc() -> None:
    """Z is +0000; fractions are dropped."""
    assert (ts("2026-05-12T11:17:00Z"), ts("2026-05-12T11:17:00.125+02:00")) == (
        "20260512111700+0000", "20260512111700+0200",
    )  # fmt: skip


NUMBERS = [
    ({"system": "urn:oid:1.2.3", "value": "7"}, {"root": "1.2.3", "extension": "7"}),
    ({"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}, {"root": "1.2.3"}),
    ({"system": "urn:ietf:rfc:3986", "value": "urn:uuid:5eed0001-c0de-4a00-8000-0000000000f1"},
     {"root": "5eed0001-c0de-4a00-8000-0000000000f1"}),
    ({"system": "https://rpps.esante.gouv.fr", "value": "10001234567"},
     {"root": "1.2.250.1.71.4.2.1", "extension": "810001234567"}),
    ({"system": "https://finess.esante.gouv.fr", "value": "290000017"},
     {"root": "1.2.250.1.71.4.2.2", "extension": "1290000017"}),
    ({"system": "https://example.org/ids", "value": "7"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("told", "attributes"), NUMBERS)
def test_identifiers(told: dict[str, str], attributes: dict[str, str] | None) -> None:
    """II has a root that is an OID or a UUID; an identifier that has none cannot be written."""
    made = ii(told)
    assert (dict(made.attrib) if made is not None else None) == attributes


def test_a_national_number_is_written_once() -> None:
    """IDNPS and RPPS are one number."""
    both = [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810001234567"}, NUMBERS[3][0]]
    assert [dict(x.attrib) for x in iis(both)] == [NUMBERS[3][1]]


def test_words_without_a_code() -> None:
    """CodeableConcept.text alone: nullFlavor NA and originalText; nothing at all: the flavor that is asked for."""
    made = cd("functionCode", {"text": "Présentateur"})
    assert made is not None
    assert (made.get("nullFlavor"), made[0].text) == ("NA", "Présentateur")
    assert cd("code", None) is None
    assert cd("code", None, "UNK").get("nullFlavor") == "UNK"  # type: ignore[union-attr]


def test_names_and_addresses_in_words() -> None:
    """HumanName.text and Address.text."""
    assert pn({"text": "Dr Riou"}).text == "Dr Riou"  # type: ignore[union-attr]
    assert ad({"text": "Brest"}).text == "Brest"
    assert octets(el("a", None, "b")).startswith(b"<?xml")
