"""What a message asks to be done with its document, and what becomes of it (CDA-R2 en HL7v2 v2.1, au LPS v1.1)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hub.fhir.draft import Draft
from hub.fhir.validate import validate
from hub.source.hl7v2 import build_ack, read_ack
from hub.source.reader import Envelope

from .run import issues, mapped, message, only, refs

BODY = base64.b64encode("Cher confrère".encode()).decode()
TO = (
    "PRT||UC||RCT^^participation|899700000024^ROUX^Paul^^^^^^A&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    "||||||||||^NET^X.400^r@m.mssante.fr"
)
TO_PATIENT = (
    "PRT||UC||RCT^^participation|255064900799907^LEFÈVRE^ODETTE^^^^^^1.2.250.1.213.1.4.10^L^^^INS"
    "||||||||||^^X.400^p@patient.mssante.fr"
)
REPLY = "PRT||UC||REPLY^^participation|||||||||||^^X.400^reply@m.mssante.fr"


def meta(code: str, value: str = "Y", number: int = 2) -> str:
    return f"OBX|{number}|CWE|{code}^x^MetaDMPMSS||{value}^^expandedYes-NoIndicator||||||F"


def pdf(*more: str, **options: Any) -> Draft:
    draft = mapped("hl7v2.messages.mdm", message(b"%PDF-1", ed="^application^PDF^Base64^", more=more, **options))
    for entry in draft.entries.values():
        assert validate({**entry.resource, "id": entry.id}) == []
    return draft


def test_nothing_asked_nothing_made() -> None:
    """N everywhere."""
    draft = pdf(meta("DESTDMP", "N"), meta("DESTMSSANTEPS", "N"))
    assert {e.type for e in draft.entries.values()} & {"Task", "CommunicationRequest", "Communication"} == set()


def test_the_national_record_is_a_task() -> None:
    """DESTDMP, with the other answers as its inputs."""
    draft = pdf(meta("DESTDMP"), meta("MASQUE_PS"), meta("CONNEXION_SECRETE", "N"))
    task = only(draft, "Task")
    assert (task["status"], task["focus"]["reference"]) == ("requested", refs(draft, "DocumentReference")[0])
    assert {i["type"]["coding"][0]["code"]: i["valueBoolean"] for i in task["input"]} == {
        "MASQUE_PS": True, "CONNEXION_SECRETE": False,
    }  # fmt: skip
    assert task["identifier"] == [{"system": "urn:oncohub:messages:DPI:CH-LOIRE", "value": "M-1"}]


def test_a_mail_to_professionals() -> None:
    """DESTMSSANTEPS: recipients (PRT RCT) with their boxes, the words, the acknowledgements asked for."""
    body = f"OBX|9|ED|CORPSMAIL_PS^x^MetaDMPMSS||^TEXT^^Base64^{BODY}||||||F"
    draft = pdf(TO, TO_PATIENT, REPLY, meta("DESTMSSANTEPS"), meta("ACK_LECTURE_MSS"), meta("INVISIBLE_PATIENT"), body)
    request = only(draft, "CommunicationRequest")
    assert [c["coding"][0]["code"] for c in request["category"]] == ["DESTMSSANTEPS", "ACK_LECTURE_MSS"]
    assert [p.get("contentString") for p in request["payload"]] == [None, "Cher confrère"]
    (who,) = request["contained"]
    assert (who["telecom"][0]["value"], request["recipient"]) == (
        "r@m.mssante.fr", [{"reference": f"#{who['id']}", "display": "Paul ROUX"}],
    )  # fmt: skip
    assert issues(draft) == []


def test_a_mail_to_the_patient() -> None:
    """DESTMSSANTEPAT: the box of the patient; without one, the patient."""
    request = only(pdf(TO, TO_PATIENT, meta("DESTMSSANTEPAT")), "CommunicationRequest")
    assert [c["telecom"][0]["value"] for c in request["contained"]] == ["p@patient.mssante.fr"]
    alone = only(pdf(meta("DESTMSSANTEPAT")), "CommunicationRequest")
    assert alone["recipient"] == [alone["subject"]]


def test_a_combination_that_is_not_legal_is_told() -> None:
    """The routing matrix: a mail to professionals alone goes with INVISIBLE_PATIENT Y."""
    draft = pdf(meta("DESTMSSANTEPS"), meta("INVISIBLE_PATIENT", "N"))
    assert [where for _, where in issues(draft)] == ["OBX[3]-5"]


def test_words_that_are_none_are_left_out() -> None:
    """No Base64; octets of Windows-1252 are read."""
    for coded, said in (("%%%", None), (base64.b64encode("été".encode("cp1252")).decode(), "été")):
        body = f"OBX|9|ED|CORPSMAIL_PS^x^MetaDMPMSS||^TEXT^^Base64^{coded}||||||F"
        payload = only(pdf(meta("DESTMSSANTEPS"), body), "CommunicationRequest")["payload"]
        assert [p["contentString"] for p in payload[1:]] == ([said] if said else [])


def test_the_mail_that_brought_a_document() -> None:
    """LPS v1.1: OBX-3 the Message-ID and the subject, OBX-5 the words; sender and recipient in PRT."""
    mail = f"OBX|2|ED|<1@x>^XDM/1.0/DDM+CR||^text^^Base64^{BODY}||||||F"
    made = only(pdf(TO, mail), "Communication")
    assert (made["identifier"][0]["value"], made["topic"]["text"]) == ("<1@x>", "XDM/1.0/DDM+CR")
    assert [p.get("contentString") for p in made["payload"]] == ["Cher confrère", None]
    assert (made["sender"]["display"], made["recipient"][0]["display"]) == ("Claire NGUYEN", "Paul ROUX")


ZAM = (
    r"MSH|^~\&|PFI|CHU|DPI|CH-LOIRE|20260415||ZAM^{event}^ZAM_Z01|Z-1|P|2.6|||||FRA|UNICODE UTF-8"
    + "\rEVN||20260415101500\r"
)


def zam(event: str, *segments: str) -> Draft:
    draft = mapped("hl7v2.messages.zam", (ZAM.format(event=event) + "\r".join(segments) + "\r").encode())
    for entry in draft.entries.values():
        assert validate({**entry.resource, "id": entry.id}) == []
    return draft


def answer(code: str, value: str = "Y") -> str:
    return f"OBX|1|CWE|{code}^x^AckMetierZAM|M-1|{value}^^expandedYes-NoIndicator||||||F"


def test_the_record_took_it_or_did_not() -> None:
    """Z01: the Task that asked for it is completed, or failed with the reason, whichever comes first."""
    asked = refs(pdf(meta("DESTDMP")), "Task")[0]
    done = zam("Z01", answer("ACK_RECEPTION_DMP"))
    assert done.patches[asked, "zam"].sets == {"status": "completed"}
    assert only(done, "Communication")["basedOn"] == [{"type": "Task", "reference": asked}]
    refused = zam(
        "Z01",
        answer("ACK_RECEPTION_DMP", "N"),
        "ERR|||207^x^messageErrorCondition|E|DMPClosed^DMP fermé^DMP_ERROR_CODE",
    )
    sets = refused.patches[asked, "zam"].sets
    assert sets["status"] == "failed"
    assert [(c["system"], c["code"]) for c in sets["statusReason"]["coding"]] == [
        ("urn:oncohub:hl7v2:DMPERRORCODE", "DMPClosed"), ("urn:oncohub:hl7v2:HL70357", "207"),
    ]  # fmt: skip
    assert only(refused, "Communication")["status"] == "not-done"


@pytest.mark.parametrize(
    ("event", "code", "who", "box", "asked"),
    [("Z02", "ACK_RECEPTION_MSS", "DESTINATAIRE_MSS", "r@m.mssante.fr", "DESTMSSANTEPS"),
     ("Z03", "ACK_LECTURE_MSS", "LECTEUR_MSS", "p@patient.mssante.fr", "DESTMSSANTEPAT")],
)  # fmt: skip
def test_a_mail_was_delivered_and_read(event: str, code: str, who: str, box: str, asked: str) -> None:
    """Z02, Z03: who, in a contained resource; tied to the request that sent it."""
    draft = zam(event, answer(code), f"OBX|2|XTN|{who}^x^AckMetierZAM|899700000024|^^X.400^{box}||||||F")
    made = only(draft, "Communication")
    assert made["contained"][0]["telecom"][0]["value"] == box
    assert made["basedOn"][0]["reference"] == refs(pdf(TO, TO_PATIENT, meta(asked)), "CommunicationRequest")[0]
    assert (made["about"][0]["identifier"]["value"], draft.patches) == ("M-1", {})


def test_an_answer_to_nothing_holds_the_message() -> None:
    """OBX-4 and MSA-2 name the message."""
    assert issues(zam("Z01", answer("ACK_RECEPTION_DMP").replace("|M-1|", "||"))) == [("error", "OBX-4")]
    nameless = ZAM.format(event="Z01").replace("ZAM^Z01^ZAM_Z01", "ACK") + "MSA|AA\r"
    assert issues(mapped("hl7v2.messages.ack", nameless.encode())) == [("error", "MSA-2")]


def test_an_ack_that_comes_later() -> None:
    """MSA and ERR; AA is completed."""
    head = ZAM.format(event="Z01").replace("ZAM^Z01^ZAM_Z01", "ACK^T02^ACK").partition("\rEVN")[0]
    refused = only(
        mapped("hl7v2.messages.ack", f"{head}\rMSA|AE|M-1|non\rERR|||207|E|904^x^HL70533\r".encode()), "Communication"
    )
    assert (refused["status"], refused["statusReason"]["text"], refused["statusReason"]["coding"][0]["code"]) == (
        "not-done", "non", "904",
    )  # fmt: skip
    taken = only(mapped("hl7v2.messages.ack", f"{head}\rMSA|AA|M-1\r".encode()), "Communication")
    assert (taken["status"], taken["category"][0]["coding"][0]["code"]) == ("completed", "AA")


def test_our_own_answer_is_read_back() -> None:
    """build_ack and the mapping agree."""
    made = build_ack(Envelope(), "AA", ack_id="1", at="20260101", name="HUB", error=None)
    assert read_ack(made).code == "AA"
