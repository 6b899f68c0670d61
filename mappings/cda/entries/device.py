"""Medical devices (E~20) to Device and DeviceUseStatement.

CI-SIS, section Dispositifs médicaux (S~1); CDA supply with a participant DEV whose id is the UDI; R4 Device.  Chosen
here: ``Device.type`` is the code of the device (EMDN), the use is told with its time.
"""

from __future__ import annotations

from hub.source.cda import Node

from ...shape import Element, clean
from ..context import Context
from ..participations import performers
from ..people import PEOPLE, role
from ..values import comments, happened, identifiers, moment, note_of, site_of, status_of


def device(node: Node, c: Context) -> Element | None:
    """A supply: the device, and that the patient had to do with it; None when it names no device."""
    if not happened(node, c):
        return None
    used = next((x for one in node.all("participant") if (x := _device(one, c))), None)
    if used is None:
        return None
    asserted = performers(node, c, *PEOPLE, "Patient/", "RelatedPerson/")
    return c.add(clean({
        "resourceType": "DeviceUseStatement",
        "extension": c.link(node),
        "identifier": identifiers(node),
        "status": status_of(node, "DeviceUseStatement"),
        "subject": c.patient,
        **moment(node.one("effectiveTime"), c, "timing"),
        "source": asserted[0] if asserted else None,
        "device": used,
        "bodySite": site_of(node, c),
        "note": note_of(node, c) + comments(node, c),
    }), "device", "device")  # fmt: skip


def _device(node: Node, c: Context) -> Element | None:
    found = role(node.one("participantRole"), c) if node.attr("typeCode") == "DEV" else None
    return found if found and found.get("reference", "").startswith("Device/") else None
