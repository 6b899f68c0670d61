"""MDM and ORU that carry documents (ANS, transmission d'un document CDA-R2 en HL7v2 v2.1)."""

from __future__ import annotations

import base64

import pytest

from hub.errors import MappingError
from hub.fhir.draft import Draft, Rank, resource_id

from .run import INS, IPP, PID, edited, issues, mapped, message, only, refs, sample

REPORT = sample("report.xml")
OWN = ("urn:oid:1.2.250.1.999.7.20", "CR-77.2")
MASK = tuple(
    f"OBX|{n}|CWE|{code}^x^MetaDMPMSS||{yes}^^expandedYes-NoIndicator||||||F"
    for n, code, yes in (
        (2, "MASQUE_PS", "N"), (3, "INVISIBLE_PATIENT", "Y"), (4, "INVISIBLE_REP_LEGAUX", "Y"), (5, "DESTDMP", "Y"),
    )
)  # fmt: skip


def mdm(*args: object, **more: object) -> Draft:
    return mapped("hl7v2.messages.mdm", message(*args, **more))


def pdf(**more: object) -> Draft:
    return mdm(b"%PDF-1.4 fictif", ed="^application^PDF^Base64^", **more)


def test_a_cda_in_a_message_is_the_same_document_as_the_cda_alone() -> None:
    """One identity, whatever the way: the same DocumentReference, Binary, Patient and Encounter."""
    alone = mapped("cda.documents.header", REPORT)
    assert set(alone.entries) <= set(mdm(REPORT).entries)
    assert (
        mdm(REPORT).entries[only(mdm(REPORT), "DocumentReference")["content"][0]["attachment"]["url"]].octets == REPORT
    )
    assert mdm(REPORT).keys == [("document", "1.2.250.1.999.7.20^CR-77.2")]


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_base64_without_padding_is_read(padding: int) -> None:
    """RFC 4648 §3.2 requires the padding; senders leave it out."""
    octets = REPORT + b" " * padding
    coded = base64.b64encode(octets).decode().rstrip("=")
    draft = mdm(b"", coded=coded)
    assert octets == draft.entries[f"Binary/{resource_id('Binary', *OWN)}"].octets


def test_the_message_adds_the_status_of_the_identity() -> None:
    """PID-32: CDA has no place for it."""
    assert only(mdm(REPORT), "Patient")["extension"][0]["extension"][0]["valueCoding"]["code"] == "VALI"


def test_the_message_adds_identifiers() -> None:
    """The IPP of the message and the INS of the document are one person."""
    body = edited(REPORT, ('<id root="1.2.250.1.999.7" extension="P1001"/>', ""))
    assert [(i["system"], i["value"]) for i in only(mdm(body), "Patient")["identifier"]] == [INS, IPP]
    no_ins = edited(REPORT, ('<id root="1.2.250.1.213.1.4.10" extension="255064900799907"/>', ""))
    assert f"Patient/{resource_id('Patient', *INS)}" in refs(mdm(no_ins), "Patient")
    other = mdm(REPORT, pid=PID.replace("||VALI", "||PROV"))
    assert f"Patient/{resource_id('Patient', *INS)}" in refs(other, "Patient")
    assert issues(other) == [("warning", "PID-3.1")]
    assert issues(mdm(REPORT, pid="PID|||")) == []
    assert issues(mdm(REPORT, pid="ZID|")) == []


def test_two_different_ins_are_a_conflict() -> None:
    """ERR-5 904: held, never merged."""
    draft = mdm(REPORT, pid=PID.replace("255064900799907", "142076938188822"))
    assert [(i.severity, i.where, i.code) for i in draft.issues] == [("error", "PID-3", "904")]


def test_who_may_not_see_it() -> None:
    """MetaDMPMSS answered Y, in the spelling of JDV_J08 (TRE_A07)."""
    for draft in (mdm(REPORT, more=MASK), pdf(more=MASK)):
        codes = [label["coding"][0]["code"] for label in only(draft, "DocumentReference")["securityLabel"]]
        assert codes[-2:] == ["INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"]


def test_a_replacement_supersedes_the_parent() -> None:
    """T10, RO, C: TXA-13 names the document replaced, with or without a relatedDocument in the CDA."""
    txa = "TXA|1|34794-8|TEXT|202604141020||||||||CR-77.2^^1.2.250.1.999.7.20^ISO|CR-70^^1.2.250.1.999.7.20^ISO||||AU"
    for draft in (
        mdm(REPORT, kind="MDM^T10^MDM_T02", orc="RO", status="C", txa=txa),
        pdf(kind="MDM^T10^MDM_T02", orc="RO", status="C", txa=txa),
    ):
        old = f"DocumentReference/{resource_id('DocumentReference', OWN[0], 'CR-70')}"
        assert old in [r["target"]["reference"] for r in only(draft, "DocumentReference")["relatesTo"]]
        assert draft.patches[old, "superseded"].sets == {"status": "superseded"}


def test_a_withdrawn_document_is_entered_in_error() -> None:
    """T04, CA, D; it stays withdrawn though the document is sent again."""
    for draft in (
        mdm(REPORT, kind="MDM^T04^MDM_T02", orc="CA", status="D"),
        pdf(kind="MDM^T04^MDM_T02", orc="CA", status="D"),
        mapped("hl7v2.messages.oru", message(REPORT, kind="ORU^R01^ORU_R01", orc="CA", status="D")),
    ):
        made = draft.entries[next(r for r in refs(draft, "DocumentReference") if not draft.entries[r].only_if_exists)]
        assert (made.resource["status"], made.rank > Rank.DOCUMENT, issues(draft)) == ("entered-in-error", True, [])


def test_other_actions_are_those_of_other_profiles() -> None:
    """v2.0 wrote ORC-1 SC; elsewhere ORC is not sent."""
    assert issues(mdm(REPORT, orc="SC")) == []
    assert issues(mapped("hl7v2.messages.mdm", message(REPORT).replace(b"\rORC|", b"\rZRC|"))) == []


def test_a_pdf_is_a_document_too() -> None:
    """What is known of it is in the message: number, type, class, date, author, order, stay."""
    draft = pdf()
    made = only(draft, "DocumentReference")
    binary = draft.entries[made["content"][0]["attachment"]["url"]]
    assert (binary.octets, binary.resource["contentType"]) == (b"%PDF-1.4 fictif", "application/pdf")
    assert (made["masterIdentifier"]["system"], made["masterIdentifier"]["value"]) == OWN
    assert (
        made["category"][0]["coding"][0]["code"], made["date"], made["author"][0]["display"],
    ) == ("10", "2026-04-14T10:20:00+02:00", "Claire NGUYEN")  # fmt: skip
    assert [
        (r["identifier"]["type"]["coding"][0]["code"], r["identifier"]["value"]) for r in made["context"]["related"]
    ] == [("PLAC", "D-5"), ("FILL", "F-5")]
    assert made["context"]["encounter"][0]["identifier"]["value"] == "V20260412"
    assert draft.entries[f"Patient/{resource_id('Patient', *INS)}"].rank == Rank.DOCUMENT


@pytest.mark.parametrize(
    ("txa", "identity"),
    [
        ("TXA|1|34794-8|TEXT|||||||||1.2.250.1.999.7.20.9^CH", ("urn:ietf:rfc:3986", "urn:oid:1.2.250.1.999.7.20.9")),
        ("TXA|1|34794-8|TEXT|||||||||DOC-9^GED", ("urn:oncohub:authority:GED", "DOC-9")),
        ("TXA|1|34794-8|TEXT|||||||||DOC-9", ("urn:oncohub:site:CH-LOIRE", "DOC-9")),
        ("TXA|1|34794-8|TEXT|||||||||^GED", ("urn:oncohub:authority:RIS", "report:F-5")),
        ("ZXA|1", ("urn:oncohub:authority:RIS", "report:F-5")),
    ],
)
def test_what_a_document_is_known_by(txa: str, identity: tuple[str, str]) -> None:
    """TXA-12 (an OID, or an extension with its root), else the number of the order."""
    made = only(pdf(txa=txa), "DocumentReference")["masterIdentifier"]
    assert identity == (made["system"], made["value"])


def test_without_any_number_the_message_identifies() -> None:
    """MSH-10 in MSH-4: the same on a replay."""
    body = message(b"%PDF", txa="ZXA|1", ed="^application^PDF^Base64^").replace(b"D-5^DPI|F-5^RIS|", b"||")
    made = only(mapped("hl7v2.messages.mdm", body), "DocumentReference")["masterIdentifier"]
    assert (made["system"], made["value"]) == ("urn:oncohub:site:CH-LOIRE", "message:M-1")


def test_two_renderings_of_one_report_are_two_documents() -> None:
    """ORU: N1 and N3 in OBX-1 and OBX-2 of one order; the patient is told once."""
    second = "OBX|2|ED|34794-8^CR^LN||^application^PDF^Base64^JVBERi0y||||||F"
    draft = mapped(
        "hl7v2.messages.oru",
        message(b"%PDF-1", kind="ORU^R01^ORU_R01", ed="^application^PDF^Base64^", more=(second,)),
    )
    first, other = (draft.entries[r] for r in refs(draft, "DocumentReference"))
    masters = [e.resource["masterIdentifier"]["value"] for e in (first, other)]
    assert masters == ["report:F-5", "report:F-5#2"]
    assert other.resource["relatesTo"] == [{"code": "transforms", "target": {"reference": first.ref}}]
    assert f"Patient/{resource_id('Patient', *INS)}" == refs(draft, "Patient")[0]


@pytest.mark.parametrize(
    ("octets", "ed", "media"),
    [
        (b"%PDF-1", "^text^PLAIN^Base64^", "application/pdf"),
        (b"bonjour", "^TEXT^^Base64^", "text/plain"),
        (b"{\\rtf1}", "^application^RTF^Base64^", "application/rtf"),
        (b"\xff\xd8\xff", "^image^JPEG^Base64^", "image/jpeg"),
        (b"\x00\xff", "^application^X-OWN^Base64^", "application/octet-stream"),
        ("é".encode(), "^application^X-OWN^Base64^", "text/plain"),
        (b"<html/>", "^text^XML^Base64^", "text/xml"),
    ],
)
def test_the_media_type(octets: bytes, ed: str, media: str) -> None:
    """What the octets say first, then OBX-5.3 (table 0291)."""
    draft = mdm(octets, ed=ed)
    assert media == only(draft, "DocumentReference")["content"][0]["attachment"]["contentType"]
    assert draft.issues == []


def test_xml_that_is_none_is_kept_as_what_it_is() -> None:
    """Published examples carry words in the place of the CDA."""
    draft = mdm(b"Document au format CDA")
    assert issues(draft) == [("warning", "OBX[1]-5.3")]
    assert only(draft, "DocumentReference")["content"][0]["attachment"]["contentType"] == "text/plain"


def test_a_cda_that_cannot_be_read_holds_the_message() -> None:
    """With the place in the message and the line in the document."""
    with pytest.raises(MappingError, match="1:") as e:
        mdm(b"<ClinicalDocument><broken></ClinicalDocument>")
    assert (e.value.where, e.value.code) == ("OBX[1]-5.5", "102")


def test_a_message_without_a_document_tells_of_its_patient() -> None:
    """A warning says that nothing else was made of it."""
    draft = mapped("hl7v2.messages.mdm", message(b"x").replace(b"|ED|", b"|NM|"))
    assert (issues(draft), refs(draft, "DocumentReference")) == ([("warning", "OBX")], [])
    assert only(draft, "Patient")


def test_the_authors_of_a_document() -> None:
    """TXA-9, else the sender (PRT), person or structure, else OBR-32; TXA-22 authenticates."""
    txa = "TXA|1|34794-8|TEXT||||||D1^ROUX^Paul|||DOC-9||||||||||D2^ROUX^Anne"
    made = only(pdf(txa=txa), "DocumentReference")
    assert ([a["display"] for a in made["author"]], made["authenticator"]["display"]) == (["Paul ROUX"], "Anne ROUX")
    prt = b"PRT||UC||SB^^participation|"
    body = message(b"%PDF", ed="^application^PDF^Base64^")
    structure = body.replace(body[body.index(prt) :], prt + b"|||CH^^^^^A&1.2.250.1.71.4.2.2&ISO^FINEG^^^490000999\r")
    made = only(mapped("hl7v2.messages.mdm", structure), "DocumentReference")
    assert made["author"][0]["reference"].partition("/")[0] == "Organization"
    nobody = body.replace(body[body.index(prt) :], prt + b"\r")
    assert "author" not in only(mapped("hl7v2.messages.mdm", nobody), "DocumentReference")
    reader = nobody.replace(prt, b"ZRT|").replace(
        b"pluridisciplinaire^LN\r", b"pluridisciplinaire^LN" + b"|" * 28 + b"L7&BLUE&Eva\r", 1
    )
    assert only(mapped("hl7v2.messages.mdm", reader), "DocumentReference")["author"] == [{"display": "Eva BLUE"}]
    unnamed = reader.replace(b"L7&BLUE&Eva", b"L7")
    assert "author" not in only(mapped("hl7v2.messages.mdm", unnamed), "DocumentReference")


def test_the_custodian_is_who_sends() -> None:
    """MSH-4; without it none is named."""
    draft = pdf()
    assert draft.entries[only(draft, "DocumentReference")["custodian"]["reference"]].resource["name"] == "CH-LOIRE"
    silent = message(b"%PDF", ed="^application^PDF^Base64^").replace(b"|DPI|CH-LOIRE|", b"|DPI||")
    assert "custodian" not in only(mapped("hl7v2.messages.mdm", silent), "DocumentReference")


def test_a_message_without_order_or_stay() -> None:
    """Plain HL7 v2: OBX-3 says the type, MSH-7 the date."""
    body = (
        rb"MSH|^~\&|A|B|C|D|20260414||MDM^T02|1|P|2.4" + b"\rPID|||7||N^P\r"
        b"OBX|1|ED|CR^Compte rendu||^application^PDF^Base64^JVBERi0x\r"
    )
    made = only(mapped("hl7v2.messages.mdm", body), "DocumentReference")
    assert (made["description"], made["type"]) == (
        "Compte rendu",
        {"coding": [{"code": "CR", "display": "Compte rendu"}]},
    )
    assert {"date", "context", "category"}.isdisjoint(made)
    assert made["content"][0]["attachment"]["creation"] == "2026-04-14"
