"""A hospital's message goes in and is read back through the FHIR API, octet for octet."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

from hub.paths import room

from .conftest import Site, hub, until

SAMPLES = Path(room("testing")) / "samples"


def _wire(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\r").replace(b"\n", b"\r")


def _done(site: Site, control: str) -> str:
    """The id of a message once it is mapped and stored."""
    found = until(lambda: site.found(f"control:{control}", "status:done"))
    return str(found[0]["id"])


def _body(site: Site, message_id: str) -> bytes:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "hub", "show", message_id, "--body", "--home", str(site.home)],
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def _ins(site: Site, resource: str, parameter: str, ins: str) -> list[dict[str, object]]:
    bundle = site.fhir(f"{resource}?{parameter}=urn:oid:1.2.250.1.213.1.4.10%7C{ins}")
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_the_public_admission_goes_in_and_comes_out_as_sent(site: Site, shared: Callable[[str], Path]) -> None:
    """All 799 octets of the PAM-fr sample are kept, and its patient is found by the INS (R4 §3.1.1.4.10)."""
    sent = _wire(shared("data/hl7v2/pam-a01-admission.er7").read_bytes())
    answer = site.send(sent)
    assert b"\rMSA|AA|3975" in answer
    assert _body(site, _done(site, "3975")) == sent
    [patient] = _ins(site, "Patient", "identifier", "279035121518989")
    assert patient["birthDate"] == "1979-03-28"
    encounters = site.fhir(f"Encounter?patient=Patient/{patient['id']}")
    assert encounters["total"] == 1


def test_the_document_of_the_public_mdm_is_read_back_octet_for_octet(site: Site, shared: Callable[[str], Path]) -> None:
    """330 KB in, 330 KB kept; /fhir/Binary gives the CDA of OBX-5, byte for byte (R4 §2.42)."""
    sent = _wire(shared("data/hl7v2/mdm-cda-init-n1.er7").read_bytes()).replace(b"|015|P|", b"|E2E-MDM|P|", 1)
    cda = base64.b64decode(sent.split(b"^Base64^", 1)[1].split(b"|", 1)[0])
    assert b"\rMSA|AA|E2E-MDM" in site.send(sent)
    assert _body(site, _done(site, "E2E-MDM")) == sent
    documents = _ins(site, "DocumentReference", "patient.identifier", "279035121518989")
    urls = [str(c["attachment"]["url"]) for d in documents for c in d["content"]]  # type: ignore[attr-defined, index] # JSON
    answers = [site.http("GET", f"/fhir/{url}", scope="system/*.read") for url in urls if "Binary/" in url]
    assert {200} == {status for status, _, _ in answers}
    [types] = [headers["content-type"] for _, octets, headers in answers if octets == cda]
    assert types.startswith("text/xml")


def test_a_posted_cda_becomes_a_document_of_its_patient(site: Site) -> None:
    """HTTP in, DocumentReference, Composition and Binary out."""
    cda = (SAMPLES / "cda-tumour-board.xml").read_bytes()
    status, body, _ = site.http("POST", "/in/cda", cda, scope="ingest", Content_Type="text/xml")
    assert status in (200, 201), body
    message = json.loads(body)["id"]
    until(lambda: site.found(message, "status:done"))
    shown = json.loads(hub("show", message, "--json", home=site.home).stdout)
    assert any("Composition" in str(r) for r in shown["resources"])


def test_the_same_message_again_gets_the_first_answer_and_makes_nothing(site: Site) -> None:
    """Same channel, control id and body: a duplicate (house, step 1)."""
    sent = _wire((SAMPLES / "adt-a01-admission.er7").read_bytes())
    first = site.send(sent)
    assert b"MSA|AA" in first
    assert site.send(sent) == first


def test_a_replay_of_everything_changes_no_version(site: Site) -> None:
    """Ids are UUIDv5 of business identifiers and the later statement wins: a replay says nothing new."""

    def versions() -> dict[str, str]:
        out = {}
        for kind in ("Patient", "Encounter", "Organization", "DocumentReference", "Composition", "Practitioner"):
            for entry in site.fhir(f"{kind}?_count=500").get("entry", []):
                out[entry["fullUrl"]] = entry["resource"]["meta"]["versionId"]
        return out

    for name in ("adt-a01-admission.er7", "adt-a08-update.er7", "adt-a03-discharge.er7"):
        assert b"MSA|AA" in site.send(_wire((SAMPLES / name).read_bytes()))
    until(lambda: not site.found("status:waiting"))
    before = versions()
    assert len(before) > 5
    hub("replay", "status:done", "--yes", home=site.home)
    until(lambda: not site.found("status:waiting"))
    assert versions() == before
