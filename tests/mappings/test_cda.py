"""CDA-R2 documents to FHIR (ANS, structuration minimale; PDSm 3.1.1)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hub.mappings.shape import CONFIDENTIALITY

from hub.fhir.draft import Draft, Rank, resource_id
from hub.source.origin import lineage

from .run import INS, cut, edited, mapped, only, refs, sample

REPORT = sample("report.xml")
CDA = "cda.documents.header"
IPP_ID = '<id root="1.2.250.1.999.7" extension="P1001"/>'
SOFTWARE_ID = '<id root="1.2.250.1.71.4.2.1" extension="514900009990001/logiciel-rcp"/>'
OLD = ("urn:oid:1.2.250.1.999.7.20", "CR-77.1")


def report(*changes: tuple[str, str], **site: Any) -> Draft:
    return mapped(CDA, edited(REPORT, *changes), site)


def reference(*changes: tuple[str, str]) -> dict:
    return only(report(*changes), "DocumentReference")


def test_the_document_is_kept_octet_for_octet() -> None:
    """Binary; size and SHA-1 are those of the octets as received."""
    draft = mapped(CDA, REPORT)
    attachment = only(draft, "DocumentReference")["content"][0]["attachment"]
    binary = draft.entries[attachment["url"]]
    assert (binary.octets, binary.resource) == (REPORT, {"resourceType": "Binary", "contentType": "text/xml"})
    assert (len(REPORT), base64.b64encode(hashlib.sha1(REPORT).digest()).decode()) == (
        attachment["size"], attachment["hash"],
    )  # fmt: skip


def test_people_without_a_number_are_known_by_their_place_in_the_document() -> None:
    """The same on every replay, and never mixed with somebody else."""
    change = ('<id root="1.2.250.1.71.4.2.1" extension="810000000017"/>', '<id nullFlavor="UNK"/>')
    first, again = report(change), report(change)
    role = only(first, "Patient")["generalPractitioner"][0]["reference"]
    assert role in again.entries
    who = first.entries[role].resource["practitioner"]["reference"]
    assert "identifier" not in first.entries[who].resource


def test_what_two_places_say_of_one_organisation_is_put_together() -> None:
    """The author's organisation has a telephone, the custodian has not: nothing is lost, nothing twice."""
    draft = mapped(CDA, REPORT)
    [ref] = refs(draft, "Organization")
    org = draft.entries[ref]
    assert (
        org.rank, org.resource["name"], org.resource["telecom"],
    ) == (Rank.DOCUMENT, "CH de la Loire", [{"system": "phone", "value": "0241000000"}])  # fmt: skip
    assert list(org.resource) == ["resourceType", "identifier", "active", "type", "name", "telecom"]
    bare = report(('<telecom value="tel:0241000000"/>', ""))
    assert bare.entries[refs(bare, "Organization")[0]].rank == Rank.MENTION


def test_an_author_may_be_a_device_an_organisation_or_the_patient() -> None:
    """author/assignedAuthor."""
    authors = only(mapped(CDA, REPORT), "DocumentReference")["author"]
    assert [a["reference"].partition("/")[0] for a in authors] == ["PractitionerRole", "Device"]
    patient = reference(
        (
            SOFTWARE_ID,
            IPP_ID,
        )
    )["author"]
    assert {"reference": f"Patient/{resource_id('Patient', *INS)}"} == patient[1]
    org = reference(
        (SOFTWARE_ID, '<id nullFlavor="NA"/>'),
        (cut("assignedAuthoringDevice")[0],
         "<representedOrganization><id root='1.2.9' extension='7'/></representedOrganization>"),
    )["author"]  # fmt: skip
    assert org[1]["reference"].partition("/")[0] == "Organization"
    nameless = reference(
        ("<manufacturerModelName>RCP 4</manufacturerModelName><softwareName>RCP Serveur</softwareName>", "")
    )["author"]
    assert {"reference"} == set(nameless[1])


def test_a_custodian_without_number_is_named() -> None:
    """And one that is null is left out."""
    old, _ = cut("representedCustodianOrganization")
    tag = "representedCustodianOrganization"
    assert reference((old, f"<{tag}><name>CH</name></{tag}>"))["custodian"] == {"display": "CH"}
    assert "custodian" not in reference((old, f"<{tag} nullFlavor='UNK'/>"))
    assert "custodian" not in reference((old, f"<{tag}/>"))


def test_the_version_that_is_replaced() -> None:
    """relatedDocument RPLC: relatesTo, and the earlier document superseded if it is there."""
    draft = mapped(CDA, REPORT)
    made = only(draft, "DocumentReference")
    old = f"DocumentReference/{resource_id('DocumentReference', *OLD)}"
    assert [("replaces", old)] == [(r["code"], r["target"]["reference"]) for r in made["relatesTo"]]
    said = draft.patches[old, "superseded"]
    assert (said.sets, dict(said.adds)) == ({"status": "superseded"}, {})
    assert old not in draft.entries
    assert [r["code"] for r in only(draft, "Composition")["relatesTo"]] == ["replaces"]
    assert "relatesTo" not in reference(('extension="CR-77.1"', 'extension="CR-77.2"'))


@pytest.mark.parametrize(("kind", "code"), [("APND", "appends"), ("XFRM", "transforms")])
def test_the_document_it_adds_to_or_comes_from(kind: str, code: str) -> None:
    """relatedDocument APND, XFRM (CDA R2 §4.2.4.2): related, and the other document stays current."""
    draft = report(('typeCode="RPLC"', f'typeCode="{kind}"'))
    assert [r["code"] for r in only(draft, "DocumentReference")["relatesTo"]] == [code]
    assert draft.patches == {}
    assert "relatesTo" not in reference(('typeCode="RPLC"', 'typeCode="XXXX"'))


@pytest.mark.parametrize(
    ("old", "new", "path", "value"),
    [
        ('value="20260414101500+0200"', 'value="202604141015"', "date", "2026-04-14T10:15:00+02:00"),
        ('value="20260414101500+0200"', 'value="20260414"', "date", None),
        ('<title>Fiche RCP &amp; décision</title>', "", "description", None),
        ('code="N" codeSystem="2.16.840.1.113883.5.25"', 'code="R"', "securityLabel",
         [{"coding": [{"system": CONFIDENTIALITY, "code": "R", "display": "Normal"}]}]),
        ('extension="2022.01"', 'extension="2099.01"', "language", "fr-FR"),
        ('code="34794-8"', 'code="11502-2"', "category", None),
    ],
)  # fmt: skip
def test_elements_of_the_header(old: str, new: str, path: str, value: object) -> None:
    """One element of the header at a time."""
    assert value == reference((old, new)).get(path)


def test_the_format_of_the_model() -> None:
    """ASS_A11; of an unknown model none is claimed."""
    assert reference()["content"][0]["format"]["code"] == "urn:asip:ci-sis:frcp:2011"
    assert "format" not in reference(("1.2.250.1.213.1.1.1.8", "1.2.250.1.213.1.1.1.999"))["content"][0]


def n1(text: str, model: str = "1.3.6.1.4.1.19376.1.2.20") -> Draft:
    old, _ = cut("structuredBody")
    return report((old, f"<nonXMLBody>{text}</nonXMLBody>"), ("1.2.250.1.213.1.1.1.8", model))


def body_of(draft: Draft) -> Any:
    return draft.entries[only(draft, "Composition")["section"][0]["entry"][0]["reference"]]


def test_the_pdf_of_an_n1_can_be_read_by_itself() -> None:
    """nonXMLBody: a Binary of its own, referred to by the Composition; XDS-SD format."""
    coded = base64.b64encode(b"%PDF-1.7").decode().rstrip("=")
    draft = n1(f'<text mediaType="application/pdf" representation="B64">{coded[:4]}\n {coded[4:]}</text>')
    assert (body_of(draft).octets, body_of(draft).resource["contentType"]) == (b"%PDF-1.7", "application/pdf")
    assert only(draft, "DocumentReference")["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"


def test_the_text_of_an_n1() -> None:
    """Without Base64 the body is text; another media type has no XDS-SD format."""
    draft = n1("<text>Conclusion</text>")
    assert (body_of(draft).octets, body_of(draft).resource["contentType"]) == (b"Conclusion", "text/plain")
    assert only(draft, "DocumentReference")["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:text:2008"
    image = n1('<text mediaType="image/jpeg" representation="B64">QUJD</text>')
    assert "format" not in only(image, "DocumentReference")["content"][0]


def test_a_body_that_is_not_base64_stays_in_the_document() -> None:
    """The document is whole all the same; a warning says it."""
    draft = n1('<text mediaType="application/pdf" representation="B64">*</text>')
    assert [(i.severity, i.where) for i in draft.issues] == [("warning", "component/nonXMLBody/text")]
    assert "section" not in only(draft, "Composition")
    assert "section" not in only(n1('<text mediaType="application/pdf" representation="B64"/>'), "Composition")


def test_an_auto_presentable_document() -> None:
    """Its octets are those of the style sheet; its media type says so."""
    text = REPORT.decode().partition("?>")[2]
    body = (
        '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><Contenu>'
        f"{text}</Contenu></xsl:stylesheet>"
    ).encode()
    draft = mapped(CDA, body)
    attachment = only(draft, "DocumentReference")["content"][0]["attachment"]
    assert ("application/xslt+xml", body) == (attachment["contentType"], draft.entries[attachment["url"]].octets)


def test_a_board_is_an_encounter_of_its_own() -> None:
    """CANCER-FRCP: the ids of a VR encounter are shared by many patients."""
    virtual, stay = report(('code="IMP"', 'code="VR"')), report()
    assert refs(virtual, "Encounter") != refs(stay, "Encounter")
    assert only(virtual, "Encounter")["identifier"][0]["value"] == "V20260412"


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (('<low value="20260412090000+0200"/>', '<low value="20260412"/><high value="20260415"/>'),
         ("finished", "IMP")),
        (('<code code="IMP" codeSystem="2.16.840.1.113883.5.4" displayName="Hospitalisation"/>', ""),
         ("unknown", "AMB")),
    ],
)  # fmt: skip
def test_the_stay(change: tuple[str, str], made: tuple[str, str]) -> None:
    """encompassingEncounter: only its end tells that it is over."""
    stay = only(report(change), "Encounter")
    assert made == (stay["status"], stay["class"]["code"])


def test_the_stay_in_full_and_in_none() -> None:
    """Provider and discharge when they are said; without an identifier it is known by its document."""
    stay = only(report(
        ("<location>\n        <healthCareFacility>",
         '<dischargeDispositionCode code="ORG-1" codeSystem="1.2.250.1.213.2.14"/>'
         "<location>\n        <healthCareFacility>"),
        ("<location><name>CH de la Loire</name></location>",
         "<serviceProviderOrganization><id root='1.2.9' extension='7'/></serviceProviderOrganization>"),
    ), "Encounter")  # fmt: skip
    assert (
        stay["hospitalization"]["dischargeDisposition"]["coding"][0]["code"], "reference" in stay["serviceProvider"],
    ) == ("ORG-1", True)  # fmt: skip
    nameless = report(('<id root="1.2.250.1.999.7" extension="V20260412"/>', ""))
    assert "identifier" not in only(nameless, "Encounter")
    assert refs(nameless, "Encounter") == refs(report(('extension="V20260412"', 'nullFlavor="UNK"')), "Encounter")
    assert refs(report(cut("componentOf")), "Encounter") == []


def test_codes_keep_their_translations_and_words() -> None:
    """CD: code, translations, original text; a nullFlavor with words gives the words."""
    act = '<code code="39" codeSystem="1.2.250.1.213.3.3.13" displayName="Réunion de concertation pluridisciplinaire"/>'
    made = reference((act, '<code code="39" codeSystem="1.9"><originalText>RCP</originalText>'
                           '<translation code="T" codeSystem="2.16.840.1.113883.6.1"/></code>'))  # fmt: skip
    assert (made["context"]["event"][0]) == {
        "coding": [{"system": "urn:oid:1.9", "code": "39"}, {"system": "http://loinc.org", "code": "T"}],
        "text": "RCP",
    }
    words = reference((act, '<code nullFlavor="OTH"><originalText>autre acte</originalText></code>'))
    assert words["context"]["event"][0] == {"text": "autre acte"}


def test_a_header_of_the_bare_minimum() -> None:
    """A foreign or old document: what is there is kept, nothing is made up."""
    body = b"""<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.9"/><code code="34794-8"/>
    <recordTarget><patientRole><id root="1.2.8" extension="P"/><patient><name><family>N</family></name></patient>
    </patientRole></recordTarget></ClinicalDocument>"""
    draft = mapped(CDA, body)
    made = only(draft, "DocumentReference")
    assert (made["masterIdentifier"]["value"], made["context"]["sourcePatientInfo"]["reference"]) == (
        "urn:oid:1.2.9",
        "#src",
    )
    assert {"date", "author", "custodian", "securityLabel", "identifier"}.isdisjoint(made)
    assert refs(draft, "Composition") == []
    assert [(i.severity, i.where) for i in draft.issues] == [("warning", "effectiveTime")]


def test_the_lineage_of_a_document() -> None:
    """An XPath below ClinicalDocument for each value."""
    draft = mapped(CDA, REPORT, origins=True)
    seen = dict(lineage(only(draft, "Patient"), "P")) | dict(lineage(only(draft, "DocumentReference"), "D"))
    expected = {
        "P.birthDate": "recordTarget/patientRole/patient/birthTime/@value",
        "P.identifier[0].value": "recordTarget/patientRole/id[1]/@extension",
        "P.name[0].family": "recordTarget/patientRole/patient/name/family[1]",
        "D.description": "title",
        "D.masterIdentifier.value": "id/@extension",
        "D.type.coding[0].code": "code/@code",
    }
    assert expected == {path: seen.get(path) for path in expected}
