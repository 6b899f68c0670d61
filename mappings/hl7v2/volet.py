"""What the message around a document asks for: who may not see it, the record and the boxes it goes to, its mail.

ANS, transmission d'un document CDA-R2 en HL7v2 v2.1 (MetaDMPMSS, PRT) and transmission au LPS v1.1.  A request to send
is a Task (the DMP) or a CommunicationRequest (MSSanté), known by the message (MSH-3, MSH-4, MSH-10), so that the
business acknowledgement (ZAM) finds it; a mail that brought the document is a Communication, known by its Message-ID.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import pybase64

from hub.fhir.draft import Rank
from hub.source.hl7v2 import Rep, Segment

from ..codes import table
from ..shape import VISIBILITY, Element, clean, keep
from ..times import ts_datetime
from .context import Context
from .datatypes import xcn_identifiers, xcn_name, xon_identifiers, xtn_contact

META: Final = "MetaDMPMSS"
META_SYSTEM: Final = "urn:oncohub:hl7v2:MetaDMPMSS"
VISIBLE, VOLET = table("visibility"), table("hl7v2-volet")
_TO_PATIENT: Final = "DESTMSSANTEPAT"
_BODIES: Final = {"DESTMSSANTEPS": "CORPSMAIL_PS", _TO_PATIENT: "CORPSMAIL_PATIENT"}
# (to professionals, to the patient) -> MASQUE_PS, INVISIBLE_PATIENT, INVISIBLE_REP_LEGAUX; None: either
_LEGAL: Final = {
    (True, True): (False, False, False), (True, False): (False, True, False), (False, True): (None, False, None),
}  # fmt: skip


def message_system(application: str | None, facility: str | None) -> str:
    """The system in which MSH-10 numbers the messages of a sender (MSH-3, MSH-4)."""
    return f"urn:oncohub:messages:{quote(application or '', safe='')}:{quote(facility or '', safe='')}"


def metas(c: Context) -> dict[str, Segment]:
    """MetaDMPMSS observations by their code."""
    return {code: obx for obx in c.message.segments(b"OBX") if (code := obx.text(3)) in VOLET.rows and code}


def labels(c: Context) -> list[Element]:
    """MetaDMPMSS observations that hide the document, answered Y."""
    found = ((code, obx) for code, obx in metas(c).items() if code in VISIBLE.rows and obx.text(5) == "Y")
    return [{"coding": [VISIBLE.coding(VISIBILITY, keep(code, obx.text(5)))]} for code, obx in found]


def map_requests(c: Context, documents: list[Element], patient: Element) -> None:
    """What is asked to be done with the documents (renderings of one), and the mail that brought them."""
    told = metas(c)
    wanted = [code for code in ("DESTDMP", "DESTMSSANTEPS", _TO_PATIENT) if _yes(told.get(code))]
    if "DESTDMP" in wanted:
        _task(told, documents, patient, c)
    for code in wanted:
        if code != "DESTDMP":
            _mail_request(code, told, documents, patient, c)
    _check_matrix(wanted, told, c)
    for obx in c.message.segments(b"OBX"):
        if obx.text(2) == "ED" and obx.text(3, 3) != META and obx.text(3, 2) and _is_mail(obx):
            _mail(obx, documents, patient, c)


def _yes(obx: Segment | None) -> bool:
    return obx is not None and obx.text(5) == "Y"


def _check_matrix(wanted: list[str], told: dict[str, Segment], c: Context) -> None:
    """Three combinations are legal; published examples break them, so another is told and not refused."""
    to = "DESTMSSANTEPS" in wanted, _TO_PATIENT in wanted
    legal = _LEGAL.get(to)
    if legal is None:
        return
    for code, expected in zip(("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX"), legal, strict=True):
        obx = told.get(code)
        if obx is not None and expected is not None and _yes(obx) is not expected:
            c.draft.warn(f"{obx.place}-5", f"{code} does not go with the mail that is asked for", "103")


def _identity(code: str, c: Context) -> tuple[tuple[str, str], list[Element]]:
    msh = c.message.msh
    number = msh.text(10) or ""
    system = message_system(msh.text(3), msh.text(4))
    return (system, f"{number}#{code}"), [{"system": keep(system, msh.text(3)), "value": keep(number, msh.text(10))}]


def _coding(code: str, obx: Segment) -> Element:
    return {"system": META_SYSTEM, "code": keep(code, obx.text(3)), "display": VOLET.rows[code].display}


def _task(told: dict[str, Segment], documents: list[Element], patient: Element, c: Context) -> None:
    """DESTDMP: put the document into the national record."""
    identity, numbers = _identity("DESTDMP", c)
    inputs = [
        {"type": {"coding": [_coding(code, obx)]}, "valueBoolean": _yes(obx)}
        for code, obx in told.items() if VOLET.rows[code].target in ("input", "label")
    ]  # fmt: skip
    inputs += [{"type": {"text": "Document"}, "valueReference": dict(document)} for document in documents[1:]]
    task = clean({
        "resourceType": "Task",
        "identifier": numbers,
        "status": "requested",
        "intent": "order",
        "code": {"coding": [_coding("DESTDMP", told["DESTDMP"])]},
        "focus": {"reference": documents[0]["reference"]},
        "for": {"reference": patient["reference"]},
        "authoredOn": ts_datetime(c.message.msh.text(7), c.zone),
        "requester": c.sender(),
        "input": inputs,
    })  # fmt: skip
    c.draft.add(task, identity, rank=Rank.DOCUMENT)


def _mail_request(code: str, told: dict[str, Segment], documents: list[Element], patient: Element, c: Context) -> None:
    """DESTMSSANTEPS, DESTMSSANTEPAT: send it by secure mail."""
    identity, numbers = _identity(code, c)
    codings = [_coding(code, told[code])]
    codings += [_coding(o, told[o]) for o in ("ACK_RECEPTION", "ACK_LECTURE_MSS", "ACK_LECTURE") if _yes(told.get(o))]
    body = told.get(_BODIES[code])
    parties = list(_parties(c, patient))
    wanted = [p for p in parties if p[0] == "RCT" and p[1] is (code == _TO_PATIENT)]
    request = clean({
        "resourceType": "CommunicationRequest",
        "contained": [p[2] for p in wanted if p[2]],
        "identifier": numbers,
        "status": "active",
        "category": [{"coding": [one]} for one in codings],
        "subject": {"reference": patient["reference"]},
        "about": [dict(document) for document in documents],
        "payload": [*({"contentReference": dict(document)} for document in documents), *_body(body)],
        "authoredOn": ts_datetime(c.message.msh.text(7), c.zone),
        "recipient": [p[3] for p in wanted] or ([{"reference": patient["reference"]}] if code == _TO_PATIENT else None),
        "sender": next((p[3] for p in parties if p[0] == "SB" and not p[2]), None),
    })  # fmt: skip
    c.draft.add(request, identity, rank=Rank.DOCUMENT)


def _mail(obx: Segment, documents: list[Element], patient: Element, c: Context) -> None:
    """The mail that brought the document to the local software: OBX-3 its Message-ID and subject, OBX-5 its text."""
    number, subject = obx.text(3), obx.text(3, 2)
    parties = list(_parties(c, patient))
    mail = clean({
        "resourceType": "Communication",
        "contained": [p[2] for p in parties if p[2] and p[0] in ("SB", "RCT")],
        "identifier": [{"system": "urn:ietf:rfc:5322", "value": number}],
        "status": "completed",
        "topic": {"text": subject} if subject else None,
        "subject": {"reference": patient["reference"]},
        "about": [dict(document) for document in documents],
        "received": ts_datetime(c.message.msh.text(7), c.zone),
        "sender": next((p[3] for p in parties if p[0] == "SB"), None),
        "recipient": [p[3] for p in parties if p[0] == "RCT"],
        "payload": [*_body(obx), *({"contentReference": dict(document)} for document in documents)],
    })  # fmt: skip
    system = message_system(c.message.msh.text(3), c.message.msh.text(4))
    c.draft.add(mail, (f"{system}:mail", f"{number}#{documents[0]['reference']}"), rank=Rank.DOCUMENT)


def _is_mail(obx: Segment) -> bool:
    content = obx.rep(5)
    return content is not None and not content(3) and content.octets(4).strip().lower() == b"base64"


def _body(obx: Segment | None) -> list[Element]:
    """The words of the mail, Base64 in OBX-5.5; words that are not UTF-8 are read as Windows-1252."""
    content = obx.rep(5) if obx is not None else None
    if content is None:
        return []
    coded = content.octets(5).translate(None, b" \t\r\n").rstrip(b"=")
    try:
        octets = pybase64.b64decode(coded + b"=" * (-len(coded) % 4), validate=True)
    except ValueError:
        return []
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("cp1252", "replace")
    text = "".join(ch for ch in text if ch.isprintable() or ch in "\n\t").strip()
    return [{"contentString": keep(text, content(5) or content(2))}] if text else []


_Party = tuple[str, bool, Element | None, Element]


def _parties(c: Context, patient: Element) -> Iterator[_Party]:
    """PRT: (role, whether it is the patient, the contained resource that holds its box, the Reference).

    A box (PRT-15) belongs to this message, so it stands in a contained resource, beside the national identifier.
    """
    for number, prt in enumerate(c.message.segments(b"PRT"), 1):
        kind = prt.text(4)
        person, org, box = prt.rep(5), prt.rep(8), prt.rep(15)
        contact = xtn_contact(box) if box is not None else None
        if kind not in ("SB", "RCT", "REPLY"):
            continue
        is_patient = person is not None and person(13) == "INS"
        if is_patient:
            made = clean({"resourceType": "RelatedPerson", "patient": {"reference": patient["reference"]}})
        elif person is not None:
            made = clean({"resourceType": "Practitioner", "identifier": xcn_identifiers(person, c),
                          "name": [n for n in (xcn_name(person),) if n]})  # fmt: skip
        else:
            made = clean({"resourceType": "Organization", "identifier": xon_identifiers(org, c) if org else None,
                          "name": org(1) if org else None})  # fmt: skip
        shown = _shown(person, org)
        if len(made) == 1 and contact is None:
            continue
        made = {**made, "id": f"p{number}", **({"telecom": [contact]} if contact else {})}
        yield kind, is_patient, made, clean({"reference": f"#p{number}", "display": shown})


def _shown(person: Rep | None, org: Rep | None) -> str | None:
    if person is not None:
        said = " ".join(p for p in (person(3), person(2)) if p)
        return keep(said, person(2) or person(3)) if said else None
    return org(1) if org is not None else None
