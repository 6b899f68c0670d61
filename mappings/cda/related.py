"""relatedDocument: what this document replaces, adds to or was transformed from.

HL7 CDA R2 §4.2.4.2 (RPLC, APND, XFRM); XDS associations; R4 DocumentReference.relatesTo and Composition.relatesTo.
What a later document says of an earlier one holds in whatever order the two come.
"""

from __future__ import annotations

from hub.fhir.draft import resource_id

from ..documents import AFTERWARDS
from ..shape import Element, identifier
from ..times import ts_micros
from .context import Context
from .datatypes import ii_identity

_CODES = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}


def related(c: Context) -> list[Element]:
    """DocumentReference.relatesTo, with what the message around the document says is replaced (TXA-13)."""
    found: dict[tuple[str, tuple[str, str]], None] = {}
    for one in c.document.all("relatedDocument"):
        code = _CODES.get(one.attr("typeCode") or "")
        parent = one.one("parentDocument")
        for node in parent.all("id") if parent is not None and code is not None else ():
            if known := ii_identity(node):
                found[code or "", known] = None
    if c.carrier.replaces:
        found["replaces", c.carrier.replaces] = None
    return [
        {
            "code": code,
            "target": {
                "reference": f"DocumentReference/{resource_id('DocumentReference', *known)}",
                "identifier": identifier(*known),
            },
        }
        for code, known in found
        if known != c.identity
    ]


def targets(related_: list[Element]) -> list[Element]:
    """Composition.relatesTo: the same, by identifier."""
    return [{"code": r["code"], "targetIdentifier": r["target"]["identifier"]} for r in related_]


def supersede(c: Context) -> None:
    """Say of the documents that this one replaces that they are superseded; nothing else of them changes."""
    moment = c.document.one("effectiveTime")
    at = ts_micros(moment.attr("value") if moment is not None else None, c.zone)
    for one in c.told.get("related", ()):
        if one["code"] == "replaces":
            target = one["target"]["identifier"]
            earlier = (str(target["system"]), str(target["value"]))
            c.draft.patch(
                "DocumentReference", earlier, "superseded", sets={"status": "superseded"}, rank=AFTERWARDS, at=at
            )
