"""Documents that travel in MDM and ORU: CDA-R2, PDF, text, in OBX-5 as Base64.

HL7 v2.5 §9.6 (MDM), §7.3 (ORU), §2.A.24 (ED); ANS, transmission d'un document CDA-R2 en HL7v2 v2.1 and au LPS v1.1:
the event (T02, T10, T04) with ORC-1 and OBX-11 says what is done (they agree: ``hub.source.hl7v2_volet`` saw to it).
"""

from __future__ import annotations

from hub.errors import MappingError, ParseError
from hub.fhir.draft import Draft, Rank, Site
from hub.source.cda import Document
from hub.source.hl7v2 import Message, Rep, document_octets, document_of
from hub.source.identity import authority_system, root_system

from ..cda.context import Carrier
from ..cda.document import map_document
from ..codes import table
from ..documents import AFTERWARDS, add_binary, attachment, category, replaced, supersede
from ..shape import URI_SYSTEM, V2_0203, Element, clean, identifier, keep
from ..times import ts_datetime, ts_instant
from .context import Context
from .datatypes import cwe_concept, cx_identifier
from .segments.people import xcn_practitioner, xon_organization
from .segments.pid import identity_status, pid_identities, pid_patient
from .volet import labels, map_requests

MEDIA = table("data-type")
_STATUS = {"T04": "entered-in-error", "T11": "entered-in-error"}


def map_documents(message: Message, draft: Draft, site: Site) -> None:
    """Map a message that carries documents.

    :raises MappingError: without a patient, or when a document cannot be read.
    """
    c = Context.of(message, draft, site)
    event = message.msh.text(9, 2) or ""
    found = (document_of(message, obx) for obx in message.segments(b"OBX"))
    documents = [content for content in found if content is not None]
    carrier = _carrier(c, event)
    patient: Element | None = None
    made: list[Element] = []
    for number, content in enumerate(documents, 1):
        octets = document_octets(content)
        if _is_cda(octets):
            made.append(_map_cda(content, octets, c, carrier))
            continue
        if patient is None:
            patient = pid_patient(c, Rank.DOCUMENT)
        made.append(_map_plain(content, octets, number, patient, c, carrier))
    if made:
        _tie_renderings(made, c)
        map_requests(c, made, draft.entries[made[0]["reference"]].resource["subject"])
    if not documents:
        draft.warn("OBX", "the message carries no document (OBX-2 ED, Base64)", "no-document")
        pid_patient(c, Rank.DOCUMENT)


def _tie_renderings(made: list[Element], c: Context) -> None:
    """N1 and N3 of one report (v2.1): the later ones are the first in another form."""
    for other in made[1:]:
        if other["reference"] != made[0]["reference"]:
            resource = c.draft.entries[other["reference"]].resource
            tie = {"code": "transforms", "target": {"reference": made[0]["reference"]}}
            resource["relatesTo"] = [*resource.get("relatesTo", ()), tie]


def _is_cda(octets: bytes) -> bool:
    head = octets[:8192]
    return b"ClinicalDocument" in head or (b":stylesheet" in head and b"ClinicalDocument" in octets)


def _map_cda(content: Rep, octets: bytes, c: Context, carrier: Carrier) -> Element:
    """The CDA by its own mapping; returns the reference to its DocumentReference."""
    try:
        document = Document(octets, c.message.context.origins)
    except ParseError as e:
        raise MappingError(
            f"the document cannot be read (line:column {e.where}): {e.what}",
            where=content.place(5), cure=e.cure, code="102",
        ) from None  # fmt: skip
    return map_document(document, c.draft, c.site, carrier)


def _carrier(c: Context, event: str) -> Carrier:
    """What the message says of its document and its patient."""
    pid, txa = c.message.first(b"PID"), c.message.first(b"TXA")
    orc = c.message.first(b"ORC")
    gone = event in _STATUS or (event == "R01" and orc is not None and orc.text(1) == "CA")
    parent = txa.rep(13) if txa is not None else None
    pv1 = c.message.first(b"PV1")
    visit = pv1.rep(19) if pv1 is not None else None
    account = pid.rep(18) if pid is not None else None
    visits = [i for x in (visit, account) if x is not None and (i := cx_identifier(x, c))]
    known = None
    if pid is not None and pid[3]:
        known = pid_identities(pid, c, lenient=True)
    return Carrier(
        status="entered-in-error" if gone else "current",
        replaces=ei_identity(parent, c) if parent is not None else None,
        labels=labels(c),
        patient=known,
        extension=identity_status(pid) if pid is not None else [],
        visits=visits,
    )


def ei_identity(x: Rep, c: Context) -> tuple[str, str] | None:
    """TXA-12/13 (EI) to (system, value): an OID alone, or an extension with its root (v2.1)."""
    value = x(1)
    if value is None:
        return None
    alone = root_system(value)
    if not alone.startswith("urn:oncohub:"):
        return URI_SYSTEM, keep(alone, value)
    return authority_system(x(2) or "", x(3) or "", x(4) or "", c.message.msh.text(4) or ""), value


def _identity(number: int, c: Context) -> tuple[str, str]:
    """What a document without an identifier of its own is known by: TXA-12, the order, or the message."""
    suffix = f"#{number}" if number > 1 else ""
    txa = c.message.first(b"TXA")
    named = txa.rep(12) if txa is not None else None
    known = ei_identity(named, c) if named is not None else None
    if known is None:
        known = _order_identity(c)
    if known is None:
        site = c.message.msh.text(4) or c.message.msh.text(3) or ""
        known = authority_system("", "", "", site), f"message:{c.message.msh.text(10) or ''}"
    return known[0], keep(f"{known[1]}{suffix}", known[1])


def _order_identity(c: Context) -> tuple[str, str] | None:
    for name in (b"OBR", b"ORC"):
        segment = c.message.first(name)
        for field in (3, 2):
            x = segment.rep(field) if segment is not None else None
            if x is not None and (value := x(1)):
                system = authority_system(x(2) or "", x(3) or "", x(4) or "", c.message.msh.text(4) or "")
                return system, keep(f"report:{value}", value)
    return None


def _map_plain(content: Rep, octets: bytes, number: int, patient: Element, c: Context, carrier: Carrier) -> Element:
    """A document that is no CDA: what is known of it is in the message."""
    identity = _identity(number, c)
    media = _media(content, octets, c)
    url = add_binary(c.draft, identity, octets, media)
    txa, obr = c.message.first(b"TXA"), c.message.first(b"OBR")
    coded = obr.rep(4) if obr is not None else None
    coded = coded or content.segment.rep(3)
    kind = cwe_concept(coded) if coded is not None else None
    code = coded() if coded is not None else None
    title = kind["coding"][0].get("display") if kind and kind.get("coding") else None
    made_at = (txa.text(4) if txa is not None else None) or (obr.text(7) if obr is not None else None)
    made_at = made_at or c.message.msh.text(7)
    replaces = [carrier.replaces] if carrier.replaces and carrier.replaces != identity else []
    reference = clean({
        "resourceType": "DocumentReference",
        "masterIdentifier": identifier(*identity),
        "status": carrier.status,
        "type": kind,
        "category": category(code),
        "subject": {"reference": patient["reference"]},
        "date": ts_instant(made_at, c.zone),
        "author": _authors(c),
        "authenticator": _authenticator(c),
        "custodian": c.sender(),
        "relatesTo": [replaced(r) for r in replaces],
        "description": title,
        "securityLabel": carrier.labels,
        "content": [{"attachment": attachment(
            url, octets, media, title=title, creation=ts_datetime(made_at, c.zone),
        )}],
        "context": clean({
            "encounter": [{"type": "Encounter", "identifier": v} for v in carrier.visits[:1]],
            "related": _orders(c),
        }),
    })  # fmt: skip
    made = c.draft.add(reference, identity, rank=AFTERWARDS if carrier.status != "current" else Rank.DOCUMENT)
    for earlier in replaces:
        supersede(c.draft, earlier, c.occurred())
    return made


def _media(content: Rep, octets: bytes, c: Context) -> str:
    """The media type: what the octets are, when they say it; else OBX-5.3."""
    declared = MEDIA((content(3) or content(2) or "").upper())
    if octets.startswith(b"%PDF-"):
        return "application/pdf"
    if declared == "text/xml" and not octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        c.draft.warn(content.place(3), "the document is said to be XML and is not", "102")
        declared = None
    if declared:
        return str(declared)
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"


def _authors(c: Context) -> list[Element]:
    """TXA-9 originator, else the sender (PRT of SB), else OBR-32, the principal interpreter."""
    txa, obr = c.message.first(b"TXA"), c.message.first(b"OBR")
    made = [p for p in (xcn_practitioner(x, c) for x in (txa.reps(9) if txa is not None else [])) if p]
    if made:
        return made
    for prt in c.message.segments(b"PRT"):
        if prt.text(4) == "SB":
            person, org = prt.rep(5), prt.rep(8)
            who = xcn_practitioner(person, c) if person is not None else None
            who = who or (xon_organization(org, c) if org is not None else None)
            return [who] if who else []
    reader = obr.rep(32) if obr is not None else None
    if reader is None:
        return []
    # NDL: the name is in the subcomponents of its first component (§2.A.46)
    named = " ".join(p for p in (reader(1, 3), reader(1, 2)) if p)
    return [{"display": keep(named, reader(1, 2) or reader(1, 3))}] if named else []


def _orders(c: Context) -> list[Element]:
    """OBR-2, OBR-3, OBR-18 (or ORC-2, ORC-3): the order that the document answers, as logical references."""
    obr, orc = c.message.first(b"OBR"), c.message.first(b"ORC")
    made = []
    for field, kind in ((2, "PLAC"), (3, "FILL"), (18, "ACSN")):
        x = obr.rep(field) if obr is not None else None
        x = x or (orc.rep(field) if orc is not None and field < 4 else None)
        known = ei_identity(x, c) if x is not None else None
        if known:
            made.append({"type": "ServiceRequest", "identifier": identifier(*known, V2_0203, kind)})
    return made


def _authenticator(c: Context) -> Element | None:
    txa = c.message.first(b"TXA")
    x = txa.rep(22) if txa is not None else None
    return xcn_practitioner(x, c) if x is not None else None
