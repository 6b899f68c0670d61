"""documentationOf, inFulfillmentOf and componentOf: what the document is about, and the stay it belongs to.

ANS, structuration minimale: the first documentationOf is the principal act; componentOf is the care
during which the document was made.  XDS: eventCodeList, serviceStartTime, healthcareFacilityTypeCode,
practiceSettingCode.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.cda import PS3_20, Node

from ..shape import ACT_CODE, V2_0203, Element, clean, coding, identifier
from .context import Context
from .datatypes import cd_coding, cd_concept, ii_identifier, ii_identity, ivl_period
from .people import organization

_ORDER_TYPES = (("id", None, "PLAC"), ("accessionNumber", PS3_20, "ACSN"))


def service_events(c: Context) -> list[Node]:
    """The acts, the principal one first."""
    return [e for d in c.document.all("documentationOf") if (e := d.one("serviceEvent")) is not None]


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
    """encompassingEncounter to an Encounter; without an identifier there is none to refer to."""
    node = c.document.one("componentOf", "encompassingEncounter")
    if node is None:
        return _carried(c)
    known = [k for n in node.all("id") if (k := ii_identity(n)) and n.attr("extension")]
    if not known:
        return _carried(c)
    code = cd_coding(node.one("code"))
    # The ids of a tumour board (VR) are those of the network, the 3C, the board and the session: many
    # patients share them, so this discussion of this patient is known by its document.
    shared = code is not None and code["code"] == "VR"
    identity = ("urn:oncohub:part", f"{'|'.join(c.identity)}#encounter") if shared else known[0]
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
        "period": period,
        "hospitalization": {"dischargeDisposition": discharge} if discharge else None,
        "location": _location(place),
        "serviceProvider": provider,
    })  # fmt: skip
    return c.draft.add(made, identity, rank=Rank.DOCUMENT)


def _carried(c: Context) -> Element | None:
    """The stay that the message around the document names, as a logical reference."""
    visits = c.carrier.visits
    return {"type": "Encounter", "identifier": visits[0]} if visits else None


def _location(place: Node | None) -> list[Element] | None:
    """The facility, named: documents give places of care a name, seldom an identifier of their own."""
    name = place.one("location", "name") if place else None
    text = name.text() if name else None
    known = place.one("id") if place else None
    shown = clean({"identifier": ii_identifier(known), "display": text})
    return [{"location": shown}] if shown else None
