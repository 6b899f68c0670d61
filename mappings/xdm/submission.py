"""SubmissionSet to List.

IHE MHD 4.2 §3.65.4.1.2.2 (SubmissionSet List); ANS PDSm 3.1.1, pdsm-submissionset-comprehensive.
"""

from __future__ import annotations

import re

from hub.fhir.draft import Draft, Rank
from hub.source.ebrim import RegistryObject

from ..shape import URI_SYSTEM, Element, clean, keep
from .forms import code_concept, dtm, xcn_person, xon_organization

_MHD = "https://profiles.ihe.net/ITI/MHD/"
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F-]{36}")


def add_submission(
    told: RegistryObject, documents: list[Element], subject: Element | None, draft: Draft
) -> Element | None:
    """The List of what was sent together; None when the set has no identifier to know it by."""
    unique = told.identifier("uniqueId")
    if not unique:
        draft.warn("XDSSubmissionSet.uniqueId", "missing: the submission is not kept as a List", "101")
        return None
    identity = (URI_SYSTEM, keep(f"urn:oid:{unique}", unique))
    source = told.identifier("sourceId")
    sender = {"value": keep(f"urn:oid:{source}", source)} if source else None
    kind = code_concept(told.code("contentType"))
    authors = [
        a
        for code in told.all("author")
        for a in (xcn_person(next(iter(code.slots.get("authorPerson", ())), "")),
                  xon_organization(next(iter(code.slots.get("authorInstitution", ())), "")))
        if a
    ]  # fmt: skip
    made = clean({
        "resourceType": "List",
        "extension": [x for x in (
            {"url": f"{_MHD}StructureDefinition/ihe-designationType", "valueCodeableConcept": kind} if kind else None,
            {"url": f"{_MHD}StructureDefinition/ihe-sourceId", "valueIdentifier": sender} if sender else None,
        ) if x],
        "identifier": [
            {"use": "usual", "system": identity[0], "value": identity[1]},
            *([{"use": "official", "system": URI_SYSTEM, "value": told.id}] if _UUID.fullmatch(told.id) else []),
        ],
        "status": "current",
        "mode": "working",
        "title": told.title,
        "code": {"coding": [{"system": f"{_MHD}CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": subject,
        "date": dtm(told.slot("submissionTime")),
        "source": authors[0] if authors else None,
        "note": [{"text": told.comments}] if told.comments else None,
        "entry": [{"item": {"reference": d["reference"]}} for d in documents],
    })  # fmt: skip
    return draft.add(made, identity, rank=Rank.DOCUMENT)
