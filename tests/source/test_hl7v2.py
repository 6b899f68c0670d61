"""What is learnt of an HL7 v2 message before it is answered, and what is checked."""

from __future__ import annotations

import base64

import pytest

from hub.errors import ParseError
from hub.source.hl7v2 import READER, Message, build_ack, check, peek

PAM = "\r".join((
    r"MSH|^~\&|GAP|CH-LOIRE|HUB|RESEAU|20260412093000||ADT^A01^ADT_A01|GAP-1|P|2.5^FRA^2.11|||AL|NE|FRA|UNICODE UTF-8",
    "EVN||20260412093000",
    "PID|1||P1001^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI~255064900799907^^^ASIP&1.2.250.1.213.1.4.10&ISO^INS||LEFÈVRE^ODETTE"
    "|||||||||||||26000042^^^CH-LOIRE&1.2.250.1.999.7&ISO^AN||||||||||||||VALI",
    "PV1|1|I|||||||||||||||||V20260412^^^CH-LOIRE&1.2.250.1.999.7&ISO^VN",
    "",
)).encode()  # fmt: skip
MDM = "\r".join((
    r"MSH|^~\&|RIS|CLINIQUE|HUB|R|20260101||MDM^T02^MDM_T02|7|P|2.6",
    "PID|||A7",
    "ORC|NW|D-5^DPI|F-5^RIS",
    "OBR|1|D-5|F-6|34794-8^FRCP^LN||||||||||||||ACC-5",
    "TXA|1|18748-4|TEXT|||||||||DOC-9",
    "OBX|1|ED|18748-4^CR^LN||{ed}||||||F",
    "",
))  # fmt: skip


def mdm(content: bytes | None = None, ed: str = "^text^XML^Base64^{}", coded: str | None = None) -> bytes:
    coded = base64.b64encode(content or b"<a/>").decode() if coded is None else coded
    return MDM.format(ed=ed.format(coded)).encode()


def refused(body: bytes) -> ParseError:
    with pytest.raises(ParseError) as e:
        check(body, peek(body))
    assert e.value.cure
    return e.value


def test_the_head_of_an_adt() -> None:
    """Type, control id, sender, establishment, and the keys by which people look for a message."""
    seen = peek(PAM)
    assert (
        seen.type, seen.control_id, seen.sender, seen.establishment, seen.document,
    ) == ("ADT^A01", "GAP-1", "GAP|CH-LOIRE", "CH-LOIRE", "")  # fmt: skip
    assert seen.keys == (
        ("patient", "P1001"), ("patient", "255064900799907"), ("visit", "V20260412"), ("visit", "26000042"),
    )  # fmt: skip
    assert isinstance(seen.parsed, Message)


def test_a_qualified_ins_orders_before_an_ipp() -> None:
    """RNIV: a qualified INS is the identity across establishments; without VALI it counts for nothing."""
    assert peek(PAM).order_key == "urn:oid:1.2.250.1.213.1.4.10|255064900799907"
    assert peek(PAM.replace(b"VALI", b"PROV")).order_key == "urn:oid:1.2.250.1.999.7|P1001"


def test_other_identifiers_order_when_there_is_no_ipp() -> None:
    """Any identifier is better than none; an INS that is not qualified is the last resort."""
    body = PAM.replace(b"VALI", b"PROV").replace(b"ISO^PI~", b"ISO^RRI~")
    assert peek(body).order_key == "urn:oid:1.2.250.1.999.7|P1001"
    assert peek(PAM.replace(b"PID|", b"ZID|")).order_key == ""


def test_an_authority_without_oid_is_named_by_site_and_name() -> None:
    """A stable system for local identifiers, so that two hospitals' 0001 never meet."""
    body = PAM.replace(b"P1001^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI", b"P1001^^^UF 1&000897&N^PI").replace(b"VALI", b"")
    assert peek(body).order_key == "urn:oncohub:authority:UF%201:000897|P1001"
    assert peek(mdm()).order_key == "urn:oncohub:site:CLINIQUE|A7"


def test_the_keys_of_a_document() -> None:
    """MDM and ORU: the code of the document, its number, the order, the accession number."""
    seen = peek(mdm())
    assert seen.document == "34794-8"
    assert {
        ("patient", "A7"), ("document", "DOC-9"), ("order", "D-5"), ("order", "F-5"), ("order", "F-6"),
        ("accession", "ACC-5"),
    } == set(seen.keys)  # fmt: skip
    assert peek(mdm().replace(b"OBR|", b"ZBR|")).document == "18748-4"
    assert peek(mdm().replace(b"OBR|", b"ZBR|").replace(b"TXA|", b"ZXA|").replace(b"OBX|", b"ZBX|")).document == ""


def test_a_head_that_can_be_read_is_kept_though_the_rest_is_broken() -> None:
    """So that the negative answer names the message it refuses (MSA-2)."""
    body = PAM + b"garbage without end\r"
    seen = peek(body)
    assert (seen.type, seen.control_id, seen.keys) == ("ADT^A01", "GAP-1", ())
    assert refused(body).code == "100"


def test_an_unreadable_msh_still_gives_an_envelope_to_answer_with() -> None:
    """MSH in an unknown character set: check() says so, and the answer can be built."""
    body = PAM.replace(b"UNICODE UTF-8", b"ISO IR87").replace(b"GAP|", b"G\xe9P|")
    seen = peek(body)
    assert seen.type == ""
    error = refused(body)
    assert (error.where, error.code) == ("MSH-18", "103")
    ack = build_ack(seen, "AE", ack_id="1", at="2026", name="hub", error=error)
    assert b"MSA|AE|GAP-1" in ack


@pytest.mark.parametrize(("old", "where"), [(b"ADT^A01^ADT_A01", "MSH-9"), (b"GAP-1", "MSH-10")])
def test_required_fields_of_msh(old: bytes, where: str) -> None:
    """§2.15.9: MSH-9 and MSH-10 are required (table 0357, 101)."""
    error = refused(PAM.replace(old, b""))
    assert (where, "101") == (error.where, error.code)


def test_a_control_id_that_no_store_could_hold_is_refused() -> None:
    """MSH-10 has 20 characters, 199 since v2.7; what is longer is not cut in silence."""
    assert refused(PAM.replace(b"GAP-1", b"9" * 200)).where == "MSH-10"
    assert len(peek(PAM.replace(b"GAP-1", b"9" * 300)).control_id) == 199


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (PAM.replace("È".encode(), b"\xc8"), "PID-5"),
        (PAM.replace(b"|GAP|", b"|G\xc8P|"), "MSH-3"),
        (mdm().replace(b"^CR^", b"^C\xc8^"), "OBX[1]-3"),
    ],
)
def test_octets_outside_the_charset_are_refused_with_their_place(body: bytes, where: str) -> None:
    """Table 0357, 102: said before the message is taken, not when somebody maps it."""
    error = refused(body)
    assert (where, "102") == (error.where, error.code)


def test_utf_16_is_told_from_text() -> None:
    """Zero octets in an 8-bit message mean another encoding, and would break every index."""
    assert refused(PAM + b"NTE|\x00").where == "MSH-18"


def test_latin_1_needs_no_proof() -> None:
    """Every octet is a character of ISO 8859-1."""
    body = PAM.replace(b"UNICODE UTF-8", b"8859/1").replace("È".encode(), b"\xc8")
    check(body, peek(body))


@pytest.mark.parametrize(
    "coded", ["QUJD", "QUI", "QU JD", "QUI= ", "QUJDRA"], ids=["whole", "unpadded", "blank", "padded", "unpadded 2"]
)
def test_base64_is_taken_unpadded_and_with_blanks(coded: str) -> None:
    """RFC 4648 §4; senders leave the padding out and break lines with blanks."""
    body = mdm(coded=coded)
    check(body, peek(body))


@pytest.mark.parametrize("coded", ["QUJ*", "Q", "Q=JD"])
def test_broken_base64_is_refused(coded: str) -> None:
    """A document that cannot be decoded is refused at once, with its place."""
    error = refused(mdm(coded=coded))
    assert (error.where, error.code) == ("OBX[1]-5.5", "102")


def test_a_document_with_a_doctype_is_refused() -> None:
    """No CDA has one, and entity attacks need one; a PDF that contains the word is no XML."""
    error = refused(mdm(b'<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "b">]><x/>'))
    assert (error.where, error.code) == ("OBX[1]-5.5", "102")
    for content in (b"%PDF <!DOCTYPE", b"<!DOCTYPE html><html/>"):
        body = mdm(content)
        check(body, peek(body))


@pytest.mark.parametrize(
    "body",
    [
        mdm(coded="*").replace(b"|ED|", b"|TX|"),
        mdm(coded="*").replace(b"^CR^LN", b"^x^MetaDMPMSS"),
        mdm(coded="*", ed="^text^^Base64^{}").replace(b"ED|18748-4", b"ED|mail-1"),
        mdm(coded="*", ed="^text^XML^A^{}"),
        mdm(coded="", ed="{}"),
    ],
    ids=["text", "mail body", "mail body to the EHR", "not Base64", "empty"],
)
def test_only_documents_are_decoded(body: bytes) -> None:
    """MetaDMPMSS observations and bodies of mails are not documents (CDA-R2 en HL7v2 v2.1; au LPS v1.1)."""
    check(body, peek(body))


def test_check_reads_the_body_when_the_head_was_dropped() -> None:
    """An envelope that travelled has no parsed message any more."""
    seen = peek(PAM)
    seen.parsed = None
    check(PAM, seen)


def test_the_reader_is_found_by_its_name() -> None:
    """Channels write ``format: hl7v2``."""
    assert (READER.name, READER.content_type) == ("hl7v2", "x-application/hl7-v2+er7")
    assert READER.parse(PAM, False).msh.text(9) == "ADT"
