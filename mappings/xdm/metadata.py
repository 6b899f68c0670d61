"""DocumentReference to DocumentEntry, and a submission of them: what METADATA.XML must say, strictly.

IHE ITI TF-3 §4.3.1 (what a submission must have) and MHD 4.2 §3.65.4.1.2.1, read backwards; ANS, volet Partage
de documents de santé, for what France requires beyond (author, legalAuthenticator, sourcePatientInfo).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid5

from hub.errors import MappingError
from hub.fhir.draft import NAMESPACE
from hub.source.ebrim import DOCUMENT, HAS_MEMBER, SUBMISSION, Association, Code, Metadata, RegistryObject
from hub.source.identity import INS_SYSTEMS

from ..shape import URI_SYSTEM, Element
from .forms import CLASSES, cx_of, dtm_of, oid_of, patient_info, xcn_of, xon_of

Find = Callable[[str], Element | None]
# What must be there, and where a CDA says it.
_NEEDED: Final = {
    "author": "author", "class": "code (class of the type)", "confidentiality": "confidentialityCode",
    "format": "templateId", "facility": "componentOf/encompassingEncounter/location/healthCareFacility/code",
    "practice": "documentationOf/serviceEvent/performer/.../standardIndustryClassCode", "type": "code",
    "creationTime": "effectiveTime", "languageCode": "languageCode", "legalAuthenticator": "legalAuthenticator",
    "serviceStartTime": "documentationOf/serviceEvent/effectiveTime", "sourcePatientId": "recordTarget/patientRole/id",
    "sourcePatientInfo": "recordTarget/patientRole/patient", "title": "title",
    "patientId": "recordTarget/patientRole/id", "uniqueId": "id",
}  # fmt: skip
# coding schemes of defaults that a channel may give for what a document lacks
_SCHEMES: Final = {"facility": "1.2.250.1.71.4.2.4", "practice": "1.2.250.1.213.1.1.4.9"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who submits: what a channel's ``with:`` says.

    :ivar source: OID of the sending system; ``name`` of the house that sends.
    :ivar content: XDS contentTypeCode of submissions (1.2.250.1.213.2.2).
    :ivar defaults: codes for what a document lacks: ``facility``, ``practice``.
    """

    source: str
    name: str
    content: tuple[str, str]
    defaults: dict[str, str]


def stable_uuid(*parts: str) -> str:
    """A UUID that depends on ``parts`` alone."""
    return str(uuid5(NAMESPACE, "|".join(("xdm", *parts))))


def oid_of_uuid(uuid: str) -> str:
    """The OID of a UUID (ITU-T X.667: 2.25.)."""
    return f"2.25.{int(uuid.replace('-', ''), 16)}"


def entry(document: Element, octets: bytes, uri: str, find: Find, sender: Sender) -> RegistryObject:
    """The DocumentEntry of a DocumentReference whose resources ``find`` gives.

    :raises MappingError: naming all that is missing, and where the document should say it.
    """
    content = document["content"][0]
    attached, context = content["attachment"], document.get("context", {})
    shown: Element = next((c for c in document.get("contained", []) if c["id"] == "src"), {})
    patient = find(document.get("subject", {}).get("reference", "")) or shown
    known = sorted(patient.get("identifier", []), key=lambda i: i.get("system") not in INS_SYSTEMS)
    ids = [cx for i in known if (cx := cx_of(i))]
    local = [cx for cx in ids if cx.endswith("PI")]
    people = [r for a in document.get("author", []) if (r := find(a.get("reference", "")))]
    legal = find(document.get("authenticator", {}).get("reference", ""))
    period = context.get("period", {})
    unique = unique_of(document)
    slots = {
        "creationTime": dtm_of(attached.get("creation") or document.get("date")),
        "languageCode": attached.get("language") or document.get("language"),
        "legalAuthenticator": _person(legal, find) if legal else "",
        "serviceStartTime": dtm_of(period.get("start")), "serviceStopTime": dtm_of(period.get("end")),
        "sourcePatientId": next(iter(local or ids), ""),
        "hash": base64.b64decode(attached["hash"]).hex(), "size": str(len(octets)), "URI": uri,
    }  # fmt: skip
    codes = [c for p in people if (c := _author(p, find))]
    for name, concepts in {
        "class": document.get("category", []), "confidentiality": document.get("securityLabel", []),
        "event": context.get("event", []), "facility": [context.get("facilityType")],
        "practice": [context.get("practiceSetting")], "type": [document.get("type")],
    }.items():  # fmt: skip
        codes += _codes(name, concepts) or _default(name, sender)
    codes += _codes("format", [{"coding": [content["format"]]}] if "format" in content else [])
    made = RegistryObject(
        f"urn:uuid:{stable_uuid('entry', unique)}", DOCUMENT, attached.get("contentType", ""),
        document.get("description", ""), "",
        {
            **{k: (v,) for k, v in slots.items() if v},
            **({"sourcePatientInfo": patient_info(patient)} if patient.get("name") else {}),
        },
        tuple(codes),
        {k: v for k, v in {
            DOCUMENT["patientId"]: next(iter(ids), ""), DOCUMENT["uniqueId"]: unique,
        }.items() if v},
    )  # fmt: skip
    _complete(made)
    return made


def unique_of(document: Element) -> str:
    """XDS uniqueId of a DocumentReference: ``root^extension``, or ``root``."""
    known = document.get("masterIdentifier", {})
    system, value = str(known.get("system", "")), str(known.get("value", ""))
    return value.removeprefix("urn:oid:") if system == URI_SYSTEM else f"{oid_of(system)}^{value}"


def submission(entries: Iterable[RegistryObject], title: str, sender: Sender) -> Metadata:
    """The submission set of ``entries``.  A mapping has no clock: its time is that of the latest of them."""
    documents = tuple(entries)
    unique = stable_uuid("submission", sender.source, *(d.identifier("uniqueId") for d in documents))
    made = RegistryObject(
        f"urn:uuid:{unique}", SUBMISSION, "", title, "",
        {"submissionTime": (max(d.slot("creationTime") for d in documents),)},
        (
            Code(SUBMISSION["author"], slots=documents[0].all("author")[0].slots),
            Code(SUBMISSION["contentType"], sender.content[0], "1.2.250.1.213.2.2", sender.content[1]),
        ),
        {
            SUBMISSION["patientId"]: documents[0].identifier("patientId"),
            SUBMISSION["sourceId"]: sender.source, SUBMISSION["uniqueId"]: oid_of_uuid(unique),
        },
    )  # fmt: skip
    return Metadata(made, documents, tuple(Association(HAS_MEMBER, made.id, d.id) for d in documents))


def _complete(made: RegistryObject) -> None:
    missing = [
        place
        for name, place in _NEEDED.items()
        if not (made.title if name == "title" else made.slot(name))
        and not (name in DOCUMENT and (made.identifier(name) or made.code(name)))
    ]
    if missing:
        raise MappingError(
            f"METADATA.XML needs what the document does not say: {', '.join(missing)}", where=missing[0],
            cure="send it; `with: {facility: …, practice: …}` may give those two", code="101",
        )  # fmt: skip


def _codes(name: str, concepts: Iterable[Any]) -> list[Code]:
    made = []
    for concept in concepts:
        coding: Element = next(iter((concept or {}).get("coding", [])), {})
        system = oid_of(coding.get("system")) or (CLASSES if name == "class" else "")
        if coding.get("code") and system:
            made.append(Code(DOCUMENT[name], coding["code"], system, coding.get("display") or coding["code"]))
    return made


def _default(name: str, sender: Sender) -> list[Code]:
    code = sender.defaults.get(name)
    return [Code(DOCUMENT[name], code, _SCHEMES[name], code)] if code and name in _SCHEMES else []


def _person(resource: Element, find: Find) -> str:
    """A PractitionerRole by its practitioner; a Practitioner, a Device, a Patient by itself."""
    if resource["resourceType"] == "PractitionerRole":
        who = find(resource.get("practitioner", {}).get("reference", ""))
        return xcn_of(who) if who else ""
    return xcn_of(resource) if resource["resourceType"] != "Organization" else ""


def _author(resource: Element, find: Find) -> Code | None:
    person = _person(resource, find)
    house = resource if resource["resourceType"] == "Organization" else resource.get("organization", {})
    house = house if "resourceType" in house else find(house.get("reference", "")) or {}
    role: Element = next(iter(resource.get("code", [])), {}) if resource["resourceType"] == "PractitionerRole" else {}
    coding: Element = next(iter(role.get("coding", [])), {})
    oid = oid_of(coding.get("system"))
    slots = {
        "authorPerson": person,
        "authorInstitution": xon_of(house) if house else "",
        "authorSpecialty": f"{coding['code']}^{coding.get('display', '')}^{oid}" if coding.get("code") and oid else "",
    }
    kept = {k: (v,) for k, v in slots.items() if v}
    return Code(DOCUMENT["author"], slots=kept) if kept else None
