"""What is asked for: requests of examinations (E~27), and any entry whose mood asks.

ANS ConceptMap FRServiceRequestLMCDAFHIR; C-CDA on FHIR for moods.  Whatever the class of the entry, what is asked for
is a ServiceRequest whose intent is that of the mood, or of the document where that says more (a tumour board
proposes).
"""

from __future__ import annotations

from hub.source.cda import Node

from ...codes import table
from ...shape import Element, clean, extension, keep
from ..context import Context
from ..extensions import PRIORITY
from ..frame import map_statement, statements
from ..participations import actors
from ..people import role
from ..values import (
    comments,
    concept_of,
    identifiers,
    is_comment,
    moment,
    negated,
    note_of,
    own_coding,
    site_of,
    status_of,
    value_of,
)

INTENT = table("cda-mood")
# v3 ActPriority to R4 request-priority, where it is one
_PRIORITY = {"R": "routine", "UR": "urgent", "EM": "stat", "S": "stat", "A": "asap"}


def request(node: Node, c: Context, word: str = "request", **more: object) -> Element | None:
    """What is asked for to a ServiceRequest; its value, if any, says what.

    :param word: under which :attr:`Context.made` notes it.
    :param more: members that the rule knows better.
    """
    code = concept_of(node.one("code"), c)
    told = value_of(node.one("value"), c).get("valueCodeableConcept")
    if not code and not told:
        return None
    asked = concept_of(node.one("priorityCode"), c)
    notes = note_of(node, c)
    if notes and code and not told and "text" not in code:
        code["text"] = notes[0]["text"]  # a request of no particular code: the words say for what
    said = (told or code or {}).get("text")
    notes = [n for n in notes if n["text"] != said]
    made = clean({
        "resourceType": "ServiceRequest",
        "extension": c.link(node) + extension(PRIORITY, "valueCodeableConcept", asked) + actors(node, c),
        "identifier": identifiers(node),
        "status": status_of(node, "ServiceRequest"),
        "intent": intent(node, c),
        "category": [code] if told and code else None,
        "priority": _priority(asked),
        "doNotPerform": True if negated(node) else None,
        "code": told or code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c, "occurrence"),
        "performer": [x for one in node.all("performer") if (x := role(one.one("assignedEntity"), c))],
        "bodySite": [x for x in (site_of(node, c),) if x],
        "note": notes + comments(node, c),
        **more,
    })  # fmt: skip
    reference = c.add(made, own_coding(node) or "", word)
    inside(node, c)
    return reference


def _priority(asked: Element | None) -> str | None:
    code = asked["coding"][0]["code"] if asked and "coding" in asked else None
    known = _PRIORITY.get(code) if code else None
    return keep(known, code) if known else None


def intent(node: Node, c: Context) -> str:
    """The intent of a request: that of the model, else of its mood."""
    mood = node.attr("moodCode")
    if c.model is not None and c.model.intent:
        return keep(c.model.intent, mood or "")
    return INTENT(mood) or "plan"


def asks(node: Node) -> bool:
    """Whether the mood of an entry asks for something."""
    return node.attr("moodCode") in INTENT.rows


def inside(node: Node, c: Context) -> None:
    """What stands inside an act is told by rules of its own."""
    for kind, inner in statements(node):
        if not (kind == "act" and is_comment(inner)):
            map_statement(kind, inner, c)
