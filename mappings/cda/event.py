"""documentationOf, inFulfillmentOf and componentOf: what the document is about, and the stay it belongs to.

ANS, structuration minimale: the first documentationOf is the principal act; componentOf is the care
during which the document was made.  XDS: eventCodeList, serviceStartTime, healthcareFacilityTypeCode,
practiceSettingCode.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.cda import PS3_20, Node

from ..shape import ACT_CODE, V2_0203, Element, clean, coding, identifier, keep
from .context import PART, Context
from .datatypes import ad_address, cd_coding, cd_concept, ii_identifier, ii_identity, ivl_period
from .extensions import PARTICIPANT, TYPE_CODE, actor, type_code
from .participations import participation_time
from .people import organization, role

_ORDER_TYPES = (("id", None, "PLAC"), ("accessionNumber", PS3_20, "ACSN"))


def service_events(c: Context) -> list[Node]:
    """The acts, the principal one first."""
    return [e for d in c.document.all("documentationOf") if (e := d.one("serviceEvent")) is not None]


def events(c: Context) -> list[Element]:
    """Each act with its time, its performers and its identifiers (of an examination: the Study Instance UID)."""
    made = []
    for event in service_events(c):
        code = cd_concept(event.one("code"))
        performers = [
            told
            for node in event.all("performer")
            for told in actor(
                PARTICIPANT,
                role(node.one("assignedEntity"), c),
                kind=type_code(node),
                function=cd_concept(node.one("functionCode")),
                time=participation_time(node, c),
            )
        ]
        ids = [{"identifier": x} for node in event.all("id") if (x := ii_identifier(node))]
        told = clean({
            "extension": performers,
            "code": [code] if code else None,
            "period": ivl_period(event.one("effectiveTime"), c.zone),
            "detail": ids,
        })  # fmt: skip
        if told:
            made.append(told)
    return made


def event_codes(c: Context) -> list[Element]:
    """serviceEvent/code of every act."""
    return [x for x in (cd_concept(e.one("code")) for e in service_events(c)) if x]


def event_period(c: Context) -> Element | None:
    """effectiveTime of the principal act."""
    events = service_events(c)
    return ivl_period(events[0].one("effectiveTime"), c.zone) if events else None


def practice_setting(c: Context) -> Element | None:
    """standardIndustryClassCode of the organisation that performed the principal act."""
    for event in service_events(c)[:1]:
        org = event.one("performer", "assignedEntity", "representedOrganization")
        return cd_concept(org.one("standardIndustryClassCode")) if org else None
    return None


def facility_type(c: Context) -> Element | None:
    """healthCareFacility/code."""
    place = c.document.one("componentOf", "encompassingEncounter", "location", "healthCareFacility")
    return cd_concept(place.one("code")) if place else None


def orders(c: Context) -> list[Element]:
    """inFulfillmentOf/order: the order and, for imaging, its accession number, as logical references."""
    made = []
    for fulfilled in c.document.all("inFulfillmentOf"):
        for order in fulfilled.all("order"):
            for name, namespace, kind in _ORDER_TYPES:
                for node in order.all(name, namespace) if namespace else order.all(name):
                    found = ii_identifier(node, V2_0203, kind)
                    if found:
                        made.append({"type": "ServiceRequest", "identifier": found})
    return made


def encounter(c: Context) -> Element | None:
    """encompassingEncounter to an Encounter, known by its number; else what the message names; else by the document."""
    node = c.document.one("componentOf", "encompassingEncounter")
    if node is None:
        return _carried(c)
    known = [k for n in node.all("id") if (k := ii_identity(n)) and n.attr("extension")]
    if not known and (carried := _carried(c)):
        return carried
    code = cd_coding(node.one("code"))
    if code and "system" not in code:
        code = {"system": keep(ACT_CODE, code["code"]), **code}
    # The ids of a tumour board (VR) are those of the network, the 3C, the board and the session: many
    # patients share them, so this discussion of this patient is known by its document.
    shared = code is not None and code["code"] == "VR"
    identity = (PART, f"{'|'.join(c.identity)}#encounter") if shared or not known else known[0]
    period = ivl_period(node.one("effectiveTime"), c.zone)
    place = node.one("location", "healthCareFacility")
    provider = organization(place.one("serviceProviderOrganization"), c) if place else None
    discharge = cd_concept(node.one("dischargeDispositionCode"))
    made = clean({
        "resourceType": "Encounter",
        "identifier": [identifier(*k) for k in known],
        "status": "finished" if period and "end" in period else "unknown",
        "class": code or coding(ACT_CODE, "AMB"),
        "subject": c.patient,
        "participant": _participants(node, c),
        "period": period,
        "hospitalization": {"dischargeDisposition": discharge} if discharge else None,
        "location": _location(place, c),
        "serviceProvider": provider,
    })  # fmt: skip
    return c.draft.add(made, identity, rank=Rank.DOCUMENT)


def _participants(node: Node, c: Context) -> list[Element]:
    """responsibleParty and encounterParticipant."""
    made = []
    for name in ("responsibleParty", "encounterParticipant"):
        for one in node.all(name):
            who = role(one.one("assignedEntity"), c)
            kind = type_code(one)
            if kind is None and name == "responsibleParty":
                kind = {"coding": [{"system": TYPE_CODE, "code": "RESP"}]}
            when = ivl_period(one.one("time"), c.zone)
            if who and not who.get("reference", "").startswith(("Organization/", "Device/", "Patient/")):
                made.append(clean({"type": [kind] if kind else None, "period": when, "individual": who}))
    return made


def _carried(c: Context) -> Element | None:
    """The stay that the message around the document names, as a logical reference."""
    visits = c.carrier.visits
    return {"type": "Encounter", "identifier": visits[0]} if visits else None


def _location(place: Node | None, c: Context) -> list[Element] | None:
    """The facility: a Location when its address is told, else by identifier and name."""
    if place is None:
        return None
    name, where = place.one("location", "name"), ad_address(place.one("location", "addr"))
    text = name.text() if name is not None else None
    known = [x for one in place.all("id") if (x := ii_identifier(one))]
    shown = clean({"identifier": known[0] if known else None, "display": text})
    if where:
        kind = cd_concept(place.one("code"))
        made = clean({
            "resourceType": "Location", "identifier": known, "name": text, "type": [kind] if kind else None,
            "address": where,
        })  # fmt: skip
        identity = (str(known[0]["system"]), str(known[0]["value"])) if known else c.part("location")
        shown = clean({**c.draft.add(made, identity, rank=Rank.MENTION), "display": text})
    return [{"location": shown}] if shown else None
