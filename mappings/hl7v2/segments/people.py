"""Professionals and units named by a message: XCN to Practitioner, XON to Organization, PL to Location.

HL7 v2.5 §2.A.88 (XCN), §2.A.89 (XON), §2.A.53 (PL).  They are named in passing, so their rank is MENTION.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.hl7v2 import Rep

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import xcn_identifiers, xcn_name, xon_identifiers


def xcn_practitioner(x: Rep, c: Context) -> Element | None:
    """XCN to a Practitioner; without an identifier only the name is given, as the display of a Reference."""
    name = xcn_name(x)
    shown = " ".join(p for p in ((x(3) or ""), (x(2) or "")) if p)
    known = xcn_identifiers(x, c)
    if not known:
        return {"display": keep(shown, x(2) or x(3))} if shown else None
    person = clean({"resourceType": "Practitioner", "identifier": known, "name": [name] if name else None})
    best = known[-1]  # the bare RPPS when there is one, so that both forms lead to one resource
    made: Element = c.draft.add(person, (best["system"], best["value"]), rank=Rank.MENTION)
    return {**made, "display": keep(shown, x(2) or x(3))} if shown else made


def xon_organization(x: Rep, c: Context, part_of: Element | None = None) -> Element | None:
    """XON to an Organization (a medical unit, an establishment)."""
    known = xon_identifiers(x, c)
    name = x(1)
    if not known:
        return {"display": name} if name else None
    org = clean({
        "resourceType": "Organization", "identifier": known, "active": True, "name": name, "partOf": part_of,
    })  # fmt: skip
    best = known[-1]
    made: Element = c.draft.add(org, (best["system"], best["value"]), rank=Rank.MENTION)
    return {**made, "display": name} if name else made


def pl_location(x: Rep, c: Context, managed_by: Element | None) -> Element | None:
    """PL to a Location: point of care, room and bed together are the place."""
    parts = [p for p in (x(1), x(2), x(3)) if p]
    if not parts:
        return None
    value = keep("/".join(parts), parts[0])
    system = c.system(x)
    place = clean({
        "resourceType": "Location", "identifier": [{"system": system, "value": value}],
        "name": keep(" ".join(parts), parts[0]), "mode": "instance", "managingOrganization": managed_by,
    })  # fmt: skip
    made: Element = c.draft.add(place, (str(system), str(value)), rank=Rank.MENTION)
    return made
