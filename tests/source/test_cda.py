"""What is learnt of a CDA before it is answered (ANS, structuration minimale)."""

from __future__ import annotations

import pytest

from hub.errors import ParseError
from hub.source.cda import READER, Document, check, ii_text, peek
from hub.source.origin import Text

HEAD = """<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:p="urn:dicom-org:ps3-20">
<id root="1.2.250.1.999.7.20" extension="CR-1"/><code code="34794-8"/><setId root="1.2.250.1.999.7.21"/>
<recordTarget><patientRole><id root="1.2.250.1.999.7" extension="P1"/><id nullFlavor="UNK"/>
<id root="1.2.250.1.213.1.4.8" extension="255064900799907"/></patientRole></recordTarget>
<author><assignedAuthor><representedOrganization><id root="1.9" extension="L1"/>
<id root="1.2.250.1.71.4.2.2" extension="1490000888"/></representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.2.250.1.71.4.2.2" extension="1490000999"/>
</representedCustodianOrganization></assignedCustodian></custodian>
<inFulfillmentOf><order><id root="1.5"/><p:accessionNumber root="1.6" extension="ACC-1"/></order></inFulfillmentOf>
<componentOf><encompassingEncounter><id root="1.7" extension="V1"/><code code="IMP"/></encompassingEncounter>
</componentOf>
</ClinicalDocument>"""


def document(*changes: tuple[str, str]) -> bytes:
    text = HEAD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def test_the_head_of_a_document() -> None:
    """Type, identifier, who sends, FINESS, and the keys by which people look for it."""
    seen = peek(document())
    assert (
        seen.type, seen.control_id, seen.sender, seen.establishment, seen.document,
    ) == ("34794-8", "1.2.250.1.999.7.20^CR-1", "1490000888", "490000999", "34794-8")  # fmt: skip
    assert seen.order_key == "urn:oid:1.2.250.1.213.1.4.8|255064900799907"
    assert seen.keys == (
        ("patient", "P1"), ("patient", "255064900799907"), ("document", "1.2.250.1.999.7.20^CR-1"),
        ("document", "1.2.250.1.999.7.21"), ("visit", "V1"), ("order", "1.5"), ("accession", "ACC-1"),
    )  # fmt: skip
    assert isinstance(seen.parsed, Document)


def test_without_an_ins_the_first_identifier_orders() -> None:
    """As in HL7 v2, so that both are handled in one order."""
    assert peek(document(("1.2.250.1.213.1.4.8", "1.8"))).order_key == "urn:oid:1.2.250.1.999.7|P1"


def test_a_board_is_no_visit() -> None:
    """CANCER-FRCP: the ids of a VR encounter are those of the network and the board."""
    assert "visit" not in dict(peek(document(("IMP", "VR"))).keys)


def test_the_author_speaks_when_there_is_no_custodian() -> None:
    """An organisation without FINESS is named by its first identifier."""
    assert (
        (seen := peek(document(("custodian>", "keeper>")))).sender, seen.establishment,
    ) == ("1490000888", "490000888")  # fmt: skip
    lone = peek(document(("custodian>", "keeper>"), ("1.2.250.1.71.4.2.2", "1.8")))
    assert (lone.sender, lone.establishment) == ("L1", "L1")


def test_a_header_that_says_nothing_still_has_an_envelope() -> None:
    """check() then says what is missing."""
    body = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    seen = peek(body)
    assert (seen.type, seen.control_id, seen.sender, seen.order_key, seen.keys) == ("", "", "", "", ())
    with pytest.raises(ParseError, match="identifier") as e:
        check(body, seen)
    assert (e.value.where, e.value.code) == ("ClinicalDocument/id/@root", "101")


def test_a_document_says_its_type() -> None:
    """ClinicalDocument/code is required."""
    body = document(('<code code="34794-8"/>', '<code nullFlavor="UNK"/>'))
    with pytest.raises(ParseError) as e:
        check(body, peek(body))
    assert e.value.where == "ClinicalDocument/code/@code"
    seen = peek(document())
    seen.parsed = None
    check(document(), seen)


def test_an_auto_presentable_document_is_read_inside_its_style_sheet() -> None:
    """Structuration minimale: xsl:stylesheet/Contenu/ClinicalDocument."""
    body = (
        b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><Contenu>'
        + document() + b"</Contenu></xsl:stylesheet>"
    )  # fmt: skip
    seen = peek(body)
    assert ("34794-8", True, body) == (seen.type, seen.parsed.presentable, seen.parsed.octets)


@pytest.mark.parametrize(
    "body",
    [
        b"<ClinicalDocument/>",
        b'<Bundle xmlns="urn:hl7-org:v3"/>',
        b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>',
    ],
)
def test_other_xml_is_no_cda(body: bytes) -> None:
    """The root is ClinicalDocument of urn:hl7-org:v3."""
    with pytest.raises(ParseError, match="CDA") as e:
        peek(body)
    assert e.value.where == "1:1"


def test_values_know_their_path_when_asked() -> None:
    """Lineage: an XPath below ClinicalDocument; a position only among several."""
    made = READER.parse(document(), True)
    ids = made.one("recordTarget", "patientRole").all("id")
    code = made.one("code").attr("code")
    assert isinstance(code, Text)
    assert (
        code.origin, ids[2].attr("extension").origin, made.path,
    ) == ("code/@code", "recordTarget/patientRole/id[3]/@extension", "ClinicalDocument")  # fmt: skip
    assert ids[1].null == "UNK"


def test_text_is_collapsed_and_keeps_its_path() -> None:
    """Blanks of the layout are no content."""
    body = document(("<setId", "<title> Fiche\n <b>RCP</b> </title><x>  </x><setId"))
    made = READER.parse(body, True)
    title = made.one("title").text()
    assert (title, title.origin, made.one("x").text()) == ("Fiche RCP", "title", None)
    assert str is type(READER.parse(body, False).one("title").text())
    assert None is made.one("title", "nothing", "below")
    assert None is made.one("title").attr("absent")


def test_an_identifier_as_people_write_it() -> None:
    """XDS: root^extension, or the root alone."""
    made = READER.parse(document(), False)
    assert (ii_text(made.one("setId")), ii_text(None)) == ("1.2.250.1.999.7.21", "")


def test_the_reader_is_found_by_its_name() -> None:
    """Channels write ``format: cda``."""
    assert (READER.name, READER.content_type) == ("cda", "text/xml")
