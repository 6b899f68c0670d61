"""DocumentEntry to DocumentReference, for documents that are no CDA, and what metadata add to those that are.

IHE MHD 4.2 §3.65.4.1.2.1 (XDS metadata to DocumentReference); ANS PDSm 3.1.1.  A CDA says all this of itself:
its metadata are compared with it, and add only who may not see it.
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Draft, Rank, resource_id
from hub.source.ebrim import RegistryObject
from hub.source.identity import INS_SYSTEMS
from hub.source.origin import derive
from hub.source.xdm import Document

from ..documents import add_binary, attachment
from ..patients import Identities, add_patient
from ..shape import URI_SYSTEM, V2_0203, VISIBILITY, Element, clean, identifier, keep, period
from ..times import ts_date
from .forms import MASKS, code_concept, cx_patient, dtm, xcn_person, xon_organization

_GENDERS = {"M": "male", "F": "female"}


def masks(meta: RegistryObject | None) -> list[Element]:
    """confidentialityCode of the visibility kind (TRE_A07) to security labels."""
    from ..codes import table

    known = table("visibility")
    found = (c for c in (meta.all("confidentiality") if meta else ()) if c.system == MASKS or c.code in known.rows)
    return [{"coding": [made]} for c in found if (made := known.coding(VISIBILITY, c.code))]


def unique_id(value: str) -> tuple[str, str]:
    """(system, value) of an XDS uniqueId, ``root^extension`` or ``root``: the same as that of the CDA it names."""
    root, _, extension = value.partition("^")
    return (f"urn:oid:{root}", keep(extension, value)) if extension else (URI_SYSTEM, keep(f"urn:oid:{root}", value))


def add_document(document: Document, draft: Draft, place: str) -> Element:
    """A document that is no CDA (a PDF, an image, a signature); returns the reference to it.

    :raises MappingError: when nothing says whose it is or what it is known by.
    """
    meta = document.meta
    patient = cx_patient(meta.identifier("patientId")) if meta else None
    if meta is None or patient is None or not meta.identifier("uniqueId"):
        missing = "XDSDocumentEntry.patientId" if patient is None else "XDSDocumentEntry.uniqueId"
        raise MappingError("missing in METADATA.XML", where=f"{place}: {missing}", cure="send it", code="903")
    identity = unique_id(meta.identifier("uniqueId"))
    draft.key("document", meta.identifier("uniqueId"))
    kind = document.mime or "application/octet-stream"
    url = add_binary(draft, identity, document.octets, kind)
    subject, shown = _patient(meta, patient, draft)
    authors = [a for code in meta.all("author") for a in _authors(code.slots)]
    times = period(dtm(meta.slot("serviceStartTime")), dtm(meta.slot("serviceStopTime")))
    legal = xcn_person(meta.slot("legalAuthenticator"))
    category, created = code_concept(meta.code("class")), dtm(meta.slot("creationTime"))
    confidential = [x for c in meta.all("confidentiality") if c.system != MASKS and (x := code_concept(c))]
    format_code = code_concept(meta.code("format"))
    file = attachment(
        url, document.octets, kind, language=meta.slot("languageCode"), title=meta.title, creation=created
    )
    made = clean({
        "resourceType": "DocumentReference",
        "contained": [{"resourceType": "Patient", "id": "src", **shown}],
        "masterIdentifier": identifier(*identity),
        "status": "current",
        "type": code_concept(meta.code("type")),
        "category": [category] if category else None,
        "subject": subject,
        "date": created if created and "T" in created else None,
        "author": authors,
        "authenticator": legal,
        "description": meta.title,
        "securityLabel": confidential + masks(meta),
        "content": [clean({"attachment": file, "format": format_code["coding"][0] if format_code else None})],
        "context": clean({
            "event": [x for c in meta.all("event") if (x := code_concept(c))],
            "period": times,
            "facilityType": code_concept(meta.code("facility")),
            "practiceSetting": code_concept(meta.code("practice")),
            "sourcePatientInfo": {"reference": "#src"},
        }),
    })  # fmt: skip
    return draft.add(made, identity, rank=Rank.DOCUMENT)


def _authors(slots: object) -> list[Element]:
    told = slots if isinstance(slots, dict) else {}
    people = [p for x in told.get("authorPerson", ()) if (p := xcn_person(x))]
    return people or [o for x in told.get("authorInstitution", ()) if (o := xon_organization(x))]


def _patient(meta: RegistryObject, known: tuple[str, str], draft: Draft) -> tuple[Element, Element]:
    """sourcePatientInfo to a Patient, who is only named here; the reference to it, and what was shown."""
    ids = Identities()
    if known[0] in INS_SYSTEMS:
        ids.add_ins(draft, "XDSDocumentEntry.patientId", *known)
    else:
        ids.local.append(known)
        ids.all.append(identifier(*known, V2_0203, "PI", "usual") or {})
    fields: dict[str, list[str]] = {}
    for line in meta.slots.get("sourcePatientInfo", ()):
        name, _, value = line.partition("|")
        fields.setdefault(name, []).append(derive(value, line))
    names = [n for x in fields.get("PID-5", ()) if (n := _name(x))]
    birth = next(iter(fields.get("PID-7", ())), "")
    sex = next(iter(fields.get("PID-8", ())), "")
    shown = clean({
        "identifier": ids.all, "name": names, "gender": keep(_GENDERS.get(sex, "unknown"), sex) if sex else None,
        "birthDate": ts_date(keep(birth[:8], birth)) if birth else None,
    })  # fmt: skip
    best = ids.best
    reference = {"reference": f"Patient/{resource_id('Patient', *best)}"} if best else {}
    if reference["reference"] not in draft.entries:
        add_patient(draft, {"resourceType": "Patient", **shown}, ids, Rank.MENTION)
    return reference, shown


def _name(xpn: str) -> Element | None:
    parts = [*xpn.split("^"), *[""] * 7]
    if not parts[0]:
        return None
    use = "usual" if parts[6] == "D" else "official"
    return clean({"use": use, "family": keep(parts[0], xpn), "given": [keep(parts[1], xpn)] if parts[1] else None})
