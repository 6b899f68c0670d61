"""DocumentReference with its Binary to ORC, OBR, TXA, OBX and PRT.

ANS, transmission d'un document CDA-R2 en HL7v2 v2.1 (MDM, ORU) and transmission au LPS v1.1: the action in the event,
ORC-1 and OBX-11; MetaDMPMSS observations in their order; who sends and who receives in PRT.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.errors import MappingError
from hub.source.hl7v2 import escape

from ...codes import table
from ...shape import URI_SYSTEM, Element
from .bundle import Bundle, at, codes, items, text
from .datatypes import authority, back, ce, ei, ts, xcn, xcn_of, xon_of, xtn
from .er7 import Components, Value, component, field, raw_segment, segment

VOLET = table("hl7v2-volet")
_META: Final = "MetaDMPMSS"
_YES_NO: Final = "expandedYes-NoIndicator"
# All MetaDMPMSS observations in the order of the profile, and those that go to the local software
_METAS: Final = (
    "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE", "MODIF_CONF_CODE", "DESTDMP",
    "DESTMSSANTEPS", "DESTMSSANTEPAT", "ACK_RECEPTION", "ACK_LECTURE_MSS",
)  # fmt: skip
_LPS_METAS: Final = (*_METAS[:3], "MODIF_CONF_CODE")
_SPELLING: Final = {"INVISIBLE_REPRESENTANTS_LEGAUX": "INVISIBLE_REP_LEGAUX"}
_ROLES: Final = {"SB": "Send by", "RCT": "Result Copies To", "REPLY": "Reply To"}


class Action(NamedTuple):
    """What is done with the document: event of MDM, ORC-1, OBX-11."""

    event: str
    control: str
    status: str


NEW, REPLACED, DELETED = Action("T02", "NW", "F"), Action("T10", "RO", "C"), Action("T04", "CA", "D")


def action_of(document: Element) -> Action:
    """Withdrawn, replacing another, or new."""
    if text(document, "status") == "entered-in-error":
        return DELETED
    return REPLACED if parent_of(document) else NEW


def parent_of(document: Element) -> Element | None:
    """The identifier of the document that this one replaces."""
    for related in items(document, "relatesTo"):
        known = at(related, "target", "identifier")
        if text(related, "code") == "replaces" and isinstance(known, dict):
            return known
    return None


def order(document: Element, bundle: Bundle, action: Action) -> list[str]:
    """ORC and OBR; the order that the document answers stands in its context."""
    numbers = {text(r, "identifier", "type", "coding", 0, "code"): at(r, "identifier")
               for r in items(document, "context", "related")}  # fmt: skip
    placer, filler = (ei(numbers.get(k), bundle) for k in ("PLAC", "FILL"))
    accession = text(numbers.get("ACSN"), "value")  # OBR-18 is a ST, without authority
    return [
        segment("ORC", {1: action.control, 2: placer, 3: filler}),
        segment("OBR", {1: "1", 2: placer, 3: filler, 4: [ce(at(document, "type"))], 18: accession}),
    ]


def txa(document: Element, bundle: Bundle) -> str:
    """TXA: type, date, number (TXA-12), the document replaced (TXA-13), completion, who signs."""
    master = at(document, "masterIdentifier")
    signer = xcn(at(document, "authenticator"), bundle, document)
    return segment("TXA", {
        1: "1", 2: text(document, "type", "coding", 0, "code"), 3: "TEXT",
        4: ts(text(document, "date") or text(document, "content", 0, "attachment", "creation")),
        12: document_ei(master, bundle), 13: document_ei(parent_of(document), bundle), 17: "AU",
        22: [signer] if signer else None,
    })  # fmt: skip


def document_ei(identifier: object, bundle: Bundle) -> Components:
    """An OID alone, or the extension with its root (v2.1, TXA-12)."""
    if not isinstance(identifier, dict):
        return ()
    if text(identifier, "system") == URI_SYSTEM:
        return ((text(identifier, "value") or "").removeprefix("urn:oid:"),)
    return text(identifier, "value"), *authority(text(identifier, "system"), bundle)


def obx_document(document: Element, bundle: Bundle, number: int, action: Action, *, oru: bool) -> str:
    """OBX of the document itself, Base64 in OBX-5.

    :raises MappingError: when its octets are not in the message.
    """
    attached = at(document, "content", 0, "attachment")
    data = text(attached, "data") or text(_binary(attached, bundle), "data")
    if data is None:
        raise MappingError(
            "the document is not in the message", where="DocumentReference.content.attachment",
            cure="add its Binary to the Bundle, or attachment.data", code="101",
        )  # fmt: skip
    kind = text(attached, "contentType") or ""
    main, _, _ = kind.partition("/")
    subtype = "XML" if kind.endswith("xml") else back("target", "data-type").get(kind, kind.partition("/")[2].upper())
    told = "TEXT" if oru and main == "text" else main or "application"
    return raw_segment("OBX", {
        1: str(number), 2: "ED", 3: field([ce(at(document, "type"))]),
        5: f"^{escape(told)}^{escape(subtype)}^Base64^{''.join(data.split())}", 11: action.status,
    })  # fmt: skip


def _binary(attached: object, bundle: Bundle) -> Element | None:
    url = text(attached, "url")
    return bundle.known.get(url) if url else None


def metas(document: Element, bundle: Bundle, first: int, *, oru: bool, lps: bool) -> list[str]:
    """MetaDMPMSS observations, numbered from ``first``; then the words of the mail."""
    hidden = {_SPELLING.get(c, c) for one in codes(items(document, "securityLabel")) if (c := text(one, "code"))}
    requests = list(bundle.all("CommunicationRequest"))
    asked = {text(one, "code") for r in requests for one in codes(items(r, "category"))}
    tasks = list(bundle.all("Task"))
    asked |= {text(one, "code") for t in tasks for one in codes([t.get("code") or {}])}
    asked |= {text(i, "type", "coding", 0, "code") for t in tasks for i in items(t, "input") if i.get("valueBoolean")}
    made: list[str] = []
    for code in _LPS_METAS if lps else _METAS:
        value = "Y" if code in hidden or code in asked else "N"
        made.append(_meta(first + len(made), code, (value, None, _YES_NO), "CE" if oru else "CWE"))
    for request in () if lps else requests:
        said = next((s for p in items(request, "payload") if (s := text(p, "contentString"))), None)
        to_patient = any(text(one, "code") == "DESTMSSANTEPAT" for one in codes(items(request, "category")))
        if said:
            code = "CORPSMAIL_PATIENT" if to_patient else "CORPSMAIL_PS"
            made.append(_meta(first + len(made), code, (None, "TEXT", None, "Base64", _coded(said)), "ED"))
    return made


def _meta(number: int, code: str, value: Components, kind: str) -> str:
    named = (code, VOLET.rows[code].display, _META)
    return segment("OBX", {1: str(number), 2: kind, 3: named, 5: value, 11: "F"})


def _coded(words: str) -> str:
    import base64

    return base64.b64encode(words.encode()).decode()


def mail(bundle: Bundle, number: int) -> str | None:
    """OBX of the mail that brought the document (LPS): Message-ID and subject in OBX-3, its words in OBX-5."""
    for one in bundle.all("Communication"):
        known = next((i for i in items(one, "identifier") if text(i, "system") == "urn:ietf:rfc:5322"), None)
        if known is not None:
            said = next((s for p in items(one, "payload") if (s := text(p, "contentString"))), "")
            return segment("OBX", {
                1: str(number), 2: "ED", 3: (text(known, "value"), text(one, "topic", "text")),
                5: (None, "text", None, "Base64", _coded(said)), 11: "F",
            })  # fmt: skip
    return None


def participants(document: Element, bundle: Bundle) -> list[str]:
    """PRT: who sends (the author, or the sender of the mail), who receives."""
    made: list[str] = []
    seen: set[str] = set()
    carriers = [*bundle.all("CommunicationRequest"), *bundle.all("Communication")]
    senders = [(at(one, "sender"), one) for one in carriers if "sender" in one]
    senders = senders or [(author, document) for author in items(document, "author")]
    for reference, near in senders[:1]:
        made.append(_prt("SB", reference, near, bundle))
    for one in carriers:
        for reference in items(one, "recipient"):
            line = _prt("RCT", reference, one, bundle)
            if line not in seen:
                seen.add(line)
                made.append(line)
    return [line for line in made if line]


def _prt(role: str, reference: object, near: Element, bundle: Bundle) -> str:
    who = bundle.resolve(reference, near)
    fields: dict[int, Value] = {2: "UC", 4: (role, _ROLES[role], "participation")}
    kind = who.get("resourceType") if who else None
    if who is not None and kind == "Organization":
        fields[8] = [xon_of(who, bundle)]
    elif who is not None and kind in ("RelatedPerson", "Patient"):
        person = bundle.resolve(at(who, "patient")) if kind == "RelatedPerson" else who
        fields[5] = [_patient_xcn(person or {})]
    elif who is not None and kind == "Practitioner":
        fields[5] = [xcn_of(who, bundle)]
    else:
        named = xcn(reference, bundle, near)
        if named is None:
            return ""
        fields[5] = [named]
    fields[15] = [t for t in map(xtn, items(who, "telecom")) if t]
    return segment("PRT", fields)


def _patient_xcn(patient: Element) -> Components:
    """The patient in PRT-5 by the INS (v2.1)."""
    known = next((i for i in items(patient, "identifier")
                  if (text(i, "type", "coding", 0, "code") or "").startswith("INS-")), None)  # fmt: skip
    name = next(iter(items(patient, "name")), {})
    held = component((text(known, "system") or "").removeprefix("urn:oid:") or None)
    return (text(known, "value"), text(name, "family"), text(name, "given", 0), None, None, None, None, None, held, "L",
            None, None, "INS")  # fmt: skip
