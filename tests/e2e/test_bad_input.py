"""Bad input gets a clear answer, is kept with its reason, and leaves the hub as it was.

HL7 v2.5 §2.9.2 (AE, AR), table 0357; RFC 9110 §15.5 with OperationOutcome (R4 §3.1.0.1.9).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time

import pytest

from .conftest import Site, read_answer, until

GOOD = (
    b"MSH|^~\\&|GAM|CHU-E2E|HUB|HUB|20260115101500||ADT^A01^ADT_A01|%s|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\r"
    b"EVN||20260115101500\r"
    b"PID|1||E77^^^CHU-E2E&1.2.250.1.999.9&ISO^PI||LEROY^ANNE^ANNE^^^^L||19600412|F|||||||||||"
    b"VE77^^^CHU-E2E&1.2.250.1.999.9&ISO^AN|||||||||||||N|PROV\r"
    b"PV1|1|I|||||||||||||||||VE77^^^CHU-E2E&1.2.250.1.999.9&ISO^VN\r"
)
MDM = (
    b"MSH|^~\\&|RIS|CHU-E2E|HUB|HUB|20260115101500||MDM^T02^MDM_T02|%s|P|2.6|||||FRA|UNICODE UTF-8\r"
    b"EVN||20260115101500\r"
    b"PID|1||E77^^^CHU-E2E&1.2.250.1.999.9&ISO^PI||LEROY^ANNE^ANNE^^^^L||19600412|F||||||||||||||||||||||||N|PROV\r"
    b"PV1|1|I\rTXA|1|18748-4|TEXT|20260115||||||||1.2.250.1.999.9.5|||||AU\r"
    b"OBX|1|ED|18748-4^CR^LN||^text^XML^Base64^%s||||||F\r"
)


@pytest.fixture(autouse=True)
def still_there(site: Site) -> object:
    """After whatever was sent, a good message is taken at once."""
    yield
    control = b"OK%d" % time.monotonic_ns()
    assert b"\rMSA|AA|" + control in site.send(GOOD % control)


def _err(answer: bytes) -> list[str]:
    """The fields of ERR."""
    line = next(part for part in answer.split(b"\r") if part.startswith(b"ERR|"))
    return line.decode().split("|")


def _code(answer: bytes) -> str:
    return re.search(rb"\rMSA\|(\w\w)\|", answer)[1].decode()  # type: ignore[index] # the test fails without


def _held(site: Site, before: int) -> dict[str, object]:
    found = until(lambda: site.found("status:held") if len(site.found("status:held")) > before else None)
    return dict(found[0])


@pytest.mark.parametrize(
    ("octets", "code", "err3"),
    [
        pytest.param(b"\x0bHELLO WORLD\x1c\r", "AE", "100", id="a body that is no HL7"),
        pytest.param(b"\x0bPID|1||X\r\x1c\r", "AE", "100", id="no MSH"),
        pytest.param(b"\x0b" + GOOD % b"ENC" + b"NTE|1||caf\xe9\r\x1c\r", "AE", "102", id="wrong encoding"),
        pytest.param(b"\x0b" + GOOD % b"WIDE" + b"ZZZ" + b"|x" * 10_000 + b"\r\x1c\r", "AE", "", id="10,000 fields"),
        pytest.param(b"\x0b" + (GOOD % b"EVT").replace(b"ADT^A01^ADT_A01", b"ADT^A99") + b"\x1c\r", "AR", "201",
                     id="an unknown event"),
        pytest.param(b"\x0b" + (GOOD % b"TYP").replace(b"ADT^A01^ADT_A01", b"SIU^S12") + b"\x1c\r", "AR", "200",
                     id="an unknown type"),
        pytest.param(b"\x0b" + MDM % (b"B64", b"%%%not base64%%%") + b"\x1c\r", "AE", "102", id="base64 garbage"),
        pytest.param(b"\x0b" + MDM % (b"DTD", b"PCFET0NUWVBFIHggWzwhRU5USVRZIGEgImIiPl0+PHg+JmE7PC94Pg==") + b"\x1c\r",
                     "AE", "102", id="a document with a DOCTYPE"),
    ],
)  # fmt: skip
def test_mllp_refuses_with_place_and_keeps_the_body(site: Site, octets: bytes, code: str, err3: str) -> None:
    """A negative answer with ERR at once; the body in hold with its reason."""
    before = len(site.found("status:held"))
    answer = site.mllp(octets).strip(b"\x0b\x1c\r")
    assert _code(answer) == code
    err = _err(answer)
    assert err[3].startswith(err3), err
    assert err[4] == "E"
    assert "".join(err[7:]), "ERR says nothing a person could read"
    held = _held(site, before)
    assert held["error"], held


def test_octets_outside_a_frame_are_kept_and_answered(site: Site) -> None:
    """MLLP: anything before SB is no message; the next frame of the same connection is taken."""
    before = len(site.found("status:held"))
    with socket.create_connection(("127.0.0.1", site.mllp_port), 10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"\x0b" + GOOD % b"AFTERJUNK" + b"\x1c\r")
        answers = b""
        while b"AFTERJUNK" not in answers:
            piece = sock.recv(65536)
            assert piece, answers
            answers += piece
    assert b"MSA|AA|AFTERJUNK" in answers
    _held(site, before)


def test_a_sender_that_drips_is_cut_off(site: Site) -> None:
    """One octet now and then: the frame's time ends, an answer says so, what came is kept."""
    before = len(site.found("status:held"))
    with socket.create_connection(("127.0.0.1", site.mllp_port), 20) as sock:
        sock.sendall(b"\x0bMSH|")
        sock.settimeout(0.5)
        answer = b""
        for octet in b"^~\\&|GAM|CHU|HUB|HUB|2026|":
            with contextlib.suppress(ConnectionError):
                sock.sendall(bytes([octet]))
            try:
                answer = read_answer(sock)
                break
            except TimeoutError:
                continue
    assert b"MSA|AR" in answer
    assert _held(site, before)["error"]


def test_an_endless_block_is_cut_off_and_memory_stays_flat(site: Site) -> None:
    """1 GB in one frame against a limit of 4 MiB: refused while it streams, 64 KiB kept, memory as before."""
    before, memory = len(site.found("status:held")), site.memory()
    piece = b"A" * (1 << 20)
    with socket.create_connection(("127.0.0.1", site.mllp_port), 30) as sock:
        sent = 0
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"\x0bMSH|^~\\&|GAM|")
            while sent < 1 << 30:
                sock.sendall(piece)
                sent += len(piece)
        answer = read_answer(sock)
    assert b"MSA|AR" in answer or sent < 1 << 30
    held = _held(site, before)
    assert "too-large" in str(held["error"]) or "limit" in str(held["error"])
    assert site.memory() - memory < 48 << 20


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "text/xml", 400, id="XML with a DOCTYPE"),
        pytest.param(b"<ClinicalDocument", "text/xml", 400, id="broken XML"),
        pytest.param(b"<html/>", "text/xml", 400, id="XML that is no CDA"),
        pytest.param(b"%PDF-1.7", "application/pdf", 415, id="another media type"),
        pytest.param(b"", "text/xml", 400, id="nothing"),
    ],
)
def test_http_refuses_with_an_operation_outcome(site: Site, body: bytes, content_type: str, status: int) -> None:
    """4xx with an OperationOutcome that says what to do."""
    got, answer, _ = site.http("POST", "/in/cda", body, scope="ingest", Content_Type=content_type)
    assert got == status, answer
    outcome = json.loads(answer)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] == "error"
    assert outcome["issue"][0]["diagnostics"]


def test_http_without_a_token_or_with_another_scope_is_refused(site: Site) -> None:
    """Deny by default: RFC 6750 §3."""
    assert site.http("POST", "/in/cda", b"<x/>", Content_Type="text/xml")[0] == 401
    assert site.http("POST", "/in/cda", b"<x/>", scope="metrics", Content_Type="text/xml")[0] == 403
    assert site.http("GET", "/fhir/Patient")[0] == 401


def test_a_changed_channel_runs_within_a_moment_and_loses_nothing(site: Site) -> None:
    """The file's revision becomes the running one while messages come in over one connection."""
    file = site.home / "channels" / "hospital-hl7v2" / "channel.yaml"
    with socket.create_connection(("127.0.0.1", site.mllp_port), 20) as sock:
        sock.settimeout(20)

        def exchange(control: bytes) -> bytes:
            sock.sendall(b"\x0b" + GOOD % control + b"\x1c\r")
            return read_answer(sock)

        assert b"MSA|AA|RELOAD-0" in exchange(b"RELOAD-0")
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("otherwise: reject", "otherwise: filter"), encoding="utf-8")
        count = 1
        until_filtered = time.monotonic() + 10
        while True:  # the same connection goes on across the change
            assert b"MSA|AA|RELOAD-%d" % count in exchange(b"RELOAD-%d" % count)
            count += 1
            other = site.send((GOOD % (b"F%d" % count)).replace(b"ADT^A01^ADT_A01", b"SIU^S12"))
            if _code(other) == "AA":
                break
            assert time.monotonic() < until_filtered
        file.write_text(text, encoding="utf-8")
        while _code(site.send((GOOD % (b"G%d" % time.monotonic_ns())).replace(b"ADT^A01^ADT_A01", b"SIU^S12"))) != "AR":
            assert time.monotonic() < until_filtered + 10
    until(lambda: len(site.found("control:RELOAD-*")) == count)
