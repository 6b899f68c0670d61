"""The document as a Composition: its header and the tree of its sections.

ANS, FR Document Core (ConceptMaps of the header); HL7 clinical document: identifier is setId, the version an
extension.  Each act of documentationOf is an event, the principal one first, with who performed it.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.cda import Node

from ..shape import CONFIDENTIALITY, Element, clean, extension
from .context import Context
from .datatypes import cd_concept, ii_identifier, ts_moment
from .event import events, orders
from .extensions import BASED_ON, VERSION
from .participations import participations
from .people import role
from .related import targets

# What a Composition cannot be without (R4), and where a CDA says it.
_REQUIRED = {"type": "code", "date": "effectiveTime", "author": "author/assignedAuthor", "title": "title"}

_LEVELS = ("U", "L", "M", "N", "R", "V")  # v3-ConfidentialityClassification (R4 Composition.confidentiality)


def add_composition(c: Context, told: Element, sections: list[Element]) -> Element | None:
    """Add the Composition; None, with a warning, when the header lacks what one must have.

    :param told: what the DocumentReference says too, and what the rules of the entries add: ``status``,
        ``extension``.
    """
    missing = [place for name, place in _REQUIRED.items() if name not in told]
    if missing:
        c.draft.warn(missing[0], "missing: the document is kept, without a Composition of its sections", "101")
        return None
    version = c.document.one("versionNumber")
    confidentiality = c.document.one("confidentialityCode")
    code = confidentiality.attr("code") if confidentiality is not None else None
    status = "entered-in-error" if c.carrier.status == "entered-in-error" else told.get("status", "final")
    composition = clean({
        "resourceType": "Composition",
        "language": told.get("language"),
        "extension": [
            *extension(VERSION, "valueString", version.attr("value") if version is not None else None),
            *({"url": BASED_ON, "valueReference": order} for order in orders(c)),
            *participations(c),
            *told.get("extension", ()),
        ],
        "identifier": ii_identifier(c.document.one("setId")),
        "status": status,
        "type": told.get("type"),
        "subject": c.patient,
        "encounter": told.get("encounter"),
        "date": told.get("date"),
        "author": told.get("author"),
        "title": told.get("title"),
        "confidentiality": code if code in _LEVELS and _is_v3(confidentiality) else None,
        "attester": told.get("attester"),
        "custodian": told.get("custodian"),
        "relatesTo": targets(told.get("related", [])),
        "event": events(c),
        "section": sections,
    })  # fmt: skip
    return c.draft.add(composition, c.identity, rank=Rank.DOCUMENT)


def _is_v3(node: Node | None) -> bool:
    found = cd_concept(node)
    codings = found.get("coding", []) if found else []
    return bool(codings) and codings[0].get("system") == CONFIDENTIALITY


def attesters(c: Context) -> list[Element]:
    """legalAuthenticator and authenticators."""
    made = []
    for name, mode in (("legalAuthenticator", "legal"), ("authenticator", "professional")):
        for node in c.document.all(name):
            party = role(node.one("assignedEntity"), c)
            made.append(clean({"mode": mode, "time": ts_moment(node.one("time"), c.zone), "party": party}))
    return made
