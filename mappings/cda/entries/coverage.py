"""Payers (E~61 with E~94) to Coverage.

IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.17 and .18; R4 Coverage.  The guarantor is who pays, the participant COV whom
it covers: his number (NIR) is that of the subscriber.
"""

from __future__ import annotations

from hub.source.cda import Node
from hub.source.origin import carry

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import cd_concept, ii_identifier
from ..frame import statement
from ..people import organization, role
from ..values import carried, concept_of, identifiers, moment

# v3 RoleCode to R4 subscriber-relationship
_RELATIONSHIP = {"SELF": "self", "SPS": "spouse", "CHILD": "child", "PRN": "parent", "NCHILD": "child"}
_SUBSCRIBER = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"


def payers(node: Node, c: Context) -> Element | None:
    """The covers inside E~61; the first is given to the section, the others with it."""
    made = []
    node.leave("*container", "id", "code", "statusCode")
    for related in node.all("entryRelationship"):
        found = statement(related)
        if found is not None and found[0] == "act" and (one := _cover(found[1], related, c)):
            made.append(one)
    c.also += made[1:]
    return made[0] if made else None


def cover(node: Node, c: Context) -> Element | None:
    """E~94 by itself."""
    return _cover(node, None, c)


def _cover(node: Node, related: Node | None, c: Context) -> Element | None:
    payor = _payor(node, c)
    if payor is None:
        return None
    covered = next((p for p in node.all("participant") if p.attr("typeCode") == "COV"), None)
    party = covered.one("participantRole") if covered is not None else None
    number = next((x for one in party.all("id") if (x := ii_identifier(one))), None) if party is not None else None
    rank = related.one("sequenceNumber") if related is not None else None
    made = clean({
        "resourceType": "Coverage",
        "extension": c.link(node),
        "identifier": identifiers(node) + ([number] if number else []),
        "status": _status(node),
        "type": concept_of(node.one("code"), c),
        "subscriberId": number["value"] if number else None,
        "beneficiary": c.patient,
        "relationship": _relationship(party),
        "period": moment(node.one("effectiveTime"), c, "").get("Period"),
        "payor": [payor],
        "order": _order(rank),
    })  # fmt: skip
    if rank is not None and "order" in made:
        made = carry(made, carried({"order": made["order"]}, "order", rank))
    return c.add(made, "cover", "coverage")


def _status(node: Node) -> str:
    """statusCode of a cover is that of its telling (completed): a cover that is told is active."""
    found = node.one("statusCode")
    return keep("active", found.attr("code") if found is not None else "")


def _payor(node: Node, c: Context) -> Element | None:
    for performer in node.all("performer"):
        entity = performer.one("assignedEntity")
        if entity is not None:
            entity.leave("*guarantor", "code")
        made = role(entity, c) or (organization(entity.one("representedOrganization"), c) if entity else None)
        if made:
            return made
    return None


def _relationship(party: Node | None) -> Element | None:
    made = cd_concept(party.one("code")) if party is not None else None
    if not made or "coding" not in made:
        return made
    code = made["coding"][0]["code"]
    known = _RELATIONSHIP.get(code)
    if known:
        made["coding"].insert(0, {"system": _SUBSCRIBER, "code": keep(known, code)})
    return made


def _order(rank: Node | None) -> int | None:
    value = rank.attr("value") if rank is not None else None
    return int(value) if value and len(value) < 9 and value.isdecimal() and value.strip("0") else None
