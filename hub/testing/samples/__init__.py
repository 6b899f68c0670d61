"""Messages and documents of fictitious people, for the demonstration, the measurements and tests.

HL7 v2 as the French volets ask (PAM-fr 2.11 for ADT; "transmission d'un document CDA-R2 en HL7 v2" 2.1
for MDM and ORU), CDA-R2 by the CI-SIS minimal structure.  The documents have the header of their model
and narrative sections, no coded entries.  Identities lie under the test OID of the INS
(1.2.250.1.213.1.4.10) and the arc HL7 keeps for examples (2.16.840.1.113883.19); nobody of these
names, numbers and addresses exists.

ER7 files end their segments with CR, as on the wire.  ``@DOCUMENT@`` in OBX-5.5 is where the base64 of
a document goes (:func:`carrying`).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pybase64

INS_SYSTEM = "urn:oid:1.2.250.1.213.1.4.10"
INS = b"258064410932138"  # of the patient of all samples but cda-consultation.xml
PI = b"70441058"
VISIT = b"9026111144"
DOCUMENT = b"@DOCUMENT@"

_DOCUMENT_ID = re.compile(rb'(<(?:id|setId) root="2\.16\.840\.1\.113883\.19\.44\.8" extension=")[^".]+')
_LAST_SECTION_END = re.compile(rb"\s*</text>(?!.*</text>)", re.DOTALL)
_MODEL = re.compile(rb'(<templateId root=")1\.2\.250\.1\.213\.1\.1\.1\.\d+" extension="[^"]+"/>')
_STRUCTURED = re.compile(rb"<structuredBody>.*</structuredBody>", re.DOTALL)
_ROW = """
          <paragraph ID="ligne-@">Ligne @ : élément relu en séance, sans changement depuis la dernière.</paragraph>\
""".encode()
_ENTRY = b"""
        <entry>
          <observation classCode="OBS" moodCode="EVN">
            <templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.13"/>
            <templateId root="1.2.250.1.213.1.1.3.48"/>
            <id root="2.16.840.1.113883.19.44.9" extension="@"/>
            <code code="GEN-065" codeSystem="1.2.250.1.213.1.1.4.322" displayName="Statut du document"/>
            <text>
              <reference value="#ligne-@"/>
            </text>
            <statusCode code="completed"/>
            <effectiveTime nullFlavor="NAV"/>
            <value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CD" code="9571008"
              codeSystem="2.16.840.1.113883.6.96"/>
          </observation>
        </entry>"""


@cache
def read(name: str) -> bytes:
    """The octets of one sample, such as ``adt-a01-admission.er7``."""
    return (Path(__file__).parent / name).read_bytes()


def carrying(message: bytes, document: bytes) -> bytes:
    """``message`` with ``document`` in OBX-5.5, in base64 (HL7 v2.5 §2.A.24.5)."""
    return message.replace(DOCUMENT, pybase64.b64encode(document), 1)


def with_control_id(message: bytes, control_id: bytes) -> bytes:
    """``message`` with another MSH-10."""
    head, _, rest = message.partition(b"\r")
    fields = head.split(head[3:4])
    fields[9] = control_id
    return head[3:4].join(fields) + b"\r" + rest


def ins_of(number: int) -> bytes:
    """A matricule that has the right key (97 minus the rest by 97), of a person nobody is."""
    first = f"2580644{number % 1_000_000:06d}"
    return f"{first}{97 - int(first) % 97:02d}".encode()


def of_patient(message: bytes, number: int) -> bytes:
    """``message`` about another patient, in another stay: INS, PI and visit number replaced."""
    other = message.replace(INS, ins_of(number)).replace(PI, b"7%07d" % (number % 10_000_000))
    return other.replace(VISIT, b"9%09d" % (number % 1_000_000_000))


def renumbered(document: bytes, number: bytes) -> bytes:
    """``document`` as another document: ClinicalDocument/id and setId replaced."""
    return _DOCUMENT_ID.sub(rb"\g<1>" + number, document)


def as_file(document: bytes, octets: bytes) -> bytes:
    """``document`` at level 1: its header, and a PDF as its body (IHE XDS-SD, template 1.2.20)."""
    leveled = _MODEL.sub(rb'\g<1>1.3.6.1.4.1.19376.1.2.20"/>', document)
    body = b'<nonXMLBody>\n      <text mediaType="application/pdf" representation="B64">%s</text>\n    </nonXMLBody>'
    return _STRUCTURED.sub(lambda _: body % pybase64.b64encode(octets), leveled)


def grown(document: bytes, size: int) -> bytes:
    """``document`` with at least ``size`` octets.

    A structured body gets rows of narrative, each with the coded entry that refers to it (an observation as
    CI-SIS models have them, template E-48), a sixth of the octets being narrative; a body that is a file in
    base64 gets a longer file.
    """
    if b"<nonXMLBody>" in document:
        head, mark, rest = document.partition(b'representation="B64">')
        body, tail = rest.split(b"</text>", 1)
        more = max(0, size - len(document)) * 3 // 4 + 3
        return head + mark + pybase64.b64encode(pybase64.b64decode(body) + b"%" * more) + b"</text>" + tail
    end = _LAST_SECTION_END.search(document)
    if end is None:
        raise ValueError("a document without narrative cannot grow")
    rows: list[bytes] = []
    entries: list[bytes] = []
    missing = size - len(document)
    while missing > 0:
        number = b"%05d" % len(rows)
        rows.append(_ROW.replace(b"@", number))
        entries.append(_ENTRY.replace(b"@", number))
        missing -= len(rows[-1]) + len(entries[-1])
    return document[: end.start()] + b"".join(rows) + end.group() + b"".join(entries) + document[end.end() :]
