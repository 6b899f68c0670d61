"""Professionals and units named by a message: XCN to Practitioner, XON to Organization, PL to Location.

HL7 v2.5 §2.A.88 (XCN), §2.A.89 (XON), §2.A.53 (PL).  They are named in passing, so their rank is MENTION.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.fhir.draft import Rank
from hub.source.hl7v2 import Rep, Segment

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import xad_address, xcn_identifiers, xcn_name, xon_identifiers, xtn_contact


class _Made(NamedTuple):
    """A resource with what it is known by, and the reference to show for it."""

    resource: Element | None
    identity: tuple[str, str]
    shown: Element | None


_NOBODY: Final = ("", "")
_DESCRIBED: Final = Rank.MENTION + 1  # with an address: who is only named elsewhere keeps it


def _added(made: _Made, c: Context, rank: int = Rank.MENTION) -> Element | None:
    """Put it into the draft; the Reference to it, or the name alone."""
    if made.resource is None:
        return dict(made.shown) if made.shown else None
    reference: Element = c.draft.add({**made.resource}, made.identity, rank=rank)
    return {**reference, **made.shown} if made.shown else reference


def xcn_practitioner(x: Rep, c: Context, rol: Segment | None = None) -> Element | None:
    """XCN to a Practitioner; without an identifier only the name is given, as the display of a Reference.

    :param rol: the segment that adds the address (ROL-11) and the telephones (ROL-12) of the practice.
    """
    made: _Made = c.remember(_practitioner, x)
    if rol is not None and made.resource is not None:
        more = clean({
            "telecom": [t for t in map(xtn_contact, rol.reps(12)) if t],
            "address": [a for a in map(xad_address, rol.reps(11)) if a],
        })  # fmt: skip
        if more:
            made = made._replace(resource={**made.resource, **more})
            return _added(made, c, _DESCRIBED)
    return _added(made, c)


def _practitioner(x: Rep, c: Context) -> _Made:
    name = xcn_name(x)
    first, last = x(3), x(2)
    said = " ".join(p for p in (first, last) if p)
    shown = {"display": keep(said, last or first)} if said else None
    known = xcn_identifiers(x, c)
    if not known:
        return _Made(None, _NOBODY, shown)
    person = clean({"resourceType": "Practitioner", "identifier": known, "name": [name] if name else None})
    best = known[-1]  # the bare RPPS when there is one, so that both forms lead to one resource
    return _Made(person, (best["system"], best["value"]), shown)


def xon_organization(x: Rep, c: Context, part_of: Element | None = None) -> Element | None:
    """XON to an Organization (a medical unit, an establishment)."""
    made: _Made = c.remember(_organization, x)
    if part_of and made.resource is not None:
        made = made._replace(resource={**made.resource, "partOf": part_of})
    return _added(made, c)


def _organization(x: Rep, c: Context) -> _Made:
    known = xon_identifiers(x, c)
    name = x(1)
    shown = {"display": name} if name else None
    if not known:
        return _Made(None, _NOBODY, shown)
    org = clean({"resourceType": "Organization", "identifier": known, "active": True, "name": name})
    best = known[-1]
    return _Made(org, (best["system"], best["value"]), shown)


def pl_location(x: Rep, c: Context, managed_by: Element | None) -> Element | None:
    """PL to a Location: point of care, room and bed together are the place."""
    made: _Made = c.remember(_location, x)
    if managed_by and made.resource is not None:
        made = made._replace(resource={**made.resource, "managingOrganization": managed_by})
    return _added(made, c)


def _location(x: Rep, c: Context) -> _Made:
    parts = [p for p in (x(1), x(2), x(3)) if p]
    if not parts:
        return _Made(None, _NOBODY, None)
    value = keep("/".join(parts), parts[0])
    system = c.system(x)
    place = clean({
        "resourceType": "Location", "identifier": [{"system": system, "value": value}],
        "name": keep(" ".join(parts), parts[0]), "mode": "instance",
    })  # fmt: skip
    return _Made(place, (str(system), str(value)), None)
