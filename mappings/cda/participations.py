"""The participations of a header that R4 has no element for: extensions of the Composition.

ANS, structuration minimale; ConceptMaps FRHeaderDocumentLMCDAFHIR, FRParticipantHeaderLMCDAFHIR,
FRInformantLMCDAFHIR, FRIntendedRecipientLMCDAFHIR, FRDataEntererLMCDAFHIR, FRConsentLMCDAFHIR; HL7 FHIR Clinical
Document IG for the extensions.
"""

from __future__ import annotations

from hub.source.cda import Node

from ..shape import Element, clean, keep
from .context import Context
from .datatypes import addresses, cd_concept, ii_identifier, ivl_period, pn_name, telecoms, ts_moment
from .extensions import (
    AUTHOR_TIME,
    CONSENT,
    DATA_ENTERER,
    INFORMANT,
    PARTICIPANT,
    RECIPIENT,
    TIME,
    actor,
    type_code,
)
from .people import PEOPLE, role, those

_CONTACTS = ("ECON", "NOK")  # told of the patient (Patient.contact)
_PERFORMERS = (*PEOPLE, "Organization/", "Patient/", "RelatedPerson/")
_CONSENT_STATUS = {"completed": "active", "active": "draft", "aborted": "rejected"}


def authors(parent: Node, c: Context) -> list[Element]:
    """The authors of a document or a section, each with the time of writing."""
    made = []
    for node in parent.all("author"):
        who = role(node.one("assignedAuthor"), c)
        if who is None:
            continue
        at = ts_moment(node.one("time"), c.zone)
        made.append(clean({"extension": [{"url": AUTHOR_TIME, "valueDateTime": at}] if at else None, **who}))
    return made


def takers(node: Node, name: str, c: Context) -> list[Element]:
    """The performers or the authors of an entry, each once, with the time at which they took part."""
    found: dict[str, Element] = {}
    for one in node.all(name):
        who = role(one.one("assignedAuthor" if name == "author" else "assignedEntity"), c)
        if who is None:
            continue
        at = ts_moment(one.one("time"), c.zone)
        url = AUTHOR_TIME if name == "author" else TIME
        made = clean({"extension": [{"url": url, "valueDateTime": at}] if at else None, **who})
        found.setdefault(who.get("reference") or who["display"], made)
    return list(found.values())


def performers(node: Node, c: Context, *kinds: str) -> list[Element]:
    """Who did, then who wrote, an entry.

    :param kinds: what the element may refer to; that of Observation.performer when none is given.
    """
    done = takers(node, "performer", c)
    known = {w.get("reference") for w in done}
    found = done + [w for w in takers(node, "author", c) if w.get("reference") not in known]
    return those(found, *(kinds or _PERFORMERS))


def participations(c: Context) -> list[Element]:
    """Everybody of the header whom no element of the Composition names."""
    made: list[Element] = []
    for node in c.document.all("author"):
        if (function := cd_concept(node.one("functionCode"))) is not None:
            made += _actor(PARTICIPANT, node, "assignedAuthor", c, function=function)
    for node in c.document.all("dataEnterer"):
        made += _actor(DATA_ENTERER, node, "assignedEntity", c)
    for node in c.document.all("informant"):
        made += actor(INFORMANT, _informant(node, c))
    for node in c.document.all("informationRecipient"):
        made += _actor(RECIPIENT, node, "intendedRecipient", c)
    for node in c.document.all("participant"):
        made += _actor(PARTICIPANT, node, "associatedEntity", c, function=cd_concept(node.one("functionCode")))
    return made + _consents(c)


def actors(node: Node, c: Context) -> list[Element]:
    """The participants of an entry (FRParticipantCorpsLMCDAFHIR): people, devices, places that took part."""
    return [told for one in node.all("participant") for told in _actor(PARTICIPANT, one, "participantRole", c)]


def _actor(url: str, node: Node, entity: str, c: Context, *, function: Element | None = None) -> list[Element]:
    party = role(node.one(entity), c)
    kind = type_code(node) if party is not None else None
    return actor(url, party, kind=kind, function=function, time=participation_time(node, c))


def participation_time(node: Node, c: Context) -> Element | None:
    """time of a participation, as a member of an extension."""
    found = node.one("time")
    if found is None:
        return None
    if at := ts_moment(found, c.zone):
        return {"valueDateTime": at}
    made = ivl_period(found, c.zone)
    return {"valuePeriod": made} if made else None


def _informant(node: Node, c: Context) -> Element | None:
    """Who told: a professional, or somebody near the patient who is no contact of his."""
    entity = node.one("assignedEntity")
    if entity is not None:
        return role(entity, c)
    near = node.one("relatedEntity")
    kind = near.attr("classCode") if near is not None else None
    if near is None or kind in _CONTACTS:
        return None
    return dict(c.patient) if kind == "PAT" else related_person(near, c)


def related_person(node: Node, c: Context) -> Element | None:
    """relatedEntity to RelatedPerson."""
    person = node.one("relatedPerson")
    name = pn_name(person.one("name")) if person is not None else None
    relation = cd_concept(node.one("code"))
    told = clean({"name": [name] if name else None, "telecom": telecoms(node), "address": addresses(node)})
    if not told:
        return None
    made = clean({
        "resourceType": "RelatedPerson", "patient": c.patient, "relationship": [relation] if relation else None, **told,
    })  # fmt: skip
    return c.add(made, "related")


def _consents(c: Context) -> list[Element]:
    """authorization/consent to Consent."""
    made = []
    for node in c.document.all("authorization"):
        consent = node.one("consent")
        if consent is None:
            continue
        code, status = cd_concept(consent.one("code")), consent.one("statusCode")
        told = (status.attr("code") if status is not None else None) or ""
        resource = clean({
            "resourceType": "Consent",
            "identifier": [x for one in consent.all("id") if (x := ii_identifier(one))],
            "status": keep(_CONSENT_STATUS.get(told, "active"), told),
            "scope": _SCOPE,
            "category": [code or _CATEGORY],
            "patient": c.patient,
            "policyRule": {"text": "CDA authorization/consent"},
        })  # fmt: skip
        made.append({"url": CONSENT, "valueReference": c.add(resource, "consent")})
    return made


_SCOPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]}
_CATEGORY = {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}
