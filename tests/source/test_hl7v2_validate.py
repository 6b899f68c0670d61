"""Structure of messages by hl7apy, without its false alarms on French messages."""

from __future__ import annotations

import pytest

from hub.errors import ParseError
from hub.source.hl7v2_validate import validate

HEAD = rb"MSH|^~\&|A|B|C|D|20260101||ADT^A01^ADT_A01|1|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8"
EVN, PID, PV1 = b"EVN||20260101", b"PID|1||7^^^B&1.2&ISO^PI||N^P^^^^^L", b"PV1|1|I"


def body(*segments: bytes) -> bytes:
    return b"\r".join((HEAD, *segments, b""))


def test_z_segments_prt_and_french_codes_are_no_errors() -> None:
    """IHE PAM France and CDA-R2 en HL7v2 v2.1 add them by right."""
    assert validate(body(EVN, PID, PV1, b"ZBE|1|20260101||INSERT", b"PRT||UC||SB", b"ZFA|ACTIF")) == []


def test_a_missing_segment_is_told() -> None:
    """ADT_A01 requires EVN (v2.5 §3.3.1)."""
    found = validate(body(PID, PV1))
    assert [(f.severity, f.where, f.code) for f in found] == [("error", "EVN", "101")]


def test_a_segment_too_many_is_told() -> None:
    """ADT_A01 has one PID."""
    assert [(f.where, f.code) for f in validate(body(EVN, PID, PID, PV1))] == [("PID", "198")]


def test_nothing_received_is_quoted() -> None:
    """What hl7apy says of foreign content is replaced by its kind."""
    found = validate(body(EVN, PID, b"PV1|1|I" + b"|" * 18 + b"DURAND&x^DURAND^DURAND"))
    assert [f.code for f in found] == ["100"]
    assert "DURAND" not in found[0].what


def test_an_unknown_version_is_told() -> None:
    """MSH-12 must be one the standard has."""
    assert "version" in validate(body(EVN, PID, PV1).replace(b"2.5^FRA^2.11", b"9.9"))[0].what


def test_a_document_of_any_size_is_no_error() -> None:
    """OBX-5 has no length limit for encapsulated data."""
    segments = (
        PID,
        b"ORC|NW",
        b"OBR|1||F-1|34794-8^CR^LN",
        b"OBX|1|ED|34794-8^CR^LN||^text^XML^Base64^" + b"A" * 70_000 + b"||||||F",
    )
    assert validate(body(*segments).replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01")) == []


def test_wrong_octets_are_a_parse_error() -> None:
    """Nothing can be said of the structure of what cannot be read."""
    with pytest.raises(ParseError):
        validate(body(EVN, b"PID|1||\xff", PV1))


PERSON = PID.replace(b"PID|1||7", b"PID|2||8")
MRG = b"MRG|9^^^B&1.2&ISO^PI"


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        *(
            (f"ADT^{event}", (EVN, PID, PV1, b"ZBE|1^B|20260101||INSERT|N", b"ZFA|ACTIF", b"ZFM|8", b"ZFS|1", b"ZFV|1"))
            for event in "A01 A02 A03 A04 A05 A06 A07 A08 A11 A12 A13 A21 A22 A28 A31 Z99".split()  # noqa: SIM905
        ),
        ("ADT^A40^ADT_A39", (EVN, PID, MRG)),
        ("ADT^A47", (EVN, PID, MRG)),
        ("ADT^A24", (EVN, PID, PERSON)),
        ("ADT^A37^ADT_A37", (EVN, PID, PERSON)),
        ("ZAM^Z01^ZAM_Z01", (EVN, b"OBX|1|CWE|ACK_RECEPTION_DMP||Y||||||F")),
        ("ACK^R01^ACK", (b"MSA|AA|1",)),
        ("ORU^R01", (PID, b"OBR|1||2|C", b"OBX|1|NM|C||5||||||F", b"SPM|1|||B")),
    ],
)
def test_every_event_of_the_profiles_is_known(kind: str, segments: tuple[bytes, ...]) -> None:
    """With or without MSH-9.3, Z segments in it."""
    assert validate(body(*segments).replace(b"ADT^A01^ADT_A01", kind.encode())) == []


@pytest.mark.parametrize(
    ("kind", "segments", "where"),
    [
        ("ADT^A24", (EVN, PID), "PID[2]"), ("ZAM^Z01", (EVN,), "OBX"), ("XXX^Y01", (EVN,), "MSH-9"),
        ("ADT^A01", (EVN, PID, PV1, b"ZBE|1"), "ZBE-2"), ("SIU^S12", (EVN,), "SCH"),
    ],
)  # fmt: skip
def test_what_a_profile_requires(kind: str, segments: tuple[bytes, ...], where: str) -> None:
    """Z segments and structures that no standard has: table ``hl7v2_structures``; an empty field is a warning."""
    found = validate(body(*segments).replace(b"ADT^A01^ADT_A01", kind.encode()))
    assert found[0].where == where
    assert {f.severity for f in found} == ({"warning"} if where == "ZBE-2" else {"error"})
