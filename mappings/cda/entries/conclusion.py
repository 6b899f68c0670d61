"""Conclusions of reports that a document takes over: operation, pathology, molecular genetics.

CANCER-FRCP, sections S~26, S~34, S~67: an observation whose value is the conclusion in words, with who performed and
who wrote it.  No official mapping; chosen here: a DiagnosticReport, for that is what was reported.
"""

from __future__ import annotations

from hub.source.cda import Node

from ...shape import Element, clean
from ...times import ts_instant
from ..context import Context
from ..datatypes import cd_concept
from ..participations import actors, takers
from ..values import comments, concept_of, happened, identifiers, moment, status_of


def conclusion(node: Node, c: Context) -> Element | None:
    """An observation with a conclusion to a DiagnosticReport; its words are the value's, else the text's."""
    code = concept_of(node.one("code"), c)
    if not code or not happened(node, c):
        return None
    value, text = concept_of(node.one("value"), c) or {}, node.one("text")
    words = value.get("text") or (c.words(text) if text is not None else None)
    kind = cd_concept(c.section.one("code")) if c.section is not None else None
    notes = [n["text"] for n in comments(node, c)]
    return c.add(clean({
        "resourceType": "DiagnosticReport",
        "extension": c.link(node) + actors(node, c),
        "identifier": identifiers(node),
        "status": status_of(node, "Observation"),
        "category": [kind] if kind else None,
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c),
        "issued": _issued(node, c),
        "performer": takers(node, "author", c),
        "resultsInterpreter": takers(node, "performer", c),
        "conclusion": "\n".join([words, *notes]) if words and notes else words or "\n".join(notes),
        "conclusionCode": [value] if "coding" in value else None,
    }), code["coding"][0]["code"] if "coding" in code else "", "conclusion")  # fmt: skip


def _issued(node: Node, c: Context) -> str | None:
    """When the author wrote it."""
    time = node.one("author", "time")
    return ts_instant(time.attr("value"), c.zone) if time is not None else None
