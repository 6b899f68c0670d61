"""The document as a Composition: its header and the tree of its sections.

ANS, FR Document Core (ConceptMaps of the header); HL7 clinical document: identifier is setId, the version an
extension.  Entries are not typed here; the narrative of each section is.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.cda import Node

from ..shape import CONFIDENTIALITY, Element, clean
from .context import Context
from .datatypes import cd_concept, ii_identifier, ts_moment
from .event import event_codes, event_period
from .narrative import section_narrative
from .people import role

VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"


# What a Composition cannot be without (R4), and where a CDA says it.
_REQUIRED = {"type": "code", "date": "effectiveTime", "author": "author/assignedAuthor", "title": "title"}


def add_composition(c: Context, header: Element, body: Element | None) -> Element | None:
    """Add the Composition; None, with a warning, when the header lacks what one must have.

    :param header: elements that the DocumentReference says too: language, type, subject, date, author, title...
    :param body: reference to the Binary of a nonXMLBody.
    """
    missing = [place for name, place in _REQUIRED.items() if name not in header]
    if missing:
        c.draft.warn(missing[0], "missing: the document is kept, without a Composition of its sections", "101")
        return None
    version = c.document.one("versionNumber")
    number = version.attr("value") if version else None
    confidentiality = c.document.one("confidentialityCode")
    code = confidentiality.attr("code") if confidentiality else None
    event = clean({"code": event_codes(c), "period": event_period(c)})
    composition = clean({
        "resourceType": "Composition",
        "language": header.get("language"),
        "extension": [{"url": VERSION, "valueString": number}] if number else None,
        "identifier": ii_identifier(c.document.one("setId")),
        "status": "entered-in-error" if c.carrier.status == "entered-in-error" else "final",
        "type": header.get("type"),
        "subject": c.patient,
        "encounter": header.get("encounter"),
        "date": header.get("date"),
        "author": header.get("author"),
        "title": header.get("title"),
        "confidentiality": code if confidentiality and _is_v3(confidentiality) else None,
        "attester": header.get("attester"),
        "custodian": header.get("custodian"),
        "relatesTo": [{"code": "replaces", "targetIdentifier": i} for i in header.get("replaces", ())],
        "event": [event] if event else None,
        "section": _binary_section(header.get("title"), body) if body else sections(c),
    })  # fmt: skip
    return c.draft.add(composition, c.identity, rank=Rank.DOCUMENT)


def _is_v3(node: Node) -> bool:
    found = cd_concept(node)
    return bool(found) and found is not None and found["coding"][0].get("system") == CONFIDENTIALITY


def attesters(c: Context) -> list[Element]:
    """legalAuthenticator and authenticators."""
    made = []
    for name, mode in (("legalAuthenticator", "legal"), ("authenticator", "professional")):
        for node in c.document.all(name):
            party = role(node.one("assignedEntity"), c)
            made.append(clean({"mode": mode, "time": ts_moment(node.one("time"), c.zone), "party": party}))
    return made


def _binary_section(title: str | None, body: Element) -> list[Element]:
    return [clean({"title": title, "entry": [body]})]


def sections(c: Context) -> list[Element]:
    """structuredBody to the tree of sections."""
    body = c.document.one("component", "structuredBody")
    return _sections(body) if body else []


def _sections(parent: Node) -> list[Element]:
    made = []
    for component in parent.all("component"):
        section = component.one("section")
        if section is None:
            continue
        title = section.one("title")
        text = title.text() if title else None
        below = _sections(section)
        narrative = section_narrative(section.one("text"), None if below else text)
        if narrative or below:  # invariant cmp-1
            made.append(
                clean({"title": text, "code": cd_concept(section.one("code")), "text": narrative, "section": below})
            )
    return made
