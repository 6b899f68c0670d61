"""Any CDA-R2 document of the CI-SIS: its header, its sections and itself, octet for octet.

ANS, structuration minimale des documents de santé; PDSm 3.1.1 for the DocumentReference.  A document whose
model the hub does not know in detail is kept whole all the same: this mapping needs the header alone.
"""

from __future__ import annotations

import pybase64

from hub.fhir.draft import Draft, Mapping, Rank, Site
from hub.source.cda import Document, Node, ii_text

from ...documents import AFTERWARDS, add_binary, attachment, category, format_coding, replaced, supersede
from ...shape import CONFIDENTIALITY, Element, clean, coding, identifier, keep
from ...times import ts_instant
from ..composition import add_composition, attesters
from ..context import Carrier, Context
from ..datatypes import cd_coding, cd_concept, ii_identifier, ii_identity, ts_moment
from ..event import encounter, event_codes, event_period, facility_type, orders, practice_setting
from ..patient import add_patient_of, begin_patient
from ..people import organization, role


def header(document: Document, draft: Draft, site: Site) -> None:
    """Map one document.

    :raises MappingError: without an identifier, or without a patient to know by an identifier.
    """
    map_document(document, draft, site)


def map_document(document: Document, draft: Draft, site: Site, carrier: Carrier | None = None) -> Element:
    """Map one document; returns the reference to its DocumentReference.

    :param carrier: what the message around the document adds.
    """
    c = Context.of(document, draft, site, carrier)
    draft.key("document", ii_text(document.one("id")))
    node, known = begin_patient(c)
    content_type = "application/xslt+xml" if document.presentable else "text/xml"
    url = add_binary(draft, c.identity, document.octets, content_type)
    body, body_type = _body(c)
    told = _header(c)
    source = add_patient_of(node, known, c)
    made = _document_reference(c, told, source, attachment(
        url, document.octets, content_type, language=told.get("language"), title=told.get("title"),
        creation=ts_moment(document.one("effectiveTime"), c.zone),
    ), body_type)  # fmt: skip
    rank = AFTERWARDS if c.carrier.status != "current" else Rank.DOCUMENT
    reference = draft.add(made, c.identity, rank=rank)
    for earlier in _replaces(c):
        supersede(draft, earlier, made)
    add_composition(c, told, body)
    return reference


def _header(c: Context) -> Element:
    """What DocumentReference and Composition both say."""
    document = c.document
    language, title = document.one("languageCode"), document.one("title")
    authors = [role(a.one("assignedAuthor"), c) for a in document.all("author")]
    keeper = document.one("custodian", "assignedCustodian", "representedCustodianOrganization")
    return clean({
        "language": language.attr("code") if language else None,
        "type": cd_concept(document.one("code")),
        "encounter": encounter(c),
        "date": ts_moment(document.one("effectiveTime"), c.zone),
        "author": [a for a in authors if a],
        "title": title.text() if title else None,
        "attester": attesters(c),
        "custodian": organization(keeper, c),
        "replaces": [identifier(*earlier) for earlier in _replaces(c)],
    })  # fmt: skip


def _replaces(c: Context) -> list[tuple[str, str]]:
    """relatedDocument RPLC, and what the message says is replaced (TXA-13)."""
    found: dict[tuple[str, str], None] = {}
    for related in c.document.all("relatedDocument"):
        if related.attr("typeCode") == "RPLC":
            parent = related.one("parentDocument")
            for node in parent.all("id") if parent else ():
                if known := ii_identity(node):
                    found[known] = None
    if c.carrier.replaces:
        found[c.carrier.replaces] = None
    found.pop(c.identity, None)
    return list(found)


def _body(c: Context) -> tuple[Element | None, str | None]:
    """nonXMLBody to a Binary of its own, so that a PDF can be read without its wrapping; its media type."""
    text = c.document.one("component", "nonXMLBody", "text")
    if text is None:
        return None, None
    kind = text.attr("mediaType") or "text/plain"
    if text.attr("representation") != "B64":
        octets = (text.text() or "").encode()
    else:
        coded = "".join((text.element.text or "").split()).rstrip("=")
        try:
            octets = pybase64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
        except ValueError:
            c.draft.warn("component/nonXMLBody/text", "not Base64: the body is kept in the document only", "102")
            return None, kind
    if not octets:
        return None, kind
    url = add_binary(c.draft, (c.identity[0], f"{c.identity[1]}#body"), octets, kind)
    return {"reference": url}, kind


def _document_reference(
    c: Context, told: Element, source: Element, attached: Element, body_type: str | None
) -> Element:
    document = c.document
    code = document.one("code")
    legal = [a["party"] for a in told.get("attester", ()) if a["mode"] == "legal" and a.get("party")]
    context = clean({
        "encounter": [told["encounter"]] if "encounter" in told else None,
        "event": event_codes(c),
        "period": event_period(c),
        "facilityType": facility_type(c),
        "practiceSetting": practice_setting(c),
        "sourcePatientInfo": {"reference": "#src"},
        "related": orders(c),
    })  # fmt: skip
    return clean({
        "resourceType": "DocumentReference",
        "language": told.get("language"),
        "contained": [{"resourceType": "Patient", "id": "src", **source}],
        "masterIdentifier": identifier(*c.identity),
        "identifier": [i for i in (ii_identifier(document.one("setId")),) if i],
        "status": c.carrier.status,
        "type": told.get("type"),
        "category": category(code.attr("code") if code else None),
        "subject": c.patient,
        "date": ts_instant(_stamp(document), c.zone),
        "author": told.get("author"),
        "authenticator": legal[0] if legal else None,
        "custodian": told.get("custodian"),
        "relatesTo": [replaced(earlier) for earlier in _replaces(c)],
        "description": told.get("title"),
        "securityLabel": _labels(c),
        "content": [clean({"attachment": attached, "format": format_coding(_models(document), body_type)})],
        "context": context,
    })  # fmt: skip


def _stamp(document: Document) -> str | None:
    moment = document.one("effectiveTime")
    return moment.attr("value") if moment else None


def _models(document: Document) -> list[str]:
    return [r for t in document.all("templateId") if (r := t.attr("root"))]


def _labels(c: Context) -> list[Element]:
    """confidentialityCode, then what the message says of who may see it."""
    node: Node | None = c.document.one("confidentialityCode")
    own = cd_coding(node)
    if own and "system" not in own and node is not None:
        own = coding(keep(CONFIDENTIALITY, own["code"]), own["code"], own.get("display"))
    return ([{"coding": [own]}] if own else []) + c.carrier.labels


MAPPING = Mapping("cda", header, "any CDA-R2 document: Patient, DocumentReference, Composition, Binary, people")
