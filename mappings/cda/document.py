"""One CDA-R2 document: its header, its sections, its entries where the model is known, and itself.

ANS, structuration minimale des documents de santé; PDSm 3.1.1 for the DocumentReference; R4 Composition.  A
document whose model the hub does not know entry by entry is kept whole all the same, with its header, its narrative
and its attached files; nothing is made up of its entries.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Rank, Site
from hub.source.cda import Document, Node, ii_text

from ..documents import AFTERWARDS, add_binary, attachment, category, format_coding
from ..shape import CONFIDENTIALITY, Element, clean, coding, identifier, keep
from ..times import ts_instant
from .composition import add_composition, attesters
from .context import Carrier, Context
from .datatypes import cd_coding, cd_concept, decoded, ii_identifier, media_type, ts_moment
from .event import encounter, event_codes, event_period, facility_type, orders, practice_setting
from .frame import Model, model_of, sections
from .participations import authors
from .patient import add_patient_of, begin_patient
from .people import PEOPLE, organization, those
from .related import related, supersede
from .standard import UNKNOWN


def map_document(
    document: Document,
    draft: Draft,
    site: Site,
    carrier: Carrier | None = None,
    *,
    entries: bool = True,
    model: Model | None = None,
) -> Element:
    """Map one document; returns the reference to its DocumentReference.

    :param carrier: what the message around the document adds.
    :param entries: whether the entries are mapped, by the model of the document.
    :param model: takes the place of the one that the document names.
    :raises MappingError: without an identifier, or without a patient to know by an identifier.
    """
    c = Context.of(document, draft, site, carrier)
    c.model = (model or model_of(document) or UNKNOWN) if entries else None
    draft.key("document", ii_text(document.one("id")))
    node, known = begin_patient(c)
    content_type = "application/xslt+xml" if document.presentable else "text/xml"
    url = add_binary(draft, c.identity, document.octets, content_type)
    body, body_type = _body(c)
    c.told = told = _header(c)
    if c.model is not None and c.model.begin is not None:
        c.model.begin(c)
    parts = _binary_section(told.get("title"), body) if body else sections(c)
    if c.model is not None and c.model.finish is not None:
        c.model.finish(c)
    source = add_patient_of(node, known, c)
    made = _document_reference(c, told, source, attachment(
        url, document.octets, content_type, language=told.get("language"), title=told.get("title"),
        creation=ts_moment(document.one("effectiveTime"), c.zone),
    ), body_type)  # fmt: skip
    rank = AFTERWARDS if c.carrier.status != "current" else Rank.DOCUMENT
    reference = draft.add(made, c.identity, rank=rank)
    supersede(c)
    add_composition(c, told, parts)
    return reference


def _header(c: Context) -> Element:
    """What DocumentReference and Composition both say."""
    document = c.document
    language, title = document.one("languageCode"), document.one("title")
    keeper = document.one("custodian", "assignedCustodian", "representedCustodianOrganization")
    return clean({
        "language": language.attr("code") if language is not None else None,
        "type": cd_concept(document.one("code")),
        "encounter": encounter(c),
        "date": ts_moment(document.one("effectiveTime"), c.zone),
        "author": authors(document, c),
        "title": title.text() if title is not None else None,
        "attester": attesters(c),
        "custodian": organization(keeper, c),
        "related": related(c),
    })  # fmt: skip


def _body(c: Context) -> tuple[Element | None, str | None]:
    """nonXMLBody to a Binary of its own, so that a PDF can be read without its wrapping; its media type."""
    text = c.document.one("component", "nonXMLBody", "text")
    if text is None:
        return None, None
    kind = media_type(text, "text/plain")
    octets = decoded(text, c.issue)
    if not octets:
        return None, kind
    url = add_binary(c.draft, (c.identity[0], f"{c.identity[1]}#body"), octets, kind)
    return {"reference": url}, kind


def _binary_section(title: str | None, body: Element) -> list[Element]:
    return [clean({"title": title, "entry": [body]})]


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
        "docStatus": told.get("status"),
        "type": told.get("type"),
        "category": category(code.attr("code") if code is not None else None),
        "subject": c.patient,
        "date": ts_instant(_stamp(document), c.zone),
        "author": told.get("author"),
        "authenticator": next(iter(those(legal, *PEOPLE, "Organization/")), None),
        "custodian": told.get("custodian"),
        "relatesTo": told.get("related"),
        "description": told.get("title"),
        "securityLabel": _labels(c),
        "content": [clean({"attachment": attached, "format": format_coding(_models(document), body_type)})],
        "context": context,
    })  # fmt: skip


def _stamp(document: Document) -> str | None:
    moment = document.one("effectiveTime")
    return moment.attr("value") if moment is not None else None


def _models(document: Document) -> list[str]:
    return [r for t in document.all("templateId") if (r := t.attr("root"))]


def _labels(c: Context) -> list[Element]:
    """confidentialityCode, then what the message says of who may see it."""
    node: Node | None = c.document.one("confidentialityCode")
    own = cd_coding(node)
    if own and "system" not in own and node is not None:
        own = coding(keep(CONFIDENTIALITY, own["code"]), own["code"], own.get("display"))
    return ([{"coding": [own]}] if own else []) + c.carrier.labels
