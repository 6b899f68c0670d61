"""Imaging: studies, series and instances, techniques, radiation (E~153 to E~157, E~165).

DICOM PS3.20 as CI-SIS IMG-CR-IMG has it; ConceptMaps FRImagingStudyLMCDAFHIR, FRImagingSeriesLMCDAFHIR,
FRImagingProcedureLMCDAFHIR and FRImagingQuantityExposureLMCDAFHIR.  Chosen here:

* A study is known by its Study Instance UID, over all documents: serviceEvent/id of the header and the catalogue of
  DICOM objects tell of the same one.  What a header says of it is a mention: it never undoes what a catalogue said.
* Accession numbers go with studies by their order when there are as many, or when there is one; else the report has
  them and no study does.
* The modality of methodCode is the extension ``procedure-method`` of the Procedure, too.
* A quantity of exposure (E~154) is an Observation that is part of the Procedure.
"""

from __future__ import annotations

import re
from typing import Final

from hub.fhir.draft import Rank, resource_id
from hub.source.cda import Node

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import cd_coding, cd_concept, ivl_period, qualifiers
from ..event import orders, service_events
from ..frame import statements
from ..participations import actors, performers
from ..people import PEOPLE, role, those
from ..values import (
    body_site,
    comments,
    concept_of,
    happened,
    identifiers,
    laterality,
    moment,
    note_of,
    own_coding,
    start,
    status_of,
)
from .observation import add_observation

IMAGING: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]
}
UIDS: Final = "urn:dicom:uid"
METHOD: Final = "http://hl7.org/fhir/StructureDefinition/procedure-method"
_MODALITY, _REGION = "121139", "39111-0"  # qualifiers of a translation: modality (DCM), region (LOINC)
_ICD10 = "https://smt.esante.gouv.fr/terminologie-cim-10"
_UID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")

_CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_DICOM: Final = {"coding": [{"system": "urn:ietf:bcp:13", "code": "application/dicom"}]}


def uid(value: str | None) -> str | None:
    """A DICOM UID (PS3.5 §9.1); None for what is none."""
    return value if value and len(value) <= 64 and _UID.fullmatch(value) else None


# --- the header


def studies_of_header(c: Context) -> None:
    """serviceEvent to ImagingStudy: those whose id is a UID and whose code says a modality or an accession tells it."""
    events = service_events(c)
    asked = [o for o in orders(c) if _type(o) == "ACSN"]
    found = [(e, said) for e in events if (said := _said(e, bool(asked))) is not None]
    reasons = [
        x for e in events if (x := cd_concept(e.one("code"))) and x.get("coding", [{}])[0].get("system") == _ICD10
    ]
    shared = asked if len(asked) == 1 else []
    paired = len(asked) == len(found)
    for number, (event, said) in enumerate(found):
        number_of = asked[number : number + 1] if paired else shared
        code, root = event.one("code"), said["uid"]
        told = [x for one in event.all("performer") if (x := role(one.one("assignedEntity"), c))]
        readers = those(told, *PEOPLE)
        period = ivl_period(event.one("effectiveTime"), c.zone) or {}
        reference = c.describe(clean({
            "resourceType": "ImagingStudy",
            "identifier": [{"system": UIDS, "value": keep(f"urn:oid:{root}", root)}, *_accessions(number_of)],
            "status": "available",
            "modality": said["modality"],
            "subject": c.patient,
            "encounter": c.told.get("encounter"),
            "started": period.get("start") or period.get("end"),
            "basedOn": number_of,
            "interpreter": readers,
            "procedureCode": [x for x in (_procedure(code, said),) if x],
            "reasonCode": reasons,
        }), (UIDS, f"urn:oid:{root}"), Rank.MENTION)  # fmt: skip
        note_study(reference, c)


def note_study(reference: Element, c: Context) -> None:
    """Keep a study for the report, once."""
    if reference["reference"] not in c.facts.setdefault("studies", {}):
        c.facts["studies"][reference["reference"]] = reference
        c.made.setdefault("studies", []).append(reference)


def _type(order: Element) -> str | None:
    kind = order["identifier"].get("type", {}).get("coding", [{}])[0].get("code")
    return str(kind) if kind else None


def _accessions(asked: list[Element]) -> list[Element]:
    return [dict(o["identifier"]) for o in asked]


def _said(event: Node, asked: bool) -> Element | None:
    """Modality and region of an act of imaging; None when it is none, or has no Study Instance UID."""
    node, code = event.one("id"), event.one("code")
    if node is None or code is None or node.attr("extension") or not uid(node.attr("root")):
        return None
    modality, region = [], []
    for one in code.all("translation"):
        names = [n for q in one.all("qualifier") if (n := q.one("name")) is not None]
        codes = [n.attr("code") for n in names]
        if (told := cd_coding(one)) is not None:
            if _MODALITY in codes:
                modality.append(told)
            elif _REGION in codes:
                region.append(told)
    if not modality and not asked:
        return None
    return {"uid": node.attr("root"), "modality": modality, "region": region}


def _procedure(code: Node | None, said: Element) -> Element | None:
    """The act, without modality and region, which stand among its translations."""
    made = cd_concept(code)
    if not made:
        return None
    apart = [*said["modality"], *said["region"]]
    return clean({**made, "coding": [x for x in made.get("coding", ()) if x not in apart]})


# --- the catalogue of DICOM objects


def study(node: Node, c: Context) -> Element | None:
    """E~155: a study, its series (E~156) and their instances (E~157)."""
    found = node.one("id")
    root = uid(found.attr("root")) if found is not None else None
    if root is None:
        c.issue(node, "the study has no UID: it is kept in the document only", "no-uid")
        return None
    known = c.draft.entries.get(f"ImagingStudy/{resource_id('ImagingStudy', UIDS, f'urn:oid:{root}')}")
    usual = known.resource.get("modality", []) if known is not None else []
    node.leave("*container", "code", "statusCode")
    series = [x for kind, one in statements(node) if kind == "act" and (x := _series(one, usual, c))]
    modality = {str(s["modality"]["code"]): s["modality"] for s in reversed(series)}
    told = {str(x["code"]) for x in usual}
    reference = c.describe(clean({
        "resourceType": "ImagingStudy",
        "identifier": [{"system": UIDS, "value": keep(f"urn:oid:{root}", root)}],
        "status": "available",
        "modality": [x for code, x in reversed(modality.items()) if code not in told],
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        "started": start(node.one("effectiveTime"), c),
        "note": note_of(node, c) + comments(node, c),
        "series": series,
    }), (UIDS, f"urn:oid:{root}"), Rank.DOCUMENT)  # fmt: skip
    note_study(reference, c)
    c.made.setdefault("study", []).append(reference)
    return reference


def _series(node: Node, usual: list[Element], c: Context) -> Element | None:
    found, code = node.one("id"), node.one("code")
    root = uid(found.attr("root")) if found is not None else None
    told = qualifiers(code).get(_MODALITY)
    modality = cd_coding(told) or (usual[0] if len(usual) == 1 else None)
    if root is None or modality is None:
        c.issue(node, "the series has no UID or no modality: it is kept in the document only", "no-uid")
        return None
    if told is not None and (original := told.one("originalText")) is not None:
        words = c.words(original)
        modality = {**modality, "display": modality.get("display") or words} if words else modality
    node.leave("*container", "code", "statusCode")
    instances: list[Element] = []
    endpoints: dict[str, Element] = {}
    for kind, one in statements(node):
        if kind == "observation" and (made := _instance(one, endpoints, c)):
            instances.append(made)
    return clean({
        "uid": root,
        "modality": modality,
        "started": start(node.one("effectiveTime"), c),
        "description": next((n["text"] for n in note_of(node, c)), None),
        "endpoint": list(endpoints.values()),
        "instance": instances,
    })  # fmt: skip


def _instance(node: Node, endpoints: dict[str, Element], c: Context) -> Element | None:
    found, code = node.one("id"), node.one("code")
    root = uid(found.attr("root")) if found is not None else None
    kind = uid(code.attr("code")) if code is not None else None
    if root is None or code is None or kind is None:
        c.issue(node, "the instance has no UID or no SOP class: it is kept in the document only", "no-uid")
        return None
    text = node.one("text", "reference")
    where = text.attr("value") if text is not None else None
    if where and "://" in where:
        _endpoint(where, endpoints, c)
    elif text is not None:
        text.leave("*dangling")
    node.leave("*container", "statusCode", "effectiveTime", "@moodCode")
    code.leave("*uid", "@codeSystem")
    named = cd_concept(code, c.words) or {}
    title = named.get("text") or code.attr("displayName")
    sop = {"system": "urn:ietf:rfc:3986", "code": keep(f"urn:oid:{kind}", kind), "display": code.attr("displayName")}
    return clean({"uid": root, "sopClass": clean(sop), "title": title})


def _endpoint(where: str, endpoints: dict[str, Element], c: Context) -> None:
    """Where the images are to be had: one Endpoint an address, whatever the number of instances."""
    base, rest, _ = where.partition("/studies/")
    kind = "dicom-wado-rs" if rest else "dicom-wado-uri"
    address = keep(base if rest else where.partition("?")[0], where)
    reference = c.describe({
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"system": _CONNECTION, "code": kind},
        "payloadType": [_DICOM],
        "payloadMimeType": ["application/dicom"],
        "address": address,
    }, ("urn:oncohub:endpoint", str(address)), Rank.MENTION)  # fmt: skip
    endpoints.setdefault(reference["reference"], reference)


# --- the act


def technique(node: Node, c: Context) -> Element | None:
    """E~153: what was done, where, with which modality."""
    return imaging_procedure(node, c, "technique")


def exposure(node: Node, c: Context) -> Element | None:
    """E~165: that the patient was exposed, and who authorised it."""
    return imaging_procedure(node, c, "inside")


def imaging_procedure(node: Node, c: Context, word: str, used: list[Element] | None = None) -> Element | None:
    """An act of a signed imaging report: done, unless it says otherwise.

    :param used: what the participants are, where they are no more than kinds of devices; of what is read then, so that
        it was done whatever the mood says.
    """
    if used is not None:
        node.leave("*read", "@moodCode")
    elif not happened(node, c):
        return None
    code = concept_of(node.one("code"), c)
    if not code:
        return None
    methods = [x for one in node.all("methodCode") if (x := concept_of(one, c))]
    return c.add(clean({
        "resourceType": "Procedure",
        "extension": c.link(node)
        + [{"url": METHOD, "valueCodeableConcept": x} for x in methods]
        + (actors(node, c) if used is None else []),
        "identifier": identifiers(node),
        "status": status_of(node, "Procedure") if node.one("statusCode") is not None else "completed",
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c, "performed"),
        "performer": [{"actor": p} for p in performers(node, c)],
        "bodySite": sites_of(node, c),
        "usedCode": used,
        "note": note_of(node, c) + comments(node, c),
    }), own_coding(node) or "", word)  # fmt: skip


def sites_of(node: Node, c: Context) -> list[Element]:
    """Every targetSiteCode with its side."""
    return [x for one in node.all("targetSiteCode") if (x := body_site(one, laterality(one), c))]


def quantity(node: Node, c: Context) -> Element | None:
    """E~154: a quantity of exposure to radiation."""
    reference = add_observation(node, c, "dose", category=[IMAGING])
    if reference is not None:
        c.made.setdefault("inside", []).append(reference)
    return reference
