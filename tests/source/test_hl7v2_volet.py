"""A message and the CDA it carries agree, or the answer says why not (CDA-R2 en HL7v2 v2.1, ERR-5 904; RNIV)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError, ParseError
from hub.source.hl7v2 import READER, build_ack
from hub.source.hl7v2_volet import cda_person

INS = "255064900799907"
OID = "1.2.250.1.213.1.4.10"
NAME = "<name><family qualifier='BR'>LEFÈVRE</family><given>ODETTE</given></name>"
CDA = f"""<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget>
<patientRole><id root="{OID}" extension="{INS}"/><id root="1.2.9" extension="P1"/><patient>{NAME}
<administrativeGenderCode code="F"/><birthTime value="19550614"/></patient></patientRole>
</recordTarget></ClinicalDocument>"""
PID = f"PID|||{INS}^^^A&{OID}&ISO^INS~P1^^^C&1.2.9&ISO^PI||Le Fevre^O^^^^^L||19550614|F{'|' * 24}VALI"


def body(pid: str = PID, cda: str = CDA, event: str = "T02", orc: str = "NW", status: str = "F") -> bytes:
    coded = base64.b64encode(cda.encode()).decode()
    return "\r".join((
        rf"MSH|^~\&|A|B|C|D|20260101||MDM^{event}^MDM_T02|7|P|2.6|||||FRA|UNICODE UTF-8",
        "EVN||20260101", pid, "PV1|1|N", f"ORC|{orc}", "TXA|1|X",
        f"OBX|1|ED|X||^text^XML^Base64^{coded}||||||{status}", "",
    )).encode()  # fmt: skip


def refused(message: bytes) -> ParseError | None:
    envelope = READER.peek(message)
    try:
        READER.check(message, envelope)
    except ParseError as error:
        return error
    return None


@pytest.mark.parametrize(
    "pid",
    [PID, PID.replace("Le Fevre", "LEFÈVRE"), PID.replace("Le Fevre", ""), PID.replace("19550614", ""),
     PID.replace("19550614", "1955"), PID.replace("|F|", "|U|"), PID.replace("VALI", "PROV").replace(INS, "1"),
     PID.replace("^PI", "^PI~P2^^^C&1.2.9&ISO^PI"), PID.replace("1.2.9", "1.2.10"), "PID|||", "ZID|1"],
)  # fmt: skip
def test_the_same_person(pid: str) -> None:
    """Accents, hyphens and blanks do not count; what one side does not say is not compared."""
    assert refused(body(pid)) is None


@pytest.mark.parametrize(
    ("pid", "where"),
    [(PID.replace(INS, "142076938188822"), "PID-3"), (PID.replace("19550614", "19550615"), "PID-7"),
     (PID.replace("|F|", "|M|"), "PID-8"), (PID.replace("Le Fevre", "Bernard"), "PID-5"),
     (PID.replace("VALI", "PROV").replace("~P1^", "~P9^"), "PID-3")],
)  # fmt: skip
def test_another_person_is_refused(pid: str, where: str) -> None:
    """904, with the field; nothing of the person is repeated."""
    error = refused(body(pid))
    assert error is not None
    assert (error.where, error.code) == (where, "904")
    assert not {"Bernard", "LEF", INS} & set(str(error).split())


def test_the_answer_says_so() -> None:
    """AE, ERR-3 207, ERR-5 904."""
    message = body(PID.replace("|F|", "|M|"))
    error = refused(message)
    made = build_ack(READER.peek(message), "AE", ack_id="1", at="20260101", name="H", error=error)
    assert [line.split(b"|")[:6] for line in made.split(b"\r") if line[:3] in (b"MSA", b"ERR")] == [
        [b"MSA", b"AE", b"7"],
        [b"ERR", b"", b"PID^1^8^1", b"207^Application internal error^HL70357", b"E",
         "904^INS ou traits différents^HL70533".encode()],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "orc", "status", "where"),
    [("T02", "NW", "F", None), ("T10", "RO", "C", None), ("T04", "CA", "D", None), ("T02", "SC", "D", None),
     ("T02", "RO", "C", "ORC-1"), ("T04", "NW", "F", "ORC-1"), ("T02", "NW", "D", "OBX[1]-11")],
)  # fmt: skip
def test_one_action(event: str, orc: str, status: str, where: str | None) -> None:
    """The event, ORC-1 and OBX-11 (103); other values of ORC-1 are those of other profiles."""
    error = refused(body(event=event, orc=orc, status=status))
    assert (error.where, error.code) == (where, "103") if where else error is None


@pytest.mark.parametrize(
    "cda",
    ["<a/>", "<ClinicalDocument", f"<ClinicalDocument xmlns='urn:hl7-org:v3'>{'<a>' * 400}", "",
     "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget/></ClinicalDocument>",
     "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget><patientRole/></recordTarget></ClinicalDocument>"],
)  # fmt: skip
def test_a_document_that_says_nothing_of_its_patient(cda: str) -> None:
    """The mapping says what is wrong with it."""
    found = cda_person(cda.encode())
    assert found is None or found == ({}, "", "", "")
    assert refused(body(cda=cda)) is None


@given(st.binary(max_size=200), st.integers(0, len(CDA)))
def test_any_document(noise: bytes, at: int) -> None:
    """Octets of anything, anywhere in it: an answer, never an exception of another kind."""
    octets = CDA.encode()
    cda_person(octets[:at] + noise + octets[at:])
    try:
        error = refused(body(cda=(octets[:at] + noise + octets[at:]).decode("utf-8", "replace")))
    except HubError as other:
        error = other
    assert error is None or error.where
