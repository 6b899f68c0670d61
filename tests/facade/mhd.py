"""Bundles of IHE MHD and PDSm as a document source sends them."""

from __future__ import annotations

import copy
from base64 import b64encode
from hashlib import sha1
from typing import Any

IHE = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
ANS = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
ARCHIVED = f"{ANS}pdsm-ext-is-archived"
NOS = "https://mos.esante.gouv.fr/NOS/"
SET, DOC, BIN, FOLDER, PAT = (f"urn:uuid:0000000{n}-0000-4000-8000-000000000000" for n in range(1, 6))
PDF = b"%PDF-1.7 compte rendu"
MIME = "application/pdf"
Resource = dict[str, Any]


def coded(code: str, system: str = "http://loinc.org") -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def oid(value: str, use: str = "usual") -> Resource:
    return {"use": use, "system": "urn:ietf:rfc:3986", "value": f"urn:oid:{value}"}


def digest(octets: bytes) -> str:
    return b64encode(sha1(octets, usedforsecurity=False).digest()).decode()


def author() -> Resource:
    return {"resourceType": "Practitioner", "id": "who", "name": [{"family": "Moreau", "given": ["Luc"]}]}


def document(value: str = "1.2.250.1.9.1", octets: bytes = PDF, patient: str = "Patient/anne", **more: Any) -> Resource:
    """A DocumentReference with the comprehensive metadata of PDSm."""
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [f"{ANS}pdsm-comprehensive-document-reference"]},
        "contained": [author(), {"resourceType": "Patient", "id": "then", "name": [{"family": "Lefèvre"}]}],
        "masterIdentifier": oid(value),
        "status": "current",
        "type": coded("34794-8"),
        "category": [coded("10", f"{NOS}TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument")],
        "subject": {"reference": patient},
        "date": "2026-03-02T10:00:00+01:00",
        "author": [{"reference": "#who"}],
        "custodian": {"reference": "Organization/chu"},
        "securityLabel": [coded("N", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality")],
        "content": [{
            "attachment": {
                "contentType": MIME, "language": "fr-FR", "url": BIN, "size": len(octets), "hash": digest(octets),
                "title": "Fiche RCP", "creation": "2026-03-02T09:00:00+01:00",
            },
            "format": {"system": f"{NOS}TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire",
                       "code": "urn:asip:ci-sis:frcp:2011"},
        }],
        "context": {
            "period": {"start": "2026-03-02"},
            "facilityType": coded("SA01", f"{NOS}TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"),
            "practiceSetting": coded("ETABLISSEMENT", f"{NOS}TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice"),
            "sourcePatientInfo": {"reference": "#then"},
        },
        **more,
    }  # fmt: skip


def listed(kind: str, value: str, *items: str, patient: str = "Patient/anne", **more: Any) -> Resource:
    """A SubmissionSet or a Folder."""
    profile = "submissionset" if kind == "submissionset" else "folder"
    extensions = [{"url": f"{IHE}ihe-designationType", "valueCodeableConcept": coded("34794-8")}]
    if kind == "submissionset":
        extensions.append({"url": f"{IHE}ihe-sourceId", "valueIdentifier": oid("1.2.250.1.9")})
    return {
        "resourceType": "List",
        "meta": {"profile": [f"{ANS}pdsm-{profile}-comprehensive"]},
        "contained": [author()],
        "extension": extensions,
        "identifier": [oid(value)],
        "status": "current",
        "mode": "working",
        "title": "RCP",
        "code": coded(kind, LIST_TYPES),
        "subject": {"reference": patient},
        "date": "2026-03-02T10:00:00+01:00",
        "source": {"reference": "#who"},
        "entry": [{"item": {"reference": item}} for item in items],
        **more,
    }


def binary(octets: bytes = PDF) -> Resource:
    return {"resourceType": "Binary", "contentType": MIME, "data": b64encode(octets).decode()}


def entry(resource: Resource, full: str, method: str = "POST", url: str = "") -> Resource:
    made: Resource = {"resource": resource, "request": {"method": method, "url": url or resource["resourceType"]}}
    return made | ({"fullUrl": full} if full else {})


def bundle(*entries: Resource, profile: str = f"{ANS}pdsm-comprehensive-provide-document-bundle") -> Resource:
    return {"resourceType": "Bundle", "meta": {"profile": [profile]}, "type": "transaction", "entry": list(entries)}


def good(n: int = 1, octets: bytes = PDF, **more: Any) -> Resource:
    """One document, numbered, in a submission of its own; keywords are elements of the DocumentReference."""
    return copy.deepcopy(bundle(
        entry(listed("submissionset", f"1.2.250.1.9.2.{n}", DOC), SET),
        entry(document(f"1.2.250.1.9.1.{n}", octets, **more), DOC),
        entry(binary(octets), BIN),
    ))  # fmt: skip


def supersede(url: str) -> Resource:
    said = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "DocumentReference.status"},
            {"name": "value", "valueCode": "superseded"}]  # fmt: skip
    return entry({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": said}]}, "", "PATCH", url)


def replaces(ref: str, code: str = "replaces") -> list[Resource]:
    return [{"code": code, "target": {"reference": ref}}]


def simplified(n: int = 1, octets: bytes = PDF) -> Resource:
    """What ITI-105 sends."""
    made = document(f"1.2.250.1.9.1.{n}", octets, meta={"profile": [f"{ANS}pdsm-simplified-publish"]})
    attachment = made["content"][0]["attachment"]
    del attachment["url"], attachment["size"], attachment["hash"]
    attachment["data"] = b64encode(octets).decode()
    return made
