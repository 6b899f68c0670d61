"""Acknowledgements (HL7 v2.5 §2.9, §2.15.5, §2.15.8)."""

from __future__ import annotations

import pytest

from hub.errors import HubError, ParseError, RefusedError, TooLargeError
from hub.source.hl7v2 import Message, build_ack, peek, read_ack

BODY = (
    r"MSH|^~\&|GAP|CH-LOIRE|HUB|RESEAU|20260412093000||ADT^A01^ADT_A01|GAP-1|T|2.5^FRA^2.11|||||FRA|8859/1" + "\r"
).encode()


def ack(code: str = "AA", error: HubError | None = None, body: bytes | None = BODY) -> bytes:
    return build_ack(
        peek(body) if body else None, code, ack_id="H1", at="20260412093001+0200", name="oncohub", error=error
    )


def test_a_positive_acknowledgement_to_the_octet() -> None:
    """§2.9.2.1: MSH-3/4 and 5/6 change places; MSH-11, 12, 17, 18 are those of the message; MSA-2 is its MSH-10."""
    assert ack() == (
        rb"MSH|^~\&|HUB|RESEAU|GAP|CH-LOIRE|20260412093001+0200||ACK^A01^ACK|H1|T|2.5^FRA^2.11|||||FRA|8859/1"
        b"\rMSA|AA|GAP-1\r"
    )


def test_an_error_says_where_what_and_what_to_do() -> None:
    """§2.15.5: ERR-2 location, ERR-3 table 0357, ERR-4 severity, ERR-7 diagnostic, ERR-8 for the user."""
    made = ack("AE", ParseError("requis | vide", where="PID-3[2].4", cure="renvoyer é", code="101"))
    assert made.endswith(
        b"MSA|AE|GAP-1\r"
        rb"ERR||PID^1^3^2^4|101^Required field missing^HL70357|E|||PID-3[2].4: requis \F\ vide"
        rb"|PID-3[2].4: requis \F\ vide (renvoyer " + b"\xe9)\r"
    )


@pytest.mark.parametrize(
    ("where", "location"),
    [
        ("OBX[2]-5.5", "OBX^2^5^1^5"),
        ("MSH-9", "MSH^1^9^1"),
        ("PID", "PID^1"),
        ("PID-3.4.2", "PID^1^3^1^4^2"),
        ("segment 7", ""),
        ("", ""),
    ],
)
def test_places_become_locations(where: str, location: str) -> None:
    """ERL (§2.A.28): segment ^ sequence ^ field ^ repetition ^ component ^ subcomponent."""
    err = Message(ack("AE", ParseError("x", where=where))).first(b"ERR")
    assert err is not None
    assert location.encode() == err.fields[2]


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (ParseError("x", code="103"), "103"),
        (ParseError("x"), "207"),
        (TooLargeError("x", code="own-code"), "207"),
        (RefusedError("x"), "205"),
    ],
)
def test_the_condition_is_that_of_the_error_or_of_its_category(error: HubError, condition: str) -> None:
    """ERR-3, table 0357."""
    err = Message(ack("AE", error)).first(b"ERR")
    assert err is not None
    assert condition == err.text(3)


def test_a_french_detail_stands_beside_condition_207() -> None:
    """CDA-R2 en HL7v2 v2.1: codes 900 to 906 of table 0533 go to ERR-5."""
    err = Message(ack("AE", RefusedError("x", code="904"))).first(b"ERR")
    assert err is not None
    assert (err.text(3), err.text(5), err.text(5, 3)) == ("207", "904", "HL70533")


@pytest.mark.parametrize("version", [b"2.3", b"2.4", b"2.3.1"])
def test_old_senders_get_the_error_where_they_look_for_it(version: bytes) -> None:
    """v2.3 and v2.4 know ERR-1 (ELD) and MSA-3 only."""
    made = Message(ack("AE", ParseError("requis", where="PID-3", code="101"), BODY.replace(b"2.5^FRA^2.11", version)))
    err, msa = made.first(b"ERR"), made.first(b"MSA")
    assert err is not None
    assert msa is not None
    assert (err.fields[1], msa.text(3)) == (b"PID^1^3^101&Required field missing&HL70357", "requis")


def test_what_is_no_message_is_answered_all_the_same() -> None:
    """Nothing is known of it: our name, UTF-8, an empty MSA-2."""
    made = ack("AR", ParseError("this is no HL7 v2 message", where="MSH", code="100"), None)
    assert made.startswith(
        rb"MSH|^~\&|oncohub||||20260412093001+0200||ACK|H1|P|2.5||||||UNICODE UTF-8" + b"\rMSA|AR|\rERR||MSH^1|100^"
    )


def test_separators_of_the_sender_are_used() -> None:
    """An acknowledgement is read with the delimiters it was asked with."""
    body = b"MSH#*+!$#A#B#C#D#2026##ADT*A08#9#P#2.5\r"
    made = ack("AE", ParseError("a#b", where="PID-3", code="101"), body)
    assert b"MSH#*+!$#C#D#A#B#" in made
    assert b"ACK*A08*ACK" in made
    assert b"a!F!b" in made


def test_a_message_type_without_event() -> None:
    """MSH-9 ``ACK`` alone when there is no event to repeat."""
    assert b"||ACK|H1|" in ack(body=BODY.replace(b"ADT^A01^ADT_A01", b"ADT"))


def test_the_answer_is_bounded_whatever_was_sent() -> None:
    """Fields are given back, but not by the megabyte."""
    assert len(ack(body=BODY.replace(b"|GAP|", b"|" + b"G" * 60_000 + b"|"))) < 2000
    assert len(ack(body=BODY.replace(b"|T|", b"|" + b"G" * 90_000 + b"|"))) < 2000


def test_an_unsupported_charset_is_answered_in_ascii() -> None:
    """The answer must be readable even when the question was not."""
    made = ack("AE", ParseError("é", code="103"), BODY.replace(b"8859/1", b"ISO IR87"))
    assert made.endswith(b"|?|?\r")


def test_reading_an_acknowledgement() -> None:
    """MSA-1, MSA-2 and whatever the peer says of it."""
    assert read_ack(ack()) == ("AA", "GAP-1", "")
    refused = read_ack(ack("AE", ParseError("requis", where="PID-3", cure="envoyer", code="101")))
    assert refused == ("AE", "GAP-1", "PID-3: requis (envoyer)")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (b"MSA|AE|1|trop tard", "trop tard"),
        (b"MSA|ar|1\rERR|||207^Application internal error^HL70357|E", "Application internal error"),
        (b"MSA|AE|1\rERR|||101", "101"),
        (b"MSA|AE|1\rERR|PID^1^3^101&Required field missing&HL70357", "Required field missing"),
        (b"MSA|AE|1\rERR|||207||906^Autre erreur^HL70533", "Autre erreur"),
    ],
)
def test_the_reason_is_found_in_every_version(lines: bytes, text: str) -> None:
    """MSA-3 (v2.3), ERR-1 (v2.4), ERR-3, 5, 7, 8 (v2.5 and later)."""
    assert text == read_ack(rb"MSH|^~\&|A|B|C|D|2026||ACK|1|P|2.5" + b"\r" + lines).text


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 400", rb"MSH|^~\&|A|B|C|D", rb"MSH|^~\&|A" + b"\rMSA|OK|1"])
def test_what_is_no_acknowledgement_is_an_error(body: bytes) -> None:
    """Table 0008 has six codes; anything else means something else answers there."""
    with pytest.raises(ParseError):
        read_ack(body)
