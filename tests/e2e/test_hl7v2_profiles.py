"""French HL7 v2 profiles through a running hub: what is refused, what a merge leaves, what is sent to other software.

ANS, transmission d'un document CDA-R2 en HL7v2 v2.1; IHE PAM France 2.11.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator

import pytest

from hub.paths import room
from hub.source.hl7v2 import READER as HL7
from hub.source.hl7v2 import Message, build_ack

from .conftest import Site, read_answer, until

MESSAGES = room("channels") / "hospital-hl7v2" / "tests" / "messages"
OUT = room("channels") / "software-hl7v2" / "tests" / "messages"


def test_a_document_of_another_patient_is_refused_and_kept(site: Site) -> None:
    """AE, ERR-3 207, ERR-5 904, the field; the message waits in hold with the reason."""
    answer = site.send((MESSAGES / "mdm-t02-other-patient.hl7").read_bytes())
    assert b"\rMSA|AE|MDM-000205" in answer
    err = next(line for line in answer.split(b"\r") if line.startswith(b"ERR|")).decode().split("|")
    assert (err[2], err[3][:3], err[5][:3]) == ("PID^1^3^1", "207", "904")
    kept = until(lambda: [m for m in site.found("status:held") if "MDM-000205" in str(m)])
    assert "PID-3" in str(kept[0])


def test_a_merge_is_seen_by_who_asks(site: Site) -> None:
    """The merge first, the record that goes after it: it is there, inactive, and leads to the one that stays."""
    for name in ("adt-a40-merge.hl7", "adt-a01.hl7"):
        assert b"\rMSA|AA|" in site.send((MESSAGES / name).read_bytes())
    late = (MESSAGES / "adt-a28-consents.hl7").read_bytes().replace(b"IPP-0042617", b"IPP-0042618")
    late = late.replace(b"ADT-000108", b"LATE-1").replace(b"||VALI|", b"||PROV|").replace(b"ODILE", b"AUTRE")
    assert b"\rMSA|AA|" in site.send(late)

    def merged() -> object:
        found = site.fhir("Patient?identifier=urn:oid:1.2.250.1.999.1.3%7CIPP-0042618").get("entry", [])
        old = [e["resource"] for e in found if e["resource"].get("name")]
        return old[0] if old and old[0].get("link") else None

    old = until(merged)
    assert (old["active"], [x["type"] for x in old["link"]], old["name"][0]["family"]) == (
        False, ["replaced-by"], "ECHANTILLON",
    )  # fmt: skip
    stays = site.fhir(old["link"][0]["other"]["reference"])
    assert {"other": {"reference": f"Patient/{old['id']}"}, "type": "replaces"} in stays["link"]


@pytest.fixture(scope="session")
def software(site: Site) -> Iterator[list[bytes]]:
    """Software that takes what the channel sends it, as long as the site runs (others replay everything); what came."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    with sock:
                        while body := read_answer(sock).strip(b"\x0b\x1c\r"):
                            heard.append(body)
                            answer = build_ack(HL7.peek(body), "AA", ack_id="1", at="20260101", name="S", error=None)
                            sock.sendall(b"\x0b" + answer + b"\x1c\r")

        threading.Thread(target=serve, daemon=True).start()
        channel = site.home / "channels" / "software-hl7v2" / "channel.yaml"
        text = channel.read_text(encoding="utf-8")
        text = text.replace("${HUB_SOFTWARE_PORT:-2576}", str(server.getsockname()[1]))
        channel.write_text(text, encoding="utf-8")
        revision = hashlib.sha256(text.encode()).hexdigest()[:12]
        until(lambda: f'"revision": "{revision}"' in (site.home / "run.log").read_text(encoding="utf-8"))
        yield heard


@pytest.mark.parametrize(("name", "event"), [("admission", "A01"), ("document", "T02"), ("result", "R01")])
def test_a_fhir_message_reaches_software_that_speaks_hl7(
    site: Site, software: list[bytes], name: str, event: str
) -> None:
    """Posted as a Bundle, delivered over MLLP, acknowledged."""
    body = (OUT / f"{name}.json").read_bytes()
    status, said, _ = site.http("POST", "/in/fhir-message", body, scope="ingest", Content_Type="application/fhir+json")
    assert status in (200, 201, 202), said
    assert until(lambda: [m for m in software if Message(m).msh.text(9, 2) == event])
