"""Acts that were done: procedures (E~62); what is asked for in their shape is a request.

ANS ConceptMap FRProcedureLMCDAFHIR.
"""

from __future__ import annotations

from hub.source.cda import Node

from ...shape import Element, clean, extension, keep
from ..context import Context
from ..extensions import PRIORITY
from ..participations import actors, performers
from ..values import (
    comments,
    concept_of,
    happened,
    identifiers,
    moment,
    negated,
    note_of,
    own_coding,
    site_of,
    status_of,
)
from .request import asks, inside, request


def procedure(node: Node, c: Context) -> Element | None:
    """A procedure or an encounter: done, or asked for, by its mood."""
    return request(node, c) if asks(node) else done(node, c)


def done(node: Node, c: Context) -> Element | None:
    """What was done, or by negationInd was not, to a Procedure."""
    code = concept_of(node.one("code"), c)
    if not code or not happened(node, c):
        return None
    status = keep("not-done", node.attr("negationInd") or "") if negated(node) else status_of(node, "Procedure")
    asked = concept_of(node.one("priorityCode"), c)
    site = site_of(node, c)
    made = clean({
        "resourceType": "Procedure",
        "extension": c.link(node) + extension(PRIORITY, "valueCodeableConcept", asked) + actors(node, c),
        "identifier": identifiers(node),
        "status": status,
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c, "performed"),
        "performer": [{"actor": p} for p in performers(node, c)],
        "bodySite": [site] if site else None,
        "note": note_of(node, c) + comments(node, c),
    })  # fmt: skip
    reference = c.add(made, own_coding(node) or "", "procedure")
    inside(node, c)
    return reference
