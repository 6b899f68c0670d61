"""What a peer says became of a message: ACK and ZAM to Communication.

HL7 v2.5 §2.9.2 (ACK); ANS, transmission d'un document CDA-R2 en HL7v2 v2.1 (ZAM^Z01 put into the DMP, Z02 mail
delivered, Z03 mail read).  The answer is tied to the request that asked for it (:mod:`.volet`): a Task for the DMP, a
CommunicationRequest for a mail, or the message itself; a request that was carried out or refused gets its status.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Draft, Patch, Rank, Site, resource_id
from hub.source.hl7v2 import Message, Segment

from ..codes import table
from ..shape import Element, clean, keep
from ..times import ts_datetime
from .context import Context
from .datatypes import cwe_concept, xtn_contact
from .volet import message_system

ACKS: Final = "urn:oncohub:hl7v2:AckMetierZAM"
VOLET = table("hl7v2-volet")
# ZAM event -> the requests it may answer
_ASKED: Final = {
    "Z01": (("Task", "DESTDMP"),),
    "Z02": (("CommunicationRequest", "DESTMSSANTEPS"), ("CommunicationRequest", "DESTMSSANTEPAT")),
    "Z03": (("CommunicationRequest", "DESTMSSANTEPS"), ("CommunicationRequest", "DESTMSSANTEPAT")),
}  # fmt: skip
_TAKEN: Final = ("AA", "CA")


def map_acknowledgement(message: Message, draft: Draft, _site: Site) -> None:
    """Map one ACK or ZAM."""
    c = Context.of(message, draft, _site)
    if message.first(b"MSA") is not None:
        _ack(c)
    else:
        _zam(c)


def _ack(c: Context) -> None:
    msa = c.message.first(b"MSA")
    code = msa.text(1) if msa is not None else None
    number = msa.text(2) if msa is not None else None
    if msa is None or code is None or number is None:
        c.draft.error("MSA-2", "the acknowledgement names no message", "101")
        return
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0008", "code": code}]}
    _communication(c, number, kind, (), done=code in _TAKEN, who=[], said=msa.text(3))


def _zam(c: Context) -> None:
    told = [obx for obx in c.message.segments(b"OBX") if obx.text(5) in ("Y", "N")]
    if not told or not told[0].text(4):
        c.draft.error("OBX-4", "the acknowledgement names no message", "101")
        return
    obx = told[0]
    asked = obx.rep(3)
    kind = cwe_concept(asked) if asked is not None else None
    if kind and kind.get("coding"):
        kind["coding"][0]["system"] = ACKS
    who = [x for one in c.message.segments(b"OBX") if one.text(2) == "XTN" and (x := _party(one))]
    asked_for = _ASKED.get(c.message.msh.text(9, 2) or "", ())
    if any("@patient." in contact["value"] for one in who for contact in one["telecom"]):
        asked_for = asked_for[::-1]
    _communication(
        c, obx.text(4) or "", kind or {"text": "ZAM"}, asked_for, done=obx.text(5) == "Y", who=who,
        said=None,
    )  # fmt: skip


def _communication(
    c: Context, number: str, kind: Element, asked: tuple[tuple[str, str], ...], *,
    done: bool, who: list[Element], said: str | None,
) -> None:  # fmt: skip
    """One answer; ``number`` is MSH-10 of the message it answers, sent by whom this one is sent to (MSH-5, MSH-6)."""
    msh = c.message.msh
    system = message_system(msh.text(5), msh.text(6))
    reasons = [r for err in c.message.segments(b"ERR") for r in _reasons(err)]
    evn = c.message.first(b"EVN")
    answer = clean({
        "resourceType": "Communication",
        "contained": who,
        "identifier": [{"system": keep(message_system(msh.text(3), msh.text(4)), msh.text(3)), "value": msh.text(10)}],
        "basedOn": [
            {"type": t, "reference": f"{t}/{resource_id(t, system, f'{number}#{code}')}"} for t, code in asked
        ][:1],
        "status": "completed" if done else "not-done",
        "statusReason": {"coding": reasons, "text": said} if reasons and said else {"coding": reasons} if reasons
        else {"text": said} if said else None,
        "category": [kind],
        "about": [{"identifier": {"system": keep(system, msh.text(5)), "value": number}}],
        "sent": ts_datetime((evn.text(2) if evn is not None else None) or msh.text(7), c.zone),
        "recipient": [{"reference": f"#{one['id']}"} for one in who],
        "sender": c.sender(),
    })  # fmt: skip
    c.draft.add(answer, (message_system(msh.text(3), msh.text(4)), str(msh.text(10) or number)), rank=Rank.FEED)
    c.draft.key("message", str(number))
    _close(asked, system, number, done, reasons, c)


def _close(
    asked: tuple[tuple[str, str], ...], system: str, number: str, done: bool, reasons: list[Element], c: Context
) -> None:
    """The request of the record gets its end: completed or failed (Task.status).  A mail may be read after it came."""
    for kind, code in asked:
        if kind != "Task":
            continue
        sets: Element = {"status": "completed" if done else "failed"}
        if reasons:
            sets["statusReason"] = {"coding": reasons}
        made = Patch(kind, resource_id(kind, system, f"{number}#{code}"), "zam", sets, {}, Rank.FEED, c.occurred())
        c.draft.patches[made.ref, made.topic] = made


def _reasons(err: Segment) -> list[Element]:
    """ERR-5 (SMTPERRORCODE, DMPERRORCODE, table 0533), then ERR-3 (table 0357)."""
    made = []
    for field, fallback in ((5, "HL70533"), (3, "HL70357")):
        x = err.rep(field)
        code = x(1) if x is not None else None
        if x is not None and code:
            named = (x(3) or fallback).replace("_", "").replace(" ", "")
            named = fallback if named in ("messageErrorCondition", "0357", "0533") else named
            made.append(clean({"system": f"urn:oncohub:hl7v2:{named}", "code": code, "display": x(2)}))
    return made


def _party(obx: Segment) -> Element | None:
    """DESTINATAIRE_MSS, LECTEUR_MSS: OBX-4 the national number, OBX-5 (XTN) the box."""
    x, number = obx.rep(5), obx.text(4)
    contact = xtn_contact(x) if x is not None else None
    if contact is None:
        return None
    known = [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": number}] if number else None
    return clean({
        "resourceType": "Practitioner", "id": f"p{obx.number}", "identifier": known, "telecom": [contact],
    })  # fmt: skip
